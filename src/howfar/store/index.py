"""Map image contents to the shards and rows that hold their features, in memory."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howfar.store.shards import Shard


@dataclass(frozen=True, eq=False)
class RowPositions:
    """Hold the positions of a selection's rows: entry i is row ``row[i]`` of the shard ``ids[shard[i]]``."""

    ids: tuple[str, ...]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]

    def by_shard(self, entries: slice = slice(None)) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield each shard of some entries once: its id, their positions among these entries, and their rows, which rise."""
        shard, row = self.shard[entries], self.row[entries]
        if not len(shard):
            return
        order = np.lexsort((row, shard))
        for positions in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            yield self.ids[int(shard[positions[0]])], positions, row[positions]


class Index:
    """Map each content to the oldest shard that holds it.

    The choice among several shards depends only on their ids, never on the order in which they were read.

    Examples
    --------
    >>> index = Index()
    >>> sums = np.zeros(2, np.uint64)
    >>> index.insert([Shard("2", 1, ["cat"], [0], sums[:1]), Shard("1", 2, ["dog", "cat"], [0, 1], sums)])
    >>> index.position("cat"), len(index), "cow" in index
    (('1', 1), 2, False)
    >>> index.drop(["1"])
    >>> index.position("cat"), "dog" in index
    (('2', 0), False)
    """

    def __init__(self) -> None:
        self._shards: dict[str, Shard] = {}
        self._positions: dict[str, tuple[str, int]] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, content: object) -> bool:
        return content in self._positions

    @property
    def shards(self) -> Mapping[str, Shard]:
        """Return the shards by id."""
        return self._shards

    def insert(self, shards: Iterable[Shard]) -> None:
        """Add shards."""
        for shard in shards:
            self._shards[shard.id] = shard
            _enter(self._positions, shard)

    def drop(self, gone: Iterable[str]) -> None:
        """Remove shards; contents that lie in another one too are found there from now on."""
        for shard_id in gone:
            del self._shards[shard_id]
        self._build()

    def lose(self, shard_id: str, rows: Container[int]) -> None:
        """Remove rows of a shard; contents that lie in another one too are found there from now on."""
        self._shards[shard_id] = self._shards[shard_id].without(rows)
        self._build()

    def _build(self) -> None:
        # Built beside the old one and assigned at once: `in` is asked by other threads meanwhile.
        positions: dict[str, tuple[str, int]] = {}
        for shard in self._shards.values():
            _enter(positions, shard)
        self._positions = positions

    def position(self, content: str) -> tuple[str, int]:
        """Find shard and row of a content; KeyError where it is in no shard."""
        return self._positions[content]

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of many contents, in their order; KeyError where one is in no shard."""
        positions = [self._positions[content] for content in contents]
        ids = tuple(sorted({shard_id for shard_id, _ in positions}))
        number = {shard_id: k for k, shard_id in enumerate(ids)}
        shard = np.fromiter((number[shard_id] for shard_id, _ in positions), np.int64, len(positions))
        return RowPositions(ids, shard, np.fromiter((row for _, row in positions), np.int64, len(positions)))

    def idle(self) -> list[str]:
        """Return the shards from which nothing is read, since every content of theirs lies in an older one."""
        used = {shard_id for shard_id, _ in self._positions.values()}
        return sorted(set(self._shards) - used)


def _enter(positions: dict[str, tuple[str, int]], shard: Shard) -> None:
    for content, row in zip(shard.contents, shard.rows, strict=True):
        oldest = positions.get(content)
        if oldest is None or (shard.id, row) < oldest:
            positions[content] = (shard.id, row)
