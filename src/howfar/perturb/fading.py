"""Fade an image's foreground into the background: structures of lower contrast, with the same mask."""

from __future__ import annotations

from typing import Final

import numpy as np

from howfar.perturb.inpainting import inpaint
from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source, as_pixels


def fade(source: Source, strength: float) -> Labelled:
    """Mix an image with its inpainted background: (1 − strength) I + strength B, so that 1 leaves no foreground to be seen.

    Examples
    --------
    >>> road, crack = np.full((32, 32, 3), 90, np.uint8), np.zeros((32, 32), bool)
    >>> road[:, 15:17], crack[:, 15:17] = 20, True
    >>> fade(Source(road, crack, np.random.default_rng(0)), 0.5)[0][0, 16].tolist()
    [55, 55, 55]
    """
    background = inpaint(source.pixels, source.mask).astype(np.float32)
    return as_pixels(source.pixels + strength * (background - source.pixels)), source.mask.copy()


FADE: Final = LabelledPerturbation("fade", fade, "share of the foreground's contrast that is lost", (0.3, 0.5, 0.65, 0.8))
