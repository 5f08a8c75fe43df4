"""Estimate how much of a score's variance each source (site, training, …) contributes, by a mixed model (REML)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import brentq, minimize
from scipy.stats import chi2, t

from howfar.arrays import Float64Array
from howfar.results.display_and_shared_records import Interval

REST = "rest"
"""The name of what no source explains, the residual."""
LEAST = 1e-6
"""The least variance of the rest, as a share of that of all values: an exact fit would have no likelihood."""
WIDEST = 100.0
"""Where an interval's upper end is sought: no further than so many times the standard deviation of all values."""


@dataclass(frozen=True)
class VarianceComponents:
    """Hold the mean of a measurement and the standard deviation of each source's effect, `REST` (residual) last."""

    mean: Interval
    deviations: Mapping[str, Interval]


def variance_components(values: ArrayLike, sources: Mapping[str, ArrayLike], level: float = 0.95) -> VarianceComponents:
    """Fit yᵢ = μ + Σₛ uₛ[cₛᵢ] + eᵢ with independent normal uₛ and e, by restricted maximum likelihood (REML).

    `sources` give by name which of its levels, as a whole number, each measurement has. Standard deviations have
    profile-likelihood intervals, which end at 0 where 0 is not excluded; μ has ± t·se with Satterthwaite's degrees of freedom,
    so that it holds for other levels of every source (another site, another training). In a balanced design whose analysis of
    variance has no negative estimate the variances are those of that analysis. Sources: Patterson & Thompson, "Recovery of
    inter-block information when block sizes are unequal" (Biometrika 58, 1971); Satterthwaite, "An approximate distribution of
    estimates of variance components" (Biometrics Bulletin 2, 1946).
    """
    y = np.asarray(values, dtype=np.float64)
    scale = float(y.std()) or 1.0
    # The indicator matrix of each source's levels, with one column per level.
    levels = [(np.asarray(codes)[:, None] == np.unique(codes)).astype(np.float64) for codes in sources.values()]
    likelihood = Likelihood(y / scale, levels)
    best = likelihood.maximum()
    mean = likelihood.mean(best, level)
    names = (*sources, REST)
    ends = [likelihood.interval(best, place, level) for place in range(len(names))]
    deviations = {
        name: Interval(scale * float(np.sqrt(best[place])), scale * low, scale * high)
        for place, (name, (low, high)) in enumerate(zip(names, ends, strict=True))
    }
    return VarianceComponents(Interval(*(scale * number for number in mean)), deviations)


