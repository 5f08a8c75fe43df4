"""Uncertainty: the images whose predictions are least sure, by mean entropy."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions

COLUMN = "uncertainty"


def _uncertainty(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Highest mean over pixels of −p ln p − (1 − p) ln(1 − p): Lewis & Gale, SIGIR 1994, of pixels."""
    free = pool.free
    return free[np.argsort(-pool[COLUMN][free], kind="stable")[:k]]


UNCERTAINTY = FunctionStrategy(
    "uncertainty", (COLUMN,), True, _uncertainty, lambda values: f"mean entropy {values[COLUMN]:.4f}, among the highest"
)
