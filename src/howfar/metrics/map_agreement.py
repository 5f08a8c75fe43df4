"""Measure how far two maps of one image mark the same foreground: of the whole image, say, and of its tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.metrics.probability_maps import as_bytes


def foreground_dice(p: ArrayLike, q: ArrayLike, threshold: float) -> float:
    """Compute the Dice of the foreground of two maps of one image, 2∣b ∧ c∣ / (∣b∣ + ∣c∣) with b = [p > t] and c = [q > t].

    Source: Dice, "Measures of the amount of ecologic association between species" (Ecology 26, 1945). Of the map of a whole
    image and the map of its tiles it says whether the model sees the same at both scales: a low value warns, without labels,
    that the image was made too small for its structures.

    Parameters
    ----------
    p, q
        (h, w) probability maps of one shape: uint8 with p = value/255, floating p in [0, 1], or bool.
    threshold
        Pixels with p above it are foreground.

    Returns
    -------
    float
        0 to 1; NaN where neither map has foreground, which says nothing.

    Raises
    ------
    InputError
        Shapes that differ, a map that is not two-dimensional or holds values outside [0, 1], a threshold outside [0, 1].

    Examples
    --------
    >>> foreground_dice([[0.9, 0.8, 0.0]], [[0.9, 0.0, 0.0]], 0.5)
    0.667
    >>> foreground_dice([[0.0, 0.1]], [[0.2, 0.0]], 0.5)
    nan
    """
    if not 0.0 <= threshold <= 1.0:
        raise InputError.of("threshold", "must lie in [0, 1]", threshold)
    first, second = as_bytes(p), as_bytes(q)
    if first.shape != second.shape:
        shapes = (first.shape, second.shape)
        raise InputError.of("p and q", "must have one shape", shapes, "bring one map to the other's size")
    b, c = (values / 255 > threshold for values in (first, second))
    total = np.count_nonzero(b) + np.count_nonzero(c)
    return float(2.0 * np.count_nonzero(b & c) / total) if total else float("nan")
