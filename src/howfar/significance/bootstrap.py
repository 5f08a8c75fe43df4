"""Draw bootstrap resamples of images, and compute mean distances of the resamples and percentile intervals.

A draw takes n images of n with replacement, which is a column of weights w (how often each was taken, over n). Any mean of
pairwise distances under a draw is then a quadratic form wᵀ D v, and all draws share one pass over the distances.
Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13.

Hoeffding's decomposition writes a distance as d(i, j) = mean + a(i) + b(j) + r(i, j), where r sums to 0 over each row and each
column. A draw that takes image i of S w(i) times, of m, and image j of P v(j) times, of n, has the mean distance

    mean + Σ w a / m + Σ v b / n + Σ w(i) v(j) r(i, j) / (m n),

of which all but the last term takes m + n numbers. Over draws the last term averages 0, its variance is Σ r² / (m n)², and it
is uncorrelated with all that depends on w alone or on v alone. Within one dataset of n images, over pairs of different ones, it
averages 0 too, with the variance 2 (n − 1) / n · Σ r² / n⁴. So it is small beside the others where images are many. The part of
r that is made of products of effects, Σ c(k, l) e(k, i) f(l, j), is drawn exactly as well, since it is what adds to the skew of
the draws; the rest is replaced by normal noise of its variance.
Source: Hoeffding, "A class of statistics with asymptotically normal distribution", Ann. Math. Stat. 19 (1948).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_row, check_level, quotient, spans
from howfar.errors import InputError, check_at_least
from howfar.results.display_and_shared_records import Interval

_SINGLE = 1e-12
COUNTED_FROM = 1 << 21
"""Weights from which on images are drawn one by one and counted, which is faster than multinomial counts; another stream."""
_BLOCK = 1 << 19


def resample_counts(
    n: int, draws: int, rng: np.random.Generator, groups: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.uint8]:
    """Draw multinomial bootstrap counts of n images, (n, draws); every column sums to n.

    With `groups`, (n,) numbers from 0, as many groups as there are are drawn, each with all of its images (cluster bootstrap:
    Davison & Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8); columns then sum to what was drawn. The
    same state of `rng` gives the same counts. They are uint8: of more than 255 images, none is taken 256 times (a chance
    below 10⁻⁵⁰⁰). Raises `InputError` for fewer than one image or draw.

    Examples
    --------
    >>> int(resample_counts(4, 1000, np.random.default_rng(0)).sum(axis=0).max())
    4
    """
    check_at_least(1, n=n, draws=draws)
    if groups is not None:
        of_images: NDArray[np.uint8] = resample_counts(int(groups.max()) + 1, draws, rng)[groups]
        return of_images
    if n * draws >= COUNTED_FROM:
        drawn_counts = np.empty((n, draws), np.uint8)
        # The block is part of what a seed gives, so it depends on n alone.
        block = max(1, _BLOCK // n)
        for at in spans(draws, block):
            drawn = rng.integers(n, size=(at.stop - at.start, n), dtype=np.uint32)
            of_block = [np.bincount(taken, minlength=n).astype(np.uint8) for taken in drawn]
            drawn_counts[:, at] = np.stack(of_block, axis=1)
        return drawn_counts
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=draws)
    return np.ascontiguousarray(counts.T.astype(np.uint8))


def resample_weights(n: int, draws: int, rng: np.random.Generator) -> Float64Array:
    """Draw bootstrap weights of n images, (n, draws): counts / n, so that every column sums to 1.

    Raises `InputError`: fewer than one image or draw.

    Examples
    --------
    >>> weights = resample_weights(4, 1000, np.random.default_rng(0))
    >>> weights.shape, bool(np.allclose(weights.sum(axis=0), 1.0))
    ((4, 1000), True)
    """
    return resample_counts(n, draws, rng) / np.float64(n)


def unbiased_mean(form: ArrayLike, weights: ArrayLike) -> Float64Array:
    """Compute each draw's mean distance between different images of one dataset: wᵀ D w / (1 − Σ w²).

    A draw holds some images more than once, and their distance from themselves is 0; dividing by the share of the pairs that
    join different images leaves those out. On average over draws the denominator is (1 − 1/n)² and the numerator (1 − 1/n)²
    times the leave-one-out mean, so the draws lie around that mean instead of below it.

    `form` (draws,) are values of wᵀ D w, D the distances within the dataset; `weights` (n, draws) come from `resample_weights`,
    or counts from `resample_counts`. Returns (draws,): NaN where a draw took one image only, which `interval` leaves out.
    Raises `InputError` for shapes that do not fit, or values that are not finite.

    Examples
    --------
    >>> unbiased_mean([0.5, 0.0], [[0.5, 1.0], [0.5, 0.0]])
    array([ 1., nan])
    """
    forms = as_row(form, "form", least=1)
    w = np.asarray(weights)
    if w.ndim != 2 or w.shape[1] != len(forms):
        raise InputError.of("weights", f"must have shape (n, {len(forms)}), one column a draw", w.shape)
    if w.dtype == np.uint8:
        equal = np.square(w, dtype=np.uint16).sum(axis=0, dtype=np.float64) / len(w) ** 2
    else:
        equal = np.einsum("ik,ik->k", w, w, dtype=np.float64)
    return mean_of_different(forms, equal)


def mean_of_different(form: Float64Array, equal: Float64Array) -> Float64Array:
    """Divide wᵀ D w of each draw, (draws,), by the share of pairs of different images, 1 − Σ w²; NaN if that is 0."""
    pairs = 1.0 - equal
    means: Float64Array = np.divide(form, pairs, out=np.full(len(form), np.nan), where=pairs > _SINGLE)
    return means


def interval(draws: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Compute the percentile interval (low, high) of bootstrap draws: their (1 − level)/2 and (1 + level)/2 quantiles.

    Draws that are not finite are undefined (see `unbiased_mean`) and left out. Raises `InputError` for no finite draw, or a
    level outside (0, 1).

    Examples
    --------
    >>> interval(np.arange(101.0), level=0.9)
    (5.0, 95.0)
    """
    check_level(level, remedy="pass 0.95")
    values = np.asarray(draws, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise InputError.of("draws", "must hold at least one finite number", f"none of {values.size}", "ask for more draws")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(finite, [tail, 1.0 - tail])
    return float(low), float(high)


def student(freedom: float, level: float) -> float:
    """Compute the (1 + level) / 2 quantile of Student's t distribution."""
    # What scipy.stats.t.ppf calls; scipy.stats takes a second to load.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1.0 + level) / 2.0))


FEW_GROUPS = 10
"""Groups below which an answer says how much wider they make its interval."""


def effective(groups: NDArray[np.integer[Any]]) -> float:
    """Compute the effective number of groups, (Σ n_g)² / Σ n_g²: their number where all have as many images (Kish 1965)."""
    sizes = np.bincount(groups).astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def widening(variances: Sequence[float], groups: Sequence[float], level: float = 0.95) -> float:
    """Compute by what factor few groups widen a bootstrap interval; 1 for many, infinite for a single group that varies.

    Resampling G groups states the variance (G − 1) / G times too small, and the estimate is as uncertain as Student's t, not as
    a normal. `variances` are what resampling each set alone gives, `groups` the numbers of groups; degrees of freedom of their
    sum are Satterthwaite's (Biometrics Bull. 2 (1946)).

    Examples
    --------
    >>> round(widening([1.0], [5]), 2), round(widening([1.0], [1000]), 2), widening([1.0], [1])
    (1.58, 1.0, inf)
    """
    stated, counts = np.asarray(variances, np.float64), np.asarray(groups, np.float64)
    single = counts <= 1.0 + _SINGLE
    if single.any():
        return float("inf")
    if not stated.any():
        return 1.0
    corrected = stated * counts / (counts - 1.0)
    freedom = corrected.sum() ** 2 / np.sum(np.square(corrected) / (counts - 1.0))
    return float(np.sqrt(corrected.sum() / stated.sum())) * student(float(freedom), level) / student(np.inf, level)


def widened(draws: ArrayLike, factor: float) -> tuple[float, float] | None:
    """Compute the percentile interval of draws, stretched about their median; None for an infinite factor or no finite draw."""
    values = np.asarray(draws, dtype=np.float64)
    known = values[np.isfinite(values)]
    if not len(known) or not np.isfinite(factor):
        return None
    (low, high), middle = interval(known), float(np.median(known))
    return middle - factor * (middle - low), middle + factor * (high - middle)


def single_group(name: str, images: int) -> str:
    """Say what relative distances mean where all images of the primary dataset are of one group."""
    return (
        f"all {images} images of {name} are of one group: relative 1 is the distance within it, and other groups may seem far"
    )


def few_groups(name: str, images: int, groups: NDArray[np.integer[Any]] | None) -> str | None:
    """Say by how much fewer than `FEW_GROUPS` groups widen the intervals of a dataset; None for more, or for no groups."""
    count = FEW_GROUPS if groups is None else int(groups.max()) + 1
    if groups is None or count >= FEW_GROUPS:
        return None
    if count == 1:
        return f"all {images} images of {name} are of one group, which shows nothing of others: it has no interval"
    factor = widening([1.0], [effective(groups)])
    return (
        f"the {images} images of {name} are of {count} groups: intervals are over groups, and so few make them up to "
        f"{factor:.2g} times as wide as those of many groups"
    )


def image_weights(
    n: int, draws: int, seed: Sequence[int], groups: NDArray[np.integer[Any]] | None = None
) -> Float64Array | None:
    """Draw bootstrap weights of n images, (n, draws), or of their groups; None without draws or for fewer than two images.

    Examples
    --------
    >>> image_weights(3, 5, [0]).shape, image_weights(1, 5, [0])
    ((3, 5), None)
    """
    return resample_counts(n, draws, np.random.default_rng(list(seed)), groups) / np.float64(n) if draws and n > 1 else None


def average(values: ArrayLike, weights: Float64Array | None, groups: NDArray[np.integer[Any]] | None = None) -> Interval:
    """Compute the mean over images with finite values, with its 95 % percentile bootstrap interval, widened for few groups.

    `values` (n,) are NaN where undefined; `weights` (n, draws) come from `image_weights`: the same for two models make their
    means comparable. Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> average([1.0, 3.0, np.nan], None)
    Interval(value=2.0, low=None, high=None)
    >>> average([1.0, 3.0], np.array([[1.0, 0.0], [0.0, 1.0]]))
    Interval(value=2.0, low=1.05, high=2.95)
    """
    each = np.asarray(values, dtype=np.float64)
    defined = np.isfinite(each)
    if not defined.any():
        return Interval(None)
    mean = float(each[defined].mean())
    if weights is None or defined.sum() < 2:
        return Interval(mean)
    drawn = weights[defined]
    means = quotient(each[defined] @ drawn, drawn.sum(axis=0))
    if groups is None:
        return Interval(mean, *interval(means))
    return Interval(mean, *(widened(means, widening([1.0], [effective(groups[defined])])) or ()))


_ROWS = 512
# Effects of which one is this nearly a multiple of the other span one direction.
_COLLINEAR = 1e-6
_ROUNDING = 1e-12


class DrawnEffects(NamedTuple):
    """Hold each draw's sums over images: Σ w e and Σ w² e of k effects, (k, draws), and Σ w², (draws,)."""

    first: Float64Array
    second: Float64Array
    squares: Float64Array


def drawn_effects(effects: Float64Array, counts: NDArray[Any]) -> DrawnEffects:
    """Sum (k, n) effects of images, weighted by (n, draws) bootstrap counts.

    Examples
    --------
    >>> [total.tolist() for total in drawn_effects(np.array([[-1.0, 1.0]]), np.array([[2, 1], [0, 1]]))]
    [[[-2.0, 0.0]], [[-4.0, 0.0]], [4.0, 2.0]]
    """
    rows, draws = np.concatenate([effects, np.ones((1, len(counts)))]), counts.shape[1]
    first, second = np.zeros((len(effects), draws)), np.zeros((len(rows), draws))
    for block in spans(len(counts), _ROWS):
        weights = counts[block].astype(np.float64)
        first += effects[:, block] @ weights
        second += rows[:, block] @ np.square(weights, out=weights)
    return DrawnEffects(first, second[:-1], second[-1])


def own_effects(sums: Float64Array) -> tuple[float, Float64Array]:
    """Compute the mean distance between a dataset's images, and each image's effect on this mean, from sums of distances.

    `sums` (n,) are of each image's distances from the others.

    Examples
    --------
    >>> own_effects(np.array([4.0, 3.0, 5.0]))
    (2.0, array([ 0., -1.,  1.]))
    """
    n = len(sums)
    mean = float(sums.sum()) / max(1, n * (n - 1))
    return mean, (sums - (n - 1) * mean) / max(1, n - 2)


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Hold an additive decomposition of distances, from which bootstrap draws of the mean distance are made.

    `mean` is over all pairs, or all pairs of different images; `interactions` (k, l) are the factors c of the products of
    effects, `expected` is what these average within a dataset, where an image meets itself, and `noise` the standard deviation
    of the rest of a draw.
    """

    mean: float
    interactions: Float64Array
    expected: float
    noise: float

    @classmethod
    def between(
        cls, of_s: Float64Array, of_p: Float64Array, products: Float64Array, mean: float, mean_square: float
    ) -> Decomposition:
        """Decompose the distances between images of S and P.

        `of_s` (k, m) and `of_p` (l, n) are effects that each sum to 0, the first of each those on this mean distance;
        `products` (k, l) are Σ e(k, i) d(i, j) f(l, j).
        """
        m, n = of_s.shape[1], of_p.shape[1]
        rest = m * n * (mean_square - mean**2) - n * float(of_s[0] @ of_s[0]) - m * float(of_p[0] @ of_p[0])
        factors, fitted = _fit(of_s, of_p, products, mean)
        return cls(mean, factors, 0.0, float(np.sqrt(max(0.0, rest - fitted))) / (m * n))

    @classmethod
    def within(cls, effects: Float64Array, products: Float64Array, mean: float, mean_square: float) -> Decomposition:
        """Decompose the distances between different images of one dataset.

        `effects` (k, n) each sum to 0, the last those on this mean distance (`own_effects`); `products` (k, k) are Σ e(k, i)
        d(i, j) e(l, j).
        """
        n, own = effects.shape[1], effects[-1]
        rest = n * (n - 1) * (mean_square - mean**2) - 2 * (n - 2) * float(own @ own)
        # An image is no pair with itself, and so its mean and its two effects have to be taken out of no product.
        factors, fitted = _fit(effects, effects, products + (effects * (mean + 2 * own)) @ effects.T, mean)
        expected = float((factors * (effects @ effects.T)).sum()) / n**2
        return cls(mean, factors, expected, float(np.sqrt(max(0.0, 2 * (n - 1) / n * (rest - fitted)))) / n**2)

    def draw_between(self, s: DrawnEffects, p: DrawnEffects, m: int, n: int, noise: Float64Array) -> Float64Array:
        """Compute draws of the mean distance between m images of S and n of P, (draws,), with standard normal `noise`."""
        joint = np.einsum("kd,kl,ld->d", s.first, self.interactions, p.first) / (m * n)
        total: Float64Array = self.mean + s.first[0] / m + p.first[0] / n + joint + self.noise * noise
        return total

    def draw_within(self, drawn: DrawnEffects, n: int, noise: Float64Array) -> Float64Array:
        """Compute draws of the mean distance over all n² pairs, (draws,); `mean_of_different` then excludes self-pairs."""
        joint = np.einsum("kd,kl,ld->d", drawn.first, self.interactions, drawn.first) / n**2 - self.expected
        own = 2 * (drawn.first[-1] / n - drawn.second[-1] / n**2)
        total: Float64Array = self.mean * (1 - drawn.squares / n**2) + own + joint + self.noise * noise
        return total


def _fit(of_s: Float64Array, of_p: Float64Array, products: Float64Array, mean: float) -> tuple[Float64Array, float]:
    """Fit the factors of the products of effects by least squares; also return the sum of squares explained."""
    inverses = []
    for effects in (of_s, of_p):
        inverse: Float64Array = np.zeros((len(effects), len(effects)))
        if np.abs(effects).max() > _ROUNDING * mean:  # effects that are only rounding errors explain nothing
            inverse = np.asarray(np.linalg.pinv(effects @ effects.T, _COLLINEAR, hermitian=True), dtype=np.float64)
        inverses.append(inverse)
    factors: Float64Array = inverses[0] @ products @ inverses[1]
    return factors, float((factors * products).sum())
