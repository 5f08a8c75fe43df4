"""Compute count, mean and scatter of a dataset in float64, mergeable over parts: what PCA by covariance needs.

Each block of rows is taken about a centre of its own before it is multiplied. The usual shortcut, Gram / n − mean·meanᵀ, loses
everything when the mean is large beside the spread; this does not. Products of float32 features are computed in float32 where
they are many, some thousand rows at a time, and those sums are summed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.projection.blas import add_products, add_square, column_means, mirror
from howfar.projection.memory_estimates import DOUBLE, SINGLE, moment_rows
from howfar.protocols import Rows

# Small enough to stay in a core's cache; long features need more rows, so that adding up products is the lesser work.
_BLOCK_BYTES = 6 << 20
SINGLE_FROM = 1 << 32
"""Number of products from which float32 is used: with fewer, float64 takes some hundredths of a second."""
# Traces between which float32 products neither overflow nor vanish.
_SAFE = (1e-20, 1e30)


@dataclass(frozen=True, eq=False)
class Moments:
    """Hold count n, mean (q,) and scatter Σ (x − mean)(x − mean)ᵀ (q, q) of a dataset, float64.

    `single` says whether products were float32: the scatter is then known to about 1e-7 of its size.
    """

    count: int
    mean: Float64Array
    scatter: Float64Array
    single: bool = False


def moments(x: Rows, block: int | None = None, *, double: bool = False) -> Moments:
    """Compute the moments of the rows of `x`, each block centred before it is multiplied.

    `x` is (n, q), read by row blocks; `block` is rows at a time, by default what fits in 6 MiB and at least q / 2, and changes
    nothing beyond rounding; `double` makes products float64 however many they are.
    """
    n, q = x.shape
    single = not double and n * q * q >= SINGLE_FROM and x.rows(0, 1).dtype.itemsize <= SINGLE
    itemsize = SINGLE if single else DOUBLE
    step = block or moment_rows(max(q // 2, _BLOCK_BYTES // (itemsize * q), 1), q, itemsize)
    mean, scatter = np.zeros(q), np.zeros((q, q), order="F")
    buffer = np.empty((min(step, n), q), np.float32 if single else np.float64)
    own = np.zeros((q, q), np.float32, order="F") if single else None
    for start in range(0, n, step):
        stop = min(start + step, n)
        values = buffer[: stop - start]
        block_mean = (_single if single else _double)(x.rows(start, stop), values)
        add_products(scatter, values, own)
        between = block_mean - mean
        add_square(scatter, between, start * len(values) / (start + len(values)))
        mean += between * (len(values) / (start + len(values)))
    if single and not _SAFE[0] < np.trace(scatter) < _SAFE[1]:
        return moments(x, block, double=True)
    mirror(scatter)
    return Moments(n, mean, scatter, single)


def merge(a: Moments, b: Moments) -> Moments:
    """Compute the moments of two datasets taken together, from their own moments alone.

    Source: Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """
    count = a.count + b.count
    step = b.mean - a.mean
    scatter = np.add(a.scatter, b.scatter, order="F")
    add_square(scatter, step, a.count * b.count / count)
    mirror(scatter)
    return Moments(count, a.mean + step * (b.count / count), scatter, a.single or b.single)


def _double(block: NDArray[Any], out: NDArray[Any]) -> Float64Array:
    """Put values less their mean into `out`, in float64; return the mean."""
    out[:] = block
    mean: Float64Array = out.mean(axis=0)
    out -= mean
    return mean


def _single(block: NDArray[Any], out: NDArray[Any]) -> Float64Array:
    """Put values less their mean into `out`, in float32: about a centre first, so that a large mean costs no digits."""
    centre = column_means(block.astype(np.float32, copy=False))
    np.subtract(block, centre, out=out)
    lacking = column_means(out)
    out -= lacking
    return centre.astype(np.float64) + lacking
