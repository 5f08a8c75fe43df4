"""Fit the principal subspace of a dataset by PCA: axes (`Basis`), scores, and how many components to keep.

Eigenvalues of inner products are known to about 1e-16 of the largest. With one cell of 1e9 among values of 1, that is more
than all other rows differ by. The components of such rows are then subtracted from the rows themselves, and the other
components are computed from what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, FloatArray, as_rows, spans
from howfar.errors import InputError
from howfar.memory import at_a_time
from howfar.projection.gram_and_moments import (
    Moments,
    gram_columns,
    merge,
    moment_rows,
    moments,
    product,
    score_rows,
    subspace_columns,
)
from howfar.protocols import Rows

# Rows that are equal have a spread this far below their mean, by float64 rounding.
ROUNDING = 1e-12
ROUNDING_SINGLE = 4 * float(np.finfo(np.float32).eps)
"""What float32 products leave of an eigenvalue that is 0, in parts of the trace over the square root of the matrix's size."""
_SIGN_TIE = 1e-6


def layer_weights(scatter: Float64Array, squares: Float64Array, rows: int, scale: str) -> Float64Array:
    """Compute the weight of each layer's inner products: 1, or with scale "layers" 1 / (the layer's total variance).

    A constant layer gets 0: its `scatter` is within rounding of the sums of its squared means, `squares`, (layers,) each.
    """
    varies = scatter > ROUNDING**2 * squares
    if scale != "layers":
        return varies.astype(np.float64)
    variance = scatter / max(rows - 1, 1)
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=varies)


def centre(gram: Float64Array) -> None:
    """Centre a matrix of inner products in place: J G J with J = I − 11ᵀ/N."""
    means = gram.mean(axis=1)
    gram -= means[:, None]
    gram -= means
    gram += means.mean()


def leading(matrix: Float64Array, z: int, rounding: float = 0.0) -> tuple[Float64Array, Float64Array]:
    """Compute the eigenvectors (size, z) of the z largest eigenvalues (z,), in descending order; overwrites `matrix`.

    Values that rounding alone can explain are set to 0: that of float64, or `rounding` where `matrix` is known less well.
    """
    from scipy import linalg

    size = len(matrix)
    # The matrix is symmetric, so it is read in the order that needs no copy.
    own = matrix if matrix.flags.f_contiguous else matrix.T
    values, vectors = linalg.eigh(own, overwrite_a=True, check_finite=False, subset_by_index=(max(size - z, 0), size - 1))
    values, vectors = values[::-1].copy(), vectors[:, ::-1]
    values[values <= max(size * np.finfo(np.float64).eps * values[0], rounding, 0.0)] = 0.0
    return vectors, values


def signed(scores: Float64Array, n: int, towards_secondary: bool = True) -> Float64Array:
    """Apply the sign convention of `signs` to each column of the scores, (n + m, z)."""
    return scores * signs(scores, n, towards_secondary)


def signs(scores: Float64Array, n: int, towards_secondary: bool = True) -> Float64Array:
    """Choose each column's sign, 1 or -1 (z,), so that the secondary dataset's mean is above that of the primary's n rows.

    Where the means meet, or `towards_secondary` is False, the primary's first largest entry is made positive.
    """
    own = np.abs(scores[:n])
    # Of entries that only rounding tells apart the first counts, or two routes could choose opposite signs.
    first = (own >= (1 - _SIGN_TIE) * own.max(axis=0)).argmax(axis=0)
    chosen = scores[first, np.arange(scores.shape[1])]
    if towards_secondary:
        step = scores[n:].mean(axis=0) - scores[:n].mean(axis=0)
        chosen = np.where(np.abs(step) > _SIGN_TIE * np.abs(scores).max(axis=0), step, chosen)
    return np.where(chosen < 0, -1.0, 1.0)


def ratio(values: Float64Array, total: float) -> Float64Array:
    """Compute each eigenvalue's share of the total variance; 0 if there is no variance."""
    return values / total if total > 0 else np.zeros_like(values)


Blocks = Callable[[], Iterator[Float64Array]]
"""Yields (size, b) blocks, new at each call; the sum of their products with themselves is the matrix of the eigenproblem."""

