"""Give the literature's dataset distances intervals and p-values: images are drawn anew, or relabelled, as for O^dist.

A kernel's sums of all draws are products of one kernel matrix with the draws' weights; a Fréchet distance is made of each
draw's moments, a sliced Wasserstein distance of its images in order along lines. Nothing is projected anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.distances.frechet import frechet_of_draws
from howfar.distances.kernel_forms import Kernel, cubic, gaussian, kernel_forms, typical
from howfar.distances.mmd import median_bandwidth
from howfar.distances.wasserstein import Slices
from howfar.significance import interval, unbiased_mean

MOST_DRAWS: Final = 500
"""Bootstrap draws that rivals are computed for, at most."""
MOST_RELABELLINGS: Final = 499
"""Relabellings that rivals are computed for, at most: the smallest p-value is 1 / 500."""
LONGEST: Final = 256
"""Components up to which Fréchet distances of resamples are computed: the time of each grows with their cube."""
FEWEST: Final = 3

Counts = NDArray[np.uint8]
Interval = tuple[float, float]


class _Within(NamedTuple):
    """Hold means of a kernel in each draw: over pairs of different images of S, of P, and over pairs of both."""

    s: Float64Array
    p: Float64Array
    between: Float64Array

    def discrepancy(self) -> Float64Array:
        """Compute the unbiased squared MMD, from which a constant that is taken from the kernel has no part."""
        return (self.s - self.between) + (self.p - self.between)

    def biased(self, m: int, n: int, constant: float) -> Float64Array:
        """Compute the squared MMD over all pairs, of a kernel that is 1 of an image and itself, less `constant`."""
        own = (1.0 - constant - self.s) / m + (1.0 - constant - self.p) / n
        return np.asarray(self.discrepancy() + own, dtype=np.float64)


def rival_intervals(
    s: Float64Array, p: Float64Array, values: Mapping[str, float], of_s: Counts, of_p: Counts
) -> dict[str, Interval]:
    """Compute 95 % bootstrap intervals of the dataset distances among `values` that are howfar's own.

    A draw repeats images, which moves a Fréchet or sliced Wasserstein distance up as having few images does. The interval is
    therefore that of the draws, moved so that their mean is the distance itself; the others are unbiased as they are.

    `s` and `p` are projected images, (m, z) and (n, z); `of_s` and `of_p` (m, draws) and (n, draws) counts.
    """
    if min(len(s), len(p)) < FEWEST:
        return {}
    m, n, found = len(s), len(p), dict[str, Interval]()
    if "kid" in values:
        found["kid"] = interval(_drawn(cubic, s, p, of_s, of_p, typical(cubic, p)).discrepancy())
    if "mmd" in values:
        kernel = gaussian(median_bandwidth(s, p))
        constant = typical(kernel, p)
        drawn = _drawn(kernel, s, p, of_s, of_p, constant).biased(m, n, constant)
        found["mmd"] = interval(np.maximum(drawn, 0.0))
    if "frechet" in values and s.shape[1] <= LONGEST:
        found["frechet"] = _about(values["frechet"], frechet_of_draws(s, p, of_s, of_p, (m - 1, n - 1)))
    sliced = {name: factor for name, factor in _sliced(s.shape[1]).items() if name in values}
    if sliced:
        slices = Slices(s, p)
        drawn, own = slices.resampled(of_s, of_p), slices.resampled(np.ones((m, 1), np.uint8), np.ones((n, 1), np.uint8))
        for name, (factor, power) in sliced.items():
            square = (values[name] ** (1 / power)) / factor
            # The lines of the draws are fewer than those of the distance; what counts is how far draws are from their own.
            low, high = _about(square, drawn * (square / own[0]) if own[0] > 0 else drawn)
            found[name] = ((factor * low) ** power, (factor * high) ** power)
    return found


def rival_null(s: Float64Array, p: Float64Array, names: Sequence[str], labels: Counts) -> dict[str, Float64Array]:
    """Compute rivals under labellings of S's images, then P's, (draws,) of each: of Wasserstein distances the squares.

    `labels` are (m + n, draws), 1 for the m that are called S.
    """
    m, n, pooled = len(s), len(p), np.concatenate([s, p])
    pooled -= p.mean(axis=0)
    found = dict[str, Float64Array]()
    if "kid" in names and min(m, n) > 1:
        raw = np.concatenate([s, p])
        found["kid"] = _relabelled(cubic, raw, labels, m, n, typical(cubic, raw)).discrepancy()
    if "mmd" in names and min(m, n) > 1:
        kernel = gaussian(median_bandwidth(s, p))
        constant = typical(kernel, pooled)
        found["mmd"] = _relabelled(kernel, pooled, labels, m, n, constant).biased(m, n, constant)
    if "frechet" in names and s.shape[1] <= LONGEST:
        found["frechet"] = frechet_of_draws(pooled, pooled, labels, 1 - labels, (m - 1, n - 1))
    if wanted := [name for name in _sliced(s.shape[1]) if name in names]:
        squares = Slices(s, p).relabelled(labels)
        found.update(dict.fromkeys(wanted, squares))
    return found


def _sliced(z: int) -> dict[str, tuple[float, float]]:
    """Say by which factor and power a distance comes of the mean square along lines."""
    return {"sliced_wasserstein": (1.0, 0.5), "mind": (3.0 * z, 1.0)}


def _about(value: float, draws: Float64Array) -> Interval:
    low, high = interval(draws - draws.mean() + value)
    return max(0.0, low), max(0.0, high)


def _drawn(kernel: Kernel, s: Float64Array, p: Float64Array, of_s: Counts, of_p: Counts, constant: float) -> _Within:
    m, n = len(s), len(p)
    within_s, within_p, between = (
        kernel_forms(kernel, *pair, constant).values for pair in ((s, s, of_s, of_s), (p, p, of_p, of_p), (s, p, of_s, of_p))
    )
    return _Within(unbiased_mean(within_s / m**2, of_s), unbiased_mean(within_p / n**2, of_p), between / (m * n))


def _relabelled(kernel: Kernel, pooled: Float64Array, labels: Counts, m: int, n: int, constant: float) -> _Within:
    called_s, row_sums = kernel_forms(kernel, pooled, pooled, labels, labels, constant)
    from_s = row_sums @ labels
    between = from_s - called_s
    called_p = row_sums.sum() - from_s - between
    return _Within(called_s / (m * (m - 1)), called_p / (n * (n - 1)), between / (m * n))
