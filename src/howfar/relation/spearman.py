"""Compute Spearman's rank correlation, plain or partial, of samples and of bootstrap-resampled images.

A resample is a row of weights, how often each image was drawn. An image's rank among those drawn is the mean place of the
copies that tie with it, which cumulative weights in sorted order give exactly: nothing is copied and nothing sorted anew. Ranks
are divided by their number and centred within the set, so that sums of their products add over sets of all sizes, each image
counting alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, quotient

_COLLINEAR = 1e-9


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Compute Spearman's rank correlation of two rows of numbers; None where it is undefined (a single value, or all equal)."""
    columns = (np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    rho = float(correlation(rank_sums(columns, np.ones((1, len(columns[0])))))[0])
    return None if np.isnan(rho) else rho


def tied(values: Float64Array, weights: Float64Array) -> tuple[Float64Array, NDArray[np.intp]]:
    """Sum the weight of each different value in ascending order, (draws, values), and find each image's position among them."""
    different, positions = np.unique(values, return_inverse=True)
    ordered = weights[:, np.argsort(positions, kind="stable")]
    if len(different) == len(values):
        return ordered, positions
    starts = np.concatenate([[0], np.cumsum(np.bincount(positions))[:-1]])
    return np.add.reduceat(ordered, starts, axis=1), positions


def midranks(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Rank each image among the drawn copies, divided by their number and centred: between −1/2 and 1/2.

    `values` (m,) are finite; `weights` (draws, m) say how often each image was drawn. Returns (draws, m), whose weighted mean
    is 0 in every draw; an image that was not drawn gets the rank that it would have.
    """
    copies, positions = tied(values, weights)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(((np.cumsum(copies, axis=1) - copies / 2.0) / total - 0.5)[:, positions])


def rank_sums(columns: tuple[Float64Array, ...], weights: Float64Array) -> Float64Array:
    """Sum the weighted products of centred ranks for each pair of columns: xx, xy, (xz,) yy, (yz, zz).

    `columns` are two or three of (m,) values; `weights` (draws, m) say how often each image was drawn. Returns (draws, 3) or
    (draws, 6).
    """
    ranks = [midranks(column, weights) for column in columns]
    pairs = [(i, j) for i in range(len(ranks)) for j in range(i, len(ranks))]
    return np.stack([np.einsum("dm,dm,dm->d", weights, ranks[i], ranks[j]) for i, j in pairs], axis=1)


def correlation(sums: Float64Array) -> Float64Array:
    """Compute xy / √(xx · yy) from the sums xx, xy, yy; NaN where a quantity was constant."""
    xx, xy, yy = sums.T
    return _ratio(xy, xx * yy)


def partial_spearman(sums: Float64Array) -> Float64Array:
    """Compute the rank correlation of x and y given z from the sums xx, xy, xz, yy, yz, zz.

    (r_xy − r_xz r_yz) / √((1 − r_xz²)(1 − r_yz²)), which is the correlation of what straight lines on the ranks of z
    leave of the ranks of x and y; NaN where a quantity was constant or its ranks are those of z.
    """
    xx, xy, xz, yy, yz, zz = sums.T
    r_xy, r_xz, r_yz = _ratio(xy, xx * yy), _ratio(xz, xx * zz), _ratio(yz, yy * zz)
    left_x, left_y = 1.0 - r_xz**2, 1.0 - r_yz**2
    defined = (left_x > _COLLINEAR) & (left_y > _COLLINEAR)
    partial = _ratio(r_xy - r_xz * r_yz, np.where(defined, left_x * left_y, 0.0))
    return np.clip(partial, -1.0, 1.0)


def _ratio(product: Float64Array, squares: Float64Array) -> Float64Array:
    """Divide a covariance by the root of the product of two variances; NaN where that is 0."""
    return quotient(product, np.sqrt(np.maximum(squares, 0.0)))
