"""Near: the images with the smallest distance, which is what `far` has to beat to be right about distance."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions


def _near(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    free = pool.free
    return free[np.argsort(pool["distance"][free], kind="stable")[:k]]


NEAR = FunctionStrategy(
    "near", ("distance",), True, _near, lambda values: f"scaled distance {values['distance']:.3f}, among the nearest"
)
