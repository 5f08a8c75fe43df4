"""The least-squares slope of performance on scaled distance as sums that add over sets, and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from howfar.arrays import Float64Array
from howfar.relation.dataset_points import Points

_CONSTANT = 1e-12


def moments(points: Points) -> Float64Array:
    """1, x, y, x² and xy of each image, x and y less their means over the set: (m, 5).

    Performances that differ by no more than rounding have a y of 0: what is left of them is how their mean was rounded.
    """
    x, y = points.distances - points.distances.mean(), points.performance - points.performance.mean()
    if np.ptp(points.performance) <= _CONSTANT * np.abs(points.performance).max():
        y = np.zeros(len(y))
    return np.stack([np.ones(len(x)), x, y, x * x, x * y], axis=1)


def centred(sums: Float64Array) -> Float64Array:
    """Scatter of x, and of x with y, about the means of what was drawn: (draws, 2) from (draws, 5) summed moments.

    Scatter of x that is no more than rounding is 0.

    Examples
    --------
    >>> centred(np.array([[2.0, 2.0, 6.0, 4.0, 8.0]])).tolist()
    [[2.0, 2.0]]
    """
    n, x, y, xx, xy = sums.T
    scatter = xx - x * x / n
    varies = scatter > _CONSTANT * xx
    return np.stack([np.where(varies, scatter, 0.0), np.where(varies, xy - x * y / n, 0.0)], axis=1)


def slope_of(sums: Float64Array) -> Float64Array:
    """Slope from centred sums, Σ xy / Σ xx; NaN where all distances are equal.

    Examples
    --------
    >>> slope_of(np.array([[2.0, 1.0], [0.0, 0.0]])).tolist()
    [0.5, nan]
    """
    xx, xy = sums.T
    slopes: Float64Array = np.divide(xy, xx, out=np.full(len(xx), np.nan), where=xx > 0.0)
    return slopes


def jackknife_error(sets: Sequence[Points]) -> float:
    """Standard error of the slope from leaving out one group at a time, within each set.

    √(Σ_sets (G − 1)/G Σ_groups (b₋ − mean b₋)²), G the groups of the set. A group far out is left out together with its
    pull, which is what the bootstrap, that leaves it in most resamples, sees too little of. Source: Efron & Tibshirani, "An
    Introduction to the Bootstrap" (1993), chapter 11.

    Examples
    --------
    >>> round(jackknife_error([Points.of([0.0, 0.5, 1.0], [0.0, 1.0, 0.5])]), 3)
    1.732
    """
    parts = [_group_moments(points) for points in sets]
    whole = [centred(part.sum(axis=0, keepdims=True)) for part in parts]
    everything = np.sum(whole, axis=0)
    variance = 0.0
    for part, own in zip(parts, whole, strict=True):
        left = everything - own + centred(part.sum(axis=0) - part)
        slopes = slope_of(left)
        slopes = slopes[np.isfinite(slopes)]
        variance += (len(part) - 1) / len(part) * float(np.sum((slopes - slopes.mean()) ** 2)) if len(slopes) else 0.0
    return float(np.sqrt(variance))


def _group_moments(points: Points) -> Float64Array:
    found = moments(points)
    return np.stack([np.bincount(points.groups, column, minlength=points.n_groups) for column in found.T], axis=1)
