"""Draw bootstrap resamples of images, and compute means of distances under them and percentile intervals.

A draw takes n images of n with replacement, which is a column of weights w (how often each was taken, over n). Any mean of
pairwise distances under a draw is then a quadratic form wᵀ D v, and all draws share one pass over the distances.
Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.significance.value_checks import as_scores

_SINGLE = 1e-12
COUNTED_FROM = 1 << 21
"""Weights from which on images are drawn one by one and counted, which is faster than multinomial counts; another stream."""
COMPILED_FROM = 1 << 12
"""Images from which a compiled loop counts them, to the same numbers."""
_BLOCK = 1 << 19


def resample_counts(n: int, draws: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Count how often each of n images is taken in each bootstrap draw: multinomial counts, every column sums to n.

    Parameters
    ----------
    n
        Number of images.
    draws
        Number of draws.
    rng
        Where the randomness comes from; the same state gives the same counts.

    Returns
    -------
    ndarray
        (n, draws) uint8: of more than 255 images, none is taken 256 times (a chance below 10⁻⁵⁰⁰).

    Raises
    ------
    InputError
        Fewer than one image or draw.

    Examples
    --------
    >>> int(resample_counts(4, 1000, np.random.default_rng(0)).sum(axis=0).max())
    4
    """
    for name, value in (("n", n), ("draws", draws)):
        if value < 1:
            raise InputError.of(name, "must be at least 1", value)
    if n * draws >= COUNTED_FROM:
        return _counted(n, draws, rng)
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=draws)
    return np.ascontiguousarray(counts.T.astype(np.uint8))


def resample_weights(n: int, draws: int, rng: np.random.Generator) -> Float64Array:
    """Draw weights of n images in each bootstrap draw: counts over n, so that every column sums to 1.

    Returns
    -------
    ndarray
        (n, draws) float64.

    Raises
    ------
    InputError
        Fewer than one image or draw.

    Examples
    --------
    >>> weights = resample_weights(4, 1000, np.random.default_rng(0))
    >>> weights.shape, bool(np.allclose(weights.sum(axis=0), 1.0))
    ((4, 1000), True)
    """
    return resample_counts(n, draws, rng) / np.float64(n)


def _counted(n: int, draws: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    count_block = _tally
    if n >= COMPILED_FROM:
        # numba takes a while to load; the distances of so many images need it as well, where they are computed.
        from howfar.significance.compiled_tally import tally as count_block
    counts = np.empty((n, draws), np.uint8)
    # The block is part of what a seed gives, so it depends on n alone.
    block = max(1, _BLOCK // n)
    for start in range(0, draws, block):
        count = min(block, draws - start)
        count_block(rng.integers(n, size=(count, n), dtype=np.uint32), counts[:, start : start + count])
    return counts


def _tally(drawn: NDArray[np.uint32], counts: NDArray[np.uint8]) -> None:
    """Do what `howfar.significance.compiled_tally.tally` does."""
    counts[:] = np.stack([np.bincount(taken, minlength=len(counts)).astype(np.uint8) for taken in drawn]).T


def unbiased_mean(form: ArrayLike, weights: ArrayLike) -> Float64Array:
    """Compute the mean distance between different images of one dataset in each draw: wᵀ D w / (1 − Σ w²).

    A draw holds some images more than once, and their distance from themselves is 0; dividing by the share of the
    pairs that join different images leaves those out. On average over draws the denominator is (1 − 1/n)² and the
    numerator (1 − 1/n)² times the leave-one-out mean, so the draws lie around that mean instead of below it.

    Parameters
    ----------
    form
        (draws,) values of wᵀ D w, D the distances within the dataset (0 on the diagonal).
    weights
        (n, draws) weights w, as `resample_weights` gives them, or counts of n, as `resample_counts`.

    Returns
    -------
    ndarray
        (draws,) float64. NaN where a draw took one image only (every draw when n is 1): it holds no pair, and `interval`
        leaves it out.

    Raises
    ------
    InputError
        Shapes that do not fit, or values that are not finite.

    Examples
    --------
    >>> unbiased_mean([0.5, 0.0], [[0.5, 1.0], [0.5, 0.0]])
    array([ 1., nan])
    """
    forms = as_scores(form, "form")
    w = np.asarray(weights)
    if w.ndim != 2 or w.shape[1] != len(forms):
        raise InputError.of("weights", f"must have shape (n, {len(forms)}), one column a draw", w.shape)
    if w.dtype == np.uint8:
        equal = np.square(w, dtype=np.uint16).sum(axis=0, dtype=np.float64) / len(w) ** 2
    else:
        equal = np.einsum("ik,ik->k", w, w, dtype=np.float64)
    return mean_of_different(forms, equal)


def mean_of_different(form: Float64Array, equal: Float64Array) -> Float64Array:
    """Divide wᵀ D w of each draw, (draws,), by the share 1 − Σ w² of the pairs that join different images; NaN where none does.

    Examples
    --------
    >>> mean_of_different(np.array([0.25]), np.array([0.5]))
    array([0.5])
    """
    pairs = 1.0 - equal
    means: Float64Array = np.divide(form, pairs, out=np.full(len(form), np.nan), where=pairs > _SINGLE)
    return means


def interval(draws: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Compute the percentile interval of bootstrap draws: their (1 − level)/2 and (1 + level)/2 quantiles, low then high.

    Draws that are not finite are undefined (see `unbiased_mean`) and left out.

    Parameters
    ----------
    draws
        (draws,) values of a statistic.
    level
        Share of the draws inside, between 0 and 1.

    Raises
    ------
    InputError
        No finite draw, or a level outside (0, 1).

    Examples
    --------
    >>> interval(np.arange(101.0), level=0.9)
    (5.0, 95.0)
    """
    values = as_scores(draws, "draws", undefined=True)
    if not 0.0 < level < 1.0:
        raise InputError.of("level", "must lie between 0 and 1", level, "pass 0.95")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values[np.isfinite(values)], [tail, 1.0 - tail])
    return float(low), float(high)
