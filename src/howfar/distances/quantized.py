"""Sums of distances weighted by counts, in whole numbers: distances in steps, of which the first digits meet integer units.

The weights of a bootstrap draw, or of a relabelling, are small whole numbers. Distances rounded to a step, the same for all
pairs, are whole numbers too, so every product and every sum is exact, whatever the blocks and the threads; processors with
matrix units for bytes (AMX) multiply so several times faster than in float32. Distances in steps have three digits of eight
bits, D = D̂ + E with the first of them and the rest, and for weights that are drawn by chance, u = μ + δ and v = ν + ε about
their means,

    uᵀ E v = ν uᵀ E 1 + μ 1ᵀ E v − μ ν 1ᵀ E 1 + δᵀ E ε,

of which sums over E's rows and columns give all but the last term. That one averages 0 over draws, and half of E's largest
entry, taken from all, changes nothing, as δ and ε sum to 0; so its root mean square is at most √(mn) times that half times the
spreads of δ and ε, and of a draw's mean distance at most the half over √(mn). Within one dataset, where δ is ε, its average is
that of E's entries times −Σ δ², which is put in; the rest is at most √2 times as much. It is left out where that is next to
nothing: of many pairs one digit is multiplied, of fewer two, and all three by weights that are not drawn by chance.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.cores import numeric_threads
from howfar.distances.compiled_euclidean import Kernel
from howfar.distances.numba_kernels import TILE, Single, compiled, squares

BITS = 23
"""Of a distance in steps: the longest that there can be has so many."""
LAST = (1 << BITS) - 1
DIGITS = 3
"""Bytes that hold twice a distance in steps."""
ROUNDED = 2.0**-21
"""Root mean square of what left-out digits may add to a draw's mean distance, of the power of two above the longest one."""
LARGEST_COUNT = 63
"""Two products of a digit and a count fit 16 bits, which is where some processors sum them."""
MOST_TAKEN = (1 << 31) // 256
"""Rows of P that a draw may take, each as often as it does: no product overflows 32 bits."""
SMALLEST = 2.0**-4
"""Mean distances below this share of the largest that there can be are taken in float32, lest the step be seen: above it
rounding to it is at most 2⁻²⁰ of any of them."""
ROWS_AT_ONCE = 512
"""Rows of digits that are multiplied in one go: few enough for the second cache."""
CPU_FLAGS = Path("/proc/cpuinfo")

Bytes = NDArray[np.uint8]
Signed = NDArray[np.int8]
Sums = NDArray[np.int64]


@lru_cache
def integer_units() -> bool:
    """Whether this processor has matrix units for bytes; else three products of digits take longer than one of floats."""
    try:
        return " amx_int8 " in CPU_FLAGS.read_text(encoding="utf-8").replace("\n", " ")
    except OSError:
        return False


def counted_forms(kernel: Kernel, u: Bytes, v: Bytes, same: bool, resampled: bool = False) -> Float64Array | None:
    """Σᵢⱼ u[i, k] d(sᵢ, pⱼ) v[j, k] for every column k, in the kernel's units; None where whole numbers do not serve.

    Parameters
    ----------
    kernel
        The distances.
    u, v
        (m, b) and (n, b) counts of the rows of S and of P, one column a draw.
    same
        S and `u` are P and `v`: half of the pairs do.
    resampled
        The counts are draws with replacement: digits that average out to less than `ROUNDED` are left out.

    Examples
    --------
    >>> kernel = Kernel(np.array([[0.0], [1.0]]), np.array([[4.0], [6.0]]))
    >>> kernel.unit * counted_forms(kernel, np.array([[1], [1]], np.uint8), np.array([[2], [0]], np.uint8), False)
    array([14.])
    """
    of_u, of_v = (one.sum(axis=0, dtype=np.uint32).astype(np.float64) for one in (u, v))
    if of_v.max(initial=0) > MOST_TAKEN or max(u.max(initial=0), v.max(initial=0)) > LARGEST_COUNT:
        return None
    steps = _Steps(kernel, digits_needed(len(u) * len(v)) if resampled else DIGITS, same)
    total = steps.forms(u, v, of_u / len(u), of_v / len(v))
    return total if (total >= SMALLEST * steps.longest * of_u * of_v).all() else None


