"""A mask of a rectangle with a hole, as the tests of label files draw it."""

import numpy as np
from numpy.typing import NDArray

SIDES = (12, 17)


def mask_of(number: int, height: int = 2) -> NDArray[np.bool_]:
    """Draw a rectangle whose sides grow with a number, with one pixel left out."""
    mask = np.zeros(SIDES, np.bool_)
    mask[2 : 2 + height + number, 3 : 9 + number] = True
    mask[3, 4] = False
    return mask
