"""Split a probability map's entropy between what is predicted as foreground and what as background."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.label_free_signals import as_histogram


def class_entropy(histogram: ArrayLike, threshold: float) -> tuple[float, float]:
    """Compute the entropy of the pixels predicted as foreground and of those predicted as background, each over all pixels.

    With H(p) = −p ln p − (1 − p) ln(1 − p), the N pixels of a map and the threshold t: Σ H(p) / N over the pixels with p > t,
    and over the others. Both together are the map's mean entropy.

    Parameters
    ----------
    histogram
        (256,) counts of a map's levels, as `howfar.metrics.histogram` counts them.
    threshold
        Where a pixel counts as predicted foreground, 0 to 1.

    Returns
    -------
    foreground, background
        In nats, 0 to ln 2.

    Raises
    ------
    InputError
        Not 256 whole numbers of at least 0 with one above, or a threshold outside [0, 1].

    Examples
    --------
    >>> from howfar.metrics import histogram
    >>> [round(value, 3) for value in class_entropy(histogram([[0.0, 0.4, 0.6, 1.0]]), 0.5)]
    [0.168, 0.168]
    """
    counts = as_histogram(histogram)
    if not 0.0 <= threshold <= 1.0:
        raise InputError.of("threshold", "must lie in [0, 1]", threshold)
    levels: Float64Array = np.arange(256) / 255
    inner = levels[1:-1]
    entropies = np.zeros(256)
    entropies[1:-1] = -inner * np.log(inner) - (1.0 - inner) * np.log1p(-inner)
    sums, predicted = counts * entropies, levels > threshold
    total = float(counts.sum())
    return float(sums[predicted].sum()) / total, float(sums[~predicted].sum()) / total