def labelled_forms(kernel: Kernel, labels: Bytes, inside: float, outside: float) -> Float64Array | None:
    """Σᵢⱼ w[i, k] d(pᵢ, pⱼ) w[j, k] with w `inside` where a label is 1 and `outside` where it is 0, as `counted_forms`.

    Parameters
    ----------
    kernel
        The distances of P's rows from each other.
    labels
        (n, b) 0 and 1, in random order in all columns but a few.
    inside, outside
        What the labels stand for.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [4.0]])
    >>> kernel = Kernel(rows, rows)
    >>> (kernel.unit * labelled_forms(kernel, np.array([[1], [1], [0]], np.uint8), 0.5, -1.0)).round(5)
    array([-6.5])
    """
    n, of_labels = len(labels), labels.sum(axis=0, dtype=np.uint32).astype(np.float64)
    if n > MOST_TAKEN:
        return None
    # Relabellings differ by as little as 1/n of a distance, so that more than averages out would show.
    steps = _Steps(kernel, max(2, digits_needed(n * n)), same=True)
    apart, share = inside - outside, of_labels / n
    total = apart**2 * steps.forms(labels, labels, share, share)
    whole, linear = steps.sums(labels)
    total += 2.0 * outside * apart * linear + outside**2 * whole
    return total if whole >= SMALLEST * steps.longest * n * n else None


def digits_needed(pairs: int) -> int:
    """How many digits of so many distances draws with replacement are multiplied by.

    Examples
    --------
    >>> digits_needed(5000 * 5000), digits_needed(1000 * 1000)
    (1, 2)
    """
    return next((k for k in range(1, DIGITS) if 2.0 ** (-8 * k - 1) <= ROUNDED * pairs**0.5), DIGITS)


def multiplied(digits: Bytes, counts: NDArray[np.int8]) -> NDArray[np.int32]:
    """The matrix product of bytes, exact, by the processor's integer units.

    Examples
    --------
    >>> multiplied(np.array([[255, 1]], np.uint8), np.array([[100], [3]], np.int8))
    array([[25503]], dtype=int32)
    """
    product: NDArray[np.int32] = _product(numeric_threads()).run(None, {"digits": digits, "counts": counts})[0]
    return product


