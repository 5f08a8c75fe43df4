"""Find the nearest images of the primary dataset by compiled loops: candidates in float32, their distances in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array, FloatArray
from howfar.distances.compiled_euclidean import Kernel
from howfar.distances.numba_kernels import TILE, Single, compiled, squared_distances
from howfar.distances.vector_block import ROWS

EXTRA = 3
"""Candidates beyond those asked for: where the last of them is farther than rounding can blur, none is missing."""
MOST_NEIGHBOURS = 32
"""Neighbours up to which a short list in order is quicker than a partial sort."""
MOST_COLUMNS = 4096
"""Components up to which float32 tells neighbours apart."""
_HALF_UNIT = 2.0**-24
_GLANCE = 128


def nearest_distances(s: FloatArray, p: FloatArray, count: int) -> tuple[Float64Array, NDArray[np.int64], NDArray[np.intp]]:
    """Find the `count` nearest rows of `p` of each row of `s`: their distances, rising, and which they are.

    `s` and `p` are (m, z) and (n, z) features; `count` is at most `MOST_NEIGHBOURS` and n − `EXTRA`. Returns (m, count)
    float64 and int64, of equal distances the first row first, and the rows of `s` whose nearest ones float32 cannot tell from
    the next ones, which are to be looked at anew: equal distances, mostly.
    """
    of_s, of_p = np.ascontiguousarray(s), np.ascontiguousarray(p)
    kernel = Kernel(of_s, of_p)
    positions = np.empty((len(s), count + EXTRA), np.int64)
    squared = np.empty(positions.shape, np.float32)
    distances = np.empty(positions.shape)

    def find(start: int, stop: int) -> None:
        _nearest(kernel.a, kernel.b, start, stop, len(p), positions, squared)
        _in_double(of_s, of_p, start, stop, positions, distances)

    kernel.share(find, len(s))
    distances = np.ascontiguousarray(distances[:, :count])
    last, farthest = distances[:, -1] / kernel.unit, np.sqrt(squared.max(axis=1).astype(np.float64))
    # Of the coordinates about the centre, of their difference, and of the sum of squares.
    blur = _HALF_UNIT * (kernel.reach + (s.shape[1] + 4) * farthest)
    return distances, positions[:, :count], np.flatnonzero(farthest - last <= blur)


@compiled
def _insert(some: Single, at: int, to: Single, of: NDArray[np.int64]) -> None:
    """Put the squared distances of rows `at` and after, where they are small enough, into the short list `to`, rising."""
    last = len(to) - 1
    for x in range(len(some)):
        if some[x] < to[last]:
            spot = last
            while spot > 0 and to[spot - 1] > some[x]:
                to[spot], of[spot] = to[spot - 1], of[spot - 1]
                spot -= 1
            to[spot], of[spot] = some[x], at + x


@compiled
def _in_double(
    s: NDArray[Any], p: NDArray[Any], start: int, stop: int, positions: NDArray[np.int64], distances: Float64Array
) -> None:
    """Compute the candidates' distances in float64, and sort them: float32 may have exchanged neighbours."""
    for row in range(start, stop):
        to, of = distances[row], positions[row]
        for x in range(len(of)):
            at, total = of[x], 0.0
            for k in range(s.shape[1]):
                difference = np.float64(s[row, k]) - np.float64(p[at, k])
                total += difference * difference
            distance, spot = np.sqrt(total), x
            while spot > 0 and (to[spot - 1] > distance or (to[spot - 1] == distance and of[spot - 1] > at)):
                to[spot], of[spot] = to[spot - 1], of[spot - 1]
                spot -= 1
            to[spot], of[spot] = distance, at


@compiled
def _nearest(a: Single, b: Single, start: int, stop: int, n: int, positions: NDArray[np.int64], nearest: Single) -> None:
    """Find for rows `start` to `stop` of S the nearest of the n rows of P and their squared distances, one column each."""
    squared = np.empty((ROWS, TILE), np.float32)
    count = positions.shape[1]
    nearest[start:stop] = np.finfo(np.float32).max
    for at in range(0, n, TILE):
        width = min(TILE, n - at)
        for first in range(start, stop, ROWS):
            squared_distances(a, first // ROWS, b, at, width, squared)
            # Rows that fill up the last four have no list.
            for row in range(min(ROWS, stop - first)):
                to, of = nearest[first + row], positions[first + row]
                for begin in range(0, width, _GLANCE):
                    some, least, near = squared[row, begin : min(begin + _GLANCE, width)], to[count - 1], 0
                    # Among most of them none is near enough, which a processor sees of many at once.
                    for x in range(len(some)):
                        near += some[x] < least
                    if near:
                        _insert(some, at + begin, to, of)
