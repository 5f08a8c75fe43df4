"""Compute many Euclidean distances by compiled loops on all cores: differences in float32, sums in float64."""

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
from howfar.distances.numba_kernels import UNROLLED, Single, add_distances, write_distances
from howfar.distances.scaling import in_units

ROWS = 256
"""Rows of S in one task."""


class Kernel:
    """Compute distances of rows of S from those of P, both taken about P's centre and brought to a scale that float32 holds.

    `s` and `p` are (m, z) and (n, z) finite features; `threads`, by default `howfar.cores.numeric_threads()`, share the rows of
    S, and their number changes no result. `a` (m, z') and `b` (z', n) are rows of S and columns of P about the centre, with
    components of zeros at the end, in units of `unit`, a power of two.
    """

    def __init__(self, s: NDArray[Any], p: NDArray[Any], threads: int | None = None) -> None:
        self._threads = threads or numeric_threads()
        a, b, self.unit = in_units(s, p)
        empty = -a.shape[1] % UNROLLED
        self.a: Single = np.pad(a, ((0, 0), (0, empty)))
        self.b: Single = np.ascontiguousarray(np.pad(b, ((0, 0), (0, empty))).T)

    def sums(self) -> Float64Array:
        """Sum each row's distances from all rows of P, (m,) float64."""
        out = np.empty(len(self.a))
        self.share(lambda start, stop: add_distances(self.a, self.b, start, stop, out), len(self.a))
        out *= self.unit
        return out

    def distances(self, start: int, stop: int, first: int) -> Single:
        """Compute distances of rows `start` to `stop` of S from P's from `first` on, float32, in `unit`s."""
        out = np.empty((stop - start, self.b.shape[1] - first), np.float32)
        rows = self.a[start:stop]
        self.share(lambda begin, end: write_distances(rows, self.b, begin, end, first, out), len(rows))
        return out

    @property
    def reach(self) -> float:
        """Bound all distances, in units: the length of the longest row of S plus that of the longest of P."""
        return float(
            np.sqrt(np.einsum("ij,ij->i", self.a, self.a).max()) + np.sqrt(np.einsum("ij,ij->j", self.b, self.b).max())
        )

    def share(self, task: Callable[[int, int], None], count: int) -> None:
        """Run `task` on the ranges that the threads share `count` rows in."""
        # A multiple of the four rows that are computed together.
        size = min(ROWS, max(4, -(-count // (4 * self._threads)) * 4))
        if self._threads == 1 or count <= size:
            task(0, count)
            return
        list(_pool(os.getpid(), self._threads).map(lambda at: task(at, min(at + size, count)), range(0, count, size)))


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Keep threads, as starting them costs as much as a block's distances; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="howfar-distances")
