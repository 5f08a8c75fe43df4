"""Multiply matrices with SciPy's BLAS, which also computes the eigenvectors, so that two thread pools do not compete.

numpy and scipy each bring a BLAS with threads of its own, and those of one still wait busily when the other begins: on two
cores an eigenproblem of 768 features after a product by numpy takes 48 ms, after one by scipy 28 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array

_TILE = 128


def add_products(total: Float64Array, values: NDArray[Any], own: NDArray[np.float32] | None = None) -> None:
    """Add valuesᵀ·values to the upper triangle of `total`, in place: float32 values are multiplied in float32.

    `total` is (q, q) float64, column-major; `values` (b, q) float32 or float64, row-major. `own` is (q, q) float32, zeros and
    column-major, for the products of float32 values: who adds block after block clears such memory once.
    """
    from scipy.linalg import blas

    if values.dtype == np.float32:
        total += blas.ssyrk(1.0, values.T) if own is None else blas.ssyrk(1.0, values.T, c=own, overwrite_c=1)
    else:
        blas.dsyrk(1.0, values.T, beta=1.0, c=total, overwrite_c=1)


def add_square(total: Float64Array, vector: Float64Array, weight: float) -> None:
    """Add weight·vector·vectorᵀ to the upper triangle of `total` (q, q), float64 and column-major, in place."""
    from scipy.linalg import blas

    blas.dsyr(weight, vector, a=total, overwrite_a=1)


def mirror(total: Float64Array) -> None:
    """Copy the upper triangle of `total` onto the lower one, in place."""
    for start in range(0, len(total), _TILE):
        stop = start + _TILE
        corner = total[start:stop, start:stop]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        total[stop:, start:stop] = total[start:stop, stop:].T


def column_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the means of the columns of (b, q) as one product: not to the last digit, but quick."""
    from scipy.linalg import blas

    return np.asarray(blas.sgemv(1.0, values.T, np.full(len(values), 1 / len(values), np.float32)), np.float32)


def product(values: Float64Array, matrix: Float64Array) -> Float64Array:
    """Multiply values (b, q), row-major, by matrix (q, z): (b, z), row-major."""
    from scipy.linalg import blas

    # Row-major is the transpose of column-major, which the library wants: nothing is copied where `matrix` is column-major.
    return np.asarray(blas.dgemm(1.0, matrix, values.T, trans_a=1).T)