_RANGE = 1e3
"""How far the largest eigenvalue may exceed rows × (typical squared distance) before its rounding costs others their digits."""
_TRUSTED = 1e-6
"""Eigenvalues from this share of the largest on are known to 9 digits."""
_LOST = 1e-3
"""Largest rounding of the largest score, in typical distances."""
_SAMPLE = 48
_COMPONENT_BYTES = 24 << 20


def typical_square(inner: Float64Array, n: int) -> float:
    """Compute the median squared distance among the first n rows and among the rest, by samples; infinity if all are equal."""
    squares = []
    for start, stop in ((0, n), (n, len(inner))):
        rows = _spread(start, stop)
        part = inner[np.ix_(rows, rows)]
        norms = part.diagonal()[:, None] + part.diagonal()
        # Rounding leaves this much where the rows are large and alike.
        apart = np.maximum(norms - 2 * part, np.finfo(np.float64).eps * norms)
        squares.append(apart[np.triu_indices(len(rows), 1)])
    return _median(squares)


def sampled_square(sets: Sequence[Rows], root: Float64Array) -> float:
    """Compute the median squared distance as `typical_square`, but by differences of sampled rows, times `root` (q,)."""
    some = [np.concatenate([rows.rows(row, row + 1) for row in _spread(0, rows.shape[0])]) for rows in sets]
    parts = [(rows.astype(np.float64) - some[0][0]) * root for rows in some]
    return _median([((part[place + 1 :] - row) ** 2).sum(axis=1) for part in parts for place, row in enumerate(part)])


def _spread(start: int, stop: int) -> list[int]:
    return [int(row) for row in np.unique(np.linspace(start, stop - 1, min(_SAMPLE, stop - start)).astype(int))]


def _median(squares: Sequence[Float64Array]) -> float:
    every = np.concatenate(squares)
    apart = every[every > 0]
    return float(np.median(apart)) if len(apart) else np.inf


def limit_of(square: float, rows: int) -> float:
    """Compute the largest eigenvalue whose rounding errors leave distances with a typical square of `square` precise."""
    return _RANGE * rows * square


def separated(
    blocks: Blocks, vectors: Float64Array, values: Float64Array, square: float, sets: Sequence[Rows]
) -> tuple[Float64Array, Float64Array]:
    """Recompute the leading eigenvectors (size, z) and eigenvalues (z,) by deflation if the largest swamps the others.

    Components that the first attempt knows well are subtracted from the rows, and the others are computed from what is left,
    until the largest hides none. `InputError` where its own rounding is as large as typical distances (root of `square`).
    """
    (size, z), limit, eps = vectors.shape, limit_of(square, sum(rows.shape[0] for rows in sets)), np.finfo(np.float64).eps
    if eps * math.sqrt(values[0]) > _LOST * math.sqrt(square):
        # Name the largest value, with its row, column and dataset.
        places = []
        for name, rows in zip(("primary", "secondary"), sets, strict=False):
            for row in range(rows.shape[0]):
                cells = rows.rows(row, row + 1)[0]
                column = int(np.abs(cells).argmax())
                place = f"{cells[column]:g} in row {row}, column {column} of the {name} dataset"
                places.append((abs(float(cells[column])), place))
        rule = "must differ by less than 1e13 times as much as rows usually do, or float64 loses the other rows' distances"
        raise InputError.of("features", rule, max(places)[1], "drop or mend that row")
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


