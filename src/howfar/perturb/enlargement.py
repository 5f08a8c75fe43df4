"""Enlarge a part of an image to the whole frame: coarser structures, and fewer of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source
from howfar.perturb.rescaling import resize


def enlarge(source: Source, strength: float) -> Labelled:
    """Crop 1 / (1 + strength) of each side around a foreground pixel drawn at random, and enlarge it to the old size.

    An image without foreground is cropped around any pixel; the crop is moved to lie within the image.

    Examples
    --------
    >>> road, crack = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    >>> crack[1, 1] = True
    >>> enlarge(Source(road, crack, np.random.default_rng(0)), 1.0)[1].sum().item()
    4
    """
    height, width = source.mask.shape
    where = np.argwhere(source.mask if source.mask.any() else np.ones_like(source.mask))
    row, column = where[source.rng.integers(len(where))]
    sides = [max(1, round(side / (1 + strength))) for side in (height, width)]
    top, left = (
        int(np.clip(at - side // 2, 0, whole - side))
        for at, side, whole in zip((row, column), sides, (height, width), strict=True)
    )
    crop = np.s_[top : top + sides[0], left : left + sides[1]]
    return resize(source.pixels[crop], source.mask[crop], height, width)


ENLARGE: Final = LabelledPerturbation("enlarge", enlarge, "enlarged by 1 + strength", (1.0,), high=15.0, factor=True)
