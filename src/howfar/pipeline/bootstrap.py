"""Bootstrap the mean distances of two projected datasets by resampling images, and make intervals of the resamples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.distances.dataset import energy_of_sums
from howfar.distances.pairwise import bilinear_forms, both_sums, compiles, quadratic_forms, row_sums
from howfar.significance import interval, resample_counts, unbiased_mean
from howfar.significance.bootstrap import mean_of_different
from howfar.significance.hoeffding import Decomposition, DrawnEffects, drawn_effects, own_effects

ROUNDING = 1e-12
FEW = 3
EXACT_BELOW = 1 << 22
"""Pairs of images below which each draw is computed from all of them in float64, which costs little."""
MOST_NOISE = 0.3
"""Share of a draw's standard deviation that may be noise: an end of an interval then moves by some 0.05 deviations at most."""
FARTHEST = 1e3
"""An image so many times as far as the median one leaves float32 too few digits for the draws that do not take it."""

Counts = NDArray[np.uint8]


def above_rounding(spread: float, scale: float) -> bool:
    """Tell whether a distance is more than what rounding makes of equal images."""
    return bool(spread > ROUNDING * scale)


class RowSums(NamedTuple):
    """Hold the sums of each image's distances: (m,) of S from P, (n,) of P from P, (m,) of S from S.

    `between_p` are those of P from S, (n,), where they cost nothing beside those of S from P.
    """

    between: Float64Array
    within_p: Float64Array
    within_s: Float64Array
    between_p: Float64Array | None = None

    @classmethod
    def of(cls, p: Float64Array, s: Float64Array) -> RowSums:
        """Compute all sums from the projected images."""
        of_s, of_p = both_sums(s, p) if compiles(s, p) else (row_sums(s, p), None)
        return cls(of_s, row_sums(p, p), row_sums(s, s), of_p)

    def energy(self) -> float:
        """Compute the energy distance."""
        return energy_of_sums(self.between, self.within_p, self.within_s)


class Resamples(NamedTuple):
    """Hold how often draws take each image of P, (n, draws), and of S, (m, draws), and where further randomness comes from."""

    of_p: Counts
    of_s: Counts
    rng: np.random.Generator

    @classmethod
    def drawn(cls, n: int, m: int, draws: int, rng: np.random.Generator, of_p: Counts | None = None) -> Resamples:
        """Draw n images of P and m of S anew, `draws` times; P's by the counts `of_p`, if given."""
        of_p = resample_counts(n, draws, rng) if of_p is None else of_p
        return cls(of_p, resample_counts(m, draws, rng), rng)


@dataclass(frozen=True, eq=False)
class DistanceDraws:
    """Hold bootstrap draws of the three mean distances: between S and P, within P and within S (different images only)."""

    between: Float64Array
    within_p: Float64Array | None
    within_s: Float64Array | None
    n: int
    m: int

    @classmethod
    def of(cls, p: Float64Array, s: Float64Array, sums: RowSums, resamples: Resamples) -> DistanceDraws:
        """Compute the mean distances of resamples of both sets' images, the projection held fixed.

        Each mean distance of many images is drawn by Hoeffding's decomposition (`howfar.significance.hoeffding`), the others
        from all pairs.
        """
        n, m, (of_p, of_s, rng) = len(p), len(s), resamples
        parts = _decomposed(p, s, sums)
        drawn = _Drawn() if parts is None else parts.drawn(of_p, of_s, rng.spawn(1)[0])
        between = quadratic_forms(s, p, of_s, of_p) / (m * n) if drawn.between is None else drawn.between
        return cls(between, _within_mean(p, of_p, drawn.within_p), _within_mean(s, of_s, drawn.within_s), n, m)

    def relative_ci(self) -> tuple[float, float] | None:
        """Compute the interval of the distance over P's self-distance; None where P has too few images, or equal ones."""
        return self._over(self.within_p, self.n)

    def relative_to_s_ci(self) -> tuple[float, float] | None:
        """Compute the interval of the distance over S's self-distance; None where S has too few images, or equal ones."""
        return self._over(self.within_s, self.m)

    def _over(self, within: Float64Array | None, count: int) -> tuple[float, float] | None:
        if within is None or count < FEW or not above_rounding(np.nanmin(within), self.between.max()):
            return None
        return interval(self.between / within)

    def energy_ci(self) -> tuple[float, float]:
        """Compute the interval of energy, a V-statistic: 1/n of its pairs are an image with itself, at distance 0."""
        within_p = 0.0 if self.within_p is None else (1 - 1 / self.n) * np.nan_to_num(self.within_p)
        within_s = 0.0 if self.within_s is None else (1 - 1 / self.m) * np.nan_to_num(self.within_s)
        return interval(np.maximum(0.0, 2 * self.between - within_p - within_s))


