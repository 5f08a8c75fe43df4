"""Weigh a kernel between the images of two datasets by the weights of many resamples, in one pass over all pairs of images."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array, FloatArray
from howfar.distances.products import double_squared
from howfar.distances.scaling import unit_of

PAIRS_PER_TILE = 1 << 20
SINGLE_FROM = 1 << 24
"""Pairs from which on kernel values and weights are multiplied in float32."""
_SAMPLED = 64


class Kernel(Protocol):
    """Compute a kernel between rows of two float64 arrays, (m, z), (n, z) -> (m, n)."""

    def __call__(self, a: Float64Array, b: Float64Array, /) -> Float64Array:
        """Return the kernel of each row of `a` with each of `b`."""
        ...


class Forms(NamedTuple):
    """Hold weighted sums (draws,) of a kernel less a constant, and each row's sum (m,); of one dataset, of different rows."""

    values: Float64Array
    row_sums: Float64Array


def cubic(a: Float64Array, b: Float64Array) -> Float64Array:
    """Compute KID's kernel less its constant, (a·b / z + 1)³ − 1, as `howfar.distances.mmd.kid` does."""
    products: Float64Array = a @ b.T
    products /= a.shape[1]
    return products * (3.0 + products * (3.0 + products))


def gaussian(width: float) -> Kernel:
    """Make the kernel exp(−‖a − b‖² / 2σ²) of σ = `width`."""
    unit = unit_of(width)

    def kernel(a: Float64Array, b: Float64Array) -> Float64Array:
        a, b = a / unit, b / unit
        squared = double_squared(a, b, np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b))
        squared *= -0.5 / (width / unit) ** 2
        return np.exp(squared, out=squared)

    return kernel


def typical(kernel: Kernel, x: Float64Array) -> float:
    """Find the median of the kernel over some pairs: less this constant, which cancels in a discrepancy, it keeps more digits.

    A mean would be that of one row far from all others, whose kernel with itself is larger than all else.
    """
    some = x[:: -(-len(x) // _SAMPLED)]
    values = kernel(some, some)[np.triu_indices(len(some), 1)]
    return float(np.median(values)) if values.size else 0.0


def kernel_forms(
    kernel: Kernel, x: Float64Array, y: Float64Array, u: NDArray[np.uint8], v: NDArray[np.uint8], constant: float
) -> Forms:
    """Compute Σᵢⱼ u[i, d] (k(xᵢ, yⱼ) − constant) v[j, d] of each draw d; where `y` is `x` and `v` is `u`, over i ≠ j.

    `x` and `y` are (m, z) and (n, z), `u` and `v` (m, draws) and (n, draws) counts. Each pair is computed once.
    """
    same, single = y is x and v is u, len(x) * len(y) >= SINGLE_FROM
    right: FloatArray = v.astype(np.float32 if single else np.float64)
    total, sums, step = np.zeros(u.shape[1]), np.zeros(len(x)), max(1, PAIRS_PER_TILE // len(y))
    for start in range(0, len(x), step):
        rows = x[start : start + step]
        first = start if same else 0
        k = kernel(rows, y[first:])
        k -= constant
        if same:
            k[:, : len(rows)] = np.triu(k[:, : len(rows)], 1)
            sums[first:] += k.sum(axis=0)
        sums[start : start + len(rows)] += k.sum(axis=1)
        total += _weighted(k, right[first:], u[start : start + len(rows)])
    return Forms(total * 2.0 if same else total, sums)


def _weighted(k: Float64Array, right: FloatArray, left: NDArray[np.uint8]) -> Float64Array:
    """Weigh kernel values by both sides' counts, in a unit in which float32 holds the largest; `k` is used up."""
    unit = unit_of(max(float(k.max()), -float(k.min())))
    k /= unit
    products = k.astype(right.dtype, copy=False) @ right
    return np.asarray(np.einsum("id,id->d", products, left, dtype=np.float64) * unit)
