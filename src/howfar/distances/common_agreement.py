"""Tell how far the agreement of two hashes goes beyond what the images of their datasets have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError

PRIOR = 8
"""So many images without anything in common count beside those that there are, in their mean."""
PRIOR_PAIRS = 100
"""So many pairs of unrelated hashes count beside those that there are, in their spread."""
_BLOCK = 4096


class CommonAgreement:
    """Know what the images of two datasets have in common, and how far pairs of them agree beyond it.

    Photographs that are framed alike, as eyes and scans are, agree in far more than half of the bits of their hashes, and are
    no copies. So a pair is judged by the correlation of its two hashes about the mean hash of both datasets, in units of that
    correlation's root mean square over all pairs but the best matches, since these may be copies.

    Parameters
    ----------
    a, b
        (m, B) and (n, B) signs, +1 or −1.
    best
        (m,) the row of `b` that is the best match of each row of `a`, −1 where there is none.
    same
        Whether `b` is `a`, whose rows are not set against themselves.

    Raises
    ------
    InputError
        `best` is not one row of `b` for each row of `a`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = rng.choice(np.float32([-1, 1]), 256)
    >>> eyes = np.where(rng.random((40, 256)) < 0.8, frame, -frame)
    >>> p, s = eyes[:20], np.concatenate([eyes[20:], eyes[:1]])
    >>> found = CommonAgreement(s, p, best=np.zeros(21, np.intp))
    >>> found.beyond(np.array([0, 20]), np.array([0, 0])).round(1).tolist()
    [0.8, 15.8]
    """

    def __init__(self, a: NDArray[np.float32], b: NDArray[np.float32], best: NDArray[np.intp], same: bool = False) -> None:
        if best.shape != (len(a),) or (len(best) and best.max() >= len(b)):
            raise InputError.of("best", f"must be one of {len(b)} rows for each of {len(a)}", best.shape)
        self._a, self._b = a, b
        together = a.sum(axis=0) if same else a.sum(axis=0) + b.sum(axis=0)
        self._mean = (together / (len(a) + (0 if same else len(b)) + PRIOR)).astype(np.float32)
        matched = np.flatnonzero(best >= 0)
        own, counted = (len(a), 2) if same else (0, 1)  # of one dataset each pair stands twice
        scatter = self._scatter(a)
        squares = float(np.vdot(scatter, scatter if same else self._scatter(b))) - own
        squares -= counted * float(np.square(self._correlation(matched, best[matched])).sum())
        pairs = len(a) * len(b) - own - counted * len(matched)
        typical = (max(squares, 0.0) + PRIOR_PAIRS / a.shape[1]) / (max(pairs, 0) + PRIOR_PAIRS)
        self.spread = float(np.sqrt(typical))

    def beyond(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> Float64Array:
        """Compute how many times the spread the rows of `a` and of `b` agree, pair by pair."""
        return self._correlation(rows, others) / self.spread

    def _correlation(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> Float64Array:
        found = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            x, y = self._about_mean(self._a[rows[block]]), self._about_mean(self._b[others[block]])
            found[block] = np.einsum("ij,ij->i", x, y)
        return found

    def _scatter(self, signs: NDArray[np.float32]) -> Float64Array:
        """Sum the products of bits over all rows, (B, B): of two datasets' these give the sum of all squared correlations."""
        total = np.zeros((signs.shape[1], signs.shape[1]))
        for start in range(0, len(signs), _BLOCK):
            x = self._about_mean(signs[start : start + _BLOCK])
            total += x.T @ x
        return total

    def _about_mean(self, signs: NDArray[np.float32]) -> NDArray[np.float32]:
        x = signs - self._mean
        length = np.linalg.norm(x, axis=1, keepdims=True)
        return np.asarray(np.divide(x, length, out=x, where=length > 0), np.float32)
