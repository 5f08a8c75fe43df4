"""Compute 95 % intervals of slopes and rank correlations from bootstrap draws, with Student's t.

Both are t intervals: a standard error that the resamples give, times a quantile of Student's t. Percentile, basic, BCa and
studentised bootstrap intervals of the slope were measured beside this rule, over 1,000 to 2,000 sets of 20 to 120 images a case
(the rule: 10 to 400): noise alike everywhere, noise that grows with distance, bounded, zero-inflated and nearly constant
performance; even, skewed and long-tailed distances. Where they claim 95 %, percentile intervals covered 85 to 95 %, basic 62 to
98 %, BCa 82 to 96 %, studentised 78 to 96 %, and this rule 94 to 100 %. For Spearman's ρ percentile intervals covered 92 to 97
%, BCa 94 to 97 % at many times the cost, and this rule 94 to 100 %.

Degrees of freedom come from `effective_groups` of `howfar.relation.distance_performance_points`. Without them intervals of ρ
covered 38 to 94 % where fewer than five images differ from the rest, and those of the slope 90 % where noise grows towards a
few far images.
"""

from __future__ import annotations

import numpy as np

from howfar.arrays import Float64Array
from howfar.results import Coefficient

LEVEL = 0.95
FEWEST = 6
_DEFINED = 0.5


def slope_interval(value: float, draws: Float64Array, jackknife: float, freedom: float) -> Coefficient:
    """Compute a slope's symmetric interval: value ± t · max(bootstrap, jackknife standard error).

    `draws` are the slopes of the resamples, NaN where undefined; `jackknife` is the standard error by leaving out one group at
    a time; `freedom` the degrees of freedom of t, at least 1. There is no interval where fewer than half of the draws are
    defined.
    """
    error = _standard_error(draws)
    if error is None:
        return Coefficient(value)
    reach = _quantile(freedom) * max(error, jackknife)
    return Coefficient(value, value - reach, value + reach)


def correlation_interval(value: float, draws: Float64Array, freedom: float) -> Coefficient:
    """Compute a correlation's interval: tanh(artanh(r) ± t · s / (1 − r²)), s the bootstrap standard error of r.

    Fisher's z lets the interval lean away from ±1 and keeps it inside; s / (1 − r²) is the standard error of z to first
    order, which unlike that of z itself does not blow up where a few resamples are in perfect order.

    `draws` are the correlations of the resamples, NaN where undefined; `freedom` the degrees of freedom of t, at least 1. There
    is no interval where fewer than half of the draws are defined; low = high where the order is perfect, as it then is in every
    resample.
    """
    error = _standard_error(draws)
    if error is None:
        return Coefficient(value)
    rest = 1.0 - value * value
    if rest <= 0.0 or error == 0.0:
        return Coefficient(value, value, value)
    reach = _quantile(freedom) * error / rest
    low, high = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
    return Coefficient(value, float(low), float(high))


def _standard_error(draws: Float64Array) -> float | None:
    defined = draws[np.isfinite(draws)]
    if len(defined) < max(2, _DEFINED * len(draws)):
        return None
    return float(defined.std(ddof=1))


def _quantile(freedom: float) -> float:
    # What scipy.stats.t.ppf calls; scipy.stats takes a second to load.
    from scipy.special import stdtrit

    return float(stdtrit(max(freedom, 1.0), (1.0 + LEVEL) / 2.0))