@lru_cache
def _product(threads: int) -> Any:
    # NumPy multiplies whole numbers one by one; onnxruntime does it by the instructions there are.
    import onnx
    import onnxruntime

    kinds = {"digits": onnx.TensorProto.UINT8, "counts": onnx.TensorProto.INT8, "product": onnx.TensorProto.INT32}
    values = [onnx.helper.make_tensor_value_info(name, kind, [None, None]) for name, kind in kinds.items()]
    node = onnx.helper.make_node("MatMulInteger", ["digits", "counts"], ["product"])
    graph = onnx.helper.make_graph([node], "product", values[:2], values[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Between products the cores are another's.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class _Steps:
    """The distances of a kernel in steps, and what is summed of them; results are in the kernel's units."""

    def __init__(self, kernel: Kernel, digits: int, same: bool) -> None:
        exponent = int(np.frexp(kernel.reach)[1])
        self.longest = 2.0**exponent
        self._kernel, self._digits, self._same = kernel, digits, same
        self._scale, self._half_step = np.float32(2.0 ** (BITS - exponent)), 2.0 ** (exponent - BITS - 1)
        # Of all distances, and of what their first digits leave out: both in half steps.
        self._rows = np.zeros((2, len(kernel.a)), np.int64)
        self._columns = np.zeros((2, kernel.b.shape[1]), np.int64)

    def forms(self, u: Bytes, v: Bytes, mean_u: Float64Array, mean_v: Float64Array) -> Float64Array:
        """The forms of all draws, whose weights have such means, by the first digits and the sums of the others."""
        left, right, total = u.view(np.int8), v.view(np.int8), np.zeros(u.shape[1])
        at_once = max(4, ROWS_AT_ONCE // self._digits)
        for start in range(0, len(u), at_once):
            rows = slice(start, min(start + at_once, len(u)))
            first = start if self._same else 0
            taken = self._taken(rows, first)
            products = multiplied(taken.reshape(-1, taken.shape[2]), right[first:]).reshape(self._digits, -1, len(total))
            self._kernel.share(lambda begin, end: _weigh(products, left[rows], begin, end, total), len(total))  # noqa: B023  # done at once
        if self._same:
            # A pair and its mirror image are one.
            total *= 2.0
            self._rows += self._columns
            self._columns = self._rows
        if self._digits < DIGITS:
            by_rows = self._weighed(self._rows[1], u)
            by_columns = by_rows if self._same else self._weighed(self._columns[1], v)
            left_out = float(self._rows[1].sum(dtype=np.float64))
            total += mean_v * by_rows + mean_u * by_columns - mean_u * mean_v * left_out
            if self._same and len(u) > 1:
                total -= left_out / (len(u) * (len(u) - 1)) * (self._squared(u) - len(u) * mean_u**2)
        return total * self._half_step

    def sums(self, counts: Bytes) -> tuple[float, Float64Array]:
        """After `forms`: the sum of all distances, and that of each draw's rows' distances from all of P."""
        return self._half_step * float(self._rows[0].sum(dtype=np.float64)), self._half_step * self._weighed(
            self._rows[0], counts
        )

    def _weighed(self, sums: Sums, counts: Bytes) -> Float64Array:
        total = np.zeros(counts.shape[1])
        self._kernel.share(lambda begin, end: _weigh_sums(sums, counts, begin, end, total), len(total))
        return total

    def _squared(self, counts: Bytes) -> Float64Array:
        total = np.zeros(counts.shape[1])
        self._kernel.share(lambda begin, end: _add_squares(counts, begin, end, total), len(total))
        return total

    def _taken(self, rows: slice, first: int) -> Bytes:
        """First digits of the distances of some rows of S from P's from `first` on; within one dataset where i < j alone."""
        a, b, adding = self._kernel.a[rows], self._kernel.b, Lock()
        out = np.empty((self._digits, len(a), b.shape[1] - first), np.uint8)
        of_rows, of_columns = self._rows[:, rows], self._columns[:, first:]

        def work(begin: int, end: int) -> None:
            own = np.zeros(of_columns.shape, np.int64)
            _quantise(a, b, begin, end, first, self._same, self._scale, out, of_rows, own)
            with adding:
                np.add(of_columns, own, out=of_columns)

        self._kernel.share(work, len(a))
        return out


@compiled
def _quantise(
    a: Single,
    b: Single,
    start: int,
    stop: int,
    first: int,
    half: bool,
    scale: np.float32,
    out: Bytes,
    of_rows: Sums,
    of_columns: Sums,
) -> None:
    """Digits and sums of the distances of rows `start` to `stop` of `a` from P's from `first` on, the highest digit first.

    Where `half`, row i of `a` is row first + i of P, and pairs that are not right of the diagonal count for nothing.
    """
    squared, halves = np.empty((4, TILE), np.float32), np.zeros((4, TILE), np.int32)
    rest = np.int32((1 << 8 * (DIGITS - len(out))) - 1)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # as in `loops`
        of_rows[:, i : min(i + 4, stop)] = 0
        halves[stop - i :] = 0
        for at in range(0, b.shape[1] - first, TILE):
            width = min(TILE, b.shape[1] - first - at)
            squares(a, i, j, k, l, b, first + at, width, squared)
            for to in range(i, min(i + 4, stop)):
                row, root, total, left_out = halves[to - i], squared[to - i], 0, 0
                for x in range(width):
                    step = min(np.int32(np.rint(np.sqrt(root[x]) * scale)), np.int32(LAST))
                    row[x] = step << np.int32(1)
                if half:
                    row[: max(to + 1 - at, 0)] = 0
                for x in range(width):
                    total += row[x]
                    left_out += row[x] & rest
                of_rows[0, to] += total
                of_rows[1, to] += left_out
                for place in range(len(out)):
                    digit, shift = out[place, to, at:], np.int32(8 * (DIGITS - 1 - place))
                    for x in range(width):
                        digit[x] = (row[x] >> shift) & np.int32(255)
            columns, left_columns = of_columns[0, at:], of_columns[1, at:]
            one, two, three, four = halves[0], halves[1], halves[2], halves[3]
            for x in range(width):
                columns[x] += (one[x] + two[x]) + (three[x] + four[x])
                left_columns[x] += ((one[x] & rest) + (two[x] & rest)) + ((three[x] & rest) + (four[x] & rest))


@compiled
def _weigh(products: NDArray[np.int32], weights: Signed, start: int, stop: int, total: Float64Array) -> None:
    """Add the products, by the weights of their rows, to the draws `start` to `stop`; whole numbers, so exact up to 2⁵³."""
    for place in range(len(products)):
        unit = 256.0 ** (DIGITS - 1 - place)
        for i in range(products.shape[1]):
            row, weight = products[place, i], weights[i]
            for k in range(start, stop):
                total[k] += unit * (float(weight[k]) * float(row[k]))


@compiled
def _weigh_sums(sums: Sums, counts: Bytes, start: int, stop: int, total: Float64Array) -> None:
    """Add the sums of rows, by their counts, to the draws `start` to `stop`; likewise exact."""
    for i in range(len(sums)):
        row, weight = float(sums[i]), counts[i]
        for k in range(start, stop):
            total[k] += row * float(weight[k])


@compiled
def _add_squares(counts: Bytes, start: int, stop: int, total: Float64Array) -> None:
    """Add the squares of the counts to the draws `start` to `stop`."""
    for i in range(len(counts)):
        count = counts[i]
        for k in range(start, stop):
            total[k] += float(count[k]) ** 2
