"""Find for each image the image whose perceptual hash has the most equal bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError

PAIRS_PER_TILE = 1 << 22
SPREADS = 3.4
"""Images that agree in more than median + SPREADS × (median − tenth percentile) of all pairs count as copies.

benchmarks/near_duplicates.py chose it on photographs of eyes, which are framed alike.
"""
FEWEST = 30
"""With fewer pairs nothing is known of how far images usually agree."""
_SAMPLED = 512


class Match(NamedTuple):
    """Hold each hash's best match (row, or −1 without a match) and the share of equal bits."""

    rows: NDArray[np.intp]
    agreement: Float64Array


def best_match(a: ArrayLike, b: ArrayLike, *, earlier: bool = False, pairs_per_tile: int = PAIRS_PER_TILE) -> Match:
    """Find for each hash of `a`, (m, B), the hash of `b`, (n, B), with the most equal bits; ties go to the first.

    Hashes are signs ±1, so the share of equal bits is (1 + a·b / B) / 2, on average 0.5 for unrelated hashes. `earlier`
    searches a dataset for copies of its own images: only rows of `b` before the row of `a` count.
    """
    left, right = _pair(a, b)
    rows, best = np.full(len(left), -1, np.intp), np.full(len(left), -np.inf, np.float32)
    height = max(1, min(len(left), pairs_per_tile // max(1, min(len(right), 4096))))
    for top in range(0, len(left), height):
        block = slice(top, top + height)
        for start in range(0, len(right), 4096):
            products = left[block] @ right[start : start + 4096].T
            if earlier:
                later = np.arange(start, start + products.shape[1]) >= np.arange(top, top + len(products))[:, None]
                products[later] = -np.inf
            nearest = products.argmax(axis=1)
            value = products[np.arange(len(products)), nearest]
            better = value > best[block]
            best[block] = np.where(better, value, best[block])
            rows[block] = np.where(better, nearest + start, rows[block])
    agreement = np.where(rows >= 0, (1.0 + best.astype(np.float64) / left.shape[1]) / 2.0, 0.0)
    return Match(rows, agreement)


def agreement(a: ArrayLike, b: ArrayLike) -> Float64Array:
    """Compute the share of equal bits between matching rows of two arrays of hashes."""
    left, right = _signs(a, "a"), _signs(b, "b")
    if left.shape != right.shape:
        raise InputError.of("b", f"must have the shape of a, {left.shape}", right.shape)
    shares: Float64Array = (left == right).mean(axis=1, dtype=np.float64)
    return shares


def usual_agreement(
    a: ArrayLike, b: ArrayLike, flipped: ArrayLike | None = None, *, same: bool = False, spreads: float = SPREADS
) -> float:
    """Estimate the highest hash agreement of images that are no copies: median + 3.4 (median − tenth percentile); 0 if unknown.

    Copies move both numbers little while they are few: a tenth of copies raises the limit of unrelated hashes from 0.63 to
    0.65, half to 0.85. The best match of each row, which may be a copy, is left out. `flipped` are hashes of the mirrored
    images of `a`.
    """
    left, right = _pair(a, b)
    rows, columns = _sampled(left), _sampled(right)
    shares = _shares(left[rows], right[columns])
    if flipped is not None:
        turned = _signs(flipped, "flipped")
        if turned.shape != left.shape:
            raise InputError.of("flipped", f"must have the shape of a, {left.shape}", turned.shape)
        shares = np.maximum(shares, _shares(turned[rows], right[columns]))
    if same:
        np.fill_diagonal(shares, -1.0)
    shares[np.arange(len(shares)), shares.argmax(axis=1)] = -1.0
    pairs = shares[shares >= 0]
    if len(pairs) < FEWEST:
        return 0.0
    low, middle = np.quantile(pairs, (0.1, 0.5))
    return float(middle + spreads * (middle - low))


def _shares(a: NDArray[np.float32], b: NDArray[np.float32]) -> Float64Array:
    """Compute the share of equal bits of each row of `a` with each of `b`."""
    return np.asarray((1.0 + (a @ b.T).astype(np.float64) / a.shape[1]) / 2.0)


def _sampled(signs: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return positions of evenly spaced distinct rows; of equal rows the first is kept."""
    every = np.arange(0, len(signs), max(1, -(-len(signs) // _SAMPLED)))
    return every[np.unique(signs[every], axis=0, return_index=True)[1]]


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Validate two arrays of hashes with the same number of bits."""
    left, right = _signs(a, "a"), _signs(b, "b")
    if left.shape[1] != right.shape[1]:
        raise InputError.of("b", f"must have as many bits as a, {left.shape[1]}", right.shape[1])
    return left, right


def _signs(values: ArrayLike, name: str) -> NDArray[np.float32]:
    signs = np.asarray(values, dtype=np.float32)
    if signs.ndim != 2 or not signs.shape[1] or not (np.abs(signs) == 1).all():
        raise InputError.of(name, "must be rows of signs, +1 or -1", f"an array of shape {signs.shape}")
    return signs
