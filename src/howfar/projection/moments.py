"""Count, mean and scatter of a dataset, in float64, mergeable: the pieces of the covariance route."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.protocols import Rows

_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, eq=False)
class Moments:
    """Count n, mean (q,) and scatter Σ (x − mean)(x − mean)ᵀ (q, q) of a dataset, float64."""

    count: int
    mean: Float64Array
    scatter: Float64Array


def moments(x: Rows, block: int | None = None) -> Moments:
    """Moments of the rows of `x`, each block centred on its own mean before it is multiplied.

    The usual shortcut, Gram / n − mean·meanᵀ, loses everything when the mean is large beside the spread; this does not.

    Parameters
    ----------
    x
        (n, q) features, read by row blocks.
    block
        Rows at a time; by default what fits in 32 MiB as float64. It changes nothing beyond rounding.

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> m = moments(as_rows([[1.0], [2.0], [6.0]], "x"))
    >>> m.count, m.mean.tolist(), m.scatter.tolist()
    (3, [3.0], [[14.0]])
    """
    n, q = x.shape
    step = block or max(1, _BLOCK_BYTES // (8 * q))
    total = _of_block(x.rows(0, min(step, n)))
    for start in range(step, n, step):
        total = merge(total, _of_block(x.rows(start, min(start + step, n))))
    return total


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two datasets taken together, from theirs alone.

    Source: Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).

    Examples
    --------
    >>> from howfar.arrays import as_rows
    >>> left, right = moments(as_rows([[1.0], [2.0]], "x")), moments(as_rows([[6.0]], "x"))
    >>> merge(left, right).scatter.tolist()
    [[14.0]]
    """
    count = a.count + b.count
    step = b.mean - a.mean
    scatter = a.scatter + b.scatter
    scatter += np.outer(step, step) * (a.count * b.count / count)
    return Moments(count, a.mean + step * (b.count / count), scatter)


def _of_block(block: np.ndarray) -> Moments:
    rows = block.astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    return Moments(len(rows), mean, rows.T @ rows)
