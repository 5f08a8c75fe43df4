"""Flip disagreement: the images of whose mirror image the model says something else."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions

COLUMN = "flip_agreement"


def _flip_disagreement(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Lowest soft Dice of the prediction and that of the mirrored image, mirrored back."""
    free = pool.free
    return free[np.argsort(pool[COLUMN][free], kind="stable")[:k]]


FLIP_DISAGREEMENT = FunctionStrategy(
    "flip_disagreement",
    (COLUMN,),
    True,
    _flip_disagreement,
    lambda values: f"flip agreement {values[COLUMN]:.4f}, among the lowest",
)
