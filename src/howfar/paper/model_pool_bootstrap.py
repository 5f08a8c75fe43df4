"""Score all models of a pool on the same bootstrap resamples of images, from the pixel counts of their probability maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array, quotient
from howfar.data.masks import read_mask
from howfar.data.prediction_maps import read_prediction
from howfar.errors import ImageError, InputError
from howfar.metrics import Counts, count, f_per_image, stack, threshold_index
from howfar.progress import bar
from howfar.random_streams import stream
from howfar.results.adaptation_result import BASELINE, Adaptation
from howfar.runners import LocalRunner
from howfar.significance.bootstrap import resample_counts
from howfar.tasks.map_scores_and_signals import resized


class Trained(NamedTuple):
    """Identify a training: the pool's model, the number of images of each secondary, and the seed."""

    model: str
    shots: int
    seed: int


@dataclass(frozen=True, eq=False)
class Counted:
    """Hold a dataset's images that all trainings were scored on, with every training's pixel counts in their order.

    `photographs` names the photograph of each image. `left_out` images are those that some training was not scored on, as one
    of the models learnt from their photographs.
    """

    dataset: str
    images: tuple[str, ...]
    photographs: tuple[str, ...]
    left_out: int
    counts: Mapping[Trained, Counts]


def trainings(study: Adaptation, strategy: str) -> pd.DataFrame:
    """Return the compared models' rows of `Adaptation.models`, with the `Trained` of each in the column training.

    For every segmenter: unadapted, then by shots, in all seeds. Those with background are left out, as are the further seeds of
    random, which other strategies lack.
    """
    rows = study.models[study.models["seed"].isin(study.settings["seeds"])]
    rows = rows[(rows["model"] == BASELINE) | ((rows["strategy"] == strategy) & (rows["background"] == 0))]
    rows = rows.assign(place=rows["segmenter"].map(study.segmenters.index))
    rows = rows.sort_values(["place", "shots", "seed"], kind="stable")
    keys = zip(rows["segmenter"], rows["shots"].tolist(), rows["seed"].tolist(), strict=True)
    return rows.assign(training=pd.Series([Trained(*key) for key in keys], index=rows.index, dtype=object))


def count_maps(study: Adaptation, folder: Path, strategy: str, datasets: Sequence[str], *, progress: bool) -> list[Counted]:
    """Count the maps of every training, dataset by dataset, on the images with masks scored by all trainings.

    Each model of the pool chose images of its own by its own distances, and was scored on the others. What one of them was not
    scored on is left out for all, so that no model is compared on easier images than another. The maps lie below `folder`, in a
    folder of each segmenter.
    """
    images, compared = study.images[study.images["mask"] != ""], trainings(study, strategy)
    files = [str(folder / name / file) for name, file in zip(images["segmenter"], images["map"], strict=True)]
    groups = dict(tuple(images.assign(map=files).groupby(["segmenter", "model", "seed", "dataset"])))
    keys = compared[["segmenter", "model", "seed"]].itertuples(index=False, name=None)
    labels = dict(zip(compared["training"], keys, strict=True))
    counted = []
    for dataset in datasets:
        rows = {training: groups.get((*key, dataset), images[:0]) for training, key in labels.items()}
        counted.append(_counted(dataset, rows, study.settings.get("score_size"), progress))
    return counted


def _counted(dataset: str, files: Mapping[Trained, pd.DataFrame], side: int | None, progress: bool) -> Counted:
    by_image = {training: rows.set_index("image") for training, rows in files.items()}
    every = dict.fromkeys(name for rows in by_image.values() for name in rows.index)
    shared = [name for name in every if all(name in rows.index for rows in by_image.values())]
    if not shared:
        remedy = "choose fewer images in the study of adaptation"
        raise InputError.of(f"dataset {dataset}", "must hold an image that all models were scored on", "none", remedy)
    first = next(iter(by_image.values())).loc[shared]
    maps = zip(*(rows.loc[shared, "map"] for rows in by_image.values()), strict=True)
    tasks = list(zip(first["mask"], maps, strict=True))
    shown = bar(
        LocalRunner().run(partial(_count, side=side), tasks),
        progress=progress,
        total=len(tasks),
        unit="image",
        desc=f"counting {dataset}",
    )
    by_training = zip(*shown, strict=True)
    return Counted(
        dataset=dataset,
        images=tuple(shared),
        photographs=tuple(first["photograph"].astype(str)),
        left_out=len(every) - len(shared),
        counts={training: stack(counts) for training, counts in zip(by_image, by_training, strict=True)},
    )


def _count(task: tuple[str, Sequence[str]], side: int | None) -> list[Counts]:
    """Count all maps of an image against its mask, which is read once, at the size of the study's scores."""
    place, maps = task
    try:
        truth, counts = read_mask(place), []
        for place in maps:
            counts.append(count(*resized(read_prediction(place).values, truth, side)))
    except (ImageError, InputError) as error:
        raise InputError.of("map or mask", "must be readable", place, f"{error}: run the study of adaptation again") from error
    return counts


