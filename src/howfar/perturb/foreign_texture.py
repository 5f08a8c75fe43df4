"""Blend another image into an image: a foreign texture under the same foreground."""

from __future__ import annotations

from typing import Final

import numpy as np

from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source, as_pixels
from howfar.perturb.perturbation import Pixels


def blend(source: Source, strength: float) -> Labelled:
    """Mix an image with a part of another one of the same size: (1 − strength) I + strength J.

    The part is drawn at random, at the other image's own scale; a smaller image is continued by its mirror images.

    Examples
    --------
    >>> road, grass = np.full((4, 4, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    >>> blend(Source(road, np.zeros((4, 4), bool), np.random.default_rng(0), (grass,)), 0.25)[0].max().item()
    125
    """
    other = _part(source.other(), source.mask.shape, source.rng).astype(np.float64)
    return as_pixels((1 - strength) * source.pixels + strength * other), source.mask.copy()


def _part(pixels: Pixels, shape: tuple[int, ...], rng: np.random.Generator) -> Pixels:
    missing = [(0, max(0, wanted - side)) for wanted, side in zip(shape, pixels.shape, strict=False)]
    filled = np.pad(pixels, (*missing, (0, 0)), mode="symmetric")
    top, left = (int(rng.integers(side - wanted + 1)) for side, wanted in zip(filled.shape, shape, strict=False))
    return filled[top : top + shape[0], left : left + shape[1]]


TEXTURE: Final = LabelledPerturbation("texture", blend, "share of another image", (0.3, 0.5), needs_others=True)
