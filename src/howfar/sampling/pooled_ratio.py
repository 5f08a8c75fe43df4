"""Estimate F of counts pooled over a site, Σ 2TP / Σ (2TP + FP + FN), and its best over thresholds, from few labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.sampling.estimates import Estimate
from howfar.sampling.prediction_powered import Powered, prediction_powered
from howfar.sampling.sample import Sample
from howfar.sampling.value_checks import as_numbers, check_fits, check_level, check_sample, filled

_STEPS = 3
_LEAST = 2


def ratio(numerators: ArrayLike, denominators: ArrayLike, proxy: ArrayLike, sample: Sample, *, level: float = 0.9) -> Estimate:
    """Estimate a ratio of two totals over a site, as pooled F is one, from the k labelled images.

    With numbers a_i = 2TP and b_i = 2TP + FP + FN of each image, R = Σ a / Σ b is found by the linearised u_i = R + (a_i − R
    b_i) / b̄, whose mean over the site is R (Taylor linearisation: Särndal, Swensson & Wretman, "Model Assisted Survey
    Sampling" (1992), section 5.5). The mean of u is estimated as by `howfar.sampling.mean`, with the expected numbers
    linearised alike as predictions, by Student's t for every k; with a single label the interval is 0 to 1.

    Parameters
    ----------
    numerators, denominators
        (k,) numbers of each labelled image, in the sample's order; 0 ≤ numerator ≤ denominator.
    proxy
        (2, m): the expected numerator and denominator of every image, such as 2 Σ p b and Σ p + Σ b over its pixels, p the
        model's probability and b whether it predicts foreground. Or (m,): a predicted performance, which is of less help.
    sample
        Which images were labelled.
    level
        Confidence level of the interval.

    Raises
    ------
    InputError
        Numbers that are negative, no count at all, a numerator above its denominator, or lengths that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw, ratio
    >>> sizes = np.linspace(100, 900, 60)
    >>> sample = draw(np.full(60, 0.5), 12)
    >>> own = sizes[sample.indices]
    >>> estimate = ratio(0.5 * own, own, np.stack([0.5 * sizes, sizes]), sample)
    >>> round(estimate.value, 3), estimate.low < 0.5 < estimate.high
    (0.5, True)
    """
    check_sample(sample)
    above, below = _counts(numerators, denominators, len(sample))
    check_level(level)
    return _estimate(above, below, _expected(proxy, sample), sample, level)


def ods(
    numerators: ArrayLike, denominators: ArrayLike, proxy: ArrayLike, sample: Sample, *, level: float = 0.9
) -> tuple[Estimate, int]:
    """Estimate the best pooled F over thresholds (ODS), and the position of the threshold that gives it.

    The interval is that of pooled F at the threshold with the best estimate. A maximum of estimates lies above the true one on
    average, the more the fewer labels; the documentation gives by how much.

    Parameters
    ----------
    numerators, denominators
        (k, t) numbers of each labelled image at each threshold, in the sample's order.
    proxy
        (2, m, t) expected numbers of every image at each threshold, or (m,) predicted performance.
    sample
        Which images were labelled.
    level
        Confidence level of the interval.

    Raises
    ------
    InputError
        As `ratio`, or arrays of other shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw, ods
    >>> sample = draw(np.full(60, 0.5), 12)
    >>> numbers = np.tile([10.0, 30.0, 20.0], (12, 1))
    >>> estimate, threshold = ods(numbers, np.full((12, 3), 50.0), np.full(60, 0.5), sample)
    >>> round(estimate.value, 2), threshold
    (0.6, 1)
    """
    check_sample(sample)
    above, below, expected = _floats(numerators, "numerators"), _floats(denominators, "denominators"), _floats(proxy, "proxy")
    if above.ndim != 2 or above.shape != below.shape or not above.shape[1]:
        raise InputError.of("numerators and denominators", "must both be (k, thresholds)", (above.shape, below.shape))
    if expected.ndim == 3 and expected.shape[2] != above.shape[1]:
        raise InputError.of("proxy", f"must be (2, m, {above.shape[1]}), one a threshold", expected.shape)
    check_level(level)
    # Where nothing is predicted and nothing true, as at a high threshold over empty masks, there is no ratio.
    defined = np.flatnonzero((below != 0).any(axis=0)).tolist() or [0]
    found = []
    for place in defined:
        counts = _counts(above[:, place], below[:, place], len(sample))
        found.append(
            _estimate(*counts, _expected(expected[..., place] if expected.ndim == 3 else expected, sample), sample, level)
        )
    best = int(np.argmax([estimate.value for estimate in found]))
    return found[best], defined[best]


def _floats(x: ArrayLike, name: str) -> Float64Array:
    try:
        return np.array(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error


def _counts(numerators: ArrayLike, denominators: ArrayLike, k: int) -> tuple[Float64Array, Float64Array]:
    above, below = as_numbers(numerators, "numerators", k), as_numbers(denominators, "denominators", k)
    if not ((above >= 0.0) & (above <= below)).all():
        raise InputError.of("numerators", "must lie between 0 and their denominators", "NaN, one below 0 or one above")
    if not below.any():
        raise InputError.of("denominators", "must not all be 0", 0.0, "label images that show something, or predict something")
    return above, below


def _expected(proxy: ArrayLike, sample: Sample) -> Float64Array:
    """Return (2, m) expected numbers; a predicted performance p stands for p of 1."""
    expected = _floats(proxy, "proxy")
    if expected.ndim == 1:
        expected = np.stack([filled(as_numbers(expected, "proxy")), np.ones(len(expected))])
    if expected.ndim != 2 or len(expected) != 2 or not np.isfinite(expected).all():
        raise InputError.of("proxy", "must be (2, m) finite expected numbers, or (m,) predicted performance", expected.shape)
    check_fits(sample, expected.shape[1])
    return expected


def _estimate(above: Float64Array, below: Float64Array, expected: Float64Array, sample: Sample, level: float) -> Estimate:
    weights = sample.weights
    value = float(weights @ above / (weights @ below))
    if sample.whole:
        return Estimate(value, value, value)
    for _ in range(_STEPS):
        powered, spread = _linearised(above, below, expected, sample, value)
        value = float(np.clip(powered.value, 0.0, 1.0))
    if len(sample) < _LEAST:
        return Estimate(value, 0.0, 1.0)
    return Estimate.clipped(value, *powered.interval(level, value - value * spread, value + (1.0 - value) * spread))


def _linearised(
    above: Float64Array, below: Float64Array, expected: Float64Array, sample: Sample, value: float
) -> tuple[Powered, float]:
    """Estimate the mean of the numbers linearised about a ratio; with the root mean square of an image's size over the mean."""
    size = float(sample.weights @ below)
    numbers = value + (above - value * below) / size
    expected_size = float(expected[1].mean())
    predicted = (expected[0] - value * expected[1]) / (expected_size if expected_size > 0.0 else 1.0)
    powered = prediction_powered(numbers, predicted[sample.indices], float(predicted.mean()), sample)
    return powered, float(np.sqrt(sample.weights @ np.square(below / size)))
