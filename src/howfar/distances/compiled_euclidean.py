"""Compute Euclidean distances and nearest images by loops that numba compiles, on all cores.

LLVM's own vectorizer keeps partial sums in memory, which takes half of the time. Here four vectors of 16 partial sums stay in
registers while the components go by: on AVX-512 four registers, on AVX2 eight of its sixteen, on NEON sixteen of 32. So a
processor's width alone decides the speed, and no unit that only some processors have. Roots are taken while the next block's
differences are computed.

There is no detour over norms that digits could be lost on: equal rows are at exactly 0. Rows of S lie in fours, (m/4, z, 4),
and rows of P in sixteens, (n/16, z, 16), as the loops below read them; rows of zeros fill up the last ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from howfar.arrays import Float64Array, FloatArray
from howfar.compiled import compiled as compiled_exactly
from howfar.cores import numeric_threads
from howfar.distances.products import Single, centre_of, unit_of

BLOCK_ROWS: Final = 4
"""Images of the one dataset in a block."""
LANES: Final = 16
"""Images of the other."""
_INDEX, _SINGLE = ir.IntType(32), ir.FloatType()
_emitted: Any = cgutils
_VECTOR = ir.VectorType(_SINGLE, LANES)
_FUSED = ("contract",)


def _block(roots: bool) -> Any:
    """Make an intrinsic for loops that numba compiles: squared distances, or their roots."""

    def emit(typing: Any, a: Any, quad: Any, b: Any, panel: Any, out: Any, x: Any) -> Any:
        """Write distances of rows `quad` of a (m/4, z, 4) from rows `panel` of b (n/16, z, 16) to out (4, width) from x on."""

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [context.make_array(signature.args[at])(context, builder, values[at]) for at in (0, 2, 4)]
            length, width = (_emitted.unpack_tuple(builder, arrays[at].shape)[1] for at in (0, 2))
            place = builder.mul(values[1], length), builder.mul(values[3], length)
            sums = _differences(builder, arrays[0].data, arrays[1].data, place, length)
            name = f"llvm.sqrt.v{LANES}f32"
            root = _emitted.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), name)
            for row, squared in enumerate(sums):
                start = builder.add(values[5], builder.mul(width, ir.Constant(width.type, row)))
                pointer = builder.bitcast(builder.gep(arrays[2].data, [start]), _VECTOR.as_pointer())
                builder.store(builder.call(root, [squared]) if roots else squared, pointer, align=4)
            return context.get_dummy_value()

        return types.void(a, types.intp, b, types.intp, out, types.intp), code

    return intrinsic(emit)


def _differences(builder: Any, a: Any, b: Any, place: tuple[Any, Any], length: Any) -> list[Any]:
    """Add up squared differences over all components, in four vectors."""
    number = length.type
    before, loop, after = builder.block, builder.append_basic_block("components"), builder.append_basic_block("sums")
    builder.branch(loop)
    builder.position_at_end(loop)
    component = builder.phi(number)
    component.add_incoming(number(0), before)
    sums = [builder.phi(_VECTOR) for _ in range(BLOCK_ROWS)]
    for total in sums:
        total.add_incoming(_VECTOR([0.0] * LANES), before)
    row_at = builder.mul(builder.add(place[0], component), number(BLOCK_ROWS))
    column_at = builder.mul(builder.add(place[1], component), number(LANES))
    of_p = builder.load(builder.bitcast(builder.gep(b, [column_at]), _VECTOR.as_pointer()), align=4)
    added = []
    for row, total in enumerate(sums):
        of_s = builder.load(builder.gep(a, [builder.add(row_at, number(row))]))
        difference = builder.fsub(of_p, _spread(builder, of_s))
        added.append(builder.fadd(builder.fmul(difference, difference, flags=_FUSED), total, flags=_FUSED))
    following = builder.add(component, number(1))
    component.add_incoming(following, loop)
    for total, more in zip(sums, added, strict=True):
        total.add_incoming(more, loop)
    builder.cbranch(builder.icmp_signed("<", following, length), loop, after)
    builder.position_at_end(after)
    return added


def _spread(builder: Any, value: Any) -> Any:
    """Fill a vector with one number."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, value, _INDEX(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


root_block: Final = _block(roots=True)
"""Compute 4 × 16 distances."""
squared_block: Final = _block(roots=False)
"""Compute 4 × 16 squared distances."""


F = TypeVar("F", bound=Callable[..., Any])

TILE = 512
"""Rows of P at a time: they stay in the second cache while all rows of S of a task go by."""

Float32Array = NDArray[np.float32]


