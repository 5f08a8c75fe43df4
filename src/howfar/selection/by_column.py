"""Choose the images with the lowest or the highest values of one column: near, uncertainty and flip disagreement."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy, Rule
from howfar.selection.pool import Pool, Positions


def _lowest(column: str, sign: float = 1.0) -> Rule:
    def rule(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
        return pool.free[np.argsort(sign * pool[column][pool.free], kind="stable")[:k]]

    return rule


# The smallest distances are what `far` has to beat to be right about distance.
NEAR = FunctionStrategy(
    "near",
    ("distance",),
    True,
    _lowest("distance"),
    lambda values: f"scaled distance {values['distance']:.3f}, among the nearest",
)
# Highest mean over pixels of −p ln p − (1 − p) ln(1 − p): Lewis & Gale, SIGIR 1994, of pixels.
UNCERTAINTY = FunctionStrategy(
    "uncertainty",
    ("uncertainty",),
    True,
    _lowest("uncertainty", sign=-1.0),
    lambda values: f"mean entropy {values['uncertainty']:.4f}, among the highest",
)
# Lowest soft Dice of the prediction and that of the mirrored image, mirrored back.
FLIP_DISAGREEMENT = FunctionStrategy(
    "flip_disagreement",
    ("flip_agreement",),
    True,
    _lowest("flip_agreement"),
    lambda values: f"flip agreement {values['flip_agreement']:.4f}, among the lowest",
)
