"""Measure whether performance falls with distance: rank correlations and slope with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.bootstrap_intervals import FEWEST, correlation_interval, slope_interval
from howfar.relation.distance_performance_points import Points, effective_groups
from howfar.relation.kendall import concordance_sums
from howfar.relation.regression_slope import centred, jackknife_error, moments, slope_of
from howfar.relation.spearman import correlation, midranks, partial_spearman, rank_sums
from howfar.results import Coefficient, Trend
from howfar.significance import resample_weights

FEWEST_IMAGES = 3
_AT_ONCE = 2**21


def trend(points: Points, rng: np.random.Generator, draws: int = 1000) -> Trend | None:
    """Measure how performance goes with distance in one set, with 95 % bootstrap intervals that resample photographs.

    Computed are Spearman's ρ, Kendall's τ_b and the least-squares slope of performance on scaled distance; and Spearman's ρ
    given the foreground share, over the images where that is known. Each draw takes as many groups as there are, with
    replacement, each with all of its images: tiles of one photograph are no independent evidence. Constant performance has
    slope 0 and no rank correlation; equal distances have neither.

    `howfar.relation.bootstrap_intervals` says how the intervals are made, and why so; the notes below say what they were
    measured to cover.

    Parameters
    ----------
    points
        The images that have a performance.
    rng
        Source of the draws; the same state gives the same intervals, in any order of the images.
    draws
        How many resamples; 0 leaves the intervals out.

    Returns
    -------
    Trend or None
        None with fewer than 3 images. Intervals are None with fewer than 6 groups.

    Raises
    ------
    InputError
        `draws` is negative, or 1.

    Notes
    -----
    Share of 1,000 simulated sets whose interval held the true value, with skewed distances (gamma, shape 2), 300 draws and
    performance that does not depend on distance; in brackets ρ (τ and the partial ρ are about 1 % from it at most):

    =============================  ==============  ==============  ==============
    performance                    40 images       100 images      400 images
    =============================  ==============  ==============  ==============
    constant and even noise        97.2 % (96.6)   96.2 % (94.3)   94.9 % (94.5)
    noise that grows               94.6 % (95.1)   95.1 % (95.7)   93.5 % (94.7)
    noise that shrinks             98.8 % (96.0)   96.9 % (94.3)   94.8 % (94.7)
    beta between 0 and 1           96.6 % (96.1)   96.2 % (95.7)   95.6 % (94.8)
    30 % zeros, beta elsewhere     95.8 % (96.2)   95.4 % (95.7)   94.6 % (95.2)
    85 % zeros                     99.2 % (94.2)   96.4 % (94.9)   94.3 % (94.8)
    right or wrong, 80 % right     96.9 % (94.1)   95.9 % (95.8)   94.9 % (94.5)
    =============================  ==============  ==============  ==============

    With a true slope of −0.5 and beta noise the slope's interval held it in 96.9, 95.3 and 95.7 %; with 6 to 20 images all
    intervals held the truth in 96 to 100 %; with 10, 20 and 60 photographs of 1 to 7 tiles the slope's in 98.4, 97.7 and
    96.3 %, ρ's in 97.5, 95.4 and 94.3 %.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> distance = np.linspace(0.0, 1.0, 60)
    >>> result = trend(Points.of(distance, 0.8 - 0.5 * distance + rng.normal(0.0, 0.05, 60)), rng, draws=200)
    >>> round(result.slope.value, 1), result.slope.low < -0.5 < result.slope.high, result.partial
    (-0.5, True, None)
    """
    _check_draws(draws)
    return None if len(points) < FEWEST_IMAGES else _related([points], rng, draws)


def can_be_pooled(points: Points) -> bool:
    """Tell whether a set holds enough to resample: three images, of two photographs."""
    return len(points) >= FEWEST_IMAGES and points.n_groups >= 2


def pooled_trend(sets: Sequence[Points], rng: np.random.Generator, draws: int = 1000) -> Trend | None:
    """Measure how performance goes with distance within sets, pooled over them: differences between sets play no part.

    Ranks are taken within each set, divided by its size and centred, so that each image counts alike (Spearman, partial); pairs
    are formed within sets, those of a set divided by its size (Kendall); the slope is that of performance and scaled distance
    less their means over the set. Photographs are resampled within each set. A set with fewer than 3 images or fewer than 2
    photographs is left out: it holds nothing to resample. Measured on simulated sets, the slope's interval held the truth in
    95.3 % with three sets of 40 images, in 94.4 % with sets of 20, 100 and 300, and ρ's in 95.6 and 94.9 %.

    Parameters
    ----------
    sets
        One `Points` a set.
    rng
        Source of the draws; the same state gives the same intervals, in any order of the images.
    draws
        How many resamples; 0 leaves the intervals out.

    Returns
    -------
    Trend or None
        None where no set is left.

    Raises
    ------
    InputError
        `draws` is negative, or 1.

    Examples
    --------
    >>> near = Points.of([0.0, 0.2, 0.5, 1.0], [0.9, 0.8, 0.7, 0.6])
    >>> far = Points.of([0.0, 0.4, 0.6, 1.0], [0.4, 0.3, 0.2, 0.1])
    >>> result = pooled_trend([near, far], np.random.default_rng(0), draws=0)
    >>> result.n, result.spearman.value, round(result.slope.value, 2)
    (8, -1.0, -0.3)
    """
    _check_draws(draws)
    usable = [points for points in sets if can_be_pooled(points)]
    return _related(usable, rng, draws) if usable else None


@dataclass(frozen=True)
class _Statistic:
    """Describe a coefficient whose sums add over sets: the (draws, k) sums of one set, the coefficient, and what carries it."""

    sums: Callable[[Points, Float64Array], Float64Array]
    value: Callable[[Float64Array], Float64Array]
    carriers: Callable[[Points], tuple[Float64Array, ...]]

    def of(self, sets: Sequence[Points], drawn: Sequence[Float64Array]) -> Float64Array:
        """Compute the coefficient in each draw, drawn from every set."""
        return self.value(np.sum([self.sums(points, weights) for points, weights in zip(sets, drawn, strict=True)], axis=0))

    def freedom(self, sets: Sequence[Points]) -> float:
        """Compute the degrees of freedom: the effective number of groups of the quantity that the fewest groups carry."""
        spare = sum(points.n_groups for points in sets) - len(sets) - 1
        carried = [effective_groups(sets, columns) for columns in zip(*map(self.carriers, sets), strict=True)]
        return float(min(spare, *carried))


def _ranked(*names: str) -> Callable[[Points], tuple[Float64Array, ...]]:
    """Compute centred ranks of some quantities among the images where all of them are known, 0 elsewhere."""

    def carriers(points: Points) -> tuple[Float64Array, ...]:
        columns, defined = _defined_columns(points, names)
        return tuple(defined * midranks(column, defined[None, :])[0] for column in columns)

    return carriers


def _defined_columns(points: Points, names: Sequence[str]) -> tuple[tuple[Float64Array, ...], Float64Array]:
    """Return some quantities, (m,) each, unknown values as 0, and 1 where all of them are known."""
    unknown = np.full(len(points), np.nan)
    columns = [unknown if values is None else values for values in (getattr(points, name) for name in names)]
    defined = np.isfinite(np.stack(columns)).all(axis=0).astype(np.float64)
    if defined.sum() <= FEWEST_IMAGES and len(names) > 2:
        defined[:] = 0.0  # the residuals of three points' ranks on a line always correlate by ±1
    return tuple(np.where(defined > 0.0, column, 0.0) for column in columns), defined


def _given_foreground(points: Points, weights: Float64Array) -> Float64Array:
    columns, defined = _defined_columns(points, ("distances", "performance", "foreground"))
    return rank_sums(columns, weights * defined)


_SLOPE = _Statistic(
    lambda points, weights: centred(weights @ moments(points)), slope_of, lambda points: (moments(points)[:, 1],)
)
_SPEARMAN = _Statistic(
    lambda points, weights: rank_sums((points.distances, points.performance), weights),
    correlation,
    _ranked("distances", "performance"),
)
_KENDALL = _Statistic(
    lambda points, weights: concordance_sums(points.distances, points.performance, weights),
    correlation,
    _ranked("distances", "performance"),
)
_PARTIAL = _Statistic(_given_foreground, partial_spearman, _ranked("distances", "performance", "foreground"))


def _related(sets: Sequence[Points], rng: np.random.Generator, draws: int) -> Trend:
    statistics = [_SLOPE, _SPEARMAN, _KENDALL]
    if any(points.foreground is not None for points in sets):
        statistics.append(_PARTIAL)
    values = [float(statistic.of(sets, [np.ones((1, len(points))) for points in sets])[0]) for statistic in statistics]
    groups = sum(points.n_groups for points in sets)
    if draws and groups - len(sets) >= FEWEST - 1:
        coefficients = _with_intervals(sets, statistics, values, rng, draws)
    else:
        coefficients = [Coefficient(value if np.isfinite(value) else None) for value in values]
    slope, spearman, kendall, *partial = coefficients
    return Trend(
        n=sum(len(points) for points in sets),
        groups=groups,
        spearman=spearman,
        kendall=kendall,
        slope=slope,
        partial=partial[0] if partial else None,
    )


def _with_intervals(
    sets: Sequence[Points], statistics: Sequence[_Statistic], values: Sequence[float], rng: np.random.Generator, draws: int
) -> list[Coefficient]:
    blocks = [[statistic.of(sets, drawn) for statistic in statistics] for drawn in _drawn(sets, rng, draws)]
    coefficients = []
    for statistic, value, resampled in zip(statistics, values, map(np.concatenate, zip(*blocks, strict=True)), strict=True):
        if not np.isfinite(value):
            coefficients.append(Coefficient(None))
        elif statistic is _SLOPE:
            coefficients.append(slope_interval(value, resampled, jackknife_error(sets), statistic.freedom(sets)))
        else:
            coefficients.append(correlation_interval(value, resampled, statistic.freedom(sets)))
    return coefficients


def _drawn(sets: Sequence[Points], rng: np.random.Generator, draws: int) -> Iterator[list[Float64Array]]:
    """Yield how often each image of each set is in each draw, (draws, m) a set, a block of draws at a time."""
    counts = [np.rint(points.n_groups * resample_weights(points.n_groups, draws, rng)) for points in sets]
    step = max(1, _AT_ONCE // max(len(points) for points in sets))
    for start in range(0, draws, step):
        yield [count[points.groups, start : start + step].T for points, count in zip(sets, counts, strict=True)]


def _check_draws(draws: int) -> None:
    if draws < 0 or draws == 1:
        raise InputError.of("draws", "must be 0 (no intervals) or at least 2", draws, "pass 1000")
