"""Bootstrap the mean distances between and within two projected datasets, by images or by groups, for 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array, group_numbers
from howfar.distances.mean_distances import of_other_groups, own_group_sums
from howfar.distances.pairwise_distances import bilinear_forms, both_sums, quadratic_forms, row_sums
from howfar.results import Features
from howfar.significance import interval, resample_counts, unbiased_mean
from howfar.significance.bootstrap import (
    Decomposition,
    drawn_effects,
    effective,
    mean_of_different,
    own_effects,
    widened,
    widening,
)

ROUNDING = 1e-12
FEW = 3
EXACT_BELOW = 1 << 22
"""Pairs of images below which each draw is computed from all of them in float64, which costs little."""
MOST_NOISE = 0.3
"""Share of a draw's standard deviation that may be noise: an end of an interval then moves by some 0.05 deviations at most."""
FARTHEST = 1e3
"""An image so many times as far as the median one leaves float32 too few digits for the draws that do not take it."""

Counts = NDArray[np.uint8]
Ends = tuple[float, float]
"""Low and high end of an interval."""


def above_rounding(spread: float, scale: float) -> bool:
    """Return whether a distance exceeds the rounding error between equal images."""
    return bool(spread > ROUNDING * scale)


class RowSums(NamedTuple):
    """Hold sums of distances by image: S to P (m,), P to P (n,), S to S (m,), and P to S (n,) where that costs nothing."""

    between: Float64Array
    within_p: Float64Array
    within_s: Float64Array
    between_p: Float64Array | None = None

    @classmethod
    def of(cls, p: Float64Array, s: Float64Array) -> RowSums:
        """Compute all sums of distances from the projected images."""
        of_s, of_p = both_sums(s, p)
        return cls(of_s, row_sums(p, p), row_sums(s, s), of_p)


class PairGroups(NamedTuple):
    """Hold the group of each image of P, (n,), and of S, (m,), by numbers from 0; an image of no group has one of its own."""

    p: NDArray[np.int64]
    s: NDArray[np.int64]

    @classmethod
    def of(cls, primary: Features, secondary: Features) -> PairGroups | None:
        """Return the groups of two datasets' images; None if no two images of either share one."""
        of_p, of_s = group_numbers(primary.groups), group_numbers(secondary.groups)
        if of_p is None and of_s is None:
            return None
        known = ((primary, of_p), (secondary, of_s))
        return cls(*(np.arange(len(dataset), dtype=np.int64) if each is None else each for dataset, each in known))

    @property
    def pooled(self) -> NDArray[np.int64]:
        """Return the groups of S's images followed by P's, as no dataset shares a group with another."""
        return np.concatenate([self.s, self.p + int(self.s.max()) + 1])


def own_distances(sums: Float64Array, rows: Float64Array, groups: NDArray[np.int64] | None) -> Float64Array | None:
    """Compute each image's mean distance from its dataset's others, or from those of other groups; None for a single image.

    `sums` (n,) are of its distances from all. The images of a single group are compared with each other.
    """
    if groups is not None and len(rows) > 1:
        return of_other_groups(sums, rows, groups)
    return sums / (len(rows) - 1) if len(rows) > 1 else None


class Resamples(NamedTuple):
    """Hold bootstrap counts of the images, or whole `groups`, of P, (n, draws), and of S, (m, draws), and the generator."""

    of_p: Counts
    of_s: Counts
    rng: np.random.Generator
    groups: PairGroups | None = None

    @classmethod
    def drawn(
        cls, n: int, m: int, draws: int, rng: np.random.Generator, of_p: Counts | None = None, groups: PairGroups | None = None
    ) -> Resamples:
        """Draw `draws` bootstrap resamples of n images of P and m of S; counts of P can be given as `of_p`."""
        in_p, in_s = (None, None) if groups is None else groups
        of_p = resample_counts(n, draws, rng, in_p) if of_p is None else of_p
        return cls(of_p, resample_counts(m, draws, rng, in_s), rng, groups)


class GroupDraws(NamedTuple):
    """Hold further inputs of intervals by groups: draws of each dataset alone, and numbers of groups.

    `between_p` and `between_s` are mean distances between S and P where P, or S, alone is drawn anew. `all_p` and `all_s` are
    means over all pairs within each set, in which two copies of a group are as far apart as different groups.
    """

    between_p: Float64Array
    between_s: Float64Array
    all_p: Float64Array
    all_s: Float64Array
    groups: tuple[float, float]

    def widened(self, draws: Float64Array, of_p: Float64Array, of_s: Float64Array) -> Ends | None:
        """Compute an interval from draws of both sets, widened for few groups by the variance that each set alone gives."""
        return widened(draws, widening([float(np.nanvar(alone)) for alone in (of_p, of_s)], self.groups))


