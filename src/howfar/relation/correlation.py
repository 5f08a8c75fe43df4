"""Compute rank correlations and slopes of performance over distance in bootstrap resamples, with 95 % intervals.

A resample is a row of weights, how often each image was drawn. An image's rank among those drawn is the mean place of the
copies that tie with it, which cumulative weights in sorted order give exactly. Ranks are divided by their number and centred
within the set, so that sums of their products add over sets of all sizes, each image counting alike. Kendall's counts are a
quadratic form: with w the times drawn and S the signs of (x_j − x_i)(y_j − y_i), concordant less discordant pairs are ½ wᵀ S w
(Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945).

Intervals are t intervals: a standard error that the resamples give, times a quantile of Student's t. Over 1,000 to 2,000
simulated sets of 20 to 120 images a case, percentile intervals of the slope that claim 95 % covered 85 to 95 %, basic 62 to 98
%, BCa 82 to 96 %, studentised 78 to 96 %, and this rule 94 to 100 %; for Spearman's ρ percentile intervals 92 to 97 %, BCa 94
to 97 %, and this rule 94 to 100 %. Without the degrees of freedom of `effective_groups`, intervals of ρ covered 38 to 94 %
where fewer than five images differ from the rest.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, quotient
from howfar.relation.performance_by_distance import PerformancePoints
from howfar.results import Interval
from howfar.significance.bootstrap import student

_COLLINEAR = 1e-9


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Compute Spearman's rank correlation of two rows of numbers; None if undefined (a single value, or all equal)."""
    columns = (np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    rho = float(correlation(rank_sums(columns, np.ones((1, len(columns[0])))))[0])
    return None if np.isnan(rho) else rho


def tied(values: Float64Array, weights: Float64Array) -> tuple[Float64Array, NDArray[np.intp]]:
    """Sum the weights of each distinct value in ascending order, (draws, values); also return each image's value index."""
    different, positions = np.unique(values, return_inverse=True)
    ordered = weights[:, np.argsort(positions, kind="stable")]
    if len(different) == len(values):
        return ordered, positions
    starts = np.concatenate([[0], np.cumsum(np.bincount(positions))[:-1]])
    return np.add.reduceat(ordered, starts, axis=1), positions


def midranks(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Compute each image's mid-rank among the drawn copies, divided by their number and centred: −1/2 to 1/2, (draws, m).

    `weights` (draws, m) say how often each image was drawn. The weighted mean is 0 in every draw; an image that was not drawn
    gets the rank that it would have.
    """
    copies, positions = tied(values, weights)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(((np.cumsum(copies, axis=1) - copies / 2.0) / total - 0.5)[:, positions])


def rank_sums(columns: tuple[Float64Array, ...], weights: Float64Array) -> Float64Array:
    """Sum the weighted products of centred ranks for each pair of two or three columns: xx, xy, (xz,) yy, (yz, zz)."""
    ranks = [midranks(column, weights) for column in columns]
    pairs = [(i, j) for i in range(len(ranks)) for j in range(i, len(ranks))]
    return np.stack([np.einsum("dm,dm,dm->d", weights, ranks[i], ranks[j]) for i, j in pairs], axis=1)


def correlation(sums: Float64Array) -> Float64Array:
    """Compute the correlation xy / √(xx · yy) from the sums xx, xy, yy; NaN if a quantity is constant."""
    xx, xy, yy = sums.T
    return _ratio(xy, xx * yy)


def partial_spearman(sums: Float64Array) -> Float64Array:
    """Compute the rank correlation of x and y given z, (r_xy − r_xz r_yz) / √((1 − r_xz²)(1 − r_yz²)), from the sums xx … zz.

    NaN where a quantity was constant or its ranks are those of z.
    """
    xx, xy, xz, yy, yz, zz = sums.T
    r_xy, r_xz, r_yz = _ratio(xy, xx * yy), _ratio(xz, xx * zz), _ratio(yz, yy * zz)
    left_x, left_y = 1.0 - r_xz**2, 1.0 - r_yz**2
    defined = (left_x > _COLLINEAR) & (left_y > _COLLINEAR)
    partial = _ratio(r_xy - r_xz * r_yz, np.where(defined, left_x * left_y, 0.0))
    return np.clip(partial, -1.0, 1.0)


def _ratio(product: Float64Array, squares: Float64Array) -> Float64Array:
    """Divide a covariance by the root of the product of two variances; NaN if the product is 0."""
    return quotient(product, np.sqrt(np.maximum(squares, 0.0)))


_BLOCK = 512


def concordance_sums(x: Float64Array, y: Float64Array, weights: Float64Array) -> Float64Array:
    """Compute the pair counts of Kendall's τ_b per drawn image: differing in x, concordant − discordant, differing in y.

    Divided by the number drawn, the sums of several sets add up with each image counting alike. `correlation` of the sums is
    τ_b. `x` (m,) is ascending; `weights` (draws, m) sum to 1 to 2²⁴ a draw. Costs m²/2 products a draw, in blocks.
    """
    # Whole numbers below 2^24 are exact in float32, which halves the time of the products.
    single = weights.astype(np.float32)
    agreeing = np.zeros(len(weights))
    for start in range(0, len(x), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        signs = np.sign(y[start:stop] - y[:stop, None]) * (x[start:stop] > x[:stop, None])
        drawn = single[:, :stop] @ signs.astype(np.float32)
        agreeing += np.einsum("db,db->d", drawn.astype(np.float64), weights[:, start:stop])
    sums = np.stack([_differing(x, weights), agreeing, _differing(y, weights)], axis=1)
    sums /= weights.sum(axis=1, keepdims=True)
    return sums


def _differing(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Count the drawn pairs with different values: ((Σ w)² − Σ t²) / 2, where t counts the copies of each value."""
    copies, _ = tied(values, weights)
    pairs: Float64Array = (weights.sum(axis=1) ** 2 - np.einsum("du,du->d", copies, copies)) / 2.0
    return pairs


_CONSTANT = 1e-12


def moments(points: PerformancePoints) -> Float64Array:
    """Compute 1, x, y, x² and xy of each image, (m, 5), with x and y centred at their means over the set.

    Performances that differ by no more than rounding have a y of 0: what is left of them is how their mean was rounded.
    """
    x, y = points.distances - points.distances.mean(), points.performance - points.performance.mean()
    if np.ptp(points.performance) <= _CONSTANT * np.abs(points.performance).max():
        y = np.zeros(len(y))
    return np.stack([np.ones(len(x)), x, y, x * x, x * y], axis=1)


def centred(sums: Float64Array) -> Float64Array:
    """Compute the centred sums Σ x² and Σ xy of each draw, (draws, 2), from summed moments; a scatter within rounding is 0."""
    n, x, y, xx, xy = sums.T
    scatter = xx - x * x / n
    varies = scatter > _CONSTANT * xx
    return np.stack([np.where(varies, scatter, 0.0), np.where(varies, xy - x * y / n, 0.0)], axis=1)


def slope_of(sums: Float64Array) -> Float64Array:
    """Compute the slope Σ xy / Σ xx from centred sums; NaN if all distances are equal."""
    xx, xy = sums.T
    return quotient(xy, xx)


def jackknife_error(sets: Sequence[PerformancePoints]) -> float:
    """Compute the jackknife standard error of the slope, leaving out one group at a time within each set.

    √(Σ_sets (G − 1)/G Σ_groups (b₋ − mean b₋)²), G the groups of the set. A far group is left out together with its pull on the
    slope, of which the bootstrap sees too little. Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993),
    chapter 11.
    """
    by_set = [
        np.stack([np.bincount(points.groups, column, minlength=points.n_groups) for column in moments(points).T], axis=1)
        for points in sets
    ]
    whole = [centred(groups.sum(axis=0, keepdims=True)) for groups in by_set]
    everything = np.sum(whole, axis=0)
    variance = 0.0
    for groups, own in zip(by_set, whole, strict=True):
        left = everything - own + centred(groups.sum(axis=0) - groups)
        slopes = slope_of(left)
        slopes = slopes[np.isfinite(slopes)]
        variance += (len(groups) - 1) / len(groups) * float(np.sum((slopes - slopes.mean()) ** 2)) if len(slopes) else 0.0
    return float(np.sqrt(variance))


LEVEL = 0.95
FEWEST = 6
_DEFINED = 0.5


def slope_interval(value: float, draws: Float64Array, jackknife: float, freedom: float) -> Interval:
    """Compute a slope's interval: value ± t · max(bootstrap standard error, jackknife standard error).

    There is no interval where fewer than half of the draws are defined.
    """
    error = _standard_error(draws)
    if error is None:
        return Interval(value)
    reach = student(max(freedom, 1.0), LEVEL) * max(error, jackknife)
    return Interval(value, value - reach, value + reach)


def correlation_interval(value: float, draws: Float64Array, freedom: float) -> Interval:
    """Compute a correlation's interval tanh(artanh(r) ± t · s / (1 − r²)), where s is the bootstrap standard error of r.

    Fisher's z lets the interval lean away from ±1 and keeps it inside; s / (1 − r²) is the standard error of z to first order,
    which does not blow up where a few resamples are in perfect order. There is no interval where fewer than half of the draws
    are defined; low = high where the order is perfect.
    """
    error = _standard_error(draws)
    if error is None:
        return Interval(value)
    rest = 1.0 - value * value
    if rest <= 0.0 or error == 0.0:
        return Interval(value, value, value)
    reach = student(max(freedom, 1.0), LEVEL) * error / rest
    low, high = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
    return Interval(value, float(low), float(high))


def _standard_error(draws: Float64Array) -> float | None:
    defined = draws[np.isfinite(draws)]
    return float(defined.std(ddof=1)) if len(defined) >= max(2, _DEFINED * len(draws)) else None
