"""Map image contents to the shards and rows that hold their features, in memory and in a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from howfar.store.index_database import IndexDatabase
from howfar.store.index_file import digest_of, digests_of
from howfar.store.shards import Shard

Positions = dict[str, tuple[str, int]]
_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1
_NONE = -1


@dataclass(frozen=True, eq=False)
class RowPositions:
    """Hold the positions of a selection's rows: entry i is row ``row[i]`` of the shard ``ids[shard[i]]``.

    `digests`, (n, 2), are those of the contents where a database was asked, whose answer is compared with the shard's.
    """

    ids: tuple[str, ...]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    digests: NDArray[np.uint64] | None = None

    def digests_at(self, positions: NDArray[np.int64], entries: slice = slice(None)) -> NDArray[np.uint64] | None:
        """Return the digests at positions among entries; None if no database was asked."""
        return None if self.digests is None else self.digests[entries][positions]

    def by_shard(self, entries: slice = slice(None)) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield, for each shard among the entries, its id, the entries' positions, and their rows in ascending order."""
        shard, row = self.shard[entries], self.row[entries]
        if not len(shard):
            return
        order = np.lexsort((row, shard))
        for positions in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            yield self.ids[int(shard[positions[0]])], positions, row[positions]


@dataclass(frozen=True, eq=False)
class _Lookup:
    """Hold where contents are found, in a dict and in a database; replaced as a whole.

    `ids` are the sorted ids of the database's existing shards, `ranks` the position of each shard number among them, and `lost`
    the damaged rows, as rank << 32 | row.
    """

    young: Positions = field(default_factory=dict)
    database: IndexDatabase | None = None
    ids: tuple[str, ...] = ()
    ranks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lost: frozenset[int] = frozenset()

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find each digest's oldest place in the database, as shard rank << 32 | row; -1 if it has none."""
        oldest = np.full(len(digests), np.iinfo(np.int64).max)
        if self.database is not None and len(digests):
            position, number, row = self.database.find(digests).T
            rank = np.append(self.ranks, _NONE)[np.minimum(number, len(self.ranks))]
            place = (rank << _ROW_BITS) | row
            there = (rank >= 0) & ~np.isin(place, list(self.lost))
            np.minimum.at(oldest, position[there], place[there])
        return np.where(oldest == np.iinfo(np.int64).max, _NONE, oldest)

    def has(self, content: str) -> bool:
        """Return whether one content has a place, faster than `find` does."""
        if content in self.young or self.database is None:
            return content in self.young
        for number, row in self.database.find_one(digest_of(content)):
            rank = int(self.ranks[number]) if 0 < number < len(self.ranks) else _NONE
            if rank >= 0 and (rank << _ROW_BITS) | row not in self.lost:
                return True
        return False


