"""Compute the F-measure that a probability map expects of itself, from its histogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.metrics.label_free_signals import as_histogram

_P = np.arange(256) / 255


def soft_f(histogram: ArrayLike, threshold: float) -> float:
    """Compute the soft F-measure of a map against itself, 2 Σ p b / (Σ p + Σ b) with b = [p > threshold]: 0 to 1.

    Were p calibrated, Σ p b would be the expected true positives of the prediction b and Σ p the expected foreground, so this
    is F with counts replaced by their expectations. 0 where all p are 0.

    Parameters
    ----------
    histogram
        (256,) counts of a map's levels, p = level / 255.
    threshold
        Where a pixel counts as predicted foreground, 0 to 1.

    Raises
    ------
    InputError
        Not 256 whole numbers of at least 0 with one above, or a threshold outside [0, 1].

    Examples
    --------
    >>> from howfar.metrics import histogram
    >>> soft_f(histogram([[0.0, 0.0, 0.2, 1.0]]), 0.5)
    0.909
    """
    counts = as_histogram(histogram)
    if not 0.0 <= threshold <= 1.0:
        raise InputError.of("threshold", "must lie in [0, 1]", threshold)
    predicted = np.greater(_P, threshold)
    expected, total = float(counts[predicted] @ _P[predicted]), float(counts @ _P)
    size = total + float(counts[predicted].sum())
    return 2.0 * expected / size if size > 0 else 0.0
