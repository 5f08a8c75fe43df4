"""Compute Euclidean distances in loops that numba compiles: four images of one dataset with a tile of the other at once.

Components are the outer loop and the rows of P the inner one, so that the compiler computes with as many of them at once as the
processor's registers hold; four rows of S share what is read of P. There is no detour over norms that digits could be lost on:
equal rows are at exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from howfar.arrays import Float64Array

F = TypeVar("F", bound=Callable[..., Any])

TILE = 512
"""Rows of P at a time: their squared distances from four rows of S stay in the fastest cache."""
UNROLLED = 5
"""Components that the inner loop takes at once; their number is filled up with zeros."""

Single = NDArray[np.float32]


def compiled(function: F) -> F:
    """Compile a function by numba, without the interpreter, and keep the compiled code on disk where that is possible."""
    # Sums may be reordered, roots stay exact; nothing is infinite or undefined, as the caller sees to.
    how: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp", "nnan", "ninf"}}
    try:
        return cast("F", njit(cache=True, **how)(function))
    # Nowhere to keep what is compiled, in a container that may write nothing say: it is compiled in every process.
    except RuntimeError:
        return cast("F", njit(**how)(function))


# numba keeps what it has compiled by the caller's own file: after a change here, empty __pycache__ of its callers, too.
@compiled
def squared_distances(a: Single, i: int, j: int, k: int, l: int, b: Single, start: int, width: int, out: Single) -> None:  # noqa: E741  # i to l: four rows
    """Compute the squared distances of four rows of `a` from `width` rows of P, whose components are the rows of `b`."""
    to_i, to_j, to_k, to_l = out[0, :width], out[1, :width], out[2, :width], out[3, :width]
    out[:, :width] = 0.0
    for c in range(0, a.shape[1], 5):
        i0, i1, i2, i3, i4 = a[i, c], a[i, c + 1], a[i, c + 2], a[i, c + 3], a[i, c + 4]
        j0, j1, j2, j3, j4 = a[j, c], a[j, c + 1], a[j, c + 2], a[j, c + 3], a[j, c + 4]
        k0, k1, k2, k3, k4 = a[k, c], a[k, c + 1], a[k, c + 2], a[k, c + 3], a[k, c + 4]
        l0, l1, l2, l3, l4 = a[l, c], a[l, c + 1], a[l, c + 2], a[l, c + 3], a[l, c + 4]
        b0, b1, b2 = b[c, start : start + width], b[c + 1, start : start + width], b[c + 2, start : start + width]
        b3, b4 = b[c + 3, start : start + width], b[c + 4, start : start + width]
        for x in range(width):
            p0, p1, p2, p3, p4 = b0[x], b1[x], b2[x], b3[x], b4[x]
            to_i[x] += ((i0 - p0) ** 2 + (i1 - p1) ** 2) + ((i2 - p2) ** 2 + (i3 - p3) ** 2) + (i4 - p4) ** 2
            to_j[x] += ((j0 - p0) ** 2 + (j1 - p1) ** 2) + ((j2 - p2) ** 2 + (j3 - p3) ** 2) + (j4 - p4) ** 2
            to_k[x] += ((k0 - p0) ** 2 + (k1 - p1) ** 2) + ((k2 - p2) ** 2 + (k3 - p3) ** 2) + (k4 - p4) ** 2
            to_l[x] += ((l0 - p0) ** 2 + (l1 - p1) ** 2) + ((l2 - p2) ** 2 + (l3 - p3) ** 2) + (l4 - p4) ** 2


@compiled
def add_distances(a: Single, b: Single, start: int, stop: int, out: Float64Array) -> None:
    """Sum the distances of rows `start` to `stop` of `a` from all of P: a tile in float32, tiles in float64."""
    squared = np.empty((4, TILE), np.float32)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # four rows
        of_i, of_j, of_k, of_l = 0.0, 0.0, 0.0, 0.0
        for first in range(0, b.shape[1], TILE):
            width = min(TILE, b.shape[1] - first)
            squared_distances(a, i, j, k, l, b, first, width, squared)
            t_i: np.floating[Any] = np.float32(0.0)
            t_j, t_k, t_l = t_i, t_i, t_i
            for x in range(width):
                t_i += np.sqrt(squared[0, x])
                t_j += np.sqrt(squared[1, x])
                t_k += np.sqrt(squared[2, x])
                t_l += np.sqrt(squared[3, x])
            of_i, of_j, of_k, of_l = of_i + float(t_i), of_j + float(t_j), of_k + float(t_k), of_l + float(t_l)
        out[i], out[j], out[k], out[l] = of_i, of_j, of_k, of_l


@compiled
def write_distances(a: Single, b: Single, start: int, stop: int, first: int, out: Single) -> None:
    """Write the distances of rows `start` to `stop` of `a` from P's rows from `first` on into the same rows of `out`."""
    squared = np.empty((4, TILE), np.float32)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # four rows
        for at in range(first, b.shape[1], TILE):
            width = min(TILE, b.shape[1] - at)
            squared_distances(a, i, j, k, l, b, at, width, squared)
            for x in range(width):
                out[i, at - first + x] = np.sqrt(squared[0, x])
                out[j, at - first + x] = np.sqrt(squared[1, x])
                out[k, at - first + x] = np.sqrt(squared[2, x])
                out[l, at - first + x] = np.sqrt(squared[3, x])
