"""Read the rows of several datasets as one matrix, without copying them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.protocols import Rows


class Stacked:
    """Read the rows of several sets one set after another."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape: tuple[int, int] = (int(self._starts[-1]), parts[0].shape[1])

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return rows `start` to `stop`, from whichever sets hold them."""
        pieces = [
            part.rows(max(start - first, 0), min(stop - first, part.shape[0]))
            for part, first in zip(self._parts, self._starts[:-1], strict=True)
            if first < stop and first + part.shape[0] > start
        ]
        return np.concatenate(pieces)

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return columns `start` to `stop` of every row of every set."""
        return np.concatenate([part.columns(start, stop) for part in self._parts])
