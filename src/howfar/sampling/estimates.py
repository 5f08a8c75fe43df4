"""Estimate a model's performance on a site with an interval, as a mean over images or a ratio of sums, from a few labels.

To test that the mean of m values in [0, 1] is μ, a gambler bets on each sampled value y at odds that are fair under μ:
capital is multiplied by 1 + b (y − μ). With a fixed b the mean capital over simple random samples is at most 1 (by Maclaurin's
inequality also without replacement), so capital of 1 / α is reached with a chance of at most α (Markov), and μ is refuted
there. Capital is the mean over a row of bets b, so that none has to be guessed; the order of the values does not matter.
Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86 (2024),
https://arxiv.org/abs/2010.09686.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_groups, as_row, check_level
from howfar.errors import InputError
from howfar.sampling.design import STRATIFIED_FROM, Sample, as_count, as_rng, as_shares, check_fits, check_sample, filled

SHARES_STAKED = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.99, 1.0])
"""Shares of the capital that are staked: capital falls by this share where the value is the worst possible."""
_BISECTIONS = 40


def betting_interval(values: Float64Array, population: int | None, level: float) -> tuple[float, float]:
    """Compute an interval of the mean of values in [0, 1] from a simple random sample; `population` None means unknown size.

    Each end is refuted with a chance of at most (1 − level) / 2, for every population and sample size.
    """
    low = lower_bound(values, (1.0 - level) / 2.0)
    high = 1.0 - lower_bound(1.0 - values, (1.0 - level) / 2.0)
    if population is None:
        return low, high
    seen, unseen = float(values.sum()), population - len(values)
    return max(low, seen / population), min(high, (seen + unseen) / population)


def lower_bound(values: Float64Array, alpha: float) -> float:
    """Find the lower confidence bound of the mean: all smaller means are rejected by a betting capital of 1 / α."""
    inside, outside = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2.0
        capital = np.prod(1.0 + np.outer(SHARES_STAKED / middle, values - middle), axis=1).mean()
        inside, outside = (middle, outside) if capital >= 1.0 / alpha else (inside, middle)
    return inside


_UNSEEN_LABELS = 0.15
_LEAST = 2
_ROUNDING = 1e-20


class Powered(NamedTuple):
    """Hold an estimated mean with its variance, degrees of freedom, and the weight λ of predictions.

    `unseen` is what one label at distance 1 from the mean would add to the variance of the estimate.
    """

    value: float
    variance: float
    unseen: float
    freedom: float
    weight: float

    def interval(self, level: float, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
        """Return the ends of Student's t interval, each widened for unseen labels at that end of the range."""
        from scipy.special import stdtrit

        quantile = float(stdtrit(self.freedom, (1.0 + level) / 2.0))
        below, above = (
            quantile * float(np.sqrt(self.variance + _UNSEEN_LABELS * self.unseen * (end - self.value) ** 2))
            for end in (least, most)
        )
        return self.value - below, self.value + above


