"""Find the predictions of each dataset, or make a segmenter's maps: as they are, mirrored, and by tiles of large images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from howfar.data import Dataset
from howfar.data.images import size
from howfar.data.predictions import match_maps
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.pipeline.image_sizes import LARGER
from howfar.pipeline.prediction import Model, predict
from howfar.studies.assessment.tasks import (
    FLIPPED,
    FOLDER,
    SEGMENTATION,
    TILED,
    TRUTHS,
    Predictions,
    Task,
    coco_categories,
    find,
)


class Source(Protocol):
    """Give the predictions of several datasets."""

    def of(self, datasets: Sequence[Dataset]) -> list[Predictions]:
        """Return where each dataset's predictions lie, in the order of the datasets."""
        ...


def folder_of(dataset: str) -> str:
    """Write a dataset's name as that of a folder.

    Examples
    --------
    >>> folder_of("roads"), folder_of("site a/2024")
    ('roads', 'site a-2024')
    """
    name = dataset.translate(str.maketrans("/\\\0", "---"))
    return name if name.strip(".") else name.replace(".", "-")


def check_folders(datasets: Sequence[Dataset], task: Task = SEGMENTATION) -> None:
    """Raise `InputError` where the predictions of two datasets would lie in one place."""
    names = [f"{folder_of(dataset.name)}{ending}" for dataset in datasets for ending in ("", *task.further)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        rule = "must have names whose predictions lie in places of their own"
        raise InputError.of("sites", rule, twice[0], "name them as NAME=PATH")


@dataclass(frozen=True)
class GivenPredictions:
    """Find predictions that somebody made: DIR/NAME or a file DIR/NAME.csv, as the task has it, and DIR/NAME-flipped.

    `truth` is the folder in which true boxes lie in the same way, None where there is none. With `named` the classes have
    names, and COCO's are not looked for.
    """

    folder: Path
    task: Task = SEGMENTATION
    truth: Path | None = None
    named: bool = False

    def of(self, datasets: Sequence[Dataset]) -> list[Predictions]:
        """Find the predictions of each dataset, and see that folders of maps hold maps of it.

        Raises `MissingPathError` where a dataset has none, `InputError` where no map is of one of its images.
        """
        return [self.one(dataset) for dataset in datasets]

    def one(self, dataset: Dataset) -> Predictions:
        """Find the predictions of a dataset; raises as `of`."""
        name, main = folder_of(dataset.name), self._main(dataset)
        endings = self.task.endings
        further = {other: find(self.folder, f"{name}{other}", endings, "predictions") for other in self.task.further}
        if endings == (FOLDER,):
            for folder in (main, *further.values()):
                if folder is not None:
                    match_maps(dataset, folder)
        truth = None if self.truth is None else find(self.truth, name, TRUTHS, "truth")
        truth, categories = coco_categories(truth, main)
        return Predictions(main, further.get(FLIPPED), further.get(TILED), truth, None if self.named else categories)

    def _main(self, dataset: Dataset) -> Path:
        name = folder_of(dataset.name)
        found = find(self.folder, name, self.task.endings, "predictions")
        if found is not None:
            return found
        places = [f"{self.folder / name}{ending}" for ending in self.task.endings]
        if self.task.endings == (FOLDER,):
            line = f"no folder {places[0]}: put the maps of {dataset.name} there, one for each image"
        else:
            line = f"none of {dataset.name}: put them at {' or '.join(places)}"
        raise MissingPathError(f"predictions: {line}")


@dataclass(frozen=True)
class MadeMaps:
    """Predict maps by a model into a folder, where maps that are there already are kept.

    Whole images are also predicted by tiles where those of some dataset are much larger than the first one's, which the model
    learnt from: whether the two agree says then whether the images are made too small. The others are predicted so too, to
    know how far the two agree on images that the model knows.
    """

    model: Model
    folder: Path
    progress: bool

    def of(self, datasets: Sequence[Dataset]) -> list[Predictions]:
        """Predict every dataset as it is and mirrored, and by tiles where that may matter.

        Raises `HowfarError` where no image of a dataset can be read.
        """
        made = [self._made(dataset, self.model, "") for dataset in datasets]
        flipped = [self._made(dataset, self.model, FLIPPED, mirrored=True) for dataset in datasets]
        tiled: list[Path | None] = [None] * len(datasets)
        if not self.model.predictor.tiled and self._large(datasets, made):
            by_tiles = _by_tiles(self.model)
            tiled = [self._made(dataset, by_tiles, TILED) for dataset in datasets]
        return [Predictions(*folders) for folders in zip(made, flipped, tiled, strict=True)]

    def _made(self, dataset: Dataset, model: Model, ending: str, *, mirrored: bool = False) -> Path:
        folder = self.folder / f"{folder_of(dataset.name)}{ending}"
        return predict(model, dataset, folder, flipped=mirrored, progress=self.progress).folder

    def _large(self, datasets: Sequence[Dataset], folders: Sequence[Path]) -> bool:
        sides = [_side(dataset, folder) for dataset, folder in zip(datasets, folders, strict=True)]
        return any(side > LARGER * sides[0] for side in sides[1:])


def _by_tiles(model: Model) -> Model:
    return replace(
        model,
        predictor=replace(model.predictor, tiled=True),
        identity={**model.identity, "size": model.predictor.size, "tiled": True},
    )


def _side(dataset: Dataset, folder: Path) -> float:
    """Compute the median side, √(width · height), of a dataset's images, from the headers of their maps."""
    sides = []
    for file in match_maps(dataset, folder).files.values():
        try:
            width, height = size(file)
        except ImageError as error:
            raise InputError(f"{file} cannot be read ({error}): remove it, and it is made anew") from error
        sides.append(np.sqrt(width * height))
    return float(np.median(sides))


def labelled_part(dataset: Dataset, found: Predictions, task: Task) -> Dataset:
    """Leave out the images of the primary dataset that have no label; `InputError` where none has one."""
    labelled = task.labelled(dataset, found)
    if not labelled.items:
        raise InputError.of("primary", f"must have {task.truth}", f"{dataset.name} without any", task.labelling)
    return labelled
