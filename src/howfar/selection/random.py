"""Random: every image that has no labels alike, without replacement; what every other strategy has to beat."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions


def _random(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    # All are shuffled, those with labels too, so that neither k nor what has been labelled since changes the order.
    order = rng.permutation(len(pool))
    return order[~pool.labelled[order]][:k]


RANDOM = FunctionStrategy("random", (), True, _random, lambda values: "drawn at random")
