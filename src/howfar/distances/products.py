"""Compute Euclidean distances from inner products by BLAS, of images that are centred and scaled to fit float32.

A tile of squared distances is ‖a‖² + ‖b‖² − 2 a·b. Where that is small beside the squared norms digits are lost, so such pairs
are computed again by differences, and equal rows are at exactly 0. In float32 that costs about 1e-7 of a distance and at most
2⁻¹⁷; rounding goes either way, so that a sum over many pairs is far closer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array

Single = NDArray[np.float32]
_VALUES = 1 << 22
_CACHED = 1 << 15
_FEWEST, _MOST = 15, 1001


def centre_of(p: NDArray[Any]) -> Float64Array:
    """Compute a robust centre of P, (z,): the median of each component over up to a thousand rows, fewer for large z.

    One row far beyond all others drags the mean away from them, and about it they would have no digits left.
    """
    count = max(_FEWEST, min(_MOST, _VALUES // p.shape[1]))
    some = p[:: -(-len(p) // count)]
    centre: Float64Array = np.median(some.astype(np.float64, copy=False), axis=0)
    return centre


def in_units(s: NDArray[Any], p: NDArray[Any]) -> tuple[Single, Single, float]:
    """Centre S and P at P's centre and divide by a power of two at least as large as any value, in float32.

    Squares cannot overflow then, and the division moves no digit. What is below 1e-19 of the largest vanishes when squared.
    """
    centre = centre_of(p)
    unit = unit_of(max(_largest(s, centre), _largest(p, centre)))
    return _in_unit(s, centre, unit), _in_unit(p, centre, unit), unit


def unit_of(largest: float) -> float:
    """Return the smallest power of two above `largest`."""
    _, exponent = np.frexp(largest)
    return float(np.ldexp(1.0, int(exponent)))


def _largest(rows: NDArray[Any], centre: Float64Array) -> float:
    """Return the largest absolute difference of any component from the centre."""
    if not len(rows):
        return 0.0
    return float(max(np.abs(rows.max(axis=0) - centre).max(), np.abs(rows.min(axis=0) - centre).max()))


def _in_unit(rows: NDArray[Any], centre: Float64Array, unit: float) -> Single:
    """Centre and scale rows in blocks, so that the float64 differences stay in the processor's cache."""
    single, step = np.empty(rows.shape, np.float32), max(1, _CACHED // rows.shape[1])
    for start in range(0, len(rows), step):
        single[start : start + step] = (rows[start : start + step] - centre) / unit
    return single


TILE = 1000
"""Rows of S, and of P, in one tile."""
NEAR = 2.0**-6
"""Squared distances below this share of the squared norms are computed by differences: above it at most 2⁻¹⁷ of one is lost."""
_MANY = 50
_CANCELLATION = 1e-6
_NEAR_VALUES = 1 << 22
_DOUBLES = 1 << 18


class Tile(NamedTuple):
    """Hold values for a block of pairs, (rows, columns) float32; `row` and `column` are the first rows of S and P."""

    row: int
    column: int
    values: Single

    def ends(self) -> tuple[slice, slice]:
        """Return the tile's rows of S and rows of P as slices."""
        rows, columns = self.values.shape
        return slice(self.row, self.row + rows), slice(self.column, self.column + columns)


def product_tiles(a: Single, b: Single, same: bool = False) -> Iterator[Tile]:
    """Yield inner products a·b of rows tile by tile; each tile overwrites the previous one.

    Where `same`, `b` is `a`, and tiles left of the diagonal are left out: they mirror those to the right.
    """
    room = np.empty(min(TILE, len(a)) * min(TILE, len(b)), np.float32)
    for row in range(0, len(a), TILE):
        left = a[row : row + TILE]
        for column in range(row if same else 0, len(b), TILE):
            right = b[column : column + TILE]
            values = room[: len(left) * len(right)].reshape(len(left), len(right))
            yield Tile(row, column, np.matmul(left, right.T, out=values))


def squared_tiles(a: Single, b: Single, same: bool = False) -> Iterator[Tile]:
    """Yield squared distances of rows tile by tile; each tile overwrites the previous one."""
    norms_a, norms_b = _norms(a), _norms(b)
    for tile in product_tiles(a, b, same):
        rows, columns = tile.ends()
        complete(tile.values, a[rows], b[columns], norms_a[rows], norms_b[columns], same and tile.row == tile.column)
        yield tile


def complete(values: Single, a: Single, b: Single, norms_a: Single, norms_b: Single, same: bool = False) -> None:
    """Convert inner products of rows of `a` and `b` to squared distances in place; `same` sets the diagonal to 0."""
    values *= np.float32(-2.0)
    values += norms_a[:, None]
    values += norms_b
    if same:
        np.fill_diagonal(values, np.inf)
    if values.min() <= NEAR * (float(norms_a.max()) + float(norms_b.max())):
        _mend(values, a, b, norms_a, norms_b)
    if same:
        np.fill_diagonal(values, 0.0)


def _mend(values: Single, a: Single, b: Single, norms_a: Single, norms_b: Single) -> None:
    near = np.flatnonzero(values <= np.float32(NEAR) * (norms_a[:, None] + norms_b))
    if _MANY * len(near) > values.size:
        right, step = b.astype(np.float64), max(1, _DOUBLES // len(b))
        squares = np.einsum("ij,ij->i", right, right)
        for start in range(0, len(a), step):
            left = a[start : start + step].astype(np.float64)
            values[start : start + step] = double_squared(left, right, np.einsum("ij,ij->i", left, left), squares)
        return
    _by_differences(values, a, b, near)


def double_squared(a: Float64Array, b: Float64Array, norms_a: Float64Array, norms_b: Float64Array) -> Float64Array:
    """Compute squared distances in float64, (m, n), from rows and their squared norms."""
    scale = norms_a[:, None] + norms_b
    squared: Float64Array = scale - 2.0 * (a @ b.T)
    _by_differences(squared, a, b, np.flatnonzero(squared <= _CANCELLATION * scale))
    return squared


def _by_differences(squared: NDArray[Any], a: NDArray[Any], b: NDArray[Any], near: NDArray[np.intp]) -> None:
    flat, step = squared.reshape(-1), max(1, _NEAR_VALUES // a.shape[1])
    for start in range(0, len(near), step):
        pairs = near[start : start + step]
        i, j = np.divmod(pairs, len(b))
        difference = a[i] - b[j]
        flat[pairs] = np.einsum("ij,ij->i", difference, difference)


def _norms(rows: Single) -> Single:
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64), np.float32)


class ProductKernel:
    """Compute distances between rows of S and P from inner products, after centring at P's centre and scaling."""

    def __init__(self, s: NDArray[Any], p: NDArray[Any]) -> None:
        self._same = s is p or (s.shape == p.shape and np.array_equal(s, p))
        self._a, self._b, self.unit = in_units(s, p)
        self._norms_a, self._norms_b = _norms(self._a), _norms(self._b)

    def sums(self) -> Float64Array:
        """Sum the distances of each row of S from all rows of P, (m,) float64."""
        return self._sums(self._same)[0]

    def both_sums(self) -> tuple[Float64Array, Float64Array]:
        """Sum the distances of each row of S from all rows of P, (m,), and of each row of P from all rows of S, (n,)."""
        of_s, of_p = self._sums(both=True)
        return (of_s, of_s.copy()) if self._same else (of_s, of_p)

    def _sums(self, both: bool) -> tuple[Float64Array, Float64Array]:
        of_s = np.zeros(len(self._a))
        of_p = of_s if self._same else np.zeros(len(self._b))
        for tile in squared_tiles(self._a, self._b, self._same):
            (rows, columns), d = tile.ends(), np.sqrt(tile.values, out=tile.values)
            of_s[rows] += d.sum(axis=1)
            if both and not (self._same and tile.column == tile.row):
                of_p[columns] += d.sum(axis=0, dtype=np.float64)
        of_s *= self.unit
        return of_s, of_p if self._same else of_p * self.unit

    def distances(self, start: int, stop: int, first: int) -> Single:
        """Compute float32 distances, in multiples of `unit`, of rows `start` to `stop` of S from rows `first` on of P."""
        a, b = self._a[start:stop], self._b[first:]
        squared: Single = a @ b.T
        complete(squared, a, b, self._norms_a[start:stop], self._norms_b[first:])
        return np.asarray(np.sqrt(squared, out=squared))

    @property
    def reach(self) -> float:
        """Return an upper bound of all distances in units: the largest norm in S plus the largest norm in P."""
        return float(np.sqrt(self._norms_a.max()) + np.sqrt(self._norms_b.max()))
