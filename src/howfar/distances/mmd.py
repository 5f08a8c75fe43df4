"""Compute the maximum mean discrepancy (MMD) between datasets, with a Gaussian kernel, and with the cubic kernel of KID."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, FloatArray, as_pair
from howfar.distances.bandwidth import median_distance
from howfar.distances.kernel_means import SquaredDistances, cubic_discrepancy
from howfar.distances.pairwise import PAIRS_PER_TILE, compiles, distance_blocks, row_sums
from howfar.errors import InputError

KernelSum = Callable[[Float64Array, Float64Array], float]


def mmd(
    s: ArrayLike,
    p: ArrayLike,
    bandwidth: float | Literal["median"] = "median",
    *,
    unbiased: bool = False,
    pairs_per_tile: int = PAIRS_PER_TILE,
) -> float:
    """Compute the squared MMD, E k(s, s') + E k(p, p') − 2 E k(s, p), of the kernel k(a, b) = exp(−‖a − b‖² / 2σ²).

    Source: Gretton et al., "A kernel two-sample test", J. Mach. Learn. Res. 13 (2012): eq. 5 over all pairs (biased; never
    negative, and 0 exactly where the two samples are equal), or eq. 3 over pairs of different images (unbiased; around 0,
    and often below it, for two samples of one distribution).

    Parameters
    ----------
    s, p
        (m, z) and (n, z) projected features.
    bandwidth
        σ, in the unit of the features; "median" is the median distance between the images of S and P taken together (their
        section 8), exact and without a seed; where more than half of those distances are 0, their mean.
    unbiased
        Leave out each image's pair with itself; needs two images on both sides.
    pairs_per_tile
        At most this many distances at once (and at least one row).

    Returns
    -------
    float
        Without unit, at most 2.

    Raises
    ------
    InputError
        Features that `howfar.arrays.as_pair` refuses, a bandwidth that is not positive, or a single image where `unbiased`.

    Examples
    --------
    >>> mmd([[0.0], [1.0]], [[0.0], [1.0]])
    0.0
    >>> mmd([[0.0]], [[1.0]], bandwidth=1.0)
    0.7869386805747332
    """
    secondary, primary = as_pair(s, p)
    if unbiased:
        _need_pairs(secondary, primary)
    if compiles(secondary, primary) and pairs_per_tile == PAIRS_PER_TILE:
        return _of_many(secondary, primary, bandwidth, unbiased, pairs_per_tile)
    s64, p64 = secondary.astype(np.float64), primary.astype(np.float64)
    width = _median(np.concatenate([s64, p64]), pairs_per_tile) if bandwidth == "median" else _positive(bandwidth)

    def gaussian(a: Float64Array, b: Float64Array) -> float:
        exponents = (np.square(d / width) * -0.5 for _, _, d in distance_blocks(a, b, pairs_per_tile))
        return float(sum(np.exp(block).sum() for block in exponents))

    if not unbiased:
        return max(0.0, _all_pairs(gaussian, s64, p64))
    return _different_pairs(gaussian, s64, p64, (float(len(s64)), float(len(p64))))


def kid(s: ArrayLike, p: ArrayLike, *, pairs_per_tile: int = PAIRS_PER_TILE) -> float:
    """Compute the kernel inception distance: the unbiased squared MMD of the cubic kernel k(a, b) = (a·b / z + 1)³.

    Source: Bińkowski, Sutherland, Arbel & Gretton, "Demystifying MMD GANs" (ICLR 2018), section 4, over all images at once
    rather than averaged over random subsets. Being unbiased it is around 0, and often below it, for two samples of one
    distribution; for a sample and itself it is negative, not 0. The kernel depends on where the origin lies.

    Parameters
    ----------
    s, p
        (m, z) and (n, z) projected features.
    pairs_per_tile
        At most this many distances at once (and at least one row).

    Returns
    -------
    float
        In the sixth power of the features' unit, for features large beside 1; infinite where that is beyond float64.

    Raises
    ------
    InputError
        Features that `howfar.arrays.as_pair` refuses, or a single image in S or P.

    Examples
    --------
    >>> kid([[1.0], [1.0]], [[0.0], [0.0]])
    7.0
    """
    secondary, primary = as_pair(s, p)
    if pairs_per_tile < 1:
        raise InputError.of("pairs_per_tile", "must be at least 1", pairs_per_tile)
    _need_pairs(secondary, primary)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _kid(secondary, primary, pairs_per_tile)
    return found if np.isfinite(found) else float("inf")


def _kid(s: FloatArray, p: FloatArray, pairs_per_tile: int) -> float:
    if compiles(s, p) and pairs_per_tile == PAIRS_PER_TILE:
        discrepancy = cubic_discrepancy(s, p)
        if discrepancy is not None:
            return discrepancy
    s64, p64 = s.astype(np.float64), p.astype(np.float64)
    z = s64.shape[1]

    def cubic(a: Float64Array, b: Float64Array) -> float:
        step = max(1, pairs_per_tile // len(b))
        tiles = (a[start : start + step] @ b.T for start in range(0, len(a), step))
        return sum(_sum_of_cubes(tile, z) for tile in tiles)

    own_s, own_p = (_sum_of_cubes(np.einsum("ij,ij->i", x, x), z) for x in (s64, p64))
    return _different_pairs(cubic, s64, p64, (own_s, own_p))


def median_bandwidth(s: FloatArray, p: FloatArray) -> float:
    """Compute the σ that `mmd` takes where none is given."""
    if compiles(s, p):
        return _median_of_many(SquaredDistances(s, p), s, p, PAIRS_PER_TILE)
    return _median(np.concatenate([s, p]), PAIRS_PER_TILE)


def _median_of_many(squared: SquaredDistances, s: FloatArray, p: FloatArray, pairs_per_tile: int) -> float:
    median = squared.median()
    return float(squared.unit * np.sqrt(median)) if median else _median(np.concatenate([s, p]), pairs_per_tile)


def _of_many(s: FloatArray, p: FloatArray, bandwidth: float | Literal["median"], unbiased: bool, pairs_per_tile: int) -> float:
    """Compute the MMD of so many pairs that float32 saves time; of one set and its copy it is exactly 0 here, too."""
    squared = SquaredDistances(s, p)
    width = _median_of_many(squared, s, p, pairs_per_tile) if bandwidth == "median" else _positive(bandwidth)
    m, n, means = len(s), len(p), squared.gaussian(width)
    own_s, own_p = (
        (means.within_s, means.within_p)
        if unbiased
        else (
            (1 - 1 / m) * means.within_s + 1 / m,
            (1 - 1 / n) * means.within_p + 1 / n,
        )
    )
    discrepancy = (own_s - means.between) + (own_p - means.between)
    return discrepancy if unbiased else max(0.0, discrepancy)


def _sum_of_cubes(products: Float64Array, z: int) -> float:
    """Sum (a·b / z + 1)³ − 1; the constant cancels, and would take the digits of small features. `products` is used up."""
    products /= z
    kernel = products + 3.0
    kernel *= products
    kernel += 3.0
    return float(np.vdot(kernel, products))


def _all_pairs(kernel_sum: KernelSum, s: Float64Array, p: Float64Array) -> float:
    m, n = len(s), len(p)
    return kernel_sum(s, s) / m**2 + kernel_sum(p, p) / n**2 - 2.0 * (kernel_sum(s, p) / (m * n))


def _different_pairs(kernel_sum: KernelSum, s: Float64Array, p: Float64Array, own: tuple[float, float]) -> float:
    """Estimate without bias; `own` holds Σ k(s, s) and Σ k(p, p), each image with itself."""
    m, n = len(s), len(p)
    within_s = (kernel_sum(s, s) - own[0]) / (m * (m - 1))
    within_p = (kernel_sum(p, p) - own[1]) / (n * (n - 1))
    return within_s + within_p - 2.0 * (kernel_sum(s, p) / (m * n))


def _need_pairs(s: FloatArray, p: FloatArray) -> None:
    if len(s) < 2 or len(p) < 2:
        raise InputError.of(
            "s and p", "must each hold at least two images", (len(s), len(p)), "an unbiased estimate needs pairs"
        )


def _median(pooled: Float64Array, pairs_per_tile: int) -> float:
    median = median_distance(pooled, pairs_per_tile)
    if median > 0.0:
        return median
    mean = float(row_sums(pooled, pooled, pairs_per_tile).sum()) / (len(pooled) * (len(pooled) - 1))
    # All images equal: every distance is 0, and any width gives a kernel of 1.
    return mean if mean > 0.0 else 1.0


def _positive(bandwidth: object) -> float:
    if not isinstance(bandwidth, int | float | np.floating) or not 0.0 < bandwidth < np.inf:
        raise InputError.of("bandwidth", "must be 'median' or a positive number", bandwidth)
    return float(bandwidth)
