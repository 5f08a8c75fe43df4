"""Sums of very many distances, weighted by a column of weights a draw: by whole numbers or in float32, each pair once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.distances.compiled_euclidean import Kernel
from howfar.distances.numba_kernels import Single, compiled
from howfar.distances.quantized import counted_forms, integer_units, labelled_forms


def forms(
    kernel: Kernel, u: NDArray[Any], v: NDArray[Any], same: bool, pairs_per_tile: int, resampled: bool = False
) -> Float64Array:
    """Σᵢⱼ u[i, k] d(sᵢ, pⱼ) v[j, k] for every column k, (b,) float64.

    Parameters
    ----------
    kernel
        The distances.
    u, v
        (m, b) and (n, b) weights; where both are uint8, counts.
    same
        S and `u` are P and `v`: half of the pairs do.
    pairs_per_tile
        Distances at once, of the size of a float64.
    resampled
        Counts are draws with replacement (`howfar.distances.quantized`).

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0]])
    >>> forms(Kernel(rows, rows), np.array([[2.0], [3.0]]), np.array([[2.0], [3.0]]), False, 10).tolist()
    [12.0]
    """
    counts = u.dtype == v.dtype == np.uint8
    found = counted_forms(kernel, u, v, same, resampled) if counts and integer_units() else None
    if found is None:
        # Twice as many of half the size.
        found = _single(kernel, u, v, same, max(1, 2 * pairs_per_tile // kernel.b.shape[1]))
    return found * kernel.unit


def labelled(kernel: Kernel, labels: NDArray[np.uint8], inside: float, outside: float) -> Float64Array | None:
    """The forms of weights of two values, as `howfar.distances.quantized.labelled_forms`; None where floats are to be taken.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0]])
    >>> found = labelled(Kernel(rows, rows), np.array([[1], [0]], np.uint8), 1.0, -1.0)
    >>> found is None or found.round(5).tolist() == [-2.0]
    True
    """
    found = labelled_forms(kernel, labels, inside, outside) if integer_units() else None
    return None if found is None else found * kernel.unit


def _single(kernel: Kernel, u: NDArray[Any], v: NDArray[Any], same: bool, step: int) -> Float64Array:
    """In float32, and in float64 over tiles of `step` rows of S."""
    total, right = np.zeros(u.shape[1]), v.astype(np.float32)
    for start in range(0, len(u), step):
        left = u[start : start + step]
        first = start if same else 0
        d = kernel.distances(start, start + len(left), first)
        if same:
            # A pair and its mirror image are one: what is right of the diagonal stands for both.
            d[:, : len(left)] = np.triu(d[:, : len(left)], 1)
        products = d @ right[first:]
        kernel.share(lambda begin, end: _add_products(products, left, begin, end, total), u.shape[1])  # noqa: B023  # done at once
    return total * 2.0 if same else total


@compiled
def _add_products(products: Single, weights: NDArray[Any], start: int, stop: int, total: Float64Array) -> None:
    """Add the products, by the weights of their rows, to the draws `start` to `stop`."""
    for i in range(len(products)):
        row, weight = products[i], weights[i]
        for k in range(start, stop):
            total[k] += float(weight[k]) * float(row[k])
