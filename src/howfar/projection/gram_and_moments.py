"""Compute the sums over images that PCA is fitted to: count, mean and scatter, or inner products (Gram matrices).

The scatter, in blocks of rows, is for more images than features, and mergeable over parts. Each block is taken about a centre
of its own before it is multiplied. The usual shortcut, Gram / n − mean·meanᵀ, loses everything when the mean is large beside
the spread; this does not. Inner products, in blocks of columns, are for more features than images. Every dataset is taken about
a centre of its own, a float32 vector near its mean, so that neither a large common offset nor one between the datasets costs
digits; how the centres lie to each other is kept apart, in float64. Products of float32 features are computed in float32 where
they are many, some thousand rows or columns at a time, and those sums are summed in float64.

numpy and scipy each bring a BLAS with threads of its own, and those of one still wait busily when the other begins: on two
cores an eigenproblem of 768 features after a product by numpy takes 48 ms, after one by scipy 28 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array, spans
from howfar.memory import at_a_time
from howfar.protocols import Rows

DOUBLE, SINGLE = 8, 4
# Scores are held up to four times: as computed, of P and S together, with their signs, and each alone.
_SCORES = 4


def gram_columns(usual: int, n: int, m: int, q: int, layers: int, itemsize: int = DOUBLE) -> int:
    """Compute the block size in columns for inner products of n and m images within memory; m = 0 means one dataset.

    Held are the sums of a layer each, a block's own product, layers taken together, what is kept of P, and means and centres.
    """
    rows = n + m
    squares = (layers + 2 + (layers > 1)) * rows**2 + layers * n**2
    held = DOUBLE * squares + 2 * (DOUBLE + SINGLE) * q
    # Two blocks in turn, and what is read for the next of them.
    return at_a_time(usual, rows * (2 * itemsize + SINGLE) + 64, held, f"the inner products of {rows:,} images")


def moment_rows(usual: int, q: int, itemsize: int = DOUBLE) -> int:
    """Compute the block size in rows for the moments of q features within memory.

    Held are P's and S's scatter, a block's own product, both taken together, and what the eigenvectors are computed from.
    """
    held = DOUBLE * (6 * q**2 + 8 * q)
    return at_a_time(usual, q * (2 * itemsize + SINGLE), held, f"the moments of {q:,} features")


def score_rows(usual: int, rows: int, q: int, z: int) -> int:
    """Compute the block size for projecting `rows` rows of q features on z components within memory."""
    held = DOUBLE * (_SCORES * rows * z + q * z)
    return at_a_time(usual, q * (2 * DOUBLE + SINGLE) + DOUBLE * z, held, f"{z:,} components of {rows:,} images")


def subspace_columns(usual: int, n: int, q: int, z: int, itemsize: int) -> int:
    """Compute the block size in columns for the principal axes from inner products of n images."""
    held = itemsize * q * z + 2 * (DOUBLE + SINGLE) * q + DOUBLE * (3 * n**2 + 4 * n * z)
    return at_a_time(usual, n * (DOUBLE + SINGLE) + 2 * DOUBLE * z, held, f"a subspace of {q:,} features")


def kept_moments(q: int) -> int:
    """Return the bytes of P's moments kept for further secondaries: as summed, and in float64."""
    return 2 * DOUBLE * (q**2 + q)


_TILE = 128


def add_square(total: Float64Array, vector: Float64Array, weight: float) -> None:
    """Add weight·vector·vectorᵀ to the upper triangle of `total` (q, q), float64 and column-major, in place."""
    from scipy.linalg import blas

    blas.dsyr(weight, vector, a=total, overwrite_a=1)


def mirror(total: Float64Array) -> None:
    """Copy the upper triangle of `total` onto the lower one, in place."""
    for at in spans(len(total), _TILE):
        corner = total[at, at]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        total[at.stop :, at] = total[at, at.stop :].T


def product(values: Float64Array, matrix: Float64Array) -> Float64Array:
    """Multiply row-major values (b, q) by matrix (q, z), with row-major result (b, z)."""
    from scipy.linalg import blas

    # Row-major is the transpose of column-major, which the library wants: nothing is copied where `matrix` is column-major.
    return np.asarray(blas.dgemm(1.0, matrix, values.T, trans_a=1).T)


