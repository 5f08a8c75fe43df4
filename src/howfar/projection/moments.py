"""Compute a dataset's count, mean and scatter in float64 for PCA by covariance, mergeable over parts.

numpy and scipy each bring a BLAS with threads of its own, and those of one still wait busily when the other begins: on two
cores an eigenproblem of 768 features after a product by numpy takes 48 ms, after one by scipy 28 ms.

Each block of rows is taken about a centre of its own before it is multiplied. The usual shortcut, Gram / n − mean·meanᵀ, loses
everything when the mean is large beside the spread; this does not. Products of float32 features are computed in float32 where
they are many, some thousand rows at a time, and those sums are summed in float64.
"""

from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.memory import at_a_time
from howfar.protocols import Rows

DOUBLE, SINGLE = 8, 4
# Scores are held up to four times: as computed, of P and S together, with their signs, and each alone.
_SCORES = 4


def gram_columns(usual: int, n: int, m: int, q: int, layers: int, itemsize: int = DOUBLE) -> int:
    """Compute the block size in columns for inner products of n and m images within memory; m = 0 means one dataset.

    Held are the sums of a layer each, a block's own product, layers taken together, what is kept of P, and means and centres.
    """
    rows = n + m
    squares = (layers + 2 + (layers > 1)) * rows**2 + layers * n**2
    held = DOUBLE * squares + 2 * (DOUBLE + SINGLE) * q
    # Two blocks in turn, and what is read for the next of them.
    return at_a_time(usual, rows * (2 * itemsize + SINGLE) + 64, held, f"the inner products of {rows:,} images")


def moment_rows(usual: int, q: int, itemsize: int = DOUBLE) -> int:
    """Compute the block size in rows for the moments of q features within memory.

    Held are P's and S's scatter, a block's own product, both taken together, and what the eigenvectors are computed from.
    """
    held = DOUBLE * (6 * q**2 + 8 * q)
    return at_a_time(usual, q * (2 * itemsize + SINGLE), held, f"the moments of {q:,} features")


def score_rows(usual: int, rows: int, q: int, z: int) -> int:
    """Compute the block size for projecting `rows` rows of q features on z components within memory."""
    held = DOUBLE * (_SCORES * rows * z + q * z)
    return at_a_time(usual, q * (2 * DOUBLE + SINGLE) + DOUBLE * z, held, f"{z:,} components of {rows:,} images")


def subspace_columns(usual: int, n: int, q: int, z: int, itemsize: int) -> int:
    """Compute the block size in columns for the principal axes from inner products of n images."""
    held = itemsize * q * z + 2 * (DOUBLE + SINGLE) * q + DOUBLE * (3 * n**2 + 4 * n * z)
    return at_a_time(usual, n * (DOUBLE + SINGLE) + 2 * DOUBLE * z, held, f"a subspace of {q:,} features")


def kept_moments(q: int) -> int:
    """Return the bytes of P's moments kept for further secondaries: as summed, and in float64."""
    return 2 * DOUBLE * (q**2 + q)


_TILE = 128


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


def product(values: Float64Array, matrix: Float64Array) -> Float64Array:
    """Multiply row-major values (b, q) by matrix (q, z), with row-major result (b, z)."""
    from scipy.linalg import blas

    # Row-major is the transpose of column-major, which the library wants: nothing is copied where `matrix` is column-major.
    return np.asarray(blas.dgemm(1.0, matrix, values.T, trans_a=1).T)


# Small enough to stay in a core's cache; long features need more rows, so that adding up products is the lesser work.
_BLOCK_BYTES = 6 << 20
SINGLE_FROM = 1 << 32
"""Number of products from which float32 is used: with fewer, float64 takes some hundredths of a second."""
# Traces between which float32 products neither overflow nor vanish.
_SAFE = (1e-20, 1e30)


@dataclass(frozen=True, eq=False)
class Moments:
    """Hold a dataset's count n, mean (q,) and scatter Σ (x − mean)(x − mean)ᵀ (q, q) in float64.

    `single` says whether products were float32: the scatter is then known to about 1e-7 of its size.
    """

    count: int
    mean: Float64Array
    scatter: Float64Array
    single: bool = False


def moments(x: Rows, block: int | None = None, *, double: bool = False) -> Moments:
    """Compute the moments of the rows of `x` in blocks, each centred before it is multiplied; `double` forbids float32."""
    from scipy.linalg import blas

    n, q = x.shape
    single = not double and n * q * q >= SINGLE_FROM and x.rows(0, 1).dtype.itemsize <= SINGLE
    itemsize = SINGLE if single else DOUBLE
    step = block or moment_rows(max(q // 2, _BLOCK_BYTES // (itemsize * q), 1), q, itemsize)
    mean, scatter = np.zeros(q), np.zeros((q, q), order="F")
    buffer = np.empty((min(step, n), q), np.float32 if single else np.float64)
    own = np.zeros((q, q), np.float32, order="F") if single else None
    for start in range(0, n, step):
        stop = min(start + step, n)
        rows, values = x.rows(start, stop), buffer[: stop - start]
        # Write the rows less their mean to `values`, and add valuesᵀ·values to the upper triangle of the scatter.
        if single:
            # Centred in two steps, so that a large mean costs no precision.
            shares = np.full(len(values), 1 / len(values), np.float32)
            centre = np.asarray(blas.sgemv(1.0, rows.astype(np.float32, copy=False).T, shares), np.float32)
            np.subtract(rows, centre, out=values)
            lacking = np.asarray(blas.sgemv(1.0, values.T, shares), np.float32)
            values -= lacking
            block_mean = centre.astype(np.float64) + lacking
            scatter += blas.ssyrk(1.0, values.T, c=own, overwrite_c=1)
        else:
            values[:] = rows
            block_mean = values.mean(axis=0)
            values -= block_mean
            blas.dsyrk(1.0, values.T, beta=1.0, c=scatter, overwrite_c=1)
        between = block_mean - mean
        add_square(scatter, between, start * len(values) / (start + len(values)))
        mean += between * (len(values) / (start + len(values)))
    if single and not _SAFE[0] < np.trace(scatter) < _SAFE[1]:
        return moments(x, block, double=True)
    mirror(scatter)
    return Moments(n, mean, scatter, single)


def merge(a: Moments, b: Moments) -> Moments:
    """Combine the moments of two datasets into those of their union (Chan, Golub & LeVeque 1979)."""
    count = a.count + b.count
    step = b.mean - a.mean
    scatter = np.add(a.scatter, b.scatter, order="F")
    add_square(scatter, step, a.count * b.count / count)
    mirror(scatter)
    return Moments(count, a.mean + step * (b.count / count), scatter, a.single or b.single)
