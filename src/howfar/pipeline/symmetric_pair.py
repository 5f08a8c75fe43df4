"""Measure the distance of two datasets with neither as the primary one: symmetric, and relative to either's self-distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.pipeline.bootstrap import DistanceDraws, Resamples, RowSums, above_rounding
from howfar.projection import Projection
from howfar.significance import interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class Between:
    """Hold the distances of two datasets. None stands for what is undefined because one is a single image, or of equal images.

    Attributes
    ----------
    o_dist_mean
        Mean distance over all pairs of an image of each.
    self_one, self_other
        Self-distance of each in the same space.
    relative_one, relative_other
        `o_dist_mean` over each.
    energy
        2 E d(s, p) − E d(p, p') − E d(s, s').
    inhomogeneity
        energy / (2 E d(s, p)): 0 for equal samples, 1 for two sets without spread, free of any unit. Source: Székely & Rizzo,
        "Energy statistics", J. Stat. Plan. Inference 143 (2013).
    o_dist_mean_ci, relative_one_ci, relative_other_ci, energy_ci
        95 % bootstrap intervals over the images of both, the projection held fixed.
    components, explained_variance
        Of the space.
    """

    o_dist_mean: float
    self_one: float | None
    self_other: float | None
    relative_one: float | None
    relative_other: float | None
    energy: float
    inhomogeneity: float | None
    o_dist_mean_ci: Interval | None
    relative_one_ci: Interval | None
    relative_other_ci: Interval | None
    energy_ci: Interval | None
    components: int
    explained_variance: float


def between(pair: Projection, bootstrap: int = 0, seed: Sequence[int] = (0,)) -> Between:
    """Measure a projected pair without making one of the two the primary one.

    `bootstrap` resamples, of the seed `seed`, stand behind the intervals; 0 leaves them out.
    """
    p, s = pair.primary, pair.secondary
    n, m = len(p), len(s)
    sums = RowSums.of(p, s)
    o_dist = float(sums.between.sum() / (n * m))
    self_one, self_other = (_self_distance(within) for within in (sums.within_p, sums.within_s))
    energy = sums.energy()
    resamples = Resamples.drawn(n, m, bootstrap, np.random.default_rng(list(seed))) if bootstrap else None
    draws = None if resamples is None else DistanceDraws.of(p, s, sums, resamples)
    varies = above_rounding(o_dist, _largest(p, s))
    return Between(
        o_dist_mean=o_dist,
        self_one=self_one,
        self_other=self_other,
        relative_one=_over(o_dist, self_one),
        relative_other=_over(o_dist, self_other),
        energy=energy,
        inhomogeneity=energy / (2 * o_dist) if varies else None,
        o_dist_mean_ci=None if draws is None else interval(draws.between),
        relative_one_ci=None if draws is None else draws.relative_ci(),
        relative_other_ci=None if draws is None else draws.relative_to_s_ci(),
        energy_ci=None if draws is None else draws.energy_ci(),
        components=pair.components,
        explained_variance=pair.explained_variance,
    )


def _self_distance(within: Float64Array) -> float | None:
    n = len(within)
    return float(within.sum()) / (n * (n - 1)) if n > 1 else None


def _over(o_dist: float, own: float | None) -> float | None:
    return None if own is None or not above_rounding(own, o_dist) else o_dist / own


def _largest(p: Float64Array, s: Float64Array) -> float:
    return float(max(np.abs(p).max(initial=0.0), np.abs(s).max(initial=0.0)))