class _Drawn(NamedTuple):
    """Hold draws of mean distances, within a set of those of different images; None for what is drawn from all pairs."""

    between: Float64Array | None = None
    within_p: Float64Array | None = None
    within_s: Float64Array | None = None


def _within_mean(rows: Float64Array, counts: Counts, drawn: Float64Array | None) -> Float64Array | None:
    """Give a set's own mean distance in each draw, from all pairs where it is not drawn yet; None for a single image."""
    n = len(rows)
    if n == 1:
        return None
    return unbiased_mean(quadratic_forms(rows, rows, counts, counts) / n**2, counts) if drawn is None else drawn


@dataclass(frozen=True, eq=False)
class _Parts:
    """Hold a pair's decomposed mean distances, and its images' effects on the mean between the sets and on their own.

    None stands where there are so few pairs that their mean is drawn from all of them.
    """

    of_s: Float64Array
    of_p: Float64Array
    between: Decomposition | None
    within_p: Decomposition | None
    within_s: Decomposition | None

    def drawn(self, counts_p: Counts, counts_s: Counts, rng: np.random.Generator) -> _Drawn:
        """Draw the three means."""
        n, m = len(counts_p), len(counts_s)
        s, p = drawn_effects(self.of_s, counts_s), drawn_effects(self.of_p, counts_p)
        noise = rng.normal(size=(3, counts_p.shape[1]))
        return _Drawn(
            None if self.between is None else self.between.draw_between(s, p, m, n, noise[0]),
            _own(self.within_p, p, n, noise[1]),
            _own(self.within_s, s, m, noise[2]),
        )

    def noise_share(self, mean: float, own_p: float, own_s: float) -> float:
        """Find the largest share of noise in the deviation of draws: of O^dist, its ratios to self-distances, and energy."""
        derivatives = [(1.0, 0.0, 0.0), (2.0, -1.0, -1.0)]
        derivatives += [(1 / mean, -1 / own_p, 0.0)] if above_rounding(own_p, mean) else []
        derivatives += [(1 / mean, 0.0, -1 / own_s)] if above_rounding(own_s, mean) else []
        by_between, by_p, by_s = np.array(derivatives)[:, :, None].transpose(1, 0, 2)
        of_s, of_p = by_between * self.of_s[0] + 2 * by_s * self.of_s[1], by_between * self.of_p[0] + 2 * by_p * self.of_p[1]
        exact = np.square(of_s / of_s.shape[1]).sum(axis=1) + np.square(of_p / of_p.shape[1]).sum(axis=1)
        noise = [0.0 if part is None else part.noise for part in (self.between, self.within_p, self.within_s)]
        rest = np.square(derivatives) @ np.square(noise)
        return float(np.sqrt(rest / (rest + exact)).max())


def _own(part: Decomposition | None, drawn: DrawnEffects, n: int, noise: Float64Array) -> Float64Array | None:
    """Draw the mean distance of a set's different images."""
    return None if part is None else mean_of_different(part.draw_within(drawn, n, noise), drawn.squares / n**2)


def _decomposed(p: Float64Array, s: Float64Array, sums: RowSums) -> _Parts | None:
    """Decompose a pair's mean distances; None where all draws are to be computed from all pairs."""
    n, m = len(p), len(s)
    if max(n, m) ** 2 < EXACT_BELOW:
        return None
    rows, columns = sums.between / n, (row_sums(p, s) if sums.between_p is None else sums.between_p) / m
    if any(values.max() > FARTHEST * np.median(values) for values in (rows, columns)):
        return None
    (own_p, effects_p), (own_s, effects_s), mean = own_effects(sums.within_p), own_effects(sums.within_s), float(rows.mean())
    of_s, of_p = np.stack([rows - mean, effects_s]), np.stack([columns - columns.mean(), effects_p])
    spread_p, spread_s = float(p.var(axis=0).sum()), float(s.var(axis=0).sum())
    apart = float(np.square(s.mean(axis=0) - p.mean(axis=0)).sum()) + spread_s + spread_p
    parts = _Parts(
        of_s,
        of_p,
        Decomposition.between(of_s, of_p, bilinear_forms(s, p, of_s, of_p), mean, apart) if m * n >= EXACT_BELOW else None,
        _within(p, of_p, own_p, spread_p),
        _within(s, of_s, own_s, spread_s),
    )
    return parts if parts.noise_share(mean, own_p, own_s) <= MOST_NOISE else None


def _within(rows: Float64Array, effects: Float64Array, mean: float, spread: float) -> Decomposition | None:
    n = len(rows)
    if n * n < EXACT_BELOW:
        return None
    return Decomposition.within(effects, bilinear_forms(rows, rows, effects, effects), mean, 2 * spread * n / max(1, n - 1))