class Index:
    """Map each content to the oldest shard that holds it, whatever the order in which shards were read.

    One thread at a time may change it; others may ask meanwhile. Methods raise as `howfar.store.index_database.IndexDatabase`
    does; `forget` then drops the database.
    """

    def __init__(self) -> None:
        self.shards: dict[str, Shard | None] = {}
        """Shards by id; None for one that is known only from the database."""
        self.young: dict[str, Shard] = {}
        """Shards that are in memory only."""
        self._lost: dict[str, frozenset[int]] = {}
        self.lookup = _Lookup()
        """Replaced whenever places of contents change, except by shards added in memory."""

    def __len__(self) -> int:
        lookup = self.lookup
        if lookup.database is None:
            return len(lookup.young)
        numbers = lookup.database.numbers
        absent = [number for number in numbers.values() if number >= len(lookup.ranks) or lookup.ranks[number] < 0]
        lost = [(numbers[shard_id], row) for shard_id in self._lost.keys() & numbers for row in self._lost[shard_id]]
        return lookup.database.count(absent, lost) + int((lookup.find(digests_of(list(lookup.young))) < 0).sum())

    def __contains__(self, content: object) -> bool:
        return isinstance(content, str) and self.lookup.has(content)

    @property
    def database(self) -> IndexDatabase | None:
        """Return the database that is asked for contents not in memory."""
        return self.lookup.database

    def insert(self, shards: Iterable[Shard]) -> None:
        """Add shards in memory."""
        for shard in shards:
            self.shards[shard.id] = self.young[shard.id] = shard
            _enter(self.lookup.young, shard, ())

    def adopt(self, database: IndexDatabase, ids: Iterable[str], held: Iterable[Shard] = ()) -> None:
        """Use a database's entries for some shards, and drop these entries from memory."""
        self.shards |= dict.fromkeys(ids) | {shard.id: shard for shard in held}
        self.young = {shard_id: shard for shard_id, shard in self.young.items() if shard_id not in database.numbers}
        self._build(database)

    def forget(self) -> None:
        """Drop the database and the shards that only it knows."""
        self.shards = dict(self.young)
        self._build(None)

    def drop(self, gone: Iterable[str]) -> None:
        """Remove shards; their contents are then found in other shards that hold them."""
        for shard_id in gone:
            del self.shards[shard_id]
            self.young.pop(shard_id, None)
            self._lost.pop(shard_id, None)
        self._build(self.database)

    def lose(self, shard_id: str, rows: Iterable[int]) -> None:
        """Remove rows of a shard; their contents are then found in other shards that hold them."""
        self._lost[shard_id] = self._lost.get(shard_id, frozenset()) | frozenset(rows)
        self._build(self.database)

    def _build(self, database: IndexDatabase | None) -> None:
        """Rebuild the lookup from the shards in memory and the existing shards of the database."""
        # Built beside the old one and assigned at once: `in` is asked by other threads meanwhile.
        young: Positions = {}
        for shard in self.young.values():
            _enter(young, shard, self._lost.get(shard.id, ()))
        if database is None:
            self.lookup = _Lookup(young)
            return
        ids = sorted(self.shards.keys() & database.numbers)
        ranks = np.full(max(database.numbers.values(), default=0) + 1, _NONE, np.int64)
        ranks[[database.numbers[shard_id] for shard_id in ids]] = np.arange(len(ids))
        lost = frozenset((k << _ROW_BITS) | row for k, shard_id in enumerate(ids) for row in self._lost.get(shard_id, ()))
        self.lookup = _Lookup(young, database, tuple(ids), ranks, lost)

    def holds(self, contents: Sequence[str]) -> NDArray[np.bool_]:
        """Return which contents are in a shard."""
        lookup = self.lookup
        young = np.fromiter((content in lookup.young for content in contents), bool, len(contents))
        return young if lookup.database is None else young | (lookup.find(digests_of(contents)) >= 0)

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of each content, in order; raise KeyError for a content in no shard."""
        positions = self._find(contents)
        if (positions.shard < 0).any():
            raise KeyError(contents[int(np.argmax(positions.shard < 0))])
        return positions

    def _find(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of each content, in order; the shard is -1 for a content in no shard."""
        lookup = self.lookup
        digests = None if lookup.database is None else digests_of(contents)
        place = np.full(len(contents), _NONE, np.int64) if digests is None else lookup.find(digests)
        shard, row = (place >> _ROW_BITS).tolist(), (place & _ROW).tolist()
        # In place of what the database says, what the dict has of a content, where that is older.
        ids, number = list(lookup.ids), dict[str, int]()
        for k, content in enumerate(contents) if lookup.young else ():
            young = lookup.young.get(content)
            if young is not None and (shard[k] < 0 or young < (ids[shard[k]], row[k])):
                number.setdefault(young[0], len(ids))
                if number[young[0]] == len(ids):
                    ids.append(young[0])
                shard[k], row[k] = number[young[0]], young[1]
        return RowPositions(tuple(ids), np.array(shard, np.int64), np.array(row, np.int64), digests)

    def idle(self) -> list[str]:
        """Return the shards, among those that this process has read, whose contents all lie in older shards."""
        used = set[str]()
        known = [shard for shard in self.shards.values() if shard is not None]
        for shard in known:
            found = self._find(shard.contents)
            used.update(found.ids[k] for k in set(found.shard.tolist()) if k >= 0)
        return sorted(shard.id for shard in known if shard.id not in used)


def _enter(positions: Positions, shard: Shard, lost: Collection[int]) -> None:
    for content, row in zip(shard.contents, np.asarray(shard.rows).tolist(), strict=True):
        oldest = positions.get(content)
        if (oldest is None or (shard.id, row) < oldest) and row not in lost:
            positions[content] = (shard.id, row)