# Small enough to stay in a core's cache; long features need more rows, so that adding up products is the lesser work.
_MOMENT_BYTES = 6 << 20
MOMENTS_LARGE = 1 << 32
"""Number of products from which float32 is used: with fewer, float64 takes some hundredths of a second."""
# Traces between which float32 products neither overflow nor vanish.
_SAFE = (1e-20, 1e30)


@dataclass(frozen=True, eq=False)
class Moments:
    """Hold count, mean (q,) and scatter Σ (x − mean)(x − mean)ᵀ (q, q); of float32 products (`single`) it is known to 1e-7."""

    count: int
    mean: Float64Array
    scatter: Float64Array
    single: bool = False


def moments(x: Rows, block: int | None = None, *, double: bool = False) -> Moments:
    """Compute the moments of the rows of `x` in blocks, each centred before it is multiplied; `double` forbids float32."""
    from scipy.linalg import blas

    n, q = x.shape
    single = not double and n * q * q >= MOMENTS_LARGE and x.rows(0, 1).dtype.itemsize <= SINGLE
    itemsize = SINGLE if single else DOUBLE
    step = block or moment_rows(max(q // 2, _MOMENT_BYTES // (itemsize * q), 1), q, itemsize)
    mean, scatter = np.zeros(q), np.zeros((q, q), order="F")
    buffer = np.empty((min(step, n), q), np.float32 if single else np.float64)
    own = np.zeros((q, q), np.float32, order="F") if single else None
    for at in spans(n, step):
        start, rows, values = at.start, x.rows(at.start, at.stop), buffer[: at.stop - at.start]
        # Write the rows less their mean to `values`, and add valuesᵀ·values to the upper triangle of the scatter.
        if single:
            # Centred in two steps, so that a large mean costs no precision.
            shares = np.full(len(values), 1 / len(values), np.float32)
            centre = np.asarray(blas.sgemv(1.0, rows.astype(np.float32, copy=False).T, shares), np.float32)
            np.subtract(rows, centre, out=values)
            lacking = np.asarray(blas.sgemv(1.0, values.T, shares), np.float32)
            values -= lacking
            block_mean = centre.astype(np.float64) + lacking
            scatter += blas.ssyrk(1.0, values.T, c=own, overwrite_c=1)
        else:
            values[:] = rows
            block_mean = values.mean(axis=0)
            values -= block_mean
            blas.dsyrk(1.0, values.T, beta=1.0, c=scatter, overwrite_c=1)
        between = block_mean - mean
        add_square(scatter, between, start * len(values) / (start + len(values)))
        mean += between * (len(values) / (start + len(values)))
    if single and not _SAFE[0] < np.trace(scatter) < _SAFE[1]:
        return moments(x, block, double=True)
    mirror(scatter)
    return Moments(n, mean, scatter, single)


def merge(a: Moments, b: Moments) -> Moments:
    """Combine the moments of two datasets into those of their union (Chan, Golub & LeVeque 1979)."""
    count = a.count + b.count
    step = b.mean - a.mean
    scatter = np.add(a.scatter, b.scatter, order="F")
    add_square(scatter, step, a.count * b.count / count)
    mirror(scatter)
    return Moments(count, a.mean + step * (b.count / count), scatter, a.single or b.single)


_BLOCK_BYTES = 24 << 20
GRAM_LARGE = 1 << 36
"""Number of products from which float32 is used: with fewer, float64 takes a second or so."""
# A centre is the mean of at least this many rows, where there are as many.
_AMID = 16
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Gram:
    """Hold inner products (x − centre)·(x' − centre), (layers, n, n), about a float32 centre; `single` if they are float32."""

    mean: Float64Array
    centre: NDArray[np.float32]
    inner: Float64Array
    single: bool

    @property
    def scatter(self) -> Float64Array:
        """Compute each layer's sum of squares about the exact mean, (layers,)."""
        squares: Float64Array = np.trace(self.inner, axis1=1, axis2=2) - self.inner.sum(axis=(1, 2)) / self.inner.shape[1]
        return np.maximum(squares, 0.0)


@dataclass(frozen=True, eq=False)
class Cross:
    """Hold the inner products between two datasets, each about its own centre, and the offset between the centres.

    `inner` is (layers, n, m) (p − c_P)·(s − c_S), `primary` (layers, n) (p − c_P)·(c_S − c_P), `secondary` (layers, m) (s −
    c_S)·(c_S − c_P) and `apart` (layers,) ‖c_S − c_P‖²; `single` says whether products are float32.
    """

    inner: Float64Array
    primary: Float64Array
    secondary: Float64Array
    apart: Float64Array
    single: bool


def own_gram(x: Rows, layers: Sequence[int] | None = None, block: int | None = None, *, double: bool = False) -> Gram:
    """Compute a dataset's inner products about its centre, one matrix per layer, in one pass over the columns.

    `layers` are the lengths of the parts of a row to keep apart (None is one part); `double` makes products float64 however
    many they are.
    """
    n, q = x.shape
    plan = _Plan((x,), layers, block, -1 if double else n * n * q)
    mean, centre, inner = np.empty(q), np.empty(q, np.float32), np.zeros((plan.layers, n, n))
    for layer, at, values in plan.about((centre,), fresh=(True,)):
        mean[at] = centre[at] + _mean(values)
        inner[layer] += values @ values.T
    return Gram(mean, centre, inner, plan.single)


def merge_columns(left: Gram, right: Gram) -> Gram:
    """Add the inner products of the same rows over two adjacent column ranges of one layer."""
    mean, centre = np.concatenate([left.mean, right.mean]), np.concatenate([left.centre, right.centre])
    return Gram(mean, centre, left.inner + right.inner, left.single or right.single)


def both_grams(
    p: Rows, s: Rows, layers: Sequence[int] | None = None, block: int | None = None
) -> tuple[Gram, Cross, Gram] | None:
    """Compute the inner products within P, between P and S, and within S as one matrix product, if neither is known yet.

    None where the products are few, so that those of P stay the same to the last bit whatever S comes first.
    """
    (n, q), m = p.shape, s.shape[0]
    plan = _Plan((p, s), layers, block, n * n * q)
    if not plan.single:
        return None
    inner = np.zeros((plan.layers, n + m, n + m))
    primary, secondary, apart = np.zeros((plan.layers, n)), np.zeros((plan.layers, m)), np.zeros(plan.layers)
    means, centres = (np.empty(q), np.empty(q)), (np.empty(q, np.float32), np.empty(q, np.float32))
    for layer, at, values in plan.about(centres, fresh=(True, True)):
        left, right = values[:n], values[n:]
        between = np.subtract(centres[1][at], centres[0][at], dtype=np.float64)
        inner[layer] += values @ values.T
        primary[layer] += left @ between.astype(left.dtype)
        secondary[layer] += right @ between.astype(left.dtype)
        apart[layer] += between @ between
        for mean, centre, part in zip(means, centres, (left, right), strict=True):
            mean[at] = centre[at] + _mean(part)
    # P's are kept for further secondaries: copied, or they would keep all the others.
    primary_gram = Gram(means[0], centres[0], inner[:, :n, :n].copy(), plan.single)
    secondary_gram = Gram(means[1], centres[1], inner[:, n:, n:], plan.single)
    return primary_gram, Cross(inner[:, :n, n:], primary, secondary, apart, plan.single), secondary_gram


def cross_gram(
    p: Rows,
    s: Rows,
    centre: NDArray[np.float32],
    layers: Sequence[int] | None = None,
    block: int | None = None,
    *,
    gram_s: Gram | None = None,
    own: bool = True,
    double: bool = False,
) -> tuple[Cross, Gram]:
    """Compute the inner products between P and S and, in the same pass, within S.

    `centre` is that of P's own `Gram`. Inner products within S are taken from `gram_s` where given, and left out where `own` is
    False; `double` makes products float64 however many they are.
    """
    (n, q), m = p.shape, s.shape[0]
    size = m if own and gram_s is None else 0
    plan = _Plan((p, s), layers, block, -1 if double else (n + size) * m * q)
    parts = plan.layers
    inner, within = np.zeros((parts, n, m)), np.zeros((parts, size, size))
    primary, secondary, apart = np.zeros((parts, n)), np.zeros((parts, m)), np.zeros(parts)
    mean, other_centre = (np.empty(q), np.empty(q, np.float32)) if gram_s is None else (gram_s.mean, gram_s.centre)
    for layer, at, values in plan.about((centre, other_centre), fresh=(False, gram_s is None)):
        left, right = values[:n], values[n:]
        between = np.subtract(other_centre[at], centre[at], dtype=np.float64)
        inner[layer] += left @ right.T
        primary[layer] += left @ between.astype(left.dtype)
        secondary[layer] += right @ between.astype(left.dtype)
        apart[layer] += between @ between
        if gram_s is None:
            mean[at] = other_centre[at] + _mean(right)
        if size:
            within[layer] += right @ right.T
    cross = Cross(inner, primary, secondary, apart, plan.single)
    return cross, Gram(mean, other_centre, within, plan.single) if gram_s is None else gram_s


def joined(own: Gram, cross: Cross, other: Gram, layer: int, out: Float64Array) -> None:
    """Assemble one layer's inner products of P and S about P's centre in `out`, (n + m, n + m)."""
    n = own.inner.shape[1]
    out[:n, :n] = own.inner[layer]
    out[:n, n:] = cross.inner[layer] + cross.primary[layer][:, None]
    out[n:, :n] = out[:n, n:].T
    out[n:, n:] = other.inner[layer]
    out[n:, n:] += cross.secondary[layer]
    out[n:, n:] += cross.secondary[layer][:, None]
    out[n:, n:] += cross.apart[layer]


class _Plan:
    """Plan the reading of columns in ranges, none across layers; the next range is read while the current one is processed."""

    def __init__(self, sets: tuple[Rows, ...], layers: Sequence[int] | None, block: int | None, products: int) -> None:
        parts = tuple(layers) if layers is not None else (sets[0].shape[1],)
        self.sets, self.layers = sets, len(parts)
        self.single = products >= GRAM_LARGE and all(rows.columns(0, 1).dtype.itemsize <= 4 for rows in sets)
        self.dtype = np.dtype(np.float32 if self.single else np.float64)
        (n, q), item = sets[0].shape, self.dtype.itemsize
        m = sum(rows.shape[0] for rows in sets[1:])
        step = block or gram_columns(max(1, _BLOCK_BYTES // (item * (n + m))), n, m, q, self.layers, item)
        self.ranges: list[tuple[int, slice]] = []
        first = 0
        for layer, length in enumerate(parts):
            self.ranges += [(layer, slice(first + at.start, first + at.stop)) for at in spans(length, step)]
            first += length

    def about(self, centres: Sequence[NDArray[np.float32]], fresh: Sequence[bool]) -> Iterator[tuple[int, slice, NDArray[Any]]]:
        """Yield layer, column range, and the centred values of all sets in that range, stacked; chooses the `fresh` centres.

        Each block of values is overwritten by the next but one, which is read while the block is worked on.
        """
        width = max(at.stop - at.start for _, at in self.ranges)
        ends = np.cumsum([rows.shape[0] for rows in self.sets])
        # Two in turn: memory that is new for each block has to be cleared and mapped each time.
        buffers = [np.empty((ends[-1], width), self.dtype) for _ in range(min(2, len(self.ranges)))]

        def read(index: int) -> NDArray[Any]:
            at = self.ranges[index][1]
            values = buffers[index % 2][:, : at.stop - at.start]
            for rows, end, centre, new in zip(self.sets, ends, centres, fresh, strict=True):
                columns = rows.columns(at.start, at.stop)
                if new:
                    # An approximate centre: the mean of sampled rows, clipped to the range of float32.
                    some = columns[:: max(1, len(columns) // _AMID)].mean(axis=0, dtype=np.float64)
                    centre[at] = np.asarray(np.clip(some, -LARGEST, LARGEST), dtype=np.float32)
                np.subtract(columns, centre[at], out=values[end - rows.shape[0] : end], dtype=self.dtype)
            return values

        if len(self.ranges) == 1:
            yield *self.ranges[0], read(0)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="howfar-read") as reader:
            coming = reader.submit(read, 0)
            for index, (layer, at) in enumerate(self.ranges, start=1):
                values = coming.result()
                if index < len(self.ranges):
                    coming = reader.submit(read, index)
                yield layer, at, values


def _mean(values: NDArray[Any]) -> Float64Array:
    """Compute the column means of a block by one fast matrix product, without full precision."""
    return np.asarray(np.full(len(values), 1 / len(values), values.dtype) @ values, dtype=np.float64)
