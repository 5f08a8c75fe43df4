"""Euclidean distances of many pairs, compiled: differences in float32, a tile of P at a time, all cores.

Components are the outer loop and the rows of P the inner one, so that the compiler computes with as many of them at once as the
processor's registers hold; four rows of S share what is read of P. There is no detour over norms that digits could be lost on:
equal rows are at exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.cores import numeric_threads

F = TypeVar("F", bound=Callable[..., Any])

TILE = 512
"""Rows of P at a time: their squared distances from four rows of S stay in the fastest cache."""
FIVE = 5
"""Components that the inner loop takes at once; their number is filled up with zeros."""
ROWS = 256
"""Rows of S in one task."""

Single = NDArray[np.float32]


def _compiled(function: F) -> F:
    # Sums may be reordered, roots stay exact; nothing is infinite or undefined, as the caller sees to.
    how: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp", "nnan", "ninf"}}
    made: Any
    try:
        made = njit(cache=True, **how)(function)
    # Nowhere to keep what is compiled, in a container that may write nothing say: it is compiled in every process.
    except RuntimeError:
        made = njit(**how)(function)
    return cast("F", made)


@_compiled
def _squares(a: Single, i: int, j: int, k: int, l: int, b: Single, start: int, width: int, out: Single) -> None:  # noqa: E741  # i to l: four rows
    """Squared distances of four rows of `a` from `width` rows of P, whose components are the rows of `b`."""
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


@_compiled
def _add(a: Single, b: Single, start: int, stop: int, out: Float64Array) -> None:
    """Sums of the distances of rows `start` to `stop` of `a` from all of P: of a tile in float32, of tiles in float64."""
    squared = np.empty((4, TILE), np.float32)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # as above
        of_i, of_j, of_k, of_l = 0.0, 0.0, 0.0, 0.0
        for first in range(0, b.shape[1], TILE):
            width = min(TILE, b.shape[1] - first)
            _squares(a, i, j, k, l, b, first, width, squared)
            t_i: np.floating[Any] = np.float32(0.0)
            t_j, t_k, t_l = t_i, t_i, t_i
            for x in range(width):
                t_i += np.sqrt(squared[0, x])
                t_j += np.sqrt(squared[1, x])
                t_k += np.sqrt(squared[2, x])
                t_l += np.sqrt(squared[3, x])
            of_i, of_j, of_k, of_l = of_i + float(t_i), of_j + float(t_j), of_k + float(t_k), of_l + float(t_l)
        out[i], out[j], out[k], out[l] = of_i, of_j, of_k, of_l


@_compiled
def _write(a: Single, b: Single, start: int, stop: int, first: int, out: Single) -> None:
    """Distances of rows `start` to `stop` of `a` from the rows of P from `first` on, into rows `start` to `stop` of `out`."""
    squared = np.empty((4, TILE), np.float32)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # as above
        for at in range(first, b.shape[1], TILE):
            width = min(TILE, b.shape[1] - at)
            _squares(a, i, j, k, l, b, at, width, squared)
            for x in range(width):
                out[i, at - first + x] = np.sqrt(squared[0, x])
                out[j, at - first + x] = np.sqrt(squared[1, x])
                out[k, at - first + x] = np.sqrt(squared[2, x])
                out[l, at - first + x] = np.sqrt(squared[3, x])


class Kernel:
    """Distances of the rows of S from those of P, both taken about P's mean and brought to a scale that float32 holds.

    Parameters
    ----------
    s, p
        (m, z) and (n, z) finite features.
    threads
        Rows of S are shared among so many; by default as `howfar.cores.numeric_threads`. It changes nothing.

    Attributes
    ----------
    unit
        What `distances` are to be multiplied by: a power of two.

    Examples
    --------
    >>> kernel = Kernel(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[3.0, 4.0]]))
    >>> kernel.sums().tolist(), (kernel.unit * kernel.distances(0, 2, 0)).tolist()
    ([5.0, 0.0], [[5.0], [0.0]])
    """

    def __init__(self, s: NDArray[Any], p: NDArray[Any], threads: int | None = None) -> None:
        self._threads = threads or numeric_threads()
        centre = p.mean(axis=0, dtype=np.float64)
        a, b = s - centre, p - centre
        # A power of two, which moves no digit: squares cannot overflow then. What is 1e-19 of the largest vanishes.
        _, exponent = np.frexp(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)))
        self.unit = float(np.ldexp(1.0, int(exponent)))
        empty = -a.shape[1] % FIVE
        self._a = np.pad((a / self.unit).astype(np.float32), ((0, 0), (0, empty)))
        self._b = np.ascontiguousarray(np.pad((b / self.unit).astype(np.float32), ((0, 0), (0, empty))).T)

    def sums(self) -> Float64Array:
        """Sum of each row's distances from all rows of P, (m,) float64."""
        out = np.empty(len(self._a))
        self._shared(lambda start, stop: _add(self._a, self._b, start, stop, out), len(self._a))
        out *= self.unit
        return out

    def distances(self, start: int, stop: int, first: int) -> Single:
        """Rows `start` to `stop` of S from the rows of P from `first` on, (stop − start, n − first) float32, in `unit`s."""
        out = np.empty((stop - start, self._b.shape[1] - first), np.float32)
        rows = self._a[start:stop]
        self._shared(lambda begin, end: _write(rows, self._b, begin, end, first, out), len(rows))
        return out

    def _shared(self, work: Callable[[int, int], None], count: int) -> None:
        # A multiple of the four rows that are computed together.
        size = min(ROWS, max(4, -(-count // (4 * self._threads)) * 4))
        if self._threads == 1 or count <= size:
            work(0, count)
            return
        with ThreadPoolExecutor(self._threads, thread_name_prefix="howfar-distances") as pool:
            list(pool.map(lambda begin: work(begin, min(begin + size, count)), range(0, count, size)))