class Likelihood:
    """Compute the restricted likelihood of variances (residual last), its maximum, and likelihood-based intervals.

    V = v I + Z D Zᵀ, where Z has a column for each level of each source and D their variances.
    """

    def __init__(self, y: Float64Array, levels: Sequence[Float64Array]) -> None:
        self._y = y
        self._z = np.hstack([*levels, np.empty((len(y), 0))])
        self._source = np.repeat(np.arange(len(levels)), [each.shape[1] for each in levels])
        self._count = len(levels) + 1
        self._constant = float(np.ptp(y)) == 0.0

    def maximum(self, held: Mapping[int, float] | None = None, start: Float64Array | None = None) -> Float64Array:
        """Find the maximum-likelihood variances, (sources + 1,), with the variances in `held` fixed."""
        held = held or {}
        free = [place for place in range(self._count) if place not in held]
        whole = np.full(self._count, 0.0)
        whole[list(held)] = list(held.values())
        if self._constant or not free:
            return whole

        def loss(part: Float64Array) -> tuple[float, Float64Array]:
            whole[free] = part
            value, slope = self.loss(whole)
            return value, slope[free]

        few = np.array([0.05 if place < self._count - 1 else 0.9 for place in range(self._count)])
        starts = [start] if start is not None else [np.full(self._count, 1 / self._count), few]
        bounds = [(LEAST if place == self._count - 1 else 0.0, WIDEST**2) for place in free]
        options = {"ftol": 1e-11, "gtol": 1e-6}
        fits: list[Any] = [
            minimize(loss, one[free], jac=True, method="L-BFGS-B", bounds=bounds, options=options)  # type: ignore[call-overload]  # the stubs know no slope beside the value
            for one in starts
        ]
        whole[free] = min(fits, key=lambda fit: float(fit.fun)).x
        return whole

    def mean(self, variances: Float64Array, level: float) -> tuple[float, float, float]:
        """Estimate the mean and its interval by generalised least squares."""
        if self._constant:
            return (float(self._y[0]),) * 3
        groups = [part @ part.T for part in (self._z[:, self._source == place] for place in range(self._count - 1))]
        groups.append(np.eye(len(self._y)))
        inverse = cho_solve(cho_factor(self._covariance(variances)), np.eye(len(self._y)))
        of_ones = inverse.sum(axis=1)
        spread = 1 / float(of_ones.sum())
        value = spread * float(of_ones @ self._y)
        there = [place for place, variance in enumerate(variances) if variance > LEAST]
        slope = np.array([spread**2 * float(of_ones @ groups[place] @ of_ones) for place in there])
        projection = inverse - spread * np.outer(of_ones, of_ones)
        products = [projection @ groups[place] for place in there]
        information = np.array([[0.5 * np.sum(one * other.T) for other in products] for one in products])
        uncertainty = float(slope @ np.linalg.pinv(information) @ slope)
        half = float(t.ppf((1 + level) / 2, max(1.0, 2 * spread**2 / uncertainty)) * np.sqrt(spread))
        return value, value - half, value + half

    def interval(self, best: Float64Array, place: int, level: float) -> tuple[float, float]:
        """Compute the profile-likelihood interval of one source's standard deviation, by the χ² quantile."""
        if self._constant:
            return 0.0, 0.0
        most, allowed = self.loss(best)[0], float(chi2.ppf(level, 1)) / 2
        middle, nearby = float(np.sqrt(best[place])), best
        # Each is computed once: a search that begins elsewhere may end elsewhere, and 0 would no longer lie between the ends.
        known = {middle: -allowed}

        def excess(deviation: float) -> float:
            nonlocal nearby
            if deviation not in known:
                nearby = self.maximum({place: deviation**2}, nearby)
                known[deviation] = self.loss(nearby)[0] - most - allowed
            return known[deviation]

        lowest = float(np.sqrt(LEAST)) if place == self._count - 1 else 0.0
        low = lowest if excess(lowest) <= 0 else float(brentq(excess, lowest, middle, xtol=1e-4))
        nearby, high = best, max(1.5 * middle, 0.05)
        while excess(high) < 0 and high < WIDEST:
            high *= 1.5
        return low, float(brentq(excess, middle, high, xtol=1e-4)) if high < WIDEST else float("inf")

    def loss(self, variances: Float64Array) -> tuple[float, Float64Array]:
        """Compute the negative log restricted likelihood, up to a constant, and its gradient.

        With V = L Lᵀ all is a sum of squares of what L⁻¹ makes of the mean's column, y and Z, so that nothing cancels.
        """
        lower = cholesky(self._covariance(variances), lower=True)
        inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
        ones, z = inverse.sum(axis=1), inverse @ self._z
        total = float(ones @ ones)
        residual = inverse @ self._y
        residual = residual - float(ones @ residual) / total * ones
        value = np.log(np.diag(lower)).sum() + 0.5 * np.log(total) + 0.5 * float(residual @ residual)
        by_level = (z**2).sum(axis=0) - (ones @ z) ** 2 / total - (residual @ z) ** 2
        slope = np.bincount(self._source, by_level, self._count)
        trace = float((inverse**2).sum()) - float(((ones @ inverse) ** 2).sum()) / total
        slope[-1] = trace - float(((residual @ inverse) ** 2).sum())
        return float(value), np.asarray(0.5 * slope, dtype=np.float64)

    def _covariance(self, variances: Float64Array) -> Float64Array:
        total: Float64Array = (self._z * variances[self._source]) @ self._z.T
        total.flat[:: len(total) + 1] += variances[-1]
        return total
