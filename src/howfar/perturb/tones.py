"""Change every value of an image by itself: darker, of lower contrast, by a power, or inverted; the mask stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.perturb.labelled_perturbation import Labelled, LabelledPerturbation, Source, as_pixels

Values = NDArray[np.floating[Any]]


def darken(values: Values, strength: float) -> Values:
    """Multiply values by 1 − strength.

    Examples
    --------
    >>> darken(np.array([0.0, 200.0]), 0.5).tolist()
    [0.0, 100.0]
    """
    return values * (1 - strength)


def flatten(values: Values, strength: float) -> Values:
    """Draw the values of each channel towards the channel's mean by `strength`, so that 1 leaves a single colour.

    Examples
    --------
    >>> flatten(np.array([[[0.0], [200.0]]]), 0.5).ravel().tolist()
    [50.0, 150.0]
    """
    centre: Values = values.mean(axis=(0, 1))
    return values + strength * (centre - values)


def bend(values: Values, strength: float) -> Values:
    """Raise values of 0-1 to the power 2^strength: above 0 the middle tones become darker, below 0 brighter.

    Examples
    --------
    >>> bend(np.array([0.0, 127.5, 255.0]), 1.0).tolist()
    [0.0, 63.75, 255.0]
    """
    return np.asarray(255 * (values / 255) ** (2.0**strength))


def invert(values: Values, strength: float) -> Values:
    """Mix values with their opposites: (1 − strength) v + strength (255 − v); 1 inverts the image, 0.5 leaves plain grey.

    Examples
    --------
    >>> invert(np.array([0.0, 200.0]), 1.0).tolist()
    [255.0, 55.0]
    """
    return values + strength * (255 - 2 * values)


def _of(change: Callable[[Values, float], Values]) -> Callable[[Source, float], Labelled]:
    def changed(source: Source, strength: float) -> Labelled:
        return as_pixels(change(source.pixels.astype(np.float64), strength)), source.mask.copy()

    return changed


DARKEN: Final = LabelledPerturbation("darken", _of(darken), "share of the light that is lost", (0.4, 0.7))
CONTRAST: Final = LabelledPerturbation("contrast", _of(flatten), "share of the contrast that is lost", (0.5, 0.75))
GAMMA: Final = LabelledPerturbation("gamma", _of(bend), "values are raised to 2^strength", (-1.0, 1.0), -4.0, 4.0)
INVERT: Final = LabelledPerturbation("invert", _of(invert), "share of the inverted image", (1.0,))
