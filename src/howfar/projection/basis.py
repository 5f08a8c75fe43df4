"""Fit the principal subspace of a dataset, on which the rows of later datasets can be projected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, FloatArray, as_rows
from howfar.errors import InputError
from howfar.memory import at_a_time
from howfar.projection.blas import product
from howfar.projection.extreme_rows import limit_of, may_hide, row_blocks, sample_of, sampled_square, separated
from howfar.projection.memory_estimates import score_rows, subspace_columns
from howfar.projection.moments import Moments, merge, moments
from howfar.projection.spectrum import ROUNDING_SINGLE, layer_weights, leading, ratio
from howfar.protocols import Rows

DOUBLE_BYTES = 64 << 20
_BLOCK_BYTES = 32 << 20
# Bytes of rows that are projected at a time: their float64 copy should stay in a core's own cache until it is multiplied.
_CACHE_BYTES = 2 << 20
# Columns whose products are summed in float32 before the sums are: few enough that rounding stays below the basis's own.
_SINGLE_COLUMNS = 1 << 13

_UPRIGHT = 1e-12
"""How far the inner products of axes may lie from 0 and 1."""


class Explained:
    """Count the components that are kept, and the share of the variance that they hold."""

    explained_variance_ratio: Float64Array

    @property
    def components(self) -> int:
        """Return z, the number of components kept."""
        return len(self.explained_variance_ratio)

    @property
    def explained_variance(self) -> float:
        """Return the share of the total variance that the kept components hold, at most 1."""
        return min(1.0, float(self.explained_variance_ratio.sum()))


@dataclass(frozen=True, eq=False)
class Basis(Explained):
    """Hold the subspace that was fitted on some rows: scores = (x − mean) · matrix (P_L of eq. 5, for later rows).

    Attributes
    ----------
    mean
        (q,) float64.
    matrix
        (q, z): principal axes times what each layer is scaled by. float64, or float32 where that would take more than
        64 MiB (z = 25: from q = 335,545 on), which moves scores by about 1e-6 of their spread.
    explained_variance_ratio
        (z,) share of the total variance of the rows that it was fitted on, largest first.
    """

    mean: Float64Array
    matrix: FloatArray
    explained_variance_ratio: Float64Array

    def scores(self, x: ArrayLike | Rows, block: int | None = None) -> Float64Array:
        """Project rows on the subspace, (m, z) float64.

        `x` is (m, q); `block` is rows read at a time, and changes nothing beyond rounding. Raises `InputError` for features
        that are not a finite two-dimensional table of numbers, or of another width.
        """
        rows = as_rows(x, "x")
        m, q = rows.shape
        if q != len(self.mean):
            raise InputError.of("x", f"must have {len(self.mean)} columns", rows.shape, "use the backbone of the basis")
        if self.matrix.dtype == np.float32:
            return self._in_single(rows)
        step = block or score_rows(max(1, _CACHE_BYTES // (8 * q)), m, q, self.components)
        scores, matrix = np.empty((m, self.components)), np.asfortranarray(self.matrix, np.float64)
        buffer = np.empty((min(step, m), q))
        for start in range(0, m, step):
            stop = min(start + step, m)
            values = buffer[: stop - start]
            np.subtract(rows.rows(start, stop), self.mean, out=values, dtype=np.float64)
            scores[start:stop] = product(values, matrix)
        return scores

    def turned(self, signs: Float64Array) -> Basis:
        """Multiply each axis of the subspace by 1 or −1, (z,)."""
        return Basis(self.mean, self.matrix * signs.astype(self.matrix.dtype), self.explained_variance_ratio)

    def _in_single(self, x: Rows) -> Float64Array:
        m, q = x.shape
        total = np.zeros((m, self.components))
        held = self.matrix.nbytes + self.mean.nbytes + 2 * total.nbytes
        step = at_a_time(_SINGLE_COLUMNS, m * (8 + 8 + 4), held, f"a subspace of {q:,} features")
        for start in range(0, q, step):
            stop = min(start + step, q)
            shifted = np.subtract(x.columns(start, stop), self.mean[start:stop], dtype=np.float64).astype(np.float32)
            total += shifted @ self.matrix[start:stop]
        return total


def by_covariance(fitted: Moments, layers: Sequence[int], scale: str, z: int, sets: Sequence[Rows]) -> Basis:
    """Fit the leading axes of the scatter of datasets, each layer scaled by `howfar.projection.spectrum.layer_weights`.

    `fitted` are the moments of all rows of `sets`, which are read again where a few of them lie absurdly far away.
    """
    per_layer = np.add.reduceat(np.diag(fitted.scatter), np.cumsum((0, *layers[:-1])))
    floors = fitted.count * squares(fitted.mean, layers)
    weights = layer_weights(per_layer, floors, fitted.count, scale)
    column = np.sqrt(np.repeat(weights, layers))
    scatter = fitted.scatter.copy(order="F") if (weights == 1).all() else fitted.scatter * column[:, None] * column
    total = float(np.trace(scatter))
    rounding = ROUNDING_SINGLE * total / math.sqrt(len(scatter)) if fitted.single else 0.0
    vectors, values = leading(scatter, z, rounding)
    square = _typical(sets, column) if may_hide(values) else math.inf
    if values[0] > limit_of(square, fitted.count):
        if fitted.single:
            exact = reduce(merge, [moments(rows, double=True) for rows in sets])
            return by_covariance(exact, layers, scale, z, sets)
        vectors, values = separated(row_blocks(sets, fitted.mean, column), vectors, values, square, sets)
    return Basis(fitted.mean, vectors * column[:, None] * (values > 0), ratio(values, total))


def _typical(sets: Sequence[Rows], column: Float64Array) -> float:
    sample, n = sample_of(sets, column)
    return sampled_square([sample], n)


def by_gram(
    p: Rows, mean: Float64Array, weights: Float64Array, factors: Float64Array, shares: Float64Array, block: int | None = None
) -> Basis:
    """Compute the axes that belong to eigenvectors of inner products: W (p − mean)ᵀ U Λ^(−1/2), by column blocks.

    `p` is (n, q) and `mean` (q,) its mean; `weights` (q,) multiplied each column's products; `factors` (n, z) are U Λ^(−1/2);
    `shares` (z,) the explained variance ratios; `block` is columns at a time.
    """
    n, q = p.shape
    z = factors.shape[1]
    size = itemsize(q, z)
    step = block or subspace_columns(max(1, _BLOCK_BYTES // (8 * n)), n, q, z, size)
    # Column-major: a single row's product then streams through each axis.
    matrix = np.empty((q, z), dtype=np.float64 if size == 8 else np.float32, order="F")
    products = np.diag((shares == 0).astype(np.float64))
    for start in range(0, q, step):
        stop = min(start + step, q)
        shifted = np.subtract(p.columns(start, stop), mean[start:stop], dtype=np.float64)
        axes = shifted.T @ factors
        products += axes.T @ (axes * weights[start:stop, None])
        matrix[start:stop] = axes * weights[start:stop, None]
    if np.abs(products - np.eye(z)).max() > _UPRIGHT:
        # Eigenvectors of a row that lies absurdly far away lean axes towards it.
        matrix = np.asfortranarray(matrix @ np.linalg.inv(np.linalg.cholesky(products)).T, matrix.dtype)
    return Basis(mean, matrix, shares)


def itemsize(q: int, z: int) -> int:
    """Choose the bytes of a number of a (q, z) matrix: float64 up to 64 MiB, float32 beyond."""
    return 8 if 8 * q * z <= DOUBLE_BYTES else 4


def squares(mean: Float64Array, layers: Sequence[int]) -> Float64Array:
    """Sum the squared means of each layer."""
    return np.asarray(np.add.reduceat(mean**2, np.cumsum((0, *layers[:-1]))), dtype=np.float64)
