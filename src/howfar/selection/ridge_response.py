"""Choose the images that show thin lines most clearly by a ridge filter, without any model."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions

RIDGE = "ridge_response"


def _ridge_response(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Take the images with the largest response of a ridge filter at several scales (`howfar.metrics.ridge_response`).

    The filter is one of the eigenvalues of the Hessian, after Frangi et al. (MICCAI 1998), Sato et al. (Medical Image Analysis
    1998) and Lindeberg (IJCV 1998); that images are chosen by it is howfar's own. It needs no model and no map, so it tells
    whether a model's maps are worth more than what any image filter sees. Ties go to the first image.
    """
    return pool.free[np.argsort(-pool[RIDGE][pool.free], kind="stable")[:k]]


RIDGE_RESPONSE = FunctionStrategy(
    "ridge_response",
    (RIDGE,),
    True,
    _ridge_response,
    lambda values: f"ridge response {values[RIDGE]:.4f}, among the highest",
)
