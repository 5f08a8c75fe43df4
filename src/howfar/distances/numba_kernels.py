"""Compute Euclidean distances in loops that numba compiles: four images of one dataset with a tile of the other at once.

There is no detour over norms that digits could be lost on: equal rows are at exactly 0. Rows of S lie in fours, (m/4, z, 4),
and rows of P in sixteens, (n/16, z, 16), as `howfar.distances.vector_block` reads them; rows of zeros fill up the last ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.compiled import compiled as compiled_exactly
from howfar.distances.vector_block import LANES, ROWS, root_block, squared_block

F = TypeVar("F", bound=Callable[..., Any])

TILE = 512
"""Rows of P at a time: they stay in the second cache while all rows of S of a task go by."""

Single = NDArray[np.float32]


def compiled(function: F) -> F:
    """Compile a function; sums may be reordered, roots stay exact. Nothing is infinite or undefined, as the caller sees to."""
    return compiled_exactly(function, fastmath={"contract", "reassoc", "nsz", "arcp", "nnan", "ninf"})


# numba keeps what it has compiled by the caller's own file: after a change here, empty __pycache__ of its callers, too.
@compiled
def squared_distances(a: Single, quad: int, b: Single, start: int, width: int, out: Single) -> None:
    """Compute the squared distances of four rows of S from `width` rows of P or some more, from `start` on."""
    for x in range(0, width, LANES):
        squared_block(a, quad, b, (start + x) // LANES, out, x)


@compiled
def _distances(a: Single, quad: int, b: Single, start: int, width: int, out: Single) -> None:
    """Compute the distances of four rows of S from `width` rows of P or some more, from `start` on."""
    for x in range(0, width, LANES):
        root_block(a, quad, b, (start + x) // LANES, out, x)


@compiled
def add_distances(a: Single, b: Single, start: int, stop: int, first: int, last: int, out: Float64Array) -> None:
    """Add the distances of rows `start` to `stop` of S from rows `first` to `last` of P: a tile in float32, tiles in float64.

    `start` is a multiple of 4, `first` of 16.
    """
    roots = np.empty((ROWS, TILE), np.float32)
    for tile in range(first, last, TILE):
        width = min(TILE, last - tile)
        for row in range(start, stop, ROWS):
            _distances(a, row // ROWS, b, tile, width, roots)
            for r in range(min(ROWS, stop - row)):
                total: np.floating[Any] = np.float32(0.0)
                for x in range(width):
                    total += roots[r, x]
                out[row + r] += total


@compiled
def add_both(
    a: Single, b: Single, start: int, stop: int, first: int, last: int, of_rows: Float64Array, of_columns: Float64Array
) -> None:
    """Add the same distances as `add_distances` to each row of S, and to each row of P.

    Those of a row of P are added up in float32 over the rows of S of one call, which are to be few.
    """
    roots, columns = np.empty((ROWS, TILE), np.float32), np.empty(TILE, np.float32)
    for tile in range(first, last, TILE):
        width = min(TILE, last - tile)
        columns[:] = 0.0
        for row in range(start, stop, ROWS):
            _distances(a, row // ROWS, b, tile, width, roots)
            # Rows that fill up the last four count for no row of P.
            for r in range(min(ROWS, stop - row), ROWS):
                roots[r] = 0.0
            for r in range(min(ROWS, stop - row)):
                total: np.floating[Any] = np.float32(0.0)
                for x in range(width):
                    total += roots[r, x]
                of_rows[row + r] += total
            for x in range(width):
                columns[x] += (roots[0, x] + roots[1, x]) + (roots[2, x] + roots[3, x])
        for x in range(width):
            of_columns[tile + x] += columns[x]


@compiled
def weigh_distances(
    a: Single, b: Single, start: int, stop: int, first: int, last: int, weights: Single, out: Float64Array
) -> None:
    """Add the distances, each times the two weights (2, n) of its row of P, to `out` (m, 2): all else as in `add_distances`."""
    roots = np.empty((ROWS, TILE), np.float32)
    for tile in range(first, last, TILE):
        width = min(TILE, last - tile)
        one, other = weights[0, tile : tile + width], weights[1, tile : tile + width]
        for row in range(start, stop, ROWS):
            _distances(a, row // ROWS, b, tile, width, roots)
            for r in range(min(ROWS, stop - row)):
                by_one: np.floating[Any] = np.float32(0.0)
                by_other = by_one
                for x in range(width):
                    by_one += roots[r, x] * one[x]
                    by_other += roots[r, x] * other[x]
                out[row + r, 0] += by_one
                out[row + r, 1] += by_other


@compiled
def write_distances(a: Single, b: Single, start: int, stop: int, first: int, last: int, out: Single) -> None:
    """Write the distances of rows `start` to `stop` of S from rows `first` to `last` of P into `out`."""
    roots, aligned = np.empty((ROWS, TILE), np.float32), first // LANES * LANES
    for tile in range(aligned, last, TILE):
        begin, width = max(0, first - tile), min(TILE, last - tile)
        for quad in range(start // ROWS, (stop + ROWS - 1) // ROWS):
            _distances(a, quad, b, tile, width, roots)
            for row in range(max(start, ROWS * quad), min(stop, ROWS * quad + ROWS)):
                for x in range(begin, width):
                    out[row - start, tile - first + x] = roots[row - ROWS * quad, x]
