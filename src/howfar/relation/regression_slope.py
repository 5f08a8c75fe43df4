"""Compute the least-squares slope of performance on distance for bootstrap resamples, and its jackknife error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from howfar.arrays import Float64Array, quotient
from howfar.relation.distance_performance_points import Points

_CONSTANT = 1e-12


def moments(points: Points) -> Float64Array:
    """Compute 1, x, y, x² and xy of each image, x and y less their means over the set: (m, 5).

    A set's sums of these over the images drawn add up over sets. Performances that differ by no more than rounding have a y of
    0: what is left of them is how their mean was rounded.
    """
    x, y = points.distances - points.distances.mean(), points.performance - points.performance.mean()
    if np.ptp(points.performance) <= _CONSTANT * np.abs(points.performance).max():
        y = np.zeros(len(y))
    return np.stack([np.ones(len(x)), x, y, x * x, x * y], axis=1)


def centred(sums: Float64Array) -> Float64Array:
    """Compute the scatter of x, and of x with y, about the drawn images' means: (draws, 2) from (draws, 5) summed moments.

    A scatter of x that is no more than rounding is 0.
    """
    n, x, y, xx, xy = sums.T
    scatter = xx - x * x / n
    varies = scatter > _CONSTANT * xx
    return np.stack([np.where(varies, scatter, 0.0), np.where(varies, xy - x * y / n, 0.0)], axis=1)


def slope_of(sums: Float64Array) -> Float64Array:
    """Compute the slope from centred sums, Σ xy / Σ xx; NaN where all distances are equal."""
    xx, xy = sums.T
    return quotient(xy, xx)


def jackknife_error(sets: Sequence[Points]) -> float:
    """Compute the slope's standard error from leaving out one group at a time, within each set.

    √(Σ_sets (G − 1)/G Σ_groups (b₋ − mean b₋)²), G the groups of the set. A far group is left out together with its pull on the
    slope, of which the bootstrap sees too little, as most resamples contain the group. Source: Efron & Tibshirani, "An
    Introduction to the Bootstrap" (1993), chapter 11.
    """
    by_set = [_group_moments(points) for points in sets]
    whole = [centred(groups.sum(axis=0, keepdims=True)) for groups in by_set]
    everything = np.sum(whole, axis=0)
    variance = 0.0
    for groups, own in zip(by_set, whole, strict=True):
        left = everything - own + centred(groups.sum(axis=0) - groups)
        slopes = slope_of(left)
        slopes = slopes[np.isfinite(slopes)]
        variance += (len(groups) - 1) / len(groups) * float(np.sum((slopes - slopes.mean()) ** 2)) if len(slopes) else 0.0
    return float(np.sqrt(variance))


def _group_moments(points: Points) -> Float64Array:
    columns = moments(points).T
    return np.stack([np.bincount(points.groups, column, minlength=points.n_groups) for column in columns], axis=1)
