"""Compute discrepancies of kernels over many pairs of images: float32 products about P's centre, float64 sums over tiles.

Each pair of images is computed once. Rounding goes either way, so over millions of pairs it leaves about 1e-7 of a discrepancy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from howfar import memory
from howfar.arrays import Float64Array, FloatArray
from howfar.distances.products import Tile, product_tiles, squared_tiles
from howfar.distances.ranked_value import ranked_value
from howfar.distances.scaling import Single, centre_of, in_units

KEPT = 1 << 28
"""Most bytes of squared distances that are held for a second look; of more they are computed again."""
ASTRAY = 1 << 10
"""Products with the centre so many times as long as the longest row leave float32 too few digits for the rows' own."""
_HELD = 1 << 20
_ROWS, _COLUMNS = 256, 4096
_BRACKET = 0.06


class Means(NamedTuple):
    """Hold the means of a kernel over pairs of different images of S, of P, and over all pairs of both."""

    within_s: float
    within_p: float
    between: float


def cubic_discrepancy(s: FloatArray, p: FloatArray) -> float | None:
    """Compute the unbiased squared MMD of the kernel (a·b / z + 1)³; None where float32 would not do.

    With c amid P, and x = a·b − c·c, the kernel is a cubic in x: its constant cancels, its linear part follows from the means,
    and only its square and its cube are summed over pairs, where x is small beside c·c.
    """
    centre, z = centre_of(p), s.shape[1]
    a, b, unit = in_units(s, p)
    of_centre = centre / unit
    along_a, along_b = a @ of_centre, b @ of_centre
    whole = 3.0 * (z / unit**2 + float(of_centre @ of_centre))
    if max(np.abs(along_a).max(), np.abs(along_b).max()) > ASTRAY or not whole < 1e30:
        return None

    def mean(left: Single, right: Single, of_left: Float64Array, of_right: Float64Array, same: bool) -> float:
        total, rows, columns = 0.0, of_left.astype(np.float32), of_right.astype(np.float32)
        for tile in product_tiles(left, right, same):
            total += _square_and_cube(tile, rows, columns, np.float32(whole), same)
        return total / (len(left) * (len(left) - 1) if same else len(left) * len(right))

    means = Means(mean(a, a, along_a, along_a, True), mean(b, b, along_b, along_b, True), mean(a, b, along_a, along_b, False))
    scale = unit**2 / z
    apart = _linear(a, b) * whole**2 / 3.0 + (means.within_s - means.between) + (means.within_p - means.between)
    return float(np.float64(scale) ** 3 * apart)


def _square_and_cube(tile: Tile, along_rows: Single, along_columns: Single, whole: np.float32, same: bool) -> float:
    """Sum x²(w + x) of a tile, w thrice the kernel's constant; of one dataset's pairs each counts twice, an image alone not."""
    (rows, columns), x = tile.ends(), tile.values
    x += along_rows[rows, None]
    x += along_columns[columns]
    on_diagonal = same and tile.row == tile.column
    if on_diagonal:
        np.fill_diagonal(x, 0.0)
    squares = np.square(x)
    x += whole
    x *= squares
    return float(x.sum(axis=1).sum(dtype=np.float64)) * (2.0 if same and not on_diagonal else 1.0)


def _linear(a: Single, b: Single) -> float:
    """Compute the unbiased squared MMD of the kernel a·b: how far the means are apart, without what chance makes of it."""
    (mean_a, own_a), (mean_b, own_b) = ((x.mean(axis=0, dtype=np.float64), _spread(x)) for x in (a, b))
    apart = mean_a - mean_b
    return float(apart @ apart - own_a - own_b)


def _spread(x: Single) -> float:
    """Compute the variance of a mean of rows, the sum over components."""
    mean = x.mean(axis=0, dtype=np.float64)
    squares = float(np.einsum("ij,ij->", x, x, dtype=np.float64)) - len(x) * float(mean @ mean)
    return squares / (len(x) * (len(x) - 1))


class SquaredDistances:
    """Go through the squared distances of all pairs of images of S and P, in units, each pair once, as often as asked for."""

    def __init__(self, s: FloatArray, p: FloatArray) -> None:
        self._a, self._b, self.unit = in_units(s, p)
        self._same = s.shape == p.shape and np.array_equal(s, p)
        self.images = len(s) + len(p)
        held = 4 * self.images * (self.images - 1) // 2
        self._kept: list[tuple[str, Single]] | None = None
        self._keeps = held <= KEPT and not memory.is_set()

    def tiles(self) -> Iterator[tuple[str, Single]]:
        """Yield which pairs a tile is of (``s``, ``p`` or ``sp``), and it; pairs that are no pair of their own are infinite."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[tuple[str, Single]] = []
        for kind, left, right in (("s", self._a, self._a), ("p", self._b, self._b), ("sp", self._a, self._b)):
            for tile in squared_tiles(left, right, kind != "sp"):
                values = _once(tile) if kind != "sp" and tile.row == tile.column else tile.values
                if self._keeps:
                    values = values.copy()
                    kept.append((kind, values))
                yield kind, values
        if self._keeps:
            self._kept = kept

    def median(self) -> float | None:
        """Find the median, of an even number the lower of the middle two; None where a sample of rows misjudged its place."""
        pairs = self.images * (self.images - 1) // 2
        most = _HELD if memory.is_set() else KEPT // np.dtype(np.float32).itemsize
        return ranked_value(lambda: (values for _, values in self.tiles()), (pairs - 1) // 2, *self._bracket(), most)

    def _bracket(self) -> tuple[float, float]:
        """Estimate between which two values the median lies, from the distances of some rows from many."""
        rows = np.concatenate([self._a[:: self._step(_ROWS)], self._b[:: self._step(_ROWS)]])
        columns = np.concatenate([self._a[:: self._step(_COLUMNS)], self._b[:: self._step(_COLUMNS)]])
        values = np.concatenate([tile.values.flatten() for tile in squared_tiles(rows, columns)])
        low, high = (int(share * (len(values) - 1)) for share in (0.5 - _BRACKET, 0.5 + _BRACKET))
        values.partition((low, high))
        return float(values[low]), float(values[high])

    def _step(self, count: int) -> int:
        return -(-self.images // count)

    def gaussian(self, width: float) -> Means:
        """Average exp(−d² / 2σ²), `width` σ in the unit of the features."""
        m, n, factor = len(self._a), len(self._b), np.float32(-0.5 * (self.unit / width) ** 2)
        sums = {"s": 0.0, "p": 0.0, "sp": 0.0}
        for kind, values in self.tiles():
            exponents = np.multiply(values, factor)
            sums[kind] += float(np.exp(exponents, out=exponents).sum(axis=1).sum(dtype=np.float64))
        means = Means(2.0 * sums["s"] / (m * (m - 1)), 2.0 * sums["p"] / (n * (n - 1)), sums["sp"] / (m * n))
        # The pairs of a set and its copy are those of the set, and each image with its own.
        return means._replace(between=(1 - 1 / m) * means.within_s + 1 / m) if self._same else means


def _once(tile: Tile) -> Single:
    """Put an infinite distance on the diagonal and left of it, where pairs mirror those on the right."""
    values = tile.values
    values[np.tri(len(values), dtype=bool)] = np.inf
    return values
