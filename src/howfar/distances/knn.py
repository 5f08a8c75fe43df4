"""Compute the distance of each image from its k nearest images in the primary dataset."""

import math
import operator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_pair
from howfar.distances.pairwise_distances import PAIRS_PER_TILE, distance_blocks
from howfar.errors import InputError

Statistic = Literal["mean", "kth"]
_MOST_PAIRS = 1 << 18
"""Distances at once: sorting them takes five times their bytes."""


def knn(
    s: ArrayLike, p: ArrayLike, k: int = 5, *, statistic: Statistic = "mean", pairs_per_tile: int = PAIRS_PER_TILE
) -> Float64Array:
    """Compute the kNN distance of each image of S from P: the mean (1/k) Σ_{i ≤ k} d_(i)(s_j), or the k-th distance d_(k)(s_j).

    d_(1) ≤ d_(2) ≤ … are the sorted distances of s_j from all images of P. The k-th distance is the score of Sun, Ming, Zhu &
    Li, "Out-of-distribution detection with deep nearest neighbors" (ICML 2022), there on normalised features, here on the
    projected ones; the mean of the k nearest depends less on a single neighbour and is the default. Unlike I^dist, both are
    long between two clusters of P.

    `s` and `p` are (m, z) and (n, z) features; `statistic` is "mean" or "kth"; at most `pairs_per_tile` distances (and at least
    one row) are computed at once. Returns (m,) float64, in the unit of the features; 0 for an image that P holds k times.
    Raises `InputError` for features that `howfar.arrays.as_pair` refuses, k outside 1 to n, or an unknown statistic.

    Examples
    --------
    >>> knn([[0.0], [9.0]], [[1.0], [3.0], [9.0]], k=2).tolist()
    [2.0, 3.0]
    >>> knn([[0.0], [9.0]], [[1.0], [3.0], [9.0]], k=2, statistic="kth").tolist()
    [3.0, 6.0]
    """
    if statistic not in ("mean", "kth"):
        raise InputError.of("statistic", "must be 'mean' or 'kth'", statistic)
    nearest = neighbours(s, p, k, pairs_per_tile=pairs_per_tile).distances
    return nearest.mean(axis=1) if statistic == "mean" else nearest[:, -1]


class Neighbours(NamedTuple):
    """Hold each image's nearest images in the primary dataset: rows and distances, nearest first."""

    rows: NDArray[np.int64]
    distances: Float64Array


def neighbours(s: ArrayLike, p: ArrayLike, k: int = 5, *, pairs_per_tile: int = PAIRS_PER_TILE) -> Neighbours:
    """Find the k nearest images in P of each image of S, (m, k); ties go to the first, and the rest is as in `knn`."""
    secondary, primary = as_pair(s, p)
    try:
        count = operator.index(k)
    except TypeError as error:
        raise InputError.of("k", "must be a whole number", k, "pass 5") from error
    most = len(primary)
    if not 1 <= count <= most:
        raise InputError.of("k", f"must be at least 1 and at most the images of p ({most})", k, f"pass k = {min(5, most)}")
    # Groups of columns, so that only the minima of the groups and the columns of k groups are sorted.
    width = math.isqrt(most // count)
    starts, within = np.arange(0, most, width), np.arange(width)
    found, distances = [], []
    for _, _, d in distance_blocks(secondary, primary, min(pairs_per_tile, _MOST_PAIRS)):
        # The k nearest lie in the k groups with the smallest minima; of equal minima the first groups suffice, as in ties.
        groups = np.sort(_smallest(np.minimum.reduceat(d, starts, axis=1), count), axis=1)
        columns = (groups[:, :, None] * width + within).reshape(len(d), -1)
        near = np.where(columns < most, np.take_along_axis(d, np.minimum(columns, most - 1), axis=1), np.inf)
        order = _smallest(near, count)
        found.append(np.take_along_axis(columns, order, axis=1))
        distances.append(np.take_along_axis(near, order, axis=1))
    return Neighbours(np.concatenate(found), np.concatenate(distances))


def _smallest(values: Float64Array, count: int) -> NDArray[np.int64]:
    """Return the columns of the `count` smallest values of each row, ascending; of equal values the first."""
    return np.argsort(values, axis=1, kind="stable")[:, :count]
