"""Compute Euclidean distances between feature rows in blocks that fit in memory, exactly 0 for equal rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from howfar.arrays import Float64Array

PAIRS = 1 << 22


def blocks(x: Float64Array, y: Float64Array, pairs: int = PAIRS) -> Iterator[tuple[slice, Float64Array]]:
    """Yield distances of some rows of `x` from all rows of `y`, and which rows; at most `pairs` at once, at least one row."""
    step = max(1, pairs // max(1, len(y)))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        yield rows, cdist(x[rows], y)


def to_nearest(x: Float64Array, centres: Float64Array) -> Float64Array:
    """Return the distance of each row of `x`, (n, z), from the nearest centre, (c, z); infinite where there is no centre."""
    gaps = np.full(len(x), np.inf)
    if len(centres):
        for rows, distances in blocks(x, centres):
            gaps[rows] = distances.min(axis=1)
    return gaps


def to_point(x: Float64Array, point: Float64Array) -> Float64Array:
    """Return the distance of each row of `x`, (n, z), from one point, (z,)."""
    return to_nearest(x, point[None])


def to_neighbours(x: Float64Array, k: int) -> Float64Array:
    """Return the mean distance of each row of `x`, (n, z), from its k nearest others; 0 where there are none."""
    k = min(k, len(x) - 1)
    if k < 1:
        return np.zeros(len(x))
    # A row's distance from itself, 0, is one of the k + 1 smallest and adds nothing.
    distances = np.asarray(KDTree(x).query(x, k + 1)[0])
    return np.asarray(distances.sum(axis=1) / k)