def column_blocks(sets: Sequence[Rows], mean: Float64Array, root: Float64Array, block: int | None = None) -> Blocks:
    """Make a reader of all rows in column blocks, (rows, b) float64, minus `mean` (q,) and times `root` (q,)."""
    q, size = len(mean), sum(rows.shape[0] for rows in sets)
    step = block or gram_columns(max(1, _COMPONENT_BYTES // (8 * size)), size, 0, q, 1)

    def blocks() -> Iterator[Float64Array]:
        for at in spans(q, step):
            columns = [np.subtract(rows.columns(at.start, at.stop), mean[at], dtype=np.float64) for rows in sets]
            yield np.concatenate(columns) * root[at]

    return blocks


def row_blocks(sets: Sequence[Rows], mean: Float64Array, root: Float64Array) -> Blocks:
    """Make a reader of all rows in transposed row blocks, (q, b) float64, minus `mean` (q,) and times `root` (q,)."""
    q = len(mean)
    step = moment_rows(max(1, _COMPONENT_BYTES // (8 * q)), q)

    def blocks() -> Iterator[Float64Array]:
        for rows in sets:
            for at in spans(rows.shape[0], step):
                values = np.subtract(rows.rows(at.start, at.stop), mean, dtype=np.float64)
                yield (values * root).T

    return blocks


def scores_of(blocks: Blocks, vectors: Float64Array, values: Float64Array) -> Float64Array:
    """Compute scores (size, z) from the rows A and the eigenvectors U of their inner products: A Aᵀ U Λ^(−1/2).

    U Λ^(1/2) is the same, but an eigenvector known to 1e-16 leaves 1e-16 of the largest score in those of all rows.
    """
    scores = np.zeros_like(vectors)
    for block in blocks():
        scores += block @ (block.T @ vectors)
    root = np.sqrt(values)
    return scores * np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)


DOUBLE_BYTES = 64 << 20
_BLOCK_BYTES = 32 << 20
# Bytes of rows that are projected at a time: their float64 copy should stay in a core's own cache until it is multiplied.
_CACHE_BYTES = 2 << 20
# Columns whose products are summed in float32 before the sums are: few enough that rounding stays below the basis's own.
_SINGLE_COLUMNS = 1 << 13

_UPRIGHT = 1e-12
"""How far the inner products of axes may lie from 0 and 1."""


class Explained:
    """Provide the number of kept components and their share of the variance."""

    explained_variance_ratio: Float64Array

    @property
    def components(self) -> int:
        """Return z, the number of components kept."""
        return len(self.explained_variance_ratio)

    @property
    def explained_variance(self) -> float:
        """Return the share of the total variance that the kept components hold, at most 1."""
        return min(1.0, float(self.explained_variance_ratio.sum()))


@dataclass(frozen=True, eq=False)
class Basis(Explained):
    """Hold a fitted subspace that projects further rows: scores = (x − mean) · matrix (P_L of eq. 5).

    `matrix` (q, z) holds the principal axes times what each layer is scaled by: float64, or float32 beyond 64 MiB (z = 25: from
    q = 335,545 on), which moves scores by about 1e-6 of their spread.
    """

    mean: Float64Array
    matrix: FloatArray
    explained_variance_ratio: Float64Array

    def scores(self, x: ArrayLike | Rows, block: int | None = None) -> Float64Array:
        """Project rows (m, q) onto the subspace, (m, z) float64; `block` rows are read at a time."""
        rows = as_rows(x, "x")
        m, q = rows.shape
        if q != len(self.mean):
            raise InputError.of("x", f"must have {len(self.mean)} columns", rows.shape, "use the backbone of the basis")
        if self.matrix.dtype == np.float32:
            total = np.zeros((m, self.components))
            held = self.matrix.nbytes + self.mean.nbytes + 2 * total.nbytes
            step = at_a_time(_SINGLE_COLUMNS, m * (8 + 8 + 4), held, f"a subspace of {q:,} features")
            for at in spans(q, step):
                shifted = np.subtract(rows.columns(at.start, at.stop), self.mean[at], dtype=np.float64).astype(np.float32)
                total += shifted @ self.matrix[at]
            return total
        step = block or score_rows(max(1, _CACHE_BYTES // (8 * q)), m, q, self.components)
        scores, matrix = np.empty((m, self.components)), np.asfortranarray(self.matrix, np.float64)
        buffer = np.empty((min(step, m), q))
        for at in spans(m, step):
            values = buffer[: at.stop - at.start]
            np.subtract(rows.rows(at.start, at.stop), self.mean, out=values, dtype=np.float64)
            scores[at] = product(values, matrix)
        return scores

    def turned(self, signs: Float64Array) -> Basis:
        """Multiply each axis of the subspace by 1 or −1, (z,)."""
        return Basis(self.mean, self.matrix * signs.astype(self.matrix.dtype), self.explained_variance_ratio)


def by_covariance(fitted: Moments, layers: Sequence[int], scale: str, z: int, sets: Sequence[Rows]) -> Basis:
    """Fit the leading principal axes to moments of all rows of `sets`, read again where a few rows lie absurdly far away."""
    per_layer = np.add.reduceat(np.diag(fitted.scatter), np.cumsum((0, *layers[:-1])))
    floors = fitted.count * squares(fitted.mean, layers)
    weights = layer_weights(per_layer, floors, fitted.count, scale)
    column = np.sqrt(np.repeat(weights, layers))
    scatter = fitted.scatter.copy(order="F") if (weights == 1).all() else fitted.scatter * column[:, None] * column
    total = float(np.trace(scatter))
    rounding = ROUNDING_SINGLE * total / math.sqrt(len(scatter)) if fitted.single else 0.0
    vectors, values = leading(scatter, z, rounding)
    # Only then may the largest eigenvalue cost others their digits.
    spread = values[0] > _RANGE * values[-1]
    square = sampled_square(sets, column) if spread else math.inf
    if values[0] > limit_of(square, fitted.count):
        if fitted.single:
            exact = reduce(merge, [moments(rows, double=True) for rows in sets])
            return by_covariance(exact, layers, scale, z, sets)
        vectors, values = separated(row_blocks(sets, fitted.mean, column), vectors, values, square, sets)
    return Basis(fitted.mean, vectors * column[:, None] * (values > 0), ratio(values, total))


def by_gram(
    p: Rows, mean: Float64Array, weights: Float64Array, factors: Float64Array, shares: Float64Array, block: int | None = None
) -> Basis:
    """Compute principal axes W (p − mean)ᵀ U Λ^(−1/2) by column blocks, of `weights` W (q,) and `factors` U Λ^(−1/2)."""
    n, q = p.shape
    z = factors.shape[1]
    size = itemsize(q, z)
    step = block or subspace_columns(max(1, _BLOCK_BYTES // (8 * n)), n, q, z, size)
    # Column-major: a single row's product then streams through each axis.
    matrix = np.empty((q, z), dtype=np.float64 if size == 8 else np.float32, order="F")
    products = np.diag((shares == 0).astype(np.float64))
    for at in spans(q, step):
        axes = np.subtract(p.columns(at.start, at.stop), mean[at], dtype=np.float64).T @ factors
        products += axes.T @ (axes * weights[at, None])
        matrix[at] = axes * weights[at, None]
    if np.abs(products - np.eye(z)).max() > _UPRIGHT:
        # Eigenvectors of a row that lies absurdly far away lean axes towards it.
        matrix = np.asfortranarray(matrix @ np.linalg.inv(np.linalg.cholesky(products)).T, matrix.dtype)
    return Basis(mean, matrix, shares)


def itemsize(q: int, z: int) -> int:
    """Return the bytes per number of a (q, z) matrix: 8 (float64) up to 64 MiB, otherwise 4 (float32)."""
    return 8 if 8 * q * z <= DOUBLE_BYTES else 4


def squares(mean: Float64Array, layers: Sequence[int]) -> Float64Array:
    """Sum the squared column means of each layer."""
    return np.asarray(np.add.reduceat(mean**2, np.cumsum((0, *layers[:-1]))), dtype=np.float64)


def plateau(components: Sequence[int], distances: ArrayLike, share: float = 0.02) -> int | None:
    """Find the smallest number of components after which order and distances are stable, to less than `share`; else None.

    `distances` are (len(components), datasets) relative distances, positive. Those at z and at each larger number are compared:
    the datasets must be in the same order, and abs(d(z') / d(z) - 1) must be below `share` for every dataset and every z' > z.
    The largest number listed is no plateau, as nothing follows it. Raises `InputError` for numbers that do not ascend, shapes
    that disagree, or a distance or `share` that is not positive.

    Examples
    --------
    >>> plateau([5, 15, 25], [[0.30, 0.70], [0.40, 0.60], [0.402, 0.598]])
    15
    """
    values = np.asarray(distances, dtype=np.float64)
    if len(components) < 2 or any(b <= a for a, b in pairwise(components)):
        raise InputError.of("components", "must be two or more ascending numbers", list(components))
    if values.ndim != 2 or len(values) != len(components) or not (values > 0).all():
        raise InputError.of("distances", f"must be {len(components)} rows of positive numbers", values.shape)
    if not share > 0:
        raise InputError.of("share", "must be above 0", share)
    orders = np.argsort(values, axis=1, kind="stable")
    for place, number in enumerate(components[:-1]):
        after = values[place + 1 :]
        if (orders[place + 1 :] == orders[place]).all() and (np.abs(after / values[place] - 1) < share).all():
            return number
    return None
