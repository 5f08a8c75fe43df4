"""Shrink images and fill the frame with mirrored copies: finer structures, and more of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source
from howfar.perturb.rescaling import resize


def mosaic(source: Source, strength: float) -> Labelled:
    """Shrink an image by 1 + strength and continue it to the right and below by its mirror images, up to the old size.

    Examples
    --------
    >>> road = np.arange(0, 240, 40, dtype=np.uint8).reshape(1, 6, 1).repeat(3, axis=2)
    >>> mosaic(Source(road, np.zeros((1, 6), bool), np.random.default_rng(0)), 1.0)[0][0, :, 0].tolist()
    [22, 100, 178, 178, 100, 22]
    """
    height, width = source.mask.shape
    small = (max(1, round(side / (1 + strength))) for side in (height, width))
    pixels, mask = resize(source.pixels, source.mask, *small)
    missing = ((0, height - mask.shape[0]), (0, width - mask.shape[1]))
    return np.pad(pixels, (*missing, (0, 0)), mode="symmetric"), np.pad(mask, missing, mode="symmetric")


MOSAIC: Final = LabelledPerturbation("mosaic", mosaic, "shrunk by 1 + strength", (1.0, 2.0), high=15.0, factor=True)
