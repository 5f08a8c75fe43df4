"""Sums of distances weighted by counts, in whole numbers: distances in steps, of which the first digits meet integer units.

A bootstrap draw's weights are small whole numbers. Distances rounded to a step, the same for all pairs, are whole numbers too,
so every product and every sum is exact, whatever the blocks and the threads; processors with matrix units for bytes (AMX)
multiply so several times faster than in float32. Counts are 1 + δ and 1 + ε, and what a 1 multiplies are sums over rows and
over columns, which no matrix product is needed for:

    uᵀ D v = uᵀ D 1 + 1ᵀ D v − 1ᵀ D 1 + δᵀ D ε.

The last term alone is multiplied, and it is small: over draws with replacement δ and ε average 0, so what is left out of D's
entries averages out as well. Errors E of the entries make one of δᵀ E ε, whose root mean square over draws is at most ‖E‖
(twice that within one dataset, where δ is ε), and ‖E‖ / mn is at most the greatest error of an entry over √mn. So many pairs
need one digit of eight bits, fewer two, and counts that are not of such draws all three.
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
from howfar.distances.kernel import Kernel
from howfar.distances.loops import TILE, Single, compiled, squares

BITS = 23
"""Of a distance in steps: the longest that there can be has so many."""
LAST = (1 << BITS) - 1
DIGITS = 3
"""Bytes that hold twice a distance in steps."""
ROUNDED = 2.0**-21
"""Root mean square of what left-out digits may add to a draw's mean distance, of the power of two above the longest one."""
LARGEST_COUNT = 63
"""Two products of a digit and a count, less one, fit 16 bits, which is where some processors sum them."""
MOST_ROWS = 1 << 22
"""Rows of P up to which no product overflows 32 bits: 255 times the counts, which sum to that many."""
SMALLEST = 2.0**-4
"""Mean distances below this share of the largest that there can be are taken in float32, lest the step be seen: above it the
step is at most 2⁻²⁰ of any of them."""
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
    if len(v) > MOST_ROWS or max(u.max(initial=0), v.max(initial=0)) > LARGEST_COUNT:
        return None
    exponent = int(np.frexp(kernel.reach)[1])
    digits = digits_needed(len(u) * len(v)) if resampled else DIGITS
    total = _forms(kernel, u, v, same, digits, 2.0 ** (BITS - exponent)) * 2.0 ** (exponent - BITS)
    pairs = u.sum(axis=0, dtype=np.uint32) * v.sum(axis=0, dtype=np.uint32).astype(np.float64)
    return total if (total >= SMALLEST * 2.0**exponent * pairs).all() else None


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


def _forms(kernel: Kernel, u: Bytes, v: Bytes, same: bool, digits: int, scale: float) -> Float64Array:
    """The sums in steps, of which there are `scale` to a unit."""
    draws, of_rows, of_columns = u.shape[1], np.zeros(len(u), np.int64), np.zeros(len(v), np.int64)
    right = v.view(np.int8) - np.int8(1)
    left = right if same else u.view(np.int8) - np.int8(1)
    # δᵀ D ε in half steps, or what the pairs i < j add to δᵀ D δ.
    crossed, at_once = np.zeros(draws), max(4, ROWS_AT_ONCE // digits)
    for start in range(0, len(u), at_once):
        rows = slice(start, min(start + at_once, len(u)))
        first = start if same else 0
        taken = np.empty((digits, rows.stop - start, len(v) - first), np.uint8)
        _take(kernel, rows, same, scale, taken, of_rows[rows], of_columns[first:])
        products = multiplied(taken.reshape(-1, taken.shape[2]), right[first:]).reshape(digits, -1, draws)
        kernel.share(lambda begin, end: _weigh(products, left[rows], begin, end, crossed), draws)  # noqa: B023  # done at once
    if digits < DIGITS:
        # What was left out is taken to be half of what it can be.
        crossed += (1 << 8 * (DIGITS - digits) - 1) * _products(kernel, left, right, same)
    linear = np.zeros(draws)
    if same:
        of_rows += of_columns
        kernel.share(lambda begin, end: _weigh_sums(of_rows, u, begin, end, linear), draws)
        return 2.0 * linear - int(of_rows.sum()) + crossed
    kernel.share(lambda begin, end: _weigh_sums(of_rows, u, begin, end, linear), draws)
    kernel.share(lambda begin, end: _weigh_sums(of_columns, v, begin, end, linear), draws)
    return linear - int(of_rows.sum()) + 0.5 * crossed


def _products(kernel: Kernel, left: Signed, right: Signed, same: bool) -> Float64Array:
    """Σᵢⱼ δᵢ εⱼ of each draw, or where S is P that of the pairs i < j."""
    one = left.sum(axis=0, dtype=np.int32).astype(np.float64)
    if not same:
        return np.asarray(one * right.sum(axis=0, dtype=np.int32))
    squared = np.zeros(len(one))
    kernel.share(lambda begin, end: _add_squares(left, begin, end, squared), len(one))
    return np.asarray((one**2 - squared) / 2.0)


def _take(kernel: Kernel, rows: slice, half: bool, scale: float, out: Bytes, of_rows: Sums, of_columns: Sums) -> None:
    """Leading digits of the distances of some rows of S, and sums of their steps; where `half`, of the pairs i < j alone."""
    a, first, factor, adding = kernel.a[rows], kernel.b.shape[1] - out.shape[2], np.float32(scale), Lock()

    def work(begin: int, end: int) -> None:
        own = np.zeros(out.shape[2], np.int64)
        _quantise(a, kernel.b, begin, end, first, half, factor, out, of_rows, own)
        with adding:
            np.add(of_columns, own, out=of_columns)

    kernel.share(work, len(a))


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

    Where `half`, row i of `a` is row first + i of P, and digits of pairs that are not right of the diagonal are 0.
    """
    squared, steps = np.empty((4, TILE), np.float32), np.zeros((4, TILE), np.int32)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # as in `loops`
        of_rows[i : min(i + 4, stop)] = 0
        steps[stop - i :] = 0
        for at in range(0, b.shape[1] - first, TILE):
            width = min(TILE, b.shape[1] - first - at)
            squares(a, i, j, k, l, b, first + at, width, squared)
            for to in range(i, min(i + 4, stop)):
                whole, root, total = steps[to - i], squared[to - i], 0
                for x in range(width):
                    step = min(np.int32(np.rint(np.sqrt(root[x]) * scale)), np.int32(LAST))
                    whole[x] = step
                if half:
                    whole[: max(to + 1 - at, 0)] = 0
                for x in range(width):
                    total += whole[x]
                of_rows[to] += total
                for place in range(len(out)):
                    digit, shift = out[place, to, at:], np.int32(8 * (DIGITS - 1 - place))
                    for x in range(width):
                        digit[x] = (whole[x] << np.int32(1) >> shift) & np.int32(255)
            columns, one, two, three, four = of_columns[at:], steps[0], steps[1], steps[2], steps[3]
            for x in range(width):
                columns[x] += (one[x] + two[x]) + (three[x] + four[x])


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
def _add_squares(weights: Signed, start: int, stop: int, total: Float64Array) -> None:
    """Add the squares of the weights to the draws `start` to `stop`."""
    for i in range(len(weights)):
        weight = weights[i]
        for k in range(start, stop):
            total[k] += float(weight[k]) ** 2
