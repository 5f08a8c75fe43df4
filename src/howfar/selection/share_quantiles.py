"""Choose images at evenly spaced quantiles of the predicted share of foreground, from none to most."""

from __future__ import annotations

import numpy as np

from howfar.selection.far import far
from howfar.selection.foreground_random import as_shares
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions
from howfar.selection.random_draws import SHARE


def _share_quantiles(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Take the images of rank ⌊uN⌋ by predicted share, u = 1/2; 1/4, 3/4; 1/8, 5/8, 3/8, 7/8; … (van der Corput in base 2).

    These are the ranks by which `far` goes through its band, here through all N images in order of their share: systematic
    sampling of a sorted list (Madow & Madow, Annals of Mathematical Statistics 1944), so that images with much foreground,
    little and none are chosen in the proportion in which they occur. An image with labels spends a rank, as in `far`.
    """
    return far(as_shares(pool), k, low=0.0, high=1.0, labelled=pool.labelled)


SHARE_QUANTILES = FunctionStrategy(
    "share_quantiles",
    (SHARE,),
    True,
    _share_quantiles,
    lambda values: f"predicted foreground {100 * values[SHARE]:.2f} %, at an even rank of all",
)
