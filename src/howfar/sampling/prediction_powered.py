"""Estimate a mean from a sample's measured values and predictions of all images, and how far it may be off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.sampling.sample import Sample

_UNSEEN_LABELS = 0.15
_LEAST = 2


class Powered(NamedTuple):
    """Hold an estimate of a mean with the variance of the estimate, its degrees of freedom, and the weight λ of predictions.

    `unseen` is what one label at distance 1 from the mean would add to the variance of the estimate.
    """

    value: float
    variance: float
    unseen: float
    freedom: float
    weight: float

    def interval(self, level: float, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
        """Return the ends of Student's t interval, each with a share of a label at that end of the range that was not drawn."""
        from scipy.special import stdtrit

        quantile = float(stdtrit(self.freedom, (1.0 + level) / 2.0))
        below, above = (
            quantile * float(np.sqrt(self.variance + _UNSEEN_LABELS * self.unseen * (end - self.value) ** 2))
            for end in (least, most)
        )
        return self.value - below, self.value + above


def prediction_powered(values: Float64Array, predicted: Float64Array, predicted_mean: float, sample: Sample) -> Powered:
    """Estimate the mean of a site: λ · mean prediction + Σ w_i (y_i − λ p_i), with the λ in [0, 1] that makes it most certain.

    values and predicted are (k,), in the sample's order: what was measured and what was predicted. `predicted_mean` is over all
    images of the site. w_i = 1 / (m π_i).
    """
    cells = _cells(sample)
    weights = sample.weights
    shares = np.array([weights[cell].sum() for cell in cells])
    counts = np.array([len(cell) for cell in cells], dtype=np.float64)
    unseen = np.array([1.0 - len(cell) / np.sum(1.0 / sample.probabilities[cell]) for cell in cells])
    scale = np.square(shares) * np.maximum(unseen, 0.0) / counts
    weight = _fitted_weight(
        [_centred(values, weights, cell) for cell in cells], [_centred(predicted, weights, cell) for cell in cells], scale
    )
    residuals = values - weight * predicted
    measured = np.array([_variance(_centred(residuals, weights, cell)) for cell in cells])
    measured *= _for_fitting(weight, len(values) - len(cells))
    variance = float(scale @ measured)
    value = weight * predicted_mean + float(weights @ residuals)
    return Powered(value, variance, float(scale.sum()) / len(values), _freedom(scale * measured, counts), weight)


def _for_fitting(weight: float, freedom: int) -> float:
    """Return what makes up for residuals that are smaller because λ was fitted to them: one degree of freedom."""
    return freedom / (freedom - 1) if weight > 0.0 and freedom > 1 else 1.0


def _cells(sample: Sample) -> list[NDArray[np.int64]]:
    """List the positions of each stratum's images; a stratum with a single one is joined with its neighbour.

    One image shows nothing of how its stratum varies. Joined strata vary more than each by itself, so that the variance is
    stated too large rather than too small (collapsed strata: Wolter, "Introduction to Variance Estimation" (2007), chapter 2).
    """
    cells: list[NDArray[np.int64]] = []
    for stratum in np.unique(sample.strata):
        cell = np.flatnonzero(sample.strata == stratum)
        if cells and _alone(cells[-1], sample):
            cells[-1] = np.concatenate([cells[-1], cell])
        else:
            cells.append(cell)
    if len(cells) > 1 and _alone(cells[-1], sample):
        last = cells.pop()
        cells[-1] = np.concatenate([cells[-1], last])
    return cells


def _alone(cell: NDArray[np.int64], sample: Sample) -> bool:
    """Return whether a cell has a single image, and is not wholly drawn."""
    return len(cell) < _LEAST and bool(sample.probabilities[cell[0]] < 1.0)


def _centred(x: Float64Array, weights: Float64Array, cell: NDArray[np.int64]) -> Float64Array:
    """Return a cell's deviations from its weighted mean, each times its weight over the cell's mean weight."""
    own, inside = weights[cell], x[cell]
    total = own.sum()
    deviations: Float64Array = own * (len(cell) / total) * (inside - own @ inside / total)
    return deviations


def _variance(deviations: Float64Array) -> float:
    return float(np.square(deviations).sum()) / max(1, len(deviations) - 1)


def _fitted_weight(values: list[Float64Array], predicted: list[Float64Array], scale: Float64Array) -> float:
    """Fit the λ that makes the estimate most certain: Σ scale cov(y, p) / Σ scale var(p) within cells, cut to [0, 1]."""
    parts = [(float(y @ p), float(p @ p)) for y, p in zip(values, predicted, strict=True)]
    freedoms = [max(1, len(y) - 1) for y in values]
    shared = sum(size * part[0] / freedom for size, part, freedom in zip(scale, parts, freedoms, strict=True))
    own = sum(size * part[1] / freedom for size, part, freedom in zip(scale, parts, freedoms, strict=True))
    return float(np.clip(shared / own, 0.0, 1.0)) if own > 0.0 else 0.0


def _freedom(variances: Float64Array, counts: Float64Array) -> float:
    """Count the degrees of freedom of a sum of variances (Satterthwaite, Biometrics Bull. 2 (1946))."""
    squares = float((np.square(variances) / np.maximum(counts - 1.0, 1.0)).sum())
    return max(1.0, float(variances.sum()) ** 2 / squares) if squares > 0.0 else 1.0
