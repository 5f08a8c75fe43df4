"""Draw images by k-means++ seeding: with chances that grow with the squared distance from what is covered."""

from __future__ import annotations

import numpy as np

from howfar.arrays import Float64Array
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import to_nearest, to_point
from howfar.selection.pool import FEATURES, Mask


def seeds(x: Float64Array, k: int, rng: np.random.Generator, covered: Mask) -> list[int]:
    """Draw k rows, each with chance D² / Σ D², D its distance from the nearest covered one: Arthur & Vassilvitskii, SODA 2007.

    `x` is (n, z). Rows in `covered` (n,) are never drawn, and k is at most as many as the others. Where no row is covered, or
    all others lie on covered ones, all others have one chance. `rng` gives one uniform number a row.
    """
    free = ~covered
    nearest = to_nearest(x, x[covered])
    chosen: list[int] = []
    while len(chosen) < k:
        weights = np.where(free & np.isfinite(nearest), nearest, 0.0) ** 2
        if not weights.any():
            weights = free.astype(np.float64)
        heap = np.cumsum(weights)
        chosen.append(int(np.searchsorted(heap, rng.random() * heap[-1], side="right")))
        free[chosen[-1]] = False
        nearest = np.minimum(nearest, to_point(x, x[chosen[-1]]))
    return chosen


KMEANSPP = FunctionStrategy(
    "kmeanspp",
    (FEATURES,),
    True,
    lambda pool, k, rng: seeds(pool[FEATURES], k, rng, pool.labelled),
    lambda values: "drawn with the square of its distance from every image that was labelled or chosen before it",
)
