"""Cluster feature rows by k-means (Lloyd) from k-means++ seeds, with several restarts and no needlessly empty cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.selection.geometry import blocks
from howfar.selection.kmeanspp import seeds

RESTARTS = 10
ROUNDS = 300


@dataclass(frozen=True, eq=False)
class Clustering:
    """Hold centres (c, z), the cluster of each of n rows, and the summed squared distances from the centres."""

    centres: Float64Array
    labels: NDArray[np.intp]
    inertia: float


def kmeans(x: Float64Array, count: int, rng: np.random.Generator, restarts: int = RESTARTS) -> Clustering:
    """Cluster rows (n, z) so that Σ ‖x − its centre‖² is small: the best of several restarts, of equal ones the first.

    There are `count` clusters, at most n; `rng` draws the seeds (k-means++).
    """
    nothing = np.zeros(len(x), dtype=np.bool_)
    clusterings = [lloyd(x, x[seeds(x, count, rng, nothing)]) for _ in range(restarts)]
    return min(clusterings, key=lambda clustering: clustering.inertia)


def lloyd(x: Float64Array, centres: Float64Array, rounds: int = ROUNDS) -> Clustering:
    """Move rows to their nearest centre and centres to the mean of their rows, until no row moves (Lloyd 1982).

    A centre that loses its rows moves to the row that is farthest from its own centre.
    """
    centres = centres.astype(np.float64)
    labels, gaps = _nearest(x, centres)
    for _ in range(rounds):
        sizes = np.bincount(labels, minlength=len(centres))
        for empty in np.flatnonzero(sizes == 0):
            farthest = int(np.argmax(np.where(sizes[labels] > 1, gaps, 0.0)))
            if gaps[farthest] == 0.0:
                break
            sizes[labels[farthest]] -= 1
            labels[farthest], gaps[farthest], sizes[empty] = empty, 0.0, 1
        occupied = sizes > 0
        sums = np.stack([np.bincount(labels, weights=column, minlength=len(centres)) for column in x.T], axis=1)
        centres[occupied] = sums[occupied] / sizes[occupied, None]
        moved, gaps = _nearest(x, centres)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return Clustering(centres, labels, float((gaps**2).sum()))


def _nearest(x: Float64Array, centres: Float64Array) -> tuple[NDArray[np.intp], Float64Array]:
    """Return the nearest centre of each row, of equal ones the first, and how far it is."""
    labels, gaps = np.empty(len(x), dtype=np.intp), np.empty(len(x))
    for rows, distances in blocks(x, centres):
        labels[rows] = distances.argmin(axis=1)
        gaps[rows] = distances.min(axis=1)
    return labels, gaps
