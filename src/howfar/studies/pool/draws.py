"""Draw photographs and trainings anew, the same photographs for all models, and score every model in every draw."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array, quotient
from howfar.metrics import f_per_image, threshold_index
from howfar.significance import interval
from howfar.significance.bootstrap import resample_counts
from howfar.studies.pool.counted_maps import Counted, Trained

MEAN_F, PRECISION, RECALL = "mean_f", "precision", "recall"
MEASURES = (MEAN_F, PRECISION, RECALL)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Hold every model's scores as measured and in each draw.

    Attributes
    ----------
    models, shots, datasets
        The axes' names.
    values
        By measure (mean F, precision and recall, at each training's own threshold) an array (models, shots, datasets, 1 + b):
        first the measured value, the mean over seeds, then that of each of b draws. NaN where undefined.
    seeds
        By measure the value of each seed as measured, (models, shots, datasets, seeds).
    """

    models: tuple[str, ...]
    shots: tuple[int, ...]
    datasets: tuple[str, ...]
    values: Mapping[str, Float64Array]
    seeds: Mapping[str, Float64Array]

    def at(self, measure: str, shots: int, datasets: Sequence[str]) -> Float64Array:
        """Return a measure of the models with so many shots on some datasets, (models, datasets, 1 + b)."""
        places = [self.datasets.index(name) for name in datasets]
        return np.asarray(self.values[measure][:, self.shots.index(shots)][:, places])


def draw_scores(counted: Sequence[Counted], thresholds: Mapping[Trained, float], bootstrap: int, seed: int) -> Drawn:
    """Score all models on each dataset, as measured and in every draw of photographs and trainings.

    A draw takes as many photographs of a dataset as there are, with replacement, each with all its images, the same for all
    models. Where a model was trained with k seeds it takes k of them with replacement, each model for itself, as trainings of
    different models have nothing in common; its deviation from the mean over all seeds is multiplied by √(k/(k − 1)), as the
    variance of such draws falls short by that. With one seed the trainings' own variation is unknown, and none is drawn.

    Parameters
    ----------
    counted
        The pixel counts of each dataset.
    thresholds
        By training its own threshold.
    bootstrap
        How many draws.
    seed
        Of the draws.
    """
    models = tuple(dict.fromkeys(training.model for training in thresholds))
    shots = tuple(sorted({training.shots for training in thresholds}))
    seeds = {model: sorted({training.seed for training in thresholds if training.model == model}) for model in models}
    most = max(map(len, seeds.values()))
    shape = (len(models), len(shots), len(counted))
    values = {measure: np.full((*shape, 1 + bootstrap), np.nan) for measure in MEASURES}
    by_seed = {measure: np.full((*shape, most), np.nan) for measure in MEASURES}
    trained = {model: _seed_weights(model, len(seeds[model]), bootstrap, seed) for model in models}
    for d, dataset in enumerate(counted):
        weights = _photograph_weights(dataset, bootstrap, seed)
        for m, model in enumerate(models):
            for q, count in enumerate(shots):
                names = [Trained(model, count, each) for each in seeds[model]]
                scores = [_scores(dataset, name, thresholds[name], weights) for name in names]
                for measure, rows in zip(MEASURES, map(np.stack, zip(*scores, strict=True)), strict=True):
                    by_seed[measure][m, q, d, : len(names)] = rows[:, 0]
                    values[measure][m, q, d] = _over_seeds(rows, trained[model])
    return Drawn(models, shots, tuple(dataset.dataset for dataset in counted), values, by_seed)


def ends(draws: Float64Array) -> tuple[float, float]:
    """Return the 95 % percentile interval of draws; NaN and NaN where none is defined."""
    return interval(draws) if np.isfinite(draws).any() else (float("nan"), float("nan"))


def _photograph_weights(dataset: Counted, bootstrap: int, seed: int) -> Float64Array:
    """Count how often each image is in each draw, (1 + b, n); the first row takes every image once."""
    names, places = np.unique(np.asarray(dataset.photographs, dtype=object).astype(str), return_inverse=True)
    rng = np.random.default_rng([seed, zlib.crc32(dataset.dataset.encode()), 6])
    drawn = resample_counts(len(names), bootstrap, rng).T[:, places.ravel()]
    return np.concatenate([np.ones((1, len(places))), drawn])


def _seed_weights(model: str, count: int, bootstrap: int, seed: int) -> Float64Array:
    """Draw by how much each seed counts in each draw, (1 + b, k), every row adding to 1; the first weighs them alike."""
    alike = np.full((1 + bootstrap, count), 1 / count)
    if count < 2:
        return alike
    drawn = resample_counts(count, bootstrap, np.random.default_rng([seed, zlib.crc32(model.encode()), 7])).T / count
    alike[1:] += np.sqrt(count / (count - 1)) * (drawn - 1 / count)
    return alike


def _scores(
    dataset: Counted, training: Trained, threshold: float, weights: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Compute mean F of the images, and precision and recall of the summed counts, in every draw, (1 + b,) each."""
    counts, at = dataset.counts[training], threshold_index(threshold)
    own = f_per_image(counts)[:, at]
    defined = np.isfinite(own)
    mean_f = quotient(weights @ np.where(defined, own, 0.0), weights @ defined)
    precision = quotient(weights @ counts.hits_predicted[:, at], weights @ counts.predicted[:, at])
    recall = quotient(weights @ counts.hits_true[:, at], weights @ counts.true)
    return mean_f, precision, recall


def _over_seeds(rows: Float64Array, weights: Float64Array) -> Float64Array:
    """Average the seeds' scores, (k, 1 + b), by the draws' weights, and keep the result a share."""
    return np.asarray(np.clip(np.einsum("kb,bk->b", rows, weights), 0.0, 1.0))