def prediction_powered(
    values: Float64Array, predicted: Float64Array, predicted_mean: float, sample: Sample, fixed: float | None = None
) -> Powered:
    """Estimate a site's mean by λ · mean prediction + Σ w_i (y_i − λ p_i), λ in [0, 1] being `fixed` or of least variance.

    `values` y and `predicted` p are (k,), in the sample's order; `predicted_mean` is over all images of the site; w_i = 1 / (m
    π_i).
    """
    cells, weights = _cells(sample), sample.weights
    shares, counts = np.bincount(cells, weights), np.bincount(cells).astype(np.float64)
    unseen = 1.0 - counts / np.bincount(cells, 1.0 / sample.probabilities)
    scale = np.square(shares) * np.maximum(unseen, 0.0) / counts
    freedoms = np.maximum(counts - 1.0, 1.0)

    def centred(x: Float64Array) -> Float64Array:
        """Return deviations from the cells' weighted means, each multiplied by weight / mean weight."""
        deviations = x - (np.bincount(cells, weights * x) / shares)[cells]
        return np.asarray(weights * (counts / shares)[cells] * deviations)

    # λ = Σ scale cov(y, p) / Σ scale var(p) within cells has the least variance; 0 where predictions vary by rounding alone.
    y, p = centred(values), centred(predicted)
    own = float(scale @ (np.bincount(cells, p * p) / freedoms))
    varies = own > _ROUNDING * float(scale.sum()) * float(np.square(predicted).max())
    least = float(scale @ (np.bincount(cells, y * p) / freedoms)) / own if varies else 0.0
    weight = float(np.clip(least, 0.0, 1.0)) if fixed is None else fixed
    residuals = values - weight * predicted
    measured = np.bincount(cells, np.square(centred(residuals))) / freedoms
    freedom = len(values) - len(counts)
    if fixed is None and weight > 0.0 and freedom > 1:
        measured *= freedom / (freedom - 1)  # fitting λ costs one degree of freedom
    variance = float(scale @ measured)
    value = weight * predicted_mean + float(weights @ residuals)
    # Degrees of freedom of a sum of variances (Satterthwaite, Biometrics Bull. 2 (1946)).
    squares = float((np.square(scale * measured) / freedoms).sum())
    effective = max(1.0, variance**2 / squares) if squares > 0.0 else 1.0
    return Powered(value, variance, float(scale.sum()) / len(values), effective, weight)


def _cells(sample: Sample) -> NDArray[np.intp]:
    """Number the stratum of each image, (k,); a stratum of a single image, which was not all of it, joins its neighbour.

    Joined strata vary more than each by itself, so the variance is stated too large rather than too small (collapsed strata:
    Wolter, "Introduction to Variance Estimation" (2007), chapter 2).
    """
    strata = np.unique(sample.strata, return_inverse=True)[1]
    alone = (np.bincount(strata) < _LEAST) & (np.bincount(strata, sample.probabilities) < 1.0)
    cells, waits = np.zeros(len(alone), dtype=np.intp), bool(alone[0])
    for stratum in range(1, len(alone)):
        cells[stratum] = cells[stratum - 1] + (not waits)
        waits = bool(alone[stratum]) and not waits
    if waits and cells[-1] > 0:
        cells[-1] -= 1
    return cells[strata]


@dataclass(frozen=True)
class Estimate:
    """Hold an estimate with the ends of its interval."""

    value: float
    low: float
    high: float

    @classmethod
    def clipped(cls, value: float, low: float, high: float) -> Estimate:
        """Make an estimate with value and interval clipped to [0, 1]."""
        return cls(*(float(np.clip(x, 0.0, 1.0)) for x in (value, low, high)))

    @property
    def half_width(self) -> float:
        """Return half the interval's length."""
        return (self.high - self.low) / 2.0


