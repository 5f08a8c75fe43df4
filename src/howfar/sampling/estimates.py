"""Estimate a model's mean performance on a site from a few labelled images, with an interval that holds whatever the shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.sampling.betting import betting_interval
from howfar.sampling.design import STRATIFIED_FROM
from howfar.sampling.prediction_powered import prediction_powered
from howfar.sampling.sample import Sample
from howfar.sampling.value_checks import as_proxy, as_shares, check_fits, check_level, check_sample, filled


@dataclass(frozen=True)
class Estimate:
    """Hold an estimate with the ends of its interval."""

    value: float
    low: float
    high: float

    @classmethod
    def clipped(cls, value: float, low: float, high: float) -> Estimate:
        """Cut an estimate and the ends of its interval to [0, 1]."""
        return cls(*(float(np.clip(x, 0.0, 1.0)) for x in (value, low, high)))

    @property
    def half_width(self) -> float:
        """Return half the interval's length."""
        return (self.high - self.low) / 2.0


def mean(values: ArrayLike, proxy: ArrayLike, sample: Sample, *, level: float = 0.9) -> Estimate:
    """Estimate the mean performance over all m images of a site from the k labelled ones.

    The estimate is λ p̄ + Σ w_i (y_i − λ p_i), p̄ the mean prediction over all images and w_i = 1 / (m π_i) the share of the
    site that image i stands for: for λ = 0 the weighted mean of the values, for λ = 1 the difference estimator. The λ in [0,
    1] that makes it most certain is fitted to the sample: prediction-powered inference (Angelopoulos, Duchi & Zrnic, "PPI++:
    efficient prediction-powered inference" (2023), https://arxiv.org/abs/2311.01453), here for a stratified sample of a finite
    site. A wrong prediction makes the interval wide, not false.

    The interval is, from 8 labels on, Student's t with the strata's own variances and Satterthwaite's degrees of freedom, the
    variance being raised by what 0.15 of a label at the far end of [0, 1] would add, since a sample of a few like values
    cannot show rare others. That it holds is shown by simulation. For fewer labels it is a bound by betting
    (`howfar.sampling.betting`), which holds for every site and does not read the predictions. With all images labelled it has
    no width.

    Parameters
    ----------
    values
        (k,) measured performance, 0 to 1, in the sample's order; NaN for an image that has none (no foreground), which the mean
        leaves out.
    proxy
        (m,) predicted performance of all images, 0 to 1; NaN where there is none.
    sample
        Which images were labelled.
    level
        Confidence level of the interval.

    Raises
    ------
    InputError
        Values or predictions outside [0, 1], a length that does not fit the sample, or no value that is not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw, mean
    >>> proxy = np.linspace(0, 1, 100)
    >>> sample = draw(proxy, 16)
    >>> measured = proxy[sample.indices] ** 2
    >>> estimate = mean(measured, proxy, sample)
    >>> bool(estimate.low < np.mean(proxy**2) < estimate.high)
    True
    """
    check_sample(sample)
    measured, predicted = as_shares(values, "values", len(sample)), filled(as_proxy(proxy))
    check_fits(sample, len(predicted))
    return of_values(measured, predicted[sample.indices], float(predicted.mean()), sample, level)


def of_values(measured: Float64Array, predicted: Float64Array, predicted_mean: float, sample: Sample, level: float) -> Estimate:
    """Estimate a mean from (k,) values and predictions of the sampled images and the mean prediction of all."""
    check_level(level)
    known = np.isfinite(measured)
    if not known.any():
        raise InputError.of("values", "must hold at least one that is not NaN", f"none of {len(measured)}")
    if sample.whole:
        exact = float(measured[known].mean())
        return Estimate(exact, exact, exact)
    if len(sample) < STRATIFIED_FROM and sample.simple:
        # How many of the images have a value is not known where some drawn ones have none: then no share of them is known.
        population = sample.population if known.all() else None
        return Estimate(float(measured[known].mean()), *betting_interval(measured[known], population, level))
    powered = prediction_powered(_linearised(measured, sample), predicted, predicted_mean, sample)
    return Estimate.clipped(powered.value, *powered.interval(level, 0.0, 1.0))


def _linearised(values: Float64Array, sample: Sample) -> Float64Array:
    """Put a number for each image such that the mean over all is that over the images with a value, a ratio of totals."""
    known = np.isfinite(values)
    if known.all():
        return values
    weights = sample.weights
    share, centre = float(weights[known].sum()), float(np.average(values[known], weights=weights[known]))
    return np.where(known, centre + (np.where(known, values, centre) - centre) / share, centre)
