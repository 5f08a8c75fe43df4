"""Map contents to shards and rows, in memory: the union of the shards' indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


class Index:
    """Map each content to the oldest shard that holds it.

    The choice among several shards depends only on their ids, never on the order in which they were read.

    Examples
    --------
    >>> index = Index()
    >>> index.insert([Shard("2", 1, ["cat"], [0]), Shard("1", 2, ["dog", "cat"], [0, 1])])
    >>> index.place("cat"), len(index), "cow" in index
    (('1', 1), 2, False)
    >>> index.drop(["1"])
    >>> index.place("cat"), "dog" in index
    (('2', 0), False)
    """

    def __init__(self) -> None:
        self._shards: dict[str, Shard] = {}
        self._places: dict[str, tuple[str, int]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, content: object) -> bool:
        return content in self._places

    @property
    def shards(self) -> Mapping[str, Shard]:
        """Return the shards by id."""
        return self._shards

    def insert(self, shards: Iterable[Shard]) -> None:
        """Add shards."""
        for shard in shards:
            self._shards[shard.id] = shard
            _enter(self._places, shard)

    def drop(self, gone: Iterable[str]) -> None:
        """Remove shards; contents that lie in another one too are found there from now on."""
        for shard_id in gone:
            del self._shards[shard_id]
        # Built beside the old one and put in its place at once: `in` is asked by other threads meanwhile.
        places: dict[str, tuple[str, int]] = {}
        for shard in self._shards.values():
            _enter(places, shard)
        self._places = places

    def place(self, content: str) -> tuple[str, int]:
        """Find shard and row of a content; KeyError where it is in no shard."""
        return self._places[content]

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of many contents, in their order; KeyError where one is in no shard."""
        found = [self._places[content] for content in contents]
        ids = tuple(sorted({shard_id for shard_id, _ in found}))
        number = {shard_id: k for k, shard_id in enumerate(ids)}
        shard = np.fromiter((number[shard_id] for shard_id, _ in found), np.int64, len(found))
        return RowPositions(ids, shard, np.fromiter((row for _, row in found), np.int64, len(found)))

    def idle(self) -> list[str]:
        """Return the shards from which nothing is read, since every content of theirs lies in an older one."""
        used = {shard_id for shard_id, _ in self._places.values()}
        return sorted(set(self._shards) - used)


def _enter(places: dict[str, tuple[str, int]], shard: Shard) -> None:
    for content, row in zip(shard.contents, shard.rows, strict=True):
        known = places.get(content)
        if known is None or (shard.id, row) < known:
            places[content] = (shard.id, row)
