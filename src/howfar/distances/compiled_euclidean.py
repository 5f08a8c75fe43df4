"""Euclidean distances of many pairs, compiled: differences in float32, sums in float64, all cores, equal rows at exactly 0."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.cores import numeric_threads
from howfar.distances.numba_kernels import FIVE, Single, add, write
from howfar.distances.scaling import in_units

ROWS = 256
"""Rows of S in one task."""


class Kernel:
    """Distances of the rows of S from those of P, both taken about P's centre and brought to a scale that float32 holds.

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
    a, b
        (m, z') rows of S and (z', n) columns of P about the centre, in units, with components of zeros at the end.
    reach
        No distance is longer, in units.

    Examples
    --------
    >>> kernel = Kernel(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[3.0, 4.0]]))
    >>> kernel.sums().tolist(), (kernel.unit * kernel.distances(0, 2, 0)).tolist()
    ([5.0, 0.0], [[5.0], [0.0]])
    """

    def __init__(self, s: NDArray[Any], p: NDArray[Any], threads: int | None = None) -> None:
        self._threads = threads or numeric_threads()
        a, b, self.unit = in_units(s, p)
        empty = -a.shape[1] % FIVE
        self.a: Single = np.pad(a, ((0, 0), (0, empty)))
        self.b: Single = np.ascontiguousarray(np.pad(b, ((0, 0), (0, empty))).T)

    def sums(self) -> Float64Array:
        """Sum of each row's distances from all rows of P, (m,) float64."""
        out = np.empty(len(self.a))
        self.share(lambda start, stop: add(self.a, self.b, start, stop, out), len(self.a))
        out *= self.unit
        return out

    def distances(self, start: int, stop: int, first: int) -> Single:
        """Rows `start` to `stop` of S from the rows of P from `first` on, (stop − start, n − first) float32, in `unit`s."""
        out = np.empty((stop - start, self.b.shape[1] - first), np.float32)
        rows = self.a[start:stop]
        self.share(lambda begin, end: write(rows, self.b, begin, end, first, out), len(rows))
        return out

    @property
    def reach(self) -> float:
        """The longest row of S and the longest of P, together."""
        return float(
            np.sqrt(np.einsum("ij,ij->i", self.a, self.a).max()) + np.sqrt(np.einsum("ij,ij->j", self.b, self.b).max())
        )

    def share(self, work: Callable[[int, int], None], count: int) -> None:
        """Do `work` on the ranges that the threads share `count` rows in."""
        # A multiple of the four rows that are computed together.
        size = min(ROWS, max(4, -(-count // (4 * self._threads)) * 4))
        if self._threads == 1 or count <= size:
            work(0, count)
            return
        list(_pool(os.getpid(), self._threads).map(lambda at: work(at, min(at + size, count)), range(0, count, size)))


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads that are kept: starting them costs as much as a block's distances. A forked process has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="howfar-distances")