def compiled(function: F) -> F:
    """Compile a function; sums may be reordered, roots stay exact. Nothing is infinite or undefined, as the caller sees to."""
    return compiled_exactly(function, fastmath={"contract", "reassoc", "nsz", "arcp", "nnan", "ninf"})


# numba keeps what it has compiled by the caller's own file: after a change here, empty __pycache__ of its callers, too.
@compiled
def squared_distances(a: Float32Array, quad: int, b: Float32Array, start: int, width: int, out: Float32Array) -> None:
    """Compute the squared distances of four rows of S from `width` rows of P or some more, from `start` on."""
    for x in range(0, width, LANES):
        squared_block(a, quad, b, (start + x) // LANES, out, x)


@compiled
def _distances(a: Float32Array, quad: int, b: Float32Array, start: int, width: int, out: Float32Array) -> None:
    """Compute the distances of four rows of S from `width` rows of P or some more, from `start` on."""
    for x in range(0, width, LANES):
        root_block(a, quad, b, (start + x) // LANES, out, x)


@compiled
def add_distances(a: Float32Array, b: Float32Array, start: int, stop: int, first: int, last: int, out: Float64Array) -> None:
    """Add the distances of rows `start` to `stop` of S from rows `first` to `last` of P: a tile in float32, tiles in float64.

    `start` is a multiple of 4, `first` of 16.
    """
    roots = np.empty((BLOCK_ROWS, TILE), np.float32)
    for tile in range(first, last, TILE):
        width = min(TILE, last - tile)
        for row in range(start, stop, BLOCK_ROWS):
            _distances(a, row // BLOCK_ROWS, b, tile, width, roots)
            for r in range(min(BLOCK_ROWS, stop - row)):
                total: np.floating[Any] = np.float32(0.0)
                for x in range(width):
                    total += roots[r, x]
                out[row + r] += total


@compiled
def add_both(
    a: Float32Array,
    b: Float32Array,
    start: int,
    stop: int,
    first: int,
    last: int,
    of_rows: Float64Array,
    of_columns: Float64Array,
) -> None:
    """Add the same distances as `add_distances` to each row of S, and to each row of P.

    Those of a row of P are added up in float32 over the rows of S of one call, which are to be few.
    """
    roots, columns = np.empty((BLOCK_ROWS, TILE), np.float32), np.empty(TILE, np.float32)
    for tile in range(first, last, TILE):
        width = min(TILE, last - tile)
        columns[:] = 0.0
        for row in range(start, stop, BLOCK_ROWS):
            _distances(a, row // BLOCK_ROWS, b, tile, width, roots)
            # Rows that fill up the last four count for no row of P.
            for r in range(min(BLOCK_ROWS, stop - row), BLOCK_ROWS):
                roots[r] = 0.0
            for r in range(min(BLOCK_ROWS, stop - row)):
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
    a: Float32Array, b: Float32Array, start: int, stop: int, first: int, last: int, weights: Float32Array, out: Float64Array
) -> None:
    """Add the distances, each times the two weights (2, n) of its row of P, to `out` (m, 2): all else as in `add_distances`."""
    roots = np.empty((BLOCK_ROWS, TILE), np.float32)
    for tile in range(first, last, TILE):
        width = min(TILE, last - tile)
        one, other = weights[0, tile : tile + width], weights[1, tile : tile + width]
        for row in range(start, stop, BLOCK_ROWS):
            _distances(a, row // BLOCK_ROWS, b, tile, width, roots)
            for r in range(min(BLOCK_ROWS, stop - row)):
                by_one: np.floating[Any] = np.float32(0.0)
                by_other = by_one
                for x in range(width):
                    by_one += roots[r, x] * one[x]
                    by_other += roots[r, x] * other[x]
                out[row + r, 0] += by_one
                out[row + r, 1] += by_other


@compiled
def write_distances(a: Float32Array, b: Float32Array, start: int, stop: int, first: int, last: int, out: Float32Array) -> None:
    """Write the distances of rows `start` to `stop` of S from rows `first` to `last` of P into `out`."""
    roots, aligned = np.empty((BLOCK_ROWS, TILE), np.float32), first // LANES * LANES
    for tile in range(aligned, last, TILE):
        begin, width = max(0, first - tile), min(TILE, last - tile)
        for quad in range(start // BLOCK_ROWS, (stop + BLOCK_ROWS - 1) // BLOCK_ROWS):
            _distances(a, quad, b, tile, width, roots)
            for row in range(max(start, BLOCK_ROWS * quad), min(stop, BLOCK_ROWS * quad + BLOCK_ROWS)):
                for x in range(begin, width):
                    out[row - start, tile - first + x] = roots[row - BLOCK_ROWS * quad, x]


def packed_pair(s: NDArray[Any], p: NDArray[Any], by_s: int, by_p: int) -> tuple[Single, Single, float, float]:
    """Lay rows of S (m, z) out as (m / by_s, z, by_s) and rows of P (n, z) as (n / by_p, z, by_p): components side by side.

    The numbers are those of `howfar.distances.products.in_units`, which takes some times as long in NumPy's passes, and serves
    where numba is not loaded; rows of zeros fill up.
    Returns the rows of S, those of P, their unit, and the length of the longest row of S plus that of P, in units.
    """
    centre = centre_of(p)
    rows_s, rows_p = np.ascontiguousarray(s), np.ascontiguousarray(p)
    unit = unit_of(max(_farthest(rows_s, centre), _farthest(rows_p, centre)))
    a, b = (np.empty((-(-len(rows) // by), rows.shape[1], by), np.float32) for rows, by in ((rows_s, by_s), (rows_p, by_p)))
    reach = _pack(rows_s, centre, unit, a) ** 0.5 + _pack(rows_p, centre, unit, b) ** 0.5
    return a, b, unit, reach


@compiled_exactly
def _farthest(rows: NDArray[Any], centre: Float64Array) -> float:
    """Find how far any component of any row is from the centre's."""
    farthest = 0.0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            farthest = max(farthest, abs(rows[i, j] - centre[j]))
    return farthest


@compiled_exactly
def _pack(rows: NDArray[Any], centre: Float64Array, unit: float, out: Single) -> float:
    """Write rows about the centre, in units, to `out` (rows / k, z, k), and find the longest one's square."""
    count, z, k = rows.shape[0], rows.shape[1], out.shape[2]
    longest, squares = 0.0, np.empty(k)
    for group in range(out.shape[0]):
        first, filled = group * k, min(k, count - group * k)
        squares[:] = 0.0
        out[group, :, filled:] = 0.0
        for j in range(z):
            for r in range(filled):
                value = np.float32((rows[first + r, j] - centre[j]) / unit)
                out[group, j, r] = value
                squares[r] += np.float64(value) * np.float64(value)
        longest = max(longest, squares.max())
    return longest


T = TypeVar("T")

ROWS = 256
"""Rows of S in one task."""
BOTH_ROWS = 128
"""Rows of S in one task where sums over them are taken too, which are added up in the order of the tasks."""


class CompiledKernel:
    """Compute distances of rows of S from those of P, both taken about P's centre and brought to a scale that float32 holds.

    `s` and `p` are (m, z) and (n, z) finite features; `threads`, by default `howfar.cores.numeric_threads()`, share the rows of
    S, and their number changes no result. `a` (m/4, z, 4) and `b` (n/16, z, 16) are rows of S and of P about the centre as
    the loops below read them, in units of `unit`, a power of two. `reach` bounds all distances, in units.
    """

    def __init__(self, s: NDArray[Any], p: NDArray[Any], threads: int | None = None) -> None:
        self._threads = threads or numeric_threads()
        self.m, self.n = len(s), len(p)
        self.a, self.b, self.unit, self.reach = packed_pair(s, p, BLOCK_ROWS, LANES)

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

    def distances(self, start: int, stop: int, first: int) -> Float32Array:
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
    kernel = CompiledKernel(of_s, of_p)
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
def _insert(some: Float32Array, at: int, to: Float32Array, of: NDArray[np.int64]) -> None:
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
def _nearest(
    a: Float32Array, b: Float32Array, start: int, stop: int, n: int, positions: NDArray[np.int64], nearest: Float32Array
) -> None:
    """Find for rows `start` to `stop` of S the nearest of the n rows of P and their squared distances, one column each."""
    squared = np.empty((BLOCK_ROWS, TILE), np.float32)
    count = positions.shape[1]
    nearest[start:stop] = np.finfo(np.float32).max
    for at in range(0, n, TILE):
        width = min(TILE, n - at)
        for first in range(start, stop, BLOCK_ROWS):
            squared_distances(a, first // BLOCK_ROWS, b, at, width, squared)
            # Rows that fill up the last four have no list.
            for row in range(min(BLOCK_ROWS, stop - first)):
                to, of = nearest[first + row], positions[first + row]
                for begin in range(0, width, _GLANCE):
                    some, least, near = squared[row, begin : min(begin + _GLANCE, width)], to[count - 1], 0
                    # Among most of them none is near enough, which a processor sees of many at once.
                    for x in range(len(some)):
                        near += some[x] < least
                    if near:
                        _insert(some, at + begin, to, of)
