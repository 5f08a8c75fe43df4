"""Find the value of a given rank among far more values than memory holds, in one pass or a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from howfar.distances.scaling import Single

_BITS = 16
"""Bits of the number of a bin."""


def ranked_value(tiles: Callable[[], Iterator[Single]], rank: int, low: float, high: float, most: int) -> float | None:
    """Find the value that `rank` others precede in order, from 0; None where it does not lie from `low` to `high`.

    float32 numbers that are not negative sort as their bits do. Where more than `most` values lie between the two, they are
    counted in bins of equal width in these bits, and the next pass looks in the bin of the wanted value alone.

    Parameters
    ----------
    tiles
        Starts a pass over all values: float32 arrays, none of their numbers negative (−0 is) or NaN.
    rank
        How many values precede the wanted one.
    low, high
        Between which two it is expected, both included.
    most
        So many values are held, at most, beside a tile.

    Examples
    --------
    >>> ranked_value(lambda: iter([np.array([3.0, 1.0, 2.0], np.float32)]), 1, low=1.5, high=9.0, most=10)
    2.0
    """
    first, last = (int(np.float32(value).view(np.int32)) for value in (low, high))
    while first <= last:
        between = _Between(first, last, most)
        for values in tiles():
            between.add(values.reshape(-1).view(np.int32))
        place = rank - between.below
        if not 0 <= place < between.count:
            return None
        if between.counts is None:
            candidates = np.concatenate(between.held)
            candidates.partition(place)
            return float(candidates[place].view(np.float32))
        first, last = between.closer(place)
        if first == last:
            return float(np.int32(first).view(np.float32))
    return None


class _Between:
    """Hold the bits of the values between two, or count them by bins where they are too many to hold."""

    def __init__(self, first: int, last: int, most: int) -> None:
        self._first, self._last, self._most = first, last, most
        self._shift = max(0, (last - first).bit_length() - _BITS)
        self.below = self.count = 0
        self.held: list[NDArray[np.int32]] = []
        self.counts: NDArray[np.int64] | None = None

    def add(self, bits: NDArray[np.int32]) -> None:
        """Take a tile's values."""
        self.below += int(np.count_nonzero(bits < self._first))
        inside = bits[(bits >= self._first) & (bits <= self._last)]
        self.count += len(inside)
        self.held.append(inside)
        if self.count > self._most:
            if self.counts is None:
                self.counts = np.zeros(((self._last - self._first) >> self._shift) + 1, np.int64)
            for some in self.held:
                self.counts += np.bincount((some - self._first) >> self._shift, minlength=len(self.counts))
            self.held.clear()

    def closer(self, place: int) -> tuple[int, int]:
        """Find the bits between which the value lies that `place` of those counted precede."""
        assert self.counts is not None
        at = int(np.searchsorted(np.cumsum(self.counts), place, side="right"))
        first = self._first + (at << self._shift)
        return first, min(self._last, first + (1 << self._shift) - 1)
