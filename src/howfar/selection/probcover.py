"""Choose images by ProbCover: whose ball covers most that is not covered yet (Yehuda, Dekel, Hacohen & Weinshall 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import blocks, to_nearest, to_point
from howfar.selection.kmeans import kmeans
from howfar.selection.pool import FEATURES, Pool, Positions

PURITY = 0.95


def radius(x: Float64Array, labels: NDArray[np.intp], purity: float = PURITY) -> float:
    """Find the largest δ at which a share `purity` of the balls {y: d(x, y) < δ} hold rows of their own cluster only.

    The paper's rule, the largest δ whose purity is at least α = 0.95, is met exactly and not on a grid: a row's ball is pure up
    to its distance from the nearest row of another cluster, so δ is a quantile of these; it is infinite where all are of one
    cluster. `x` is (n, z), and `labels` (n,) the cluster of each row.
    """
    to_others = np.full(len(x), np.inf)
    for rows, distances in blocks(x, x):
        distances[labels[rows, None] == labels] = np.inf
        to_others[rows] = distances.min(axis=1)
    impure = int(np.floor((1.0 - purity) * len(x) + 1e-9))
    return float(np.partition(to_others, impure)[impure])


def _probcover(pool: Pool, k: int, rng: np.random.Generator) -> list[int]:
    """Cover the rows greedily by open balls of one radius: the ball with most rows not covered, of equal ones the first.

    The paper clusters by k-means into as many clusters as there are classes. Here no classes are known: there are as many
    clusters as there will be labels, k and those given, 2 at least, since each chosen image is to stand for one kind.
    Where all is covered before k are chosen, which the paper leaves open, the farthest from all chosen follows.
    """
    x = pool[FEATURES]
    count = min(max(2, k + int(pool.labelled.sum())), len(x))
    delta = radius(x, kmeans(x, count, rng).labels)
    taken = pool.labelled.copy()
    covered = to_nearest(x, x[taken]) < delta
    balls = _held(x, np.flatnonzero(~covered), delta)
    chosen: list[int] = []
    while len(chosen) < k:
        score = balls if balls[~taken].any() else to_nearest(x, x[taken])
        chosen.append(int(np.argmax(np.where(taken, -np.inf, score))))
        taken[chosen[-1]] = True
        fresh = np.flatnonzero((to_point(x, x[chosen[-1]]) < delta) & ~covered)
        covered[fresh] = True
        balls -= _held(x, fresh, delta)
    return chosen


def _held(x: Float64Array, rows: Positions, delta: float) -> Float64Array:
    """Count how many of the given rows the ball around each row holds, (n,)."""
    counts = np.zeros(len(x))
    if len(rows):
        for block, distances in blocks(x, x[rows]):
            counts[block] = (distances < delta).sum(axis=1)
    return counts


PROBCOVER = FunctionStrategy(
    "probcover", (FEATURES,), False, _probcover, lambda values: "its neighbourhood holds most images not covered yet"
)
