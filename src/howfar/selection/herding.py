"""Choose images whose mean stays as near as it can to the mean of all images: herding (Welling 2009)."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import to_point
from howfar.selection.pool import FEATURES, Pool


def _herding(pool: Pool, k: int, rng: np.random.Generator) -> list[int]:
    """Take the image nearest to w, which starts at μ, the mean of all; then w ← w + μ − x_t: Welling, ICML 2009.

    Welling takes argmax ⟨w, x⟩. For features of one length the two are the same; for others the nearest is what brings the
    mean of the chosen closest to μ, and does not depend on where the origin lies (Rebuffi et al., CVPR 2017). Images with
    labels count as chosen. No image is taken twice.
    """
    x = pool[FEATURES]
    mean = x.mean(axis=0)
    w = mean + (mean - x[pool.labelled]).sum(axis=0)
    free = ~pool.labelled
    chosen: list[int] = []
    while len(chosen) < k:
        chosen.append(int(np.argmin(np.where(free, to_point(x, w), np.inf))))
        free[chosen[-1]] = False
        w = w + mean - x[chosen[-1]]
    return chosen


HERDING = FunctionStrategy(
    "herding", (FEATURES,), True, _herding, lambda values: "brings the mean of the chosen images nearest to that of all"
)
