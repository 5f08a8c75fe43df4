"""Compute the components that rounding hides where a few rows lie absurdly far away, or datasets lie far apart.

Eigenvalues of inner products are known to about 1e-16 of the largest. With one cell of 1e9 among values of 1, that is more
than all other rows differ by. The components of such rows are then subtracted from the rows themselves, and the other
components are computed from what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.projection.memory_estimates import gram_columns, moment_rows
from howfar.projection.spectrum import leading
from howfar.protocols import Rows

Blocks = Callable[[], Iterator[Float64Array]]
"""Yields (size, b) blocks, new at each call; the sum of their products with themselves is the matrix of the eigenproblem."""

_RANGE = 1e3
"""How far the largest eigenvalue may exceed rows × (typical squared distance) before its rounding costs others their digits."""
_TRUSTED = 1e-6
"""Eigenvalues from this share of the largest on are known to 9 digits."""
_LOST = 1e-3
"""Largest rounding of the largest score, in typical distances."""
_SAMPLE = 48
_BLOCK_BYTES = 24 << 20


def typical_square(inner: Float64Array, n: int) -> float:
    """Compute the median squared distance between rows of one dataset, from some rows of each of two; infinity without any.

    `inner` holds the inner products of n rows of the primary dataset, then of those of a secondary.
    """
    squares = []
    for start, stop in ((0, n), (n, len(inner))):
        rows = _spread(start, stop)
        part = inner[np.ix_(rows, rows)]
        norms = part.diagonal()[:, None] + part.diagonal()
        # Rounding leaves this much where the rows are large and alike.
        apart = np.maximum(norms - 2 * part, np.finfo(np.float64).eps * norms)
        squares.append(apart[np.triu_indices(len(rows), 1)])
    return _median(squares)


def sampled_square(blocks: Iterable[Float64Array], n: int) -> float:
    """Compute `typical_square` from the differences of rows, read in (rows, b) blocks, n of the primary dataset first."""
    total: list[Float64Array] = []
    for block in blocks:
        parts = (block[_spread(0, n)], block[_spread(n, len(block))])
        squares = [((part[place + 1 :] - row) ** 2).sum(axis=1) for part in parts for place, row in enumerate(part)]
        total = [sums + more for sums, more in zip(total, squares, strict=True)] if total else squares
    return _median(total)


def sample_of(sets: Sequence[Rows], root: Float64Array) -> tuple[Float64Array, int]:
    """Read some rows of each dataset, times `root` (q,), and count those of the first."""
    some = [np.concatenate([rows.rows(row, row + 1) for row in _spread(0, rows.shape[0])]) for rows in sets]
    together = np.concatenate(some).astype(np.float64)
    return (together - together[0]) * root, len(some[0])


def _spread(start: int, stop: int) -> list[int]:
    return [int(row) for row in np.unique(np.linspace(start, stop - 1, min(_SAMPLE, stop - start)).astype(int))]


def _median(squares: Sequence[Float64Array]) -> float:
    every = np.concatenate(squares)
    apart = every[every > 0]
    return float(np.median(apart)) if len(apart) else np.inf


def may_hide(values: Float64Array) -> bool:
    """Return whether the eigenvalues (z,), falling, are so unlike that the largest may hide others; a typical set's are not.

    Examples
    --------
    >>> may_hide(np.array([9.0, 1.0])), may_hide(np.array([1e18, 4.0]))
    (False, True)
    """
    return bool(values[0] > _RANGE * values[-1])


def limit_of(square: float, rows: int) -> float:
    """Compute the eigenvalue above which its rounding costs digits of distances whose typical square is `square`."""
    return _RANGE * rows * square


def separated(
    blocks: Blocks, vectors: Float64Array, values: Float64Array, square: float, sets: Sequence[Rows]
) -> tuple[Float64Array, Float64Array]:
    """Compute the leading eigenvectors (size, z) and eigenvalues (z,) anew, where the largest hides others.

    `vectors` and `values` are the first attempt. The components that it knows well are subtracted from the rows, and the others
    are computed from what is left, until the largest of these hides none. `square` is the typical squared distance of the rows
    of `sets`. Raises `InputError`, which names the largest value, where its own rounding is as large as typical distances.
    """
    (size, z), limit, eps = vectors.shape, limit_of(square, sum(rows.shape[0] for rows in sets)), np.finfo(np.float64).eps
    if eps * math.sqrt(values[0]) > _LOST * math.sqrt(square):
        raise _lost(sets)
    kept, squares = vectors[:, :0], values[:0]
    while values[0] > limit and len(squares) < z:
        known = values > _TRUSTED * values[0]
        kept, squares = np.hstack([kept, vectors[:, known]]), np.append(squares, values[known])
        if len(squares) == z:
            return kept, squares
        left = np.zeros((size, size))
        for block in blocks():
            block -= kept @ (kept.T @ block)
            left += block @ block.T
        vectors, values = leading(left, z - len(squares), size * eps**2 * squares[0])
        vectors = vectors - kept @ (kept.T @ vectors)
    return np.hstack([kept, vectors]), np.append(squares, values)


def _lost(sets: Sequence[Rows]) -> InputError:
    """Name the largest value of the datasets in an error."""
    places = []
    for name, rows in zip(("primary", "secondary"), sets, strict=False):
        for row in range(rows.shape[0]):
            values = rows.rows(row, row + 1)[0]
            column = int(np.abs(values).argmax())
            places.append(
                (abs(float(values[column])), f"{values[column]:g} in row {row}, column {column} of the {name} dataset")
            )
    rule = "must differ by less than 1e13 times as much as rows usually do, or float64 loses the other rows' distances"
    return InputError.of("features", rule, max(places)[1], "drop or mend that row")


def column_blocks(sets: Sequence[Rows], mean: Float64Array, root: Float64Array, block: int | None = None) -> Blocks:
    """Read all rows of the datasets by column blocks, (rows, b) float64, less `mean` (q,) and times `root` (q,)."""
    q, size = len(mean), sum(rows.shape[0] for rows in sets)
    step = block or gram_columns(max(1, _BLOCK_BYTES // (8 * size)), size, 0, q, 1)

    def blocks() -> Iterator[Float64Array]:
        for start in range(0, q, step):
            at = slice(start, min(start + step, q))
            columns = [np.subtract(rows.columns(at.start, at.stop), mean[at], dtype=np.float64) for rows in sets]
            yield np.concatenate(columns) * root[at]

    return blocks


def row_blocks(sets: Sequence[Rows], mean: Float64Array, root: Float64Array, block: int | None = None) -> Blocks:
    """Read all rows of the datasets by row blocks, (q, b) float64, less `mean` (q,) and times `root` (q,)."""
    q = len(mean)
    step = block or moment_rows(max(1, _BLOCK_BYTES // (8 * q)), q)

    def blocks() -> Iterator[Float64Array]:
        for rows in sets:
            for start in range(0, rows.shape[0], step):
                values = np.subtract(rows.rows(start, min(start + step, rows.shape[0])), mean, dtype=np.float64)
                yield (values * root).T

    return blocks


def scores_of(blocks: Blocks, vectors: Float64Array, values: Float64Array) -> Float64Array:
    """Compute the scores (size, z) that belong to eigenvectors of inner products from the rows: A Aᵀ U Λ^(−1/2).

    U Λ^(1/2) is the same, but an eigenvector known to 1e-16 leaves 1e-16 of the largest score in those of all rows.
    """
    scores = np.zeros_like(vectors)
    for block in blocks():
        scores += block @ (block.T @ vectors)
    root = np.sqrt(values)
    return scores * np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