def mean(values: ArrayLike, proxy: ArrayLike, sample: Sample, *, level: float = 0.9) -> Estimate:
    """Estimate the mean performance over all m images of a site from k labelled images.

    `values` (k,) are the measured performance in the order of the `sample`, NaN for an image that has none (no foreground),
    which the mean leaves out; `proxy` (m,) is the predicted performance of all images, NaN where there is none.

    The estimate is λ p̄ + Σ w_i (y_i − λ p_i), p̄ the mean prediction over all images and w_i = 1 / (m π_i) the share of the
    site that image i stands for: for λ = 0 the weighted mean of the values, for λ = 1 the difference estimator. The λ in [0, 1]
    that makes it most certain is fitted to the sample: prediction-powered inference (Angelopoulos, Duchi & Zrnic, "PPI++:
    efficient prediction-powered inference" (2023), https://arxiv.org/abs/2311.01453), here for a stratified sample of a finite
    site. A wrong prediction makes the interval wide, not false.

    The interval at confidence `level` is, from 8 labels on, Student's t with the strata's own variances and Satterthwaite's
    degrees of freedom, the variance being raised by what 0.15 of a label at the far end of [0, 1] would add, since a sample of
    a few like values cannot show rare others. That it holds is shown by simulation. For fewer labels it is a bound by betting
    (`howfar.sampling.estimates`), which holds for every site and does not read the predictions. With all images labelled it has
    no width. Raises `InputError`: values or predictions outside [0, 1], a length that does not fit the sample, or no value that
    is not NaN.

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
    measured, predicted = as_shares(values, "values", len(sample)), filled(as_shares(proxy, "proxy"))
    check_fits(sample, len(predicted))
    return of_values(measured, predicted[sample.indices], float(predicted.mean()), sample, level)


def further_groups(values: ArrayLike, sample: Sample, groups: ArrayLike, *, level: float = 0.9) -> Estimate:
    """Estimate the mean performance over further groups (scenes, patients, clips) like those of a site, from k labels.

    `mean` speaks of the site's own images, and holds however much images of one group depend on each other. Of other groups the
    labels show as much as the groups that they are from: the variance is between groups, Σ_g (Σ_i w_i (y_i − ȳ))² · G / (G − 1)
    over the G groups with labels (Särndal, Swensson & Wretman, "Model Assisted Survey Sampling" (1992), section 4.2), without a
    correction for the size of the site, with Student's t of as many degrees of freedom as groups of equal weight, less one, and
    with the same widening for unseen values as in `mean`. `values` (k,) may be NaN; `groups` (m,) name the group of each image
    of the site. The interval is 0 to 1 where fewer than two groups are labelled.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw
    >>> groups = np.repeat(np.arange(20), 10)
    >>> sample = draw(np.full(200, 0.5), 40, groups=groups)
    >>> estimate = further_groups((groups / 20)[sample.indices], sample, groups)
    >>> round(estimate.half_width, 2)
    0.11
    """
    check_sample(sample)
    check_level(level)
    measured = as_shares(values, "values", len(sample))
    known = np.isfinite(measured)
    if not known.any():
        raise InputError.of("values", "must hold at least one that is not NaN", f"none of {len(measured)}")
    weights = sample.weights[known] / sample.weights[known].sum()
    of = np.unique(as_groups(groups, sample.population)[sample.indices[known]], return_inverse=True)[1]
    value, shares = float(weights @ measured[known]), np.bincount(of, weights)
    if len(shares) < _LEAST:
        return Estimate.clipped(value, 0.0, 1.0)
    count, effective = len(shares), 1.0 / float(np.square(shares).sum())
    totals = np.bincount(of, weights * (measured[known] - value))
    variance = float(np.square(totals).sum()) * count / (count - 1)
    powered = Powered(value, variance, 1.0 / effective**2, max(effective - 1.0, 1e-3), 0.0)
    return Estimate.clipped(value, *powered.interval(level))


def of_values(measured: Float64Array, predicted: Float64Array, predicted_mean: float, sample: Sample, level: float) -> Estimate:
    """Estimate a site's mean from (k,) values and predictions of sampled images and the mean prediction of all images."""
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
    if not known.all():
        # Linearised, so that the mean over all images is the mean over images with a value.
        weights = sample.weights
        share, centre = float(weights[known].sum()), float(np.average(measured[known], weights=weights[known]))
        measured = np.where(known, centre + (np.where(known, measured, centre) - centre) / share, centre)
    powered = prediction_powered(measured, predicted, predicted_mean, sample)
    return Estimate.clipped(powered.value, *powered.interval(level, 0.0, 1.0))


_STEPS = 3


