"""Choose the image farthest from all that are covered, again and again: greedy k-center, also called core-set."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import to_nearest, to_point
from howfar.selection.pool import FEATURES, Pool


def _kcenter(pool: Pool, k: int, rng: np.random.Generator) -> list[int]:
    """Take argmax of the distance to the nearest centre, again and again: Sener & Savarese, ICLR 2018; Gonzalez, TCS 1985.

    Images with labels are centres. Without any the first is the image nearest to the mean of all, so that nothing is drawn.
    """
    x = pool[FEATURES]
    free = ~pool.labelled
    nearest = to_nearest(x, x[pool.labelled])
    if free.all():
        nearest = -to_point(x, x.mean(axis=0))
    chosen: list[int] = []
    while len(chosen) < k:
        chosen.append(int(np.argmax(np.where(free, nearest, -np.inf))))
        free[chosen[-1]] = False
        distances = to_point(x, x[chosen[-1]])
        first = len(chosen) == 1 and not pool.labelled.any()
        nearest = distances if first else np.minimum(nearest, distances)
    return chosen


KCENTER = FunctionStrategy(
    "kcenter", (FEATURES,), True, _kcenter, lambda values: "farthest from every image that was labelled or chosen before it"
)
