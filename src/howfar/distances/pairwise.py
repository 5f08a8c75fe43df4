"""Compute Euclidean distances between the images of two datasets in tiles: the matrix of all pairs is never held.

Where every distance is wanted, a tile is ‖s‖² + ‖p‖² − 2 s·p in float64, after both sets are centred amid P. Where that
subtraction would lose digits (what it gives is negative, or below 1e-6 of the squared norms) the pair is computed again by
differences, so equal rows are at exactly 0 and near ones keep nine digits.

Sums over many pairs are taken by `howfar.distances.products`: products in float32, sums in float64, equal rows at exactly 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, FloatArray, as_pair
from howfar.distances.gpu import gpu, sums_by_torch
from howfar.distances.products import ProductKernel, centre_of, double_squared, unit_of
from howfar.errors import InputError

PAIRS_PER_TILE = 1 << 20
SINGLE_FROM = 1 << 24
"""Pairs from which on distances are computed in float32; fewer take some tenths of a second in float64."""
VANISHING = 1e-12
"""Mean distances below this share of the kernel's unit are taken in float64: float32 squares nothing below 1e-19 of it."""


def distance_blocks(
    s: ArrayLike, p: ArrayLike, pairs_per_tile: int = PAIRS_PER_TILE
) -> Iterator[tuple[int, int, Float64Array]]:
    """Yield ``(start, stop, d)``, where d, (stop − start, n) float64, are distances of rows `start` to `stop` of `s` from `p`.

    d(a, b) = ‖a − b‖₂ (eq. 6 of the paper). At most `pairs_per_tile` distances (and at least one row) are computed at once.
    """
    secondary, primary = as_pair(s, p)
    if pairs_per_tile < 1:
        raise InputError.of("pairs_per_tile", "must be at least 1", pairs_per_tile)
    centre = centre_of(primary)
    a, b = secondary - centre, primary - centre
    rows = max(1, pairs_per_tile // len(b))
    norms_a, norms_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    for start in range(0, len(a), rows):
        stop = min(start + rows, len(a))
        squared = double_squared(a[start:stop], b, norms_a[start:stop], norms_b)
        yield start, stop, np.sqrt(squared, out=squared)


def row_sums(s: ArrayLike, p: ArrayLike, pairs_per_tile: int = PAIRS_PER_TILE, device: str = "cpu") -> Float64Array:
    """Sum the distances of each row of `s` from all rows of `p`, shape (m,): I^dist in the paper's sum form (eq. 7).

    From 2²⁴ pairs on the distances are float32, to about 1e-7 of a sum; on a GPU always, to 1e-5 or better.
    """
    secondary, primary = as_pair(s, p)
    on_gpu = gpu(device)
    if on_gpu is not None:
        sums, unit = sums_by_torch(secondary, primary, on_gpu)
    elif in_single(secondary, primary):
        kernel = ProductKernel(secondary, primary)
        sums, unit = kernel.sums(), kernel.unit
    else:
        return _double_sums(secondary, primary, pairs_per_tile)
    return _mended(sums, unit, secondary, primary, pairs_per_tile)


def both_sums(s: ArrayLike, p: ArrayLike, pairs_per_tile: int = PAIRS_PER_TILE) -> tuple[Float64Array, Float64Array]:
    """Sum the distances of each row of `s` from all rows of `p`, (m,), and of each row of `p` from all rows of `s`, (n,)."""
    secondary, primary = as_pair(s, p)
    if not in_single(secondary, primary):
        return _double_sums(secondary, primary, pairs_per_tile), _double_sums(primary, secondary, pairs_per_tile)
    kernel = ProductKernel(secondary, primary)
    of_s, of_p = kernel.both_sums()
    return (
        _mended(of_s, kernel.unit, secondary, primary, pairs_per_tile),
        _mended(of_p, kernel.unit, primary, secondary, pairs_per_tile),
    )


def _mended(sums: Float64Array, unit: float, s: FloatArray, p: FloatArray, pairs_per_tile: int) -> Float64Array:
    """Recompute sums lost to float32 underflow, which happens if one distant row sets the unit."""
    lost = np.flatnonzero(sums < VANISHING * unit * len(p))
    # Where all sums are 0, all rows are equal.
    if len(lost) and sums.any():
        sums[lost] = _double_sums(s[lost], p, pairs_per_tile)
    return sums


def _double_sums(s: FloatArray, p: FloatArray, pairs_per_tile: int) -> Float64Array:
    return np.concatenate([d.sum(axis=1) for _, _, d in distance_blocks(s, p, pairs_per_tile)])


def quadratic_forms(
    s: ArrayLike, p: ArrayLike, u: NDArray[Any], v: NDArray[Any], pairs_per_tile: int = PAIRS_PER_TILE
) -> Float64Array:
    """Compute the weighted sums of distances Σᵢⱼ u[i, k] d(sᵢ, pⱼ) v[j, k] of all draws k in one pass, shape (b,).

    From 2²⁴ pairs on distances and products are float32, sums over tiles float64. Each pair is computed once where `p` is `s`
    and `v` is `u`.
    """
    secondary, primary = as_pair(s, p)
    if (len(u), len(v)) != (len(secondary), len(primary)) or u.shape[1:] != v.shape[1:]:
        raise InputError.of("u and v", "must hold one weight for each row of s and of p", (u.shape, v.shape))
    if not in_single(secondary, primary):
        return _double_forms(secondary, primary, u, v, pairs_per_tile)
    kernel = ProductKernel(secondary, primary)
    total = _single_forms(kernel, u, v, s is p and u is v, max(1, pairs_per_tile // len(primary)))
    # A draw may leave the one row out that is far beyond all others.
    lost = np.flatnonzero(np.abs(total) < VANISHING * kernel.unit * _weight(u) * _weight(v))
    if len(lost) and kernel.reach > 0.0:
        total[lost] = _double_forms(secondary, primary, u[:, lost], v[:, lost], pairs_per_tile)
    return total


def bilinear_forms(s: ArrayLike, p: ArrayLike, u: Float64Array, v: Float64Array) -> Float64Array:
    """Compute weighted sums of distances for all pairs of weight rows, Σᵢⱼ u[k, i] d(sᵢ, pⱼ) v[l, j], shape (k, l)."""
    secondary, primary = as_pair(s, p)
    if (u.shape[1], v.shape[1]) != (len(secondary), len(primary)):
        raise InputError.of("u and v", "must hold one weight for each row of s and of p", (u.shape, v.shape))
    # In a unit of their own, since float32 may not hold the weights of far images.
    unit = unit_of(float(np.abs(v).max()))
    repeated, tiled = np.repeat(u, len(v), axis=0).T, np.tile(v / unit, (len(u), 1)).T
    return quadratic_forms(secondary, primary, repeated, tiled).reshape(len(u), len(v)) * unit


def _weight(u: NDArray[Any]) -> Float64Array:
    """Sum the absolute weights of each draw."""
    sums = u.sum(axis=0, dtype=np.uint32) if u.dtype == np.uint8 else np.abs(u).sum(axis=0)
    return np.asarray(sums, dtype=np.float64)


def _single_forms(kernel: ProductKernel, u: NDArray[Any], v: NDArray[Any], same: bool, step: int) -> Float64Array:
    """Compute weighted sums of float32 distances, `step` rows of S at a time, accumulated in float64."""
    total, right = np.zeros(u.shape[1]), v.astype(np.float32, copy=False)
    for start in range(0, len(u), step):
        left = u[start : start + step]
        first = start if same else 0
        d = kernel.distances(start, start + len(left), first)
        if same:
            # A pair and its mirror image are one: what is right of the diagonal stands for both.
            d[:, : len(left)] = np.triu(d[:, : len(left)], 1)
        total += np.einsum("ik,ik->k", d @ right[first:], left, dtype=np.float64)
    return total * (2 * kernel.unit if same else kernel.unit)


def _double_forms(s: FloatArray, p: FloatArray, u: NDArray[Any], v: NDArray[Any], pairs_per_tile: int) -> Float64Array:
    total = np.zeros(u.shape[1], dtype=np.float64)
    left = u.astype(np.float64, copy=False)
    right = left if v is u else v.astype(np.float64, copy=False)
    for start, stop, d in distance_blocks(s, p, pairs_per_tile):
        total += np.einsum("ik,ik->k", d @ right, left[start:stop])
    return total


def in_single(s: FloatArray, p: FloatArray) -> bool:
    """Return whether there are enough pairs to compute their distances in float32."""
    return len(s) * len(p) >= SINGLE_FROM