def ratio(numerators: ArrayLike, denominators: ArrayLike, proxy: ArrayLike, sample: Sample, *, level: float = 0.9) -> Estimate:
    """Estimate a ratio of two totals over a site, such as pooled F, from k labelled images.

    With numbers a_i = 2TP and b_i = 2TP + FP + FN of each image, R = Σ a / Σ b is found by the linearised u_i = R + (a_i − R
    b_i) / b̄, whose mean over the site is R (Taylor linearisation: Särndal, Swensson & Wretman, "Model Assisted Survey
    Sampling" (1992), section 5.5). The mean of u is estimated as by `howfar.sampling.mean`, with the expected numbers
    linearised alike as predictions, by Student's t for every k; with a single label the interval is 0 to 1.

    `numerators` and `denominators` are (k,), in the sample's order. `proxy` is (2, m): the expected numerator and denominator
    of every image, such as 2 Σ p b and Σ p + Σ b over its pixels, p the model's probability and b whether it predicts
    foreground; or (m,), a predicted performance, which is of less help. Raises `InputError` for numbers that are negative, no
    count at all, a numerator above its denominator, or lengths that do not fit.

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
    above = as_row(numerators, "numerators", length=len(sample), undefined=True)
    below = as_row(denominators, "denominators", length=len(sample), undefined=True)
    if not ((above >= 0.0) & (above <= below)).all():
        raise InputError.of("numerators", "must lie between 0 and their denominators", "NaN, one below 0 or one above")
    if not below.any():
        raise InputError.of("denominators", "must not all be 0", 0.0, "label images that show something, or predict something")
    check_level(level)
    # (2, m) expected numerators and denominators; predicted performance p counts as p over 1.
    expected = np.asarray(proxy, dtype=np.float64)
    if expected.ndim == 1:
        expected = np.stack([filled(as_row(expected, "proxy", undefined=True)), np.ones(len(expected))])
    if expected.ndim != 2 or len(expected) != 2 or not np.isfinite(expected).all():
        raise InputError.of("proxy", "must be (2, m) finite expected numbers, or (m,) predicted performance", expected.shape)
    check_fits(sample, expected.shape[1])

    weights = sample.weights
    size, expected_size = float(weights @ below), float(expected[1].mean())
    value = float(weights @ above / size)
    if sample.whole:
        return Estimate(value, value, value)
    for _ in range(_STEPS):
        predicted = (expected[0] - value * expected[1]) / (expected_size if expected_size > 0.0 else 1.0)
        numbers = value + (above - value * below) / size
        powered = prediction_powered(numbers, predicted[sample.indices], float(predicted.mean()), sample)
        value = float(np.clip(powered.value, 0.0, 1.0))
    if len(sample) < _LEAST:
        return Estimate(value, 0.0, 1.0)
    # The root mean square of the images' denominators over their mean.
    spread = float(np.sqrt(weights @ np.square(below / size)))
    return Estimate.clipped(value, *powered.interval(level, value - value * spread, value + (1.0 - value) * spread))


def ods(
    numerators: ArrayLike, denominators: ArrayLike, proxy: ArrayLike, sample: Sample, *, level: float = 0.9
) -> tuple[Estimate, int]:
    """Estimate the best pooled F over thresholds (ODS), and the index of the best threshold.

    The interval is that of pooled F at the threshold with the best estimate. A maximum of estimates lies above the true one on
    average, the more the fewer labels; the documentation gives by how much. Arguments and errors are those of `ratio`, of each
    of t thresholds: (k, t) numbers, and (2, m, t) expected numbers or (m,) predicted performance as the proxy.

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
    above, below, expected = (np.asarray(numbers, dtype=np.float64) for numbers in (numerators, denominators, proxy))
    if above.ndim != 2 or above.shape != below.shape or not above.shape[1]:
        raise InputError.of("numerators and denominators", "must both be (k, thresholds)", (above.shape, below.shape))
    if expected.ndim == 3 and expected.shape[2] != above.shape[1]:
        raise InputError.of("proxy", f"must be (2, m, {above.shape[1]}), one a threshold", expected.shape)
    # Where nothing is predicted and nothing true, as at a high threshold over empty masks, there is no ratio.
    defined = np.flatnonzero((below != 0).any(axis=0)).tolist() or [0]
    found = []
    for place in defined:
        own = expected[..., place] if expected.ndim == 3 else expected
        found.append(ratio(above[:, place], below[:, place], own, sample, level=level))
    best = int(np.argmax([estimate.value for estimate in found]))
    return found[best], defined[best]


