"""Compute the distance of each image from its k nearest images in the primary dataset."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, FloatArray, as_features, as_pair
from howfar.distances.pairwise import PAIRS_PER_TILE, distance_blocks
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
    long between two clusters of P. Returns (m,) float64, in the unit of the features; 0 for an image that P holds k times.
    Raises `InputError`: features that `howfar.arrays.as_pair` refuses, k outside 1 to n, or an unknown statistic.

    Parameters
    ----------
    s, p
        (m, z) and (n, z) projected features.
    k
        How many neighbours, 1 to n.
    statistic
        "mean" of the k nearest distances, or "kth": the largest of them.
    pairs_per_tile
        At most this many distances at once (and at least one row).

    Examples
    --------
    >>> knn([[0.0], [9.0]], [[1.0], [3.0], [9.0]], k=2).tolist()
    [2.0, 3.0]
    >>> knn([[0.0], [9.0]], [[1.0], [3.0], [9.0]], k=2, statistic="kth").tolist()
    [3.0, 6.0]
    """
    secondary, primary = as_pair(s, p)
    reduce = _reduction(statistic)
    count = _neighbours(k, len(primary), "the images of p")
    return reduce(_nearest(secondary, primary, count, pairs_per_tile).distances)


class Neighbours(NamedTuple):
    """Hold each image's nearest images in the primary dataset: rows and distances, nearest first."""

    rows: NDArray[np.int64]
    distances: Float64Array


def neighbours(s: ArrayLike, p: ArrayLike, k: int = 5, *, pairs_per_tile: int = PAIRS_PER_TILE) -> Neighbours:
    """Find the k nearest images in P of each image of S, (m, k); ties go to the first, and the rest is as in `knn`."""
    secondary, primary = as_pair(s, p)
    return _nearest(secondary, primary, _neighbours(k, len(primary), "the images of p"), pairs_per_tile)


def leave_one_out_knn(
    p: ArrayLike, k: int = 5, *, statistic: Statistic = "mean", pairs_per_tile: int = PAIRS_PER_TILE
) -> Float64Array:
    """Compute the kNN distance of each image of P from the other images of P, (n,), as reference values for `knn(s, p)`.

    `p` is (n, z), and `k` at most n − 1; all else is as in `knn`. Raises `InputError` for features that are empty or not
    finite, or a k that P is too small for.
    """
    primary = as_features(p, "p")
    reduce = _reduction(statistic)
    count = _neighbours(k, len(primary) - 1, "the other images of p")
    # An image's distance from itself is exactly 0, so dropping one smallest value drops it (or its equal).
    return reduce(_nearest(primary, primary, count + 1, pairs_per_tile).distances[:, 1:])


def _nearest(s: FloatArray, p: FloatArray, count: int, pairs_per_tile: int) -> Neighbours:
    """Find the `count` nearest rows of `p` for each row of `s`."""
    blocks = [_smallest(d, count) for _, _, d in distance_blocks(s, p, min(pairs_per_tile, _MOST_PAIRS))]
    return Neighbours(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _smallest(distances: Float64Array, count: int) -> Neighbours:
    """Find the `count` smallest distances of each row, sorted so that their mean does not depend on the order of P."""
    least = np.partition(distances, count - 1, axis=1)[:, count - 1 : count]
    # Below the last, and of those equal to it the first: which of them a partition takes would be chance.
    rank = (distances >= least).astype(np.int8) + (distances > least)
    rows = np.argsort(rank, axis=1, kind="stable")[:, :count]
    chosen = np.take_along_axis(distances, rows, axis=1)
    order = np.lexsort((rows, chosen), axis=1)
    return Neighbours(np.take_along_axis(rows, order, axis=1).astype(np.int64), np.take_along_axis(chosen, order, axis=1))


def _reduction(statistic: Statistic) -> Callable[[Float64Array], Float64Array]:
    if statistic == "mean":
        return lambda nearest: nearest.mean(axis=1)
    if statistic == "kth":
        return lambda nearest: nearest[:, -1]
    raise InputError.of("statistic", "must be 'mean' or 'kth'", statistic)


def _neighbours(k: int, most: int, whose: str) -> int:
    try:
        count = operator.index(k)
    except TypeError as error:
        raise InputError.of("k", "must be a whole number", k, "pass 5") from error
    if not 1 <= count <= most:
        remedy = f"pass k = {min(5, most)}" if most else "add images to p"
        raise InputError.of("k", f"must be at least 1 and at most {whose} ({most})", k, remedy)
    return count
