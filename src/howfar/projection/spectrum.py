"""Compute eigenvectors, signs and explained variance of a PCA: the linear algebra that both routes share."""

from __future__ import annotations

import numpy as np

from howfar.arrays import Float64Array

# Rows that are equal have a spread this far below their mean, by float64 rounding.
ROUNDING = 1e-12
ROUNDING_SINGLE = 4 * float(np.finfo(np.float32).eps)
"""What float32 products leave of an eigenvalue that is 0, in parts of the trace over the square root of the matrix's size."""
_SIGN_TIE = 1e-6


def layer_weights(scatter: Float64Array, squares: Float64Array, rows: int, scale: str) -> Float64Array:
    """Compute the weight of each layer's inner products: 1, or with scale "layers" one over its total variance.

    A layer whose rows differ by rounding alone is constant: it gets 0.

    `scatter` (layers,) are sums of squares about the mean, `squares` (layers,) the sums of the squared means over the same
    `rows` rows, by which rounding is measured; `scale` is "none" or "layers".
    """
    varies = scatter > ROUNDING**2 * squares
    if scale != "layers":
        return varies.astype(np.float64)
    variance = scatter / max(rows - 1, 1)
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=varies)


def centre(gram: Float64Array) -> None:
    """Take the rows' joint mean out of their inner products, in place: J G J with J = I − 11ᵀ/N."""
    means = gram.mean(axis=1)
    gram -= means[:, None]
    gram -= means
    gram += means.mean()


def leading(matrix: Float64Array, z: int, rounding: float = 0.0) -> tuple[Float64Array, Float64Array]:
    """Compute vectors (size, z) and values (z,) of the z largest eigenvalues, falling; `matrix` is used up.

    Values that rounding alone can explain are set to 0: that of float64, or `rounding` where `matrix` is known less well.
    """
    from scipy import linalg

    size = len(matrix)
    # The matrix is symmetric, so it is read in the order that needs no copy.
    own = matrix if matrix.flags.f_contiguous else matrix.T
    values, vectors = linalg.eigh(own, overwrite_a=True, check_finite=False, subset_by_index=(max(size - z, 0), size - 1))
    values, vectors = values[::-1].copy(), vectors[:, ::-1]
    values[values <= max(size * np.finfo(np.float64).eps * values[0], rounding, 0.0)] = 0.0
    return vectors, values


def signed(scores: Float64Array, n: int, towards_secondary: bool = True) -> Float64Array:
    """Fix the sign of each column of scores (n + m, z), by the rule of `signs`."""
    return scores * signs(scores, n, towards_secondary)


def signs(scores: Float64Array, n: int, towards_secondary: bool = True) -> Float64Array:
    """Choose each column's sign, 1 or -1 (z,), so that the secondary dataset's mean is above the primary's.

    Where the means meet, or where the primary alone is to decide, its first largest entry is made positive.

    `scores` are the primary's n rows, then the secondary's; `towards_secondary` False lets the primary alone decide.
    """
    own = np.abs(scores[:n])
    # Of entries that only rounding tells apart the first counts, or two routes could choose opposite signs.
    first = (own >= (1 - _SIGN_TIE) * own.max(axis=0)).argmax(axis=0)
    chosen = scores[first, np.arange(scores.shape[1])]
    if towards_secondary:
        step = scores[n:].mean(axis=0) - scores[:n].mean(axis=0)
        chosen = np.where(np.abs(step) > _SIGN_TIE * np.abs(scores).max(axis=0), step, chosen)
    return np.where(chosen < 0, -1.0, 1.0)


def ratio(values: Float64Array, total: float) -> Float64Array:
    """Compute the share of the total variance that each eigenvalue holds; all 0 where there is no variance."""
    return values / total if total > 0 else np.zeros_like(values)