@dataclass(frozen=True, eq=False)
class DistanceDraws:
    """Hold bootstrap draws of three mean distances: between S and P, and between different images within P and within S."""

    between: Float64Array
    within_p: Float64Array | None
    within_s: Float64Array | None
    n: int
    m: int
    by_group: GroupDraws | None = None

    @classmethod
    def of(cls, p: Float64Array, s: Float64Array, sums: RowSums, resamples: Resamples) -> DistanceDraws:
        """Compute the mean distances of resamples of both sets, with the projection held fixed.

        Means of many pairs are drawn by Hoeffding's decomposition (`howfar.significance.bootstrap`), others from all pairs, as
        are all means of resampled groups: within a set between images of different groups.
        """
        n, m, (of_p, of_s, rng, groups) = len(p), len(s), resamples
        if groups is None:
            # What is None here is computed from all pairs.
            between, within_p, within_s = _decomposed(p, s, sums, of_p, of_s, rng)
            between = quadratic_forms(s, p, of_s, of_p) / (m * n) if between is None else between
            return cls(between, _within_mean(p, of_p, within_p), _within_mean(s, of_s, within_s), n, m)
        columns = row_sums(p, s) if sums.between_p is None else sums.between_p
        in_p, in_s = (counts.sum(axis=0, dtype=np.float64) for counts in (of_p, of_s))
        (within_p, all_p), (within_s, all_s) = _within_groups(p, of_p, groups.p), _within_groups(s, of_s, groups.s)
        between_p, between_s = columns @ of_p / (in_p * m), sums.between @ of_s / (in_s * n)
        by_group = GroupDraws(between_p, between_s, all_p, all_s, (effective(groups.p), effective(groups.s)))
        return cls(quadratic_forms(s, p, of_s, of_p) / (in_s * in_p), within_p, within_s, n, m, by_group)

    def between_ci(self) -> Ends | None:
        """Compute the interval of the mean distance between S and P; None for a single group."""
        by = self.by_group
        return interval(self.between) if by is None else by.widened(self.between, by.between_p, by.between_s)

    def relative_ci(self, to_s: bool = False) -> Ends | None:
        """Compute the interval of distance / self-distance of P, or of S; None if that has too few or only equal images."""
        within, count = (self.within_s, self.m) if to_s else (self.within_p, self.n)
        if within is None or count < FEW or not above_rounding(np.nanmin(within, initial=np.inf), self.between.max()):
            return None
        by, ratios = self.by_group, self.between / within
        if by is None:
            return interval(ratios)
        typical = np.full(1, np.nanmedian(within))
        of_p, of_s = (typical, within) if to_s else (within, typical)
        return by.widened(ratios, by.between_p / of_p, by.between_s / of_s)

    def energy_ci(self) -> Ends | None:
        """Compute the interval of the energy distance, a V-statistic that includes self-pairs at distance 0."""
        if (by := self.by_group) is not None:
            draws = np.maximum(0.0, 2 * self.between - by.all_p - by.all_s)
            ends = by.widened(draws, 2 * by.between_p - by.all_p, 2 * by.between_s - by.all_s)
            return None if ends is None else (max(0.0, ends[0]), ends[1])
        within_p = 0.0 if self.within_p is None else (1 - 1 / self.n) * np.nan_to_num(self.within_p)
        within_s = 0.0 if self.within_s is None else (1 - 1 / self.m) * np.nan_to_num(self.within_s)
        return interval(np.maximum(0.0, 2 * self.between - within_p - within_s))


