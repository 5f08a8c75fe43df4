"""Resize images and masks by any factor, so that thin foreground is kept."""

from __future__ import annotations

import numpy as np
from PIL import Image

from howfar.perturb.labelled_perturbation import Foreground, Labelled
from howfar.perturb.perturbation import Pixels


def resize(pixels: Pixels, mask: Foreground, height: int, width: int) -> Labelled:
    """Resize an image antialiased, and its mask so that the foreground keeps its share of the pixels, and no line is broken.

    The mask's pixels are ordered by how much of each is covered; foreground are as many as give the share, and all that are
    covered as much as the last of them. A line thinner than a pixel therefore stays a line, with a larger share.

    Examples
    --------
    >>> road, crack = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    >>> crack[:, 2:6] = True
    >>> resize(road, crack, 4, 4)[1][0].tolist()
    [False, True, True, False]
    """
    size = (width, height)
    resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    if not mask.any():
        return resized, np.zeros((height, width), np.bool_)
    covered = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BOX))
    wanted = max(1, round(float(mask.mean()) * covered.size))
    least = np.partition(covered.ravel(), covered.size - wanted)[covered.size - wanted]
    # A thousandth is rounding: pixels of equal coverage must be treated alike.
    return resized, covered >= max(least - 1e-3, 1e-3)