@dataclass(frozen=True, eq=False)
class Fold:
    """Hold one part of a sample divided for cross-fitting, as positions in the sample.

    This part's model may learn from `learn`, and is measured on `held`, which it must not have seen. `probabilities` are the
    chance of each held image to be drawn and to fall into this part.
    """

    learn: NDArray[np.int64]
    held: NDArray[np.int64]
    probabilities: Float64Array


def folds(
    sample: Sample, *, parts: int = 2, groups: ArrayLike | None = None, seed: int | np.random.Generator = 0
) -> tuple[Fold, ...]:
    """Divide a sample at random into parts, for cross-fitting.

    A model that is measured on images that it learnt from looks better than it is. So adapt one model a part, on the other
    parts, measure each image of the sample by the one model that has not seen it, and pass all values to `cross_fitted_mean`.
    Each stratum is dealt out evenly; every image has the same chance of each part. With `groups`, (m,) the photograph of each
    image of the site, those of one photograph stay together. Raises `InputError` for fewer than 2 parts, or more than there is
    to divide.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import draw, folds
    >>> sample = draw(np.linspace(0, 1, 50), 8)
    >>> [(len(fold.learn), len(fold.held)) for fold in folds(sample)]
    [(4, 4), (4, 4)]
    """
    check_sample(sample)
    rng = as_rng(seed)
    names = np.arange(len(sample)) if groups is None else as_groups(groups, sample.population)[sample.indices]
    _, first, of, counts = np.unique(names, return_index=True, return_inverse=True, return_counts=True)
    if not 2 <= as_count(parts, "parts") <= len(first):
        raise InputError.of("parts", f"must be between 2 and the {len(first)} images or photographs to divide", parts)
    # Photographs go by stratum in random order, each to the part with the fewest images.
    part, sizes = np.empty(len(names), dtype=np.int64), np.zeros(parts)
    for unit in np.lexsort((rng.random(len(first)), sample.strata[first])):
        smallest = int(np.argmin(sizes))
        part[of == unit] = smallest
        sizes[smallest] += counts[unit]
    part = rng.permutation(parts)[part]
    places = np.arange(len(sample))
    return tuple(
        Fold(places[part != number], places[part == number], sample.probabilities[part == number] / parts)
        for number in range(parts)
    )


def cross_fitted_mean(
    values: ArrayLike, proxies: Sequence[ArrayLike], sample: Sample, divided: Sequence[Fold], *, level: float = 0.9
) -> Estimate:
    """Estimate the mean performance of cross-fitted models, each measured on images not used to train it.

    `values` (k,) are the performance of each image of the sample by the model of its part; `proxies` hold the predicted
    performance of all m images by the model of each part, (m,) each; `divided` are the parts that `folds` gave. Raises
    `InputError` for parts that do not hold each image of the sample once, another number of predictions than of parts, and what
    `mean` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import cross_fitted_mean, draw, folds
    >>> proxy = np.linspace(0.2, 0.8, 50)
    >>> sample = draw(proxy, 12)
    >>> estimate = cross_fitted_mean(proxy[sample.indices], [proxy, proxy], sample, folds(sample))
    >>> round(estimate.value, 2)
    0.5
    """
    check_sample(sample)
    measured = as_shares(values, "values", len(sample))
    held = np.concatenate([fold.held for fold in divided]) if divided else np.empty(0, dtype=np.int64)
    if not np.array_equal(np.sort(held), np.arange(len(sample))):
        raise InputError.of("divided", f"must hold each of the {len(sample)} images of the sample once", len(held))
    if len(proxies) != len(divided):
        raise InputError.of("proxies", f"must be {len(divided)}, one a part", len(proxies))
    predicted, total = np.empty(len(sample)), 0.0
    for proxy, fold in zip(proxies, divided, strict=True):
        own = filled(as_shares(proxy, "proxy"))
        check_fits(sample, len(own), "proxies")
        predicted[fold.held] = own[sample.indices[fold.held]]
        total += float(sample.weights[fold.held].sum()) * float(own.mean())
    return of_values(measured, predicted, total, sample, level)
