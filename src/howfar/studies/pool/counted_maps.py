"""Count the pixels of several models' maps on the images that all of them were scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from howfar.data.masks import read_mask
from howfar.data.predictions import read_prediction
from howfar.errors import ImageError, InputError
from howfar.metrics import Counts, count, stack
from howfar.progress import bar
from howfar.results.adaptation import BASELINE, Adaptation
from howfar.runners import LocalRunner


class Trained(NamedTuple):
    """Name one training: the model of the pool, the number of images of each secondary that it learnt from, and the seed."""

    model: str
    shots: int
    seed: int


@dataclass(frozen=True, eq=False)
class Counted:
    """Hold one dataset's images that all trainings were scored on, and every training's pixel counts of them.

    Attributes
    ----------
    dataset
        Its name.
    images, photographs
        (n,) names of the images, and of the photograph that each belongs to.
    left_out
        How many images some training was not scored on, as one of the models learnt from their photographs.
    counts
        By training the counts of the n images, in their order.
    """

    dataset: str
    images: tuple[str, ...]
    photographs: tuple[str, ...]
    left_out: int
    counts: Mapping[Trained, Counts]


def trainings(model: str, adaptation: Adaptation, strategy: str) -> dict[Trained, str]:
    """List a model's trainings that are compared, with their labels in the study: without images, then by shots, in all seeds.

    Those with background are left out, as are the further seeds of random, which other strategies lack.
    """
    rows = adaptation.models[adaptation.models["seed"].isin(adaptation.settings["seeds"])]
    kept = (rows["model"] == BASELINE) | ((rows["strategy"] == strategy) & (rows["background"] == 0))
    ordered = rows[kept].sort_values(["shots", "seed"], kind="stable")
    return {Trained(model, int(row["shots"]), int(row["seed"])): str(row["model"]) for row in ordered.to_dict("records")}


def count_maps(
    studies: Mapping[str, Adaptation], folders: Mapping[str, Path], strategy: str, datasets: Sequence[str], *, progress: bool
) -> list[Counted]:
    """Count the maps of every training, dataset by dataset, on the images with a mask that all of them were scored on.

    Each model of the pool chose images of its own by its own distances, and was scored on the others. What one of them was
    not scored on is left out for all, so that no model is compared on easier images than another.

    Parameters
    ----------
    studies, folders
        By model its adaptation study, and the folder below which its maps lie.
    strategy
        The strategy whose models are compared.
    datasets
        The datasets with masks.

    Raises
    ------
    InputError
        A dataset without an image that all were scored on; a map or mask that cannot be read, or two of different size.
    """
    labels = {model: trainings(model, study, strategy) for model, study in studies.items()}
    rows = {model: _by_training(study, labels[model]) for model, study in studies.items()}
    counted = []
    for dataset in datasets:
        files: dict[Trained, pd.DataFrame] = {}
        for model in studies:
            own = rows[model][rows[model]["dataset"] == dataset]
            for training, label in labels[model].items():
                of_training = own[(own["model"] == label) & (own["seed"] == training.seed)]
                files[training] = of_training.assign(map=[str(folders[model] / file) for file in of_training["map"]])
        counted.append(_counted(dataset, files, progress))
    return counted


def _by_training(study: Adaptation, labels: Mapping[Trained, str]) -> pd.DataFrame:
    """Return the rows of images with a mask, of the trainings that are compared."""
    images = study.images
    return images[images["model"].isin(set(labels.values())) & (images["mask"] != "")]


class _Task(NamedTuple):
    mask: str
    maps: tuple[str, ...]


def _counted(dataset: str, files: Mapping[Trained, pd.DataFrame], progress: bool) -> Counted:
    by_image = {training: rows.set_index("image") for training, rows in files.items()}
    every = dict.fromkeys(name for rows in by_image.values() for name in rows.index)
    shared = [name for name in every if all(name in rows.index for rows in by_image.values())]
    if not shared:
        remedy = "choose fewer images in the study of adaptation"
        raise InputError.of(f"dataset {dataset}", "must hold an image that all models were scored on", "none", remedy)
    first = next(iter(by_image.values())).loc[shared]
    maps = zip(*(rows.loc[shared, "map"] for rows in by_image.values()), strict=True)
    tasks = [_Task(mask, own) for mask, own in zip(first["mask"], maps, strict=True)]
    shown = bar(LocalRunner().run(_count, tasks), progress=progress, total=len(tasks), unit="image", desc=f"counting {dataset}")
    by_training = zip(*shown, strict=True)
    return Counted(
        dataset=dataset,
        images=tuple(shared),
        photographs=tuple(first["photograph"].astype(str)),
        left_out=len(every) - len(shared),
        counts={training: stack(counts) for training, counts in zip(by_image, by_training, strict=True)},
    )


def _count(task: _Task) -> list[Counts]:
    """Count all maps of one image against its mask, which is read once."""
    place = task.mask
    try:
        truth = read_mask(task.mask)
        counts = []
        for place in task.maps:
            counts.append(count(read_prediction(place).values, truth))
    except (ImageError, InputError) as error:
        raise InputError.of("map or mask", "must be readable", place, f"{error}: run the study of adaptation again") from error
    return counts