def _within_groups(rows: Float64Array, counts: Counts, groups: NDArray[np.int64]) -> tuple[Float64Array | None, Float64Array]:
    """Draw a set's mean distance between images of different groups, None for a single group, and over all pairs.

    Copies of a group in a draw stand for different groups, whose distance is that between groups.
    """
    first = np.unique(groups, return_index=True)[1]
    drawn, sizes = counts[first].astype(np.float64), np.bincount(groups).astype(np.float64)
    own = np.bincount(groups, own_group_sums(rows, groups))
    total = np.square(counts.sum(axis=0, dtype=np.float64))
    apart = total - np.square(sizes) @ np.square(drawn)
    forms = quadratic_forms(rows, rows, counts, counts) - own @ np.square(drawn)
    different = np.divide(forms, apart, out=np.full(len(forms), np.nan), where=apart > 0)
    share = np.square(sizes) @ drawn / total
    every = (1 - share) * np.nan_to_num(different) + own @ drawn / total
    return (different if len(sizes) > 1 else None), every


def _within_mean(rows: Float64Array, counts: Counts, drawn: Float64Array | None) -> Float64Array | None:
    """Return draws of a set's own mean distance, computed from all pairs if `drawn` is None; None for a single image."""
    n = len(rows)
    if n == 1:
        return None
    return unbiased_mean(quadratic_forms(rows, rows, counts, counts) / n**2, counts) if drawn is None else drawn


def _decomposed(
    p: Float64Array, s: Float64Array, sums: RowSums, counts_p: Counts, counts_s: Counts, rng: np.random.Generator
) -> tuple[Float64Array | None, Float64Array | None, Float64Array | None]:
    """Draw a pair's mean distances, between S and P, within P and within S, by decompositions; None for few pairs.

    All are None where the draws would hold too much noise, and should be computed from all pairs instead.
    """
    n, m = len(p), len(s)
    if max(n, m) ** 2 < EXACT_BELOW:
        return None, None, None
    rows, columns = sums.between / n, (row_sums(p, s) if sums.between_p is None else sums.between_p) / m
    if any(values.max() > FARTHEST * np.median(values) for values in (rows, columns)):
        return None, None, None
    (own_p, effects_p), (own_s, effects_s), mean = own_effects(sums.within_p), own_effects(sums.within_s), float(rows.mean())
    of_s, of_p = np.stack([rows - mean, effects_s]), np.stack([columns - columns.mean(), effects_p])
    spread_p, spread_s = float(p.var(axis=0).sum()), float(s.var(axis=0).sum())
    apart = float(np.square(s.mean(axis=0) - p.mean(axis=0)).sum()) + spread_s + spread_p
    between = None
    if m * n >= EXACT_BELOW:
        between = Decomposition.between(of_s, of_p, bilinear_forms(s, p, of_s, of_p), mean, apart)
    within_p, within_s = _within(p, of_p, own_p, spread_p), _within(s, of_s, own_s, spread_s)
    # The largest share of noise in the draws' deviation, over O^dist, its ratios to self-distances, and energy.
    derivatives = [(1.0, 0.0, 0.0), (2.0, -1.0, -1.0)]
    derivatives += [(1 / mean, -1 / own_p, 0.0)] if above_rounding(own_p, mean) else []
    derivatives += [(1 / mean, 0.0, -1 / own_s)] if above_rounding(own_s, mean) else []
    by_between, by_p, by_s = np.array(derivatives)[:, :, None].transpose(1, 0, 2)
    exact = np.square((by_between * of_s[0] + 2 * by_s * of_s[1]) / m).sum(axis=1)
    exact += np.square((by_between * of_p[0] + 2 * by_p * of_p[1]) / n).sum(axis=1)
    noise = [0.0 if part is None else part.noise for part in (between, within_p, within_s)]
    rest = np.square(derivatives) @ np.square(noise)
    if not np.sqrt(rest / (rest + exact)).max() <= MOST_NOISE:  # NaN where all images are equal
        return None, None, None
    drawn_p, drawn_s = drawn_effects(of_p, counts_p), drawn_effects(of_s, counts_s)
    errors = rng.spawn(1)[0].normal(size=(3, counts_p.shape[1]))
    return (
        None if between is None else between.draw_between(drawn_s, drawn_p, m, n, errors[0]),
        None if within_p is None else mean_of_different(within_p.draw_within(drawn_p, n, errors[1]), drawn_p.squares / n**2),
        None if within_s is None else mean_of_different(within_s.draw_within(drawn_s, m, errors[2]), drawn_s.squares / m**2),
    )


def _within(rows: Float64Array, effects: Float64Array, mean: float, spread: float) -> Decomposition | None:
    n = len(rows)
    if n * n < EXACT_BELOW:
        return None
    return Decomposition.within(effects, bilinear_forms(rows, rows, effects, effects), mean, 2 * spread * n / max(1, n - 1))
