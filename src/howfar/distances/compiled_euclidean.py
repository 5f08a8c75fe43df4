"""Compute many Euclidean distances by compiled loops on all cores: differences in float32, sums in float64."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.cores import numeric_threads
from howfar.distances.compiled_packing import packed_pair
from howfar.distances.numba_kernels import Single, add_both, add_distances, weigh_distances, write_distances
from howfar.distances.vector_block import LANES
from howfar.distances.vector_block import ROWS as FOUR

T = TypeVar("T")

ROWS = 256
"""Rows of S in one task."""
BOTH_ROWS = 128
"""Rows of S in one task where sums over them are taken too, which are added up in the order of the tasks."""


class Kernel:
    """Compute distances of rows of S from those of P, both taken about P's centre and brought to a scale that float32 holds.

    `s` and `p` are (m, z) and (n, z) finite features; `threads`, by default `howfar.cores.numeric_threads()`, share the rows of
    S, and their number changes no result. `a` (m/4, z, 4) and `b` (n/16, z, 16) are rows of S and of P about the centre as
    `howfar.distances.numba_kernels` reads them, in units of `unit`, a power of two. `reach` bounds all distances, in units.
    """

    def __init__(self, s: NDArray[Any], p: NDArray[Any], threads: int | None = None) -> None:
        self._threads = threads or numeric_threads()
        self.m, self.n = len(s), len(p)
        self.a, self.b, self.unit, self.reach = packed_pair(s, p, FOUR, LANES)

    def sums(self) -> Float64Array:
        """Sum each row's distances from all rows of P, (m,) float64."""
        out = np.zeros(self.m)
        self.share(lambda start, stop: add_distances(self.a, self.b, start, stop, 0, self.n, out), self.m)
        out *= self.unit
        return out

    def both_sums(self) -> tuple[Float64Array, Float64Array]:
        """Sum each row's distances from all rows of P, (m,), and each row of P's from all rows of S, (n,)."""
        rows, columns = np.zeros(self.m), np.zeros(self.n)

        def of_task(start: int, stop: int) -> Float64Array:
            part = np.zeros(self.n)
            add_both(self.a, self.b, start, stop, 0, self.n, rows, part)
            return part

        for part in self._in_order(of_task):
            columns += part
        return rows * self.unit, columns * self.unit

    def own_sums(self) -> Float64Array:
        """Sum each row's distances from all rows of P, where P is S: each pair is computed once."""
        rows, columns = np.zeros(self.m), np.zeros(self.n)

        def of_task(start: int, stop: int) -> tuple[int, Float64Array]:
            part = np.zeros(self.n)
            add_distances(self.a, self.b, start, stop, start, stop, rows)
            add_both(self.a, self.b, start, stop, stop, self.n, rows, part)
            return stop, part[stop:]

        for stop, part in self._in_order(of_task):
            columns[stop:] += part
        return (rows + columns) * self.unit

    def weighted(self, u: Float64Array, v: Float64Array, same: bool = False) -> Float64Array:
        """Weigh all distances by two weights of S's rows and two of P's, u (2, m) and v (2, n): Σᵢⱼ u[k, i] d v[l, j], (2, 2).

        Where `same`, P is S and `v` is `u`, and each pair is computed once.
        """
        # Weights in units of their own: those of far images may be beyond what float32 holds.
        most = float(np.ldexp(1.0, int(np.frexp(np.abs(v).max())[1])))
        right, near, far = (v / most).astype(np.float32), np.zeros((self.m, 2)), np.zeros((self.m, 2))

        def of_task(start: int, stop: int) -> None:
            if same:
                weigh_distances(self.a, self.b, start, stop, start, stop, right, near)
            weigh_distances(self.a, self.b, start, stop, stop if same else 0, self.n, right, far)

        for _ in self._in_order(of_task):
            pass
        beyond: Float64Array = u @ far
        return np.asarray((u @ near + beyond + beyond.T if same else beyond) * most * self.unit)

    def distances(self, start: int, stop: int, first: int) -> Single:
        """Compute distances of rows `start` to `stop` of S from P's from `first` on, float32, in `unit`s."""
        out = np.empty((stop - start, self.n - first), np.float32)

        def write(begin: int, end: int) -> None:
            write_distances(self.a, self.b, start + begin, start + end, first, self.n, out[begin:end])

        self.share(write, len(out))
        return out

    def share(self, task: Callable[[int, int], None], count: int) -> None:
        """Run `task` on the ranges that the threads share `count` rows in."""
        # A multiple of the four rows that are computed together.
        size = min(ROWS, max(4, -(-count // (4 * self._threads)) * 4))
        if self._threads == 1 or count <= size:
            task(0, count)
            return
        list(_pool(os.getpid(), self._threads).map(lambda at: task(at, min(at + size, count)), range(0, count, size)))

    def _in_order(self, task: Callable[[int, int], T]) -> Iterator[T]:
        """Yield what `task` returns of the same ranges of S's rows, and in their order, however many threads share them."""

        def of(at: int) -> T:
            return task(at, min(at + BOTH_ROWS, self.m))

        starts = range(0, self.m, BOTH_ROWS)
        results: Iterable[T] = map(of, starts) if self._threads == 1 else _pool(os.getpid(), self._threads).map(of, starts)
        yield from results


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Keep threads, as starting them costs as much as a block's distances; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="howfar-distances")
