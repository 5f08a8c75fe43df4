"""Count the images that draws take, in a loop that numba compiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howfar.compiled import compiled


@compiled
def tally(drawn: NDArray[np.uint32], counts: NDArray[np.uint8]) -> None:
    """Count in `counts` (n, draws) how often each image stands in a row of `drawn`, (draws, n)."""
    draws, n = drawn.shape
    own = np.zeros((draws, n), np.uint8)
    for draw in range(draws):
        for k in range(n):
            own[draw, drawn[draw, k]] += 1
    for image in range(n):
        for draw in range(draws):
            counts[image, draw] = own[draw, image]