MEAN_F, PRECISION, RECALL = "mean_f", "precision", "recall"
MEASURES = (MEAN_F, PRECISION, RECALL)


@dataclass(frozen=True, eq=False)
class ResampledScores:
    """Hold every model's scores as measured and in each draw; NaN where undefined.

    By measure (mean F, precision and recall, at each training's own threshold) `values` (models, shots, datasets, 1 + b) are
    first the measured value, the mean over seeds, then that of each of b draws; `seeds` (models, shots, datasets, seeds) are
    the measured values of each seed.
    """

    models: tuple[str, ...]
    shots: tuple[int, ...]
    datasets: tuple[str, ...]
    values: Mapping[str, Float64Array]
    seeds: Mapping[str, Float64Array]

    def at(self, measure: str, shots: int, datasets: Sequence[str]) -> Float64Array:
        """Return a measure of the models at a number of shots on some datasets, (models, datasets, 1 + b)."""
        places = [self.datasets.index(name) for name in datasets]
        return np.asarray(self.values[measure][:, self.shots.index(shots)][:, places])

    def mean_f(self, datasets: Sequence[str]) -> Float64Array:
        """Return the mean of mean F over some datasets, (models, shots, 1 + b)."""
        return np.stack([self.at(MEAN_F, shots, datasets).mean(axis=1) for shots in self.shots], axis=1)

    @property
    def fewest(self) -> int:
        """Return the smallest number of shots above 0."""
        return min(count for count in self.shots if count)


def draw_scores(counted: Sequence[Counted], thresholds: Mapping[Trained, float], bootstrap: int, seed: int) -> ResampledScores:
    """Score all models on each dataset, as measured and in every draw of photographs and trainings.

    A draw takes as many photographs of a dataset as there are, with replacement, each with all its images, the same for all
    models. Where a model was trained with k seeds it takes k of them with replacement, each model for itself, as trainings of
    different models have nothing in common; its deviation from the mean over all seeds is multiplied by √(k/(k − 1)), as the
    variance of such draws falls short by that. With one seed the trainings' own variation is unknown, and none is drawn.
    """
    models = tuple(dict.fromkeys(training.model for training in thresholds))
    shots = tuple(sorted({training.shots for training in thresholds}))
    seeds = {model: sorted({training.seed for training in thresholds if training.model == model}) for model in models}
    most = max(map(len, seeds.values()))
    shape = (len(models), len(shots), len(counted))
    values = {measure: np.full((*shape, 1 + bootstrap), np.nan) for measure in MEASURES}
    by_seed = {measure: np.full((*shape, most), np.nan) for measure in MEASURES}
    # Each seed's weight in each draw, (1 + b, k), rows summing to 1; the first row has equal weights.
    trained = {model: np.full((1 + bootstrap, len(own)), 1 / len(own)) for model, own in seeds.items()}
    for model, own in trained.items():
        k = own.shape[1]
        if k > 1:
            shares = resample_counts(k, bootstrap, stream(seed, "resamples of a pool", model)).T / k
            own[1:] += np.sqrt(k / (k - 1)) * (shares - 1 / k)

    for d, dataset in enumerate(counted):
        # Each image's count in each draw, (1 + b, n); the first row counts every image once.
        photographs, places = np.unique(np.asarray(dataset.photographs, dtype=object).astype(str), return_inverse=True)
        taken = resample_counts(len(photographs), bootstrap, stream(seed, "draws of a pool", dataset.dataset)).T
        weights = np.concatenate([np.ones((1, len(places))), taken[:, places.ravel()]])
        for m, model in enumerate(models):
            for q, shot in enumerate(shots):
                names = [Trained(model, shot, each) for each in seeds[model]]
                scores = [_scores(dataset, name, thresholds[name], weights) for name in names]
                for measure, rows in zip(MEASURES, map(np.stack, zip(*scores, strict=True)), strict=True):
                    by_seed[measure][m, q, d, : len(names)] = rows[:, 0]
                    values[measure][m, q, d] = np.clip(np.einsum("kb,bk->b", rows, trained[model]), 0.0, 1.0)
    return ResampledScores(models, shots, tuple(dataset.dataset for dataset in counted), values, by_seed)


def _scores(
    dataset: Counted, training: Trained, threshold: float, weights: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Compute images' mean F, and precision and recall of summed counts, in every draw, (1 + b,) each."""
    counts, at = dataset.counts[training], threshold_index(threshold)
    own = f_per_image(counts)[:, at]
    defined = np.isfinite(own)
    mean_f = quotient(weights @ np.where(defined, own, 0.0), weights @ defined)
    precision = quotient(weights @ counts.hits_predicted[:, at], weights @ counts.predicted[:, at])
    recall = quotient(weights @ counts.hits_true[:, at], weights @ counts.true)
    return mean_f, precision, recall
