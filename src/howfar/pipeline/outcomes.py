"""Hold what became of the images of a dataset while they are embedded: 17 bytes an image and why some could not be."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Final

import numpy as np

from howfar.data.item import Item
from howfar.data.item_table import ItemTable, PathTexts
from howfar.data.text_column import Column, HashColumn, TextColumn
from howfar.pipeline.embedding_batch import Batch, Outcome

_REUSED: Final = 1
_ELSEWHERE: Final = 2
_FAILED: Final = 4


class Batches(Sequence[Batch]):
    """Cut the listings of datasets into batches, each made when it is asked for; none holds images of two datasets.

    Examples
    --------
    >>> from howfar.data import Item
    >>> [len(batch.items) for batch in Batches([[Item(f"{k}.png", f"{k}.png") for k in range(5)]], 2)]
    [2, 2, 1]
    """

    def __init__(self, listings: Sequence[Sequence[Item]], size: int) -> None:
        self._listings, self._size = listings, size

    def __len__(self) -> int:
        return sum(map(self._count, self._listings))

    def __getitem__(self, number: int) -> Batch:  # type: ignore[override]  # nobody asks for several at a time
        number = range(len(self))[number]
        for dataset, items in enumerate(self._listings):
            if number < self._count(items):
                return Batch(dataset, tuple(items[number * self._size : (number + 1) * self._size]))
            number -= self._count(items)
        raise IndexError(number)

    def datasets(self) -> Iterator[int]:
        """Yield of each batch the position of its dataset."""
        for dataset, items in enumerate(self._listings):
            yield from repeat(dataset, self._count(items))

    def _count(self, items: Sequence[Item]) -> int:
        return -(-len(items) // self._size)


class Outcomes(Column[Outcome]):
    """Hold the outcomes of the first of a dataset's images, in their order, until those of all are there."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self._items = ItemTable.of(items)
        self._contents, self._flags = HashColumn(), bytearray()
        self._reasons: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._flags)

    def value(self, position: int) -> Outcome:
        """Return the outcome of the image at a position."""
        reason, flags = self._reasons.get(position, ""), self._flags[position]
        content = "" if reason else self._contents[position]
        return Outcome(self._items[position], content, reason, bool(flags & _REUSED), bool(flags & _ELSEWHERE))

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of the next images."""
        for outcome in outcomes:
            self._contents.append("")
            self._flags.append(0)
            self.settle(len(self._flags) - 1, outcome)

    def settle(self, position: int, outcome: Outcome) -> None:
        """Note an image's outcome in place of what was noted before."""
        self._contents.replace(position, outcome.content)
        flags = _REUSED * outcome.reused | _ELSEWHERE * outcome.elsewhere | _FAILED * bool(outcome.reason)
        self._flags[position] = flags
        self._reasons.pop(position, None)
        if outcome.reason:
            self._reasons[position] = outcome.reason

    def reused(self, start: int, stop: int) -> set[str]:
        """Return the contents of some images whose features the stores had before."""
        return {self._contents[position] for position in self._at(_REUSED, start, stop)}

    def lose(self, contents: set[str]) -> None:
        """Count as in another process's hands the images of these contents, whose features turned out to be damaged."""
        for position in self._at(_REUSED):
            if self._contents[position] in contents:
                self._flags[position] = _ELSEWHERE

    def elsewhere(self) -> list[int]:
        """Return the positions of the images that are in another process's hands."""
        return self._at(_ELSEWHERE)

    def failed(self) -> Iterator[tuple[Item, str]]:
        """Yield the images that have no features, each with the reason."""
        for position in self._at(_FAILED):
            yield self._items[position], self._reasons[position]

    def columns(self) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
        """Return names, paths and contents of the images that have features."""
        if not self._reasons:
            return self._items.names, PathTexts(self._items), self._contents
        rows = array("q", np.flatnonzero((np.array(memoryview(self._flags)) & _FAILED) == 0).astype(np.int64).tobytes())
        names = TextColumn(self._items.names[row] for row in rows)
        return names, PathTexts(self._items, rows), HashColumn(self._contents[row] for row in rows)

    def _at(self, flag: int, start: int = 0, stop: int | None = None) -> list[int]:
        flags = np.array(memoryview(self._flags)[start:stop])
        return (start + np.flatnonzero(flags & flag)).tolist()
