"""Inner products between images, summed over blocks of features: the pieces of the Gram route, for q beyond n + m."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from howfar.arrays import Float64Array
from howfar.protocols import Rows

_BLOCK_BYTES = 24 << 20


def column_means(x: Rows, block: int | None = None) -> Float64Array:
    """Mean of every column of `x`, shape (q,), float64, read by column blocks.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> column_means(as_rows([[1.0, 2.0], [3.0, 4.0]], "x")).tolist()
    [2.0, 3.0]
    """
    n, q = x.shape
    means = [x.columns(start, stop).mean(axis=0, dtype=np.float64) for start, stop in _blocks((q,), _step(n, block))]
    return np.concatenate(means)


def cross_gram(
    a: Rows, b: Rows, shift: Float64Array, layers: Sequence[int] | None = None, block: int | None = None
) -> Float64Array:
    """Inner products (a − shift)(b − shift)ᵀ of all rows, one matrix a layer, without holding either set.

    Parameters
    ----------
    a, b
        (n, q) and (m, q) features; the same object twice costs one read.
    shift
        (q,) vector taken from every row: the mean of P, so that a large common offset costs no digits.
    layers
        Lengths of the parts to keep apart; they sum to q. None is one part.
    block
        Columns at a time; by default what fits in 24 MiB as float64. It changes nothing beyond rounding.

    Returns
    -------
    ndarray
        (layers, n, m) float64.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> x = as_rows([[1.0, 2.0], [3.0, 4.0]], "x")
    >>> cross_gram(x, x, np.zeros(2)).tolist()
    [[[5.0, 11.0], [11.0, 25.0]]]
    """
    parts = tuple(layers) if layers is not None else (a.shape[1],)
    total = np.zeros((len(parts), a.shape[0], b.shape[0]))
    bounds = np.cumsum(parts)
    for start, stop in _blocks(parts, _step(a.shape[0] + b.shape[0], block)):
        layer = int(np.searchsorted(bounds, start, side="right"))
        left = _shifted(a, start, stop, shift)
        right = left if a is b else _shifted(b, start, stop, shift)
        total[layer] += left @ right.T
    return total


def _shifted(x: Rows, start: int, stop: int, shift: Float64Array) -> Float64Array:
    block = x.columns(start, stop).astype(np.float64)
    block -= shift[start:stop]
    return block


def _step(rows: int, block: int | None) -> int:
    return block or max(1, _BLOCK_BYTES // (8 * rows))


def _blocks(parts: Sequence[int], step: int) -> Iterator[tuple[int, int]]:
    """Column ranges of at most `step`, none of which crosses from one part into the next."""
    first = 0
    for length in parts:
        for start in range(first, first + length, step):
            yield start, min(start + step, first + length)
        first += length
