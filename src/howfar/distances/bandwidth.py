"""Find the median distance between the images of a dataset, the usual width of a Gaussian kernel, without holding all pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import as_features
from howfar.distances.pairwise import PAIRS_PER_TILE, distance_blocks
from howfar.errors import InputError

_PREFIX_BITS = 20
_COLLECT = 1 << 20


def median_distance(x: ArrayLike, pairs_per_tile: int = PAIRS_PER_TILE) -> float:
    """Find the median distance between different rows of `x`; of an even number of pairs, the lower of the middle two.

    Distances that are not negative sort as their 64-bit patterns do, so the median is found by counting leading bits, then
    further bits among the pairs that share them, until few enough are left to sort: memory stays bounded, the answer
    is that of sorting all pairs, and neither a sample nor a seed nor the order of the rows has a part in it.

    `x` is (n, z); at most `pairs_per_tile` distances (and at least one row) are held at once. Raises `InputError` for features
    that are not two-dimensional, not finite, or of one row only.
    """
    rows = as_features(x, "x")
    n = len(rows)
    if n < 2:
        raise InputError.of("x", "must hold at least two rows", n, "one row has no pairs")
    # Of the n² entries, the n smallest are those of the diagonal, and every pair stands twice.
    rank = n + 2 * ((n * (n - 1) // 2 - 1) // 2)
    prefix, shift, left = 0, 64, n * n
    while left > _COLLECT and shift > 0:
        finer = max(shift - _PREFIX_BITS, 0)
        counts = np.zeros(1 << (shift - finer), dtype=np.int64)
        for bits in _sharing(rows, prefix, shift, pairs_per_tile):
            counts += np.bincount((bits >> finer) - (prefix << (shift - finer)), minlength=len(counts))
        bucket = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
        rank -= int(counts[:bucket].sum())
        prefix, shift, left = (prefix << (shift - finer)) + bucket, finer, int(counts[bucket])
    if shift == 0:
        return float(np.int64(prefix).view(np.float64))
    candidates = np.concatenate(list(_sharing(rows, prefix, shift, pairs_per_tile)))
    return float(np.partition(candidates, rank)[rank].view(np.float64))


def _sharing(rows: ArrayLike, prefix: int, shift: int, pairs_per_tile: int) -> Iterator[NDArray[np.int64]]:
    """Yield the bit patterns of the distances whose bits above the lowest `shift` are `prefix`, tile by tile."""
    for _, _, d in distance_blocks(rows, rows, pairs_per_tile):
        bits = d.reshape(-1).view(np.int64)
        yield bits if shift == 64 else bits[bits >> shift == prefix]
