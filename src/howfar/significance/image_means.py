"""Give the mean of a number over images an interval, by drawing the images anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, quotient
from howfar.results.records import Average
from howfar.significance.bootstrap import interval, resample_weights


def image_weights(n: int, draws: int, seed: Sequence[int]) -> Float64Array | None:
    """Draw how often each of n images counts in each resample, (n, draws); None where no interval is asked for, or can be.

    Examples
    --------
    >>> image_weights(3, 5, [0]).shape, image_weights(1, 5, [0])
    ((3, 5), None)
    """
    return resample_weights(n, draws, np.random.default_rng(list(seed))) if draws and n > 1 else None


def average(values: ArrayLike, weights: Float64Array | None) -> Average:
    """Compute the mean over images, without those whose value is NaN, with its 95 % percentile bootstrap interval.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Parameters
    ----------
    values
        (n,) numbers of the images; NaN where one is undefined.
    weights
        (n, draws) as `image_weights` gives them; the same weights for two models make their means comparable.

    Examples
    --------
    >>> average([1.0, 3.0, np.nan], None)
    Average(value=2.0, low=None, high=None)
    >>> average([1.0, 3.0], np.array([[1.0, 0.0], [0.0, 1.0]]))
    Average(value=2.0, low=1.05, high=2.95)
    """
    each = np.asarray(values, dtype=np.float64)
    defined = np.isfinite(each)
    if not defined.any():
        return Average(None)
    mean = float(each[defined].mean())
    if weights is None or defined.sum() < 2:
        return Average(mean)
    drawn = weights[defined]
    return Average(mean, *interval(quotient(each[defined] @ drawn, drawn.sum(axis=0))))
