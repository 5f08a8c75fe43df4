"""Sums of distances weighted by counts, in whole numbers: distances of 23 bits as three digits, multiplied by integer units.

A bootstrap draw's weights are small whole numbers. Distances rounded to a step, the same for all pairs, are whole numbers too,
so every product and every sum is exact, whatever the blocks and the threads: the rounding to the step, 2⁻²⁴ of the largest
distance that there can be, is the only one. Processors with matrix units for bytes (AMX) multiply so several times faster than
in float32.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.cores import numeric_threads
from howfar.distances.kernel import Kernel
from howfar.distances.loops import TILE, Single, compiled, squares

BITS = 23
DIGITS = 3
LARGEST_COUNT = 63
"""Two products of a digit and a count fit 16 bits, which is where some processors sum them."""
MOST_ROWS = 1 << 22
"""Rows of P up to which no product overflows 32 bits: 255 times the counts, which sum to that many."""
SMALLEST = 2.0**-4
"""Mean distances below this share of the largest that there can be are taken in float32, lest the step be seen: above it the
step is at most 2⁻²⁰ of any of them."""
ROWS_AT_ONCE = 128
"""Rows of S whose digits are multiplied in one go: few enough for the second cache."""
CPU_FLAGS = Path("/proc/cpuinfo")

Bytes = NDArray[np.uint8]


@lru_cache
def integer_units() -> bool:
    """Whether this processor has matrix units for bytes; else three products of digits take longer than one of floats."""
    try:
        return " amx_int8 " in CPU_FLAGS.read_text(encoding="utf-8").replace("\n", " ")
    except OSError:
        return False


def counted_forms(kernel: Kernel, u: Bytes, v: Bytes, same: bool) -> Float64Array | None:
    """Σᵢⱼ u[i, k] d(sᵢ, pⱼ) v[j, k] for every column k, in the kernel's units; None where whole numbers do not serve.

    Parameters
    ----------
    kernel
        The distances.
    u, v
        (m, b) and (n, b) counts of the rows of S and of P, one column a draw.
    same
        S and `u` are P and `v`: half of the pairs do.

    Examples
    --------
    >>> kernel = Kernel(np.array([[0.0], [1.0]]), np.array([[4.0], [6.0]]))
    >>> kernel.unit * counted_forms(kernel, np.array([[1], [1]], np.uint8), np.array([[2], [0]], np.uint8), False)
    array([14.])
    """
    if len(v) > MOST_ROWS or max(u.max(initial=0), v.max(initial=0)) > LARGEST_COUNT:
        return None
    exponent = int(np.frexp(kernel.reach)[1])
    total, right = np.zeros(u.shape[1]), v.view(np.int8)
    for start in range(0, len(u), ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, len(u)))
        first = start if same else 0
        digits = _digits(kernel, rows, first, same, 2.0 ** (BITS - exponent))
        products = multiplied(digits.reshape(-1, digits.shape[2]), right[first:]).reshape(DIGITS, -1, u.shape[1])
        kernel.share(lambda begin, end: _weigh(products, u[rows], begin, end, total), u.shape[1])  # noqa: B023  # done at once
    total *= 2.0 ** (exponent - BITS) * (2.0 if same else 1.0)
    pairs = u.sum(axis=0, dtype=np.uint32) * v.sum(axis=0, dtype=np.uint32).astype(np.float64)
    return total if (total >= SMALLEST * 2.0**exponent * pairs).all() else None


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


def _digits(kernel: Kernel, rows: slice, first: int, half: bool, scale: float) -> Bytes:
    """Distances of some rows of S from P's from `first` on, in steps: (3, rows, n − first), the highest digit first."""
    a = kernel.a[rows]
    out = np.empty((DIGITS, len(a), kernel.b.shape[1] - first), np.uint8)
    factor = np.float32(scale)
    kernel.share(lambda begin, end: _quantise(a, kernel.b, begin, end, first, half, factor, out), len(a))
    return out


@compiled
def _quantise(a: Single, b: Single, start: int, stop: int, first: int, half: bool, scale: np.float32, out: Bytes) -> None:
    """Digits of the distances of rows `start` to `stop` of `a` from P; where `half`, those at or left of the diagonal are 0."""
    squared = np.empty((4, TILE), np.float32)
    for i in range(start, stop, 4):
        j, k, l = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)  # noqa: E741  # as in `loops`
        for at in range(first, b.shape[1], TILE):
            width = min(TILE, b.shape[1] - at)
            squares(a, i, j, k, l, b, at, width, squared)
            for row, to in enumerate((i, j, k, l)):
                high, middle, low = out[0, to, at - first :], out[1, to, at - first :], out[2, to, at - first :]
                for x in range(width):
                    step = np.int32(np.rint(np.sqrt(squared[row, x]) * scale))
                    high[x] = step >> 16
                    middle[x] = (step >> 8) & 255
                    low[x] = step & 255
        if half:
            for to in (i, j, k, l):
                out[:, to, : to + 1] = 0


@compiled
def _weigh(products: NDArray[np.int32], counts: Bytes, start: int, stop: int, total: Float64Array) -> None:
    """Add the products, by the counts of their rows, to the draws `start` to `stop`; whole numbers, so exact up to 2⁵³."""
    for i in range(products.shape[1]):
        high, middle, low, count = products[0, i], products[1, i], products[2, i], counts[i]
        for k in range(start, stop):
            total[k] += float(count[k]) * ((float(high[k]) * 256.0 + float(middle[k])) * 256.0 + float(low[k]))
