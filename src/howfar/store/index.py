"""Map image contents to the shards and rows that hold their features, in memory and in sorted files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from howfar.store.content_digests import digest_of, digests_of
from howfar.store.shards import Shard
from howfar.store.sorted_run import GROWTH, NONE, ROW_BITS, SortedRun, joined, merged, numbered, run_of, split

YOUNG = 1 << 16
"""Entries that lie in a dict, which is as quick for one content as for many; what is more is sorted."""
Positions = dict[str, tuple[str, int]]


@dataclass(frozen=True, eq=False)
class RowPositions:
    """Hold the positions of a selection's rows: entry i is row ``row[i]`` of the shard ``ids[shard[i]]``.

    `digests` are those of the contents, (n, 2), where a sorted file was asked, whose word is to be compared with the shard's.
    """

    ids: tuple[str, ...]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    digests: NDArray[np.uint64] | None = None

    def digests_at(self, positions: NDArray[np.int64], entries: slice = slice(None)) -> NDArray[np.uint64] | None:
        """Return the digests at positions among some entries, where a sorted file was asked."""
        return None if self.digests is None else self.digests[entries][positions]

    def by_shard(self, entries: slice = slice(None)) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield each shard of some entries once: its id, their positions among these entries, and their rows, which rise."""
        shard, row = self.shard[entries], self.row[entries]
        if not len(shard):
            return
        order = np.lexsort((row, shard))
        for positions in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            yield self.ids[int(shard[positions[0]])], positions, row[positions]


@dataclass(frozen=True, eq=False)
class _Lookup:
    """Hold where contents are found: in a dict of young ones, and in sorted runs. It is replaced as a whole."""

    young: Positions
    runs: tuple[SortedRun, ...]

    @cached_property
    def numbered(self) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
        """Return the sorted ids of the runs' shards, and for each run the numbers of its own among them."""
        ids, _, numbers = numbered(self.runs)
        return ids, numbers

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find the oldest place of each digest in the runs, as number of the shard << 32 | row; -1 where it has none."""
        oldest = np.full(len(digests), NONE, np.int64)
        for run, number in zip(self.runs, self.numbered[1], strict=True):
            place = run.find(digests)
            shard, row = split(place)
            here = np.where(place < 0, NONE, (number[shard] << ROW_BITS) | row)
            oldest = np.where((oldest < 0) | ((here >= 0) & (here < oldest)), here, oldest)
        return oldest

    def holds(self, digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which digests have a place in the runs."""
        there = np.zeros(len(digests), bool)
        for run in self.runs:
            left = np.flatnonzero(~there)
            there[left] = run.find(digests[left]) >= 0
        return there


class Index:
    """Map each content to the oldest shard that holds it.

    The choice among several shards depends only on their ids, never on the order in which they were read. One thread at a time
    may change it; others may ask meanwhile. Whatever asks raises `howfar.store.sorted_run.RunDamagedError` where a sorted file
    turns out to be damaged, which `forget` then leaves out.

    Examples
    --------
    >>> index = Index()
    >>> sums = np.zeros(2, np.uint64)
    >>> index.insert([Shard("2", 1, ["cat"], [0], sums[:1]), Shard("1", 2, ["dog", "cat"], [0, 1], sums)])
    >>> index.locate(["cat"]).ids, len(index), "cow" in index
    (('1',), 2, False)
    >>> index.drop(["1"])
    >>> index.locate(["cat"]).ids, "dog" in index
    (('2',), False)
    """

    def __init__(self) -> None:
        self._shards: dict[str, Shard | None] = {}
        self._young: dict[str, Shard] = {}
        self._young_entries = 0
        self._lost: dict[str, frozenset[int]] = {}
        self._lookup = _Lookup({}, ())

    def __len__(self) -> int:
        lookup = self._lookup
        if not lookup.runs:
            return len(lookup.young)
        runs = [*lookup.runs, *self._young_run()]
        if len(runs) == 1:
            return runs[0].distinct
        return sum(int(block.starts().sum()) for block in merged(runs, numbered(runs)[2]))

    def __contains__(self, content: object) -> bool:
        lookup = self._lookup
        if content in lookup.young:
            return True
        if not lookup.runs or not isinstance(content, str):
            return False
        key, rest = digest_of(content)
        return any(run.has(key, rest) for run in lookup.runs)

    @property
    def ids(self) -> KeysView[str]:
        """Return the ids of the shards."""
        return self._shards.keys()

    @property
    def held(self) -> Mapping[str, Shard | None]:
        """Return the shards by id; None in place of those that are known by a sorted file, and were not read."""
        return self._shards

    @property
    def files(self) -> tuple[SortedRun, ...]:
        """Return the sorted files that are in use."""
        return tuple(run for run in self._lookup.runs if run.name)

    @property
    def in_memory(self) -> tuple[SortedRun, ...]:
        """Return what is sorted in memory."""
        return tuple(run for run in self._lookup.runs if not run.name)

    @property
    def unsaved(self) -> int:
        """Return how many entries are in memory, and in no sorted file."""
        return self._young_entries + sum(run.count for run in self.in_memory)

    def insert(self, shards: Iterable[Shard]) -> None:
        """Add shards."""
        new = {shard.id: shard for shard in shards}
        self._shards.update(new)
        self._young.update(new)
        self._young_entries += sum(len(shard.rows) for shard in new.values())
        if self._young_entries > YOUNG:
            self.settle()
            return
        for shard in new.values():
            _enter(self._lookup.young, shard, ())

    def settle(self) -> None:
        """Sort what lies in the dict."""
        new = self._young_run()
        files = list(self.files)
        sorted_ones = list(self.in_memory)
        for run in new:
            parts = [run]
            while sorted_ones and sorted_ones[-1].count < GROWTH * sum(part.count for part in parts):
                parts.append(sorted_ones.pop())
            sorted_ones.append(joined(parts) if len(parts) > 1 else run)
        self._young, self._young_entries = {}, 0
        self._lookup = _Lookup({}, (*files, *sorted_ones))

    def adopt(self, file: SortedRun, ids: Collection[str]) -> None:
        """Take from a sorted file what it says of the shards of some ids, whose entries need not be in memory any more."""
        covered = set(ids)
        self._shards.update(dict.fromkeys(covered))
        self._young = {shard_id: shard for shard_id, shard in self._young.items() if shard_id not in covered}
        left = self._shards.keys() - covered
        rest = []
        for run in self._lookup.runs:
            if not run.name and covered.intersection(run.ids):
                run = joined([run.among(left, self._lost)])
            if run.name or run.count:
                rest.append(run)
        self._build([*rest, file])

    def forget(self, name: str) -> None:
        """Leave out a sorted file, and the shards that nothing else tells of."""
        left = [run for run in self._lookup.runs if run.name != name]
        known = set(self._young).union(*(run.ids for run in left))
        self._shards = {shard_id: shard for shard_id, shard in self._shards.items() if shard_id in known}
        self._build(left)

    def drop(self, gone: Iterable[str]) -> None:
        """Remove shards; contents that lie in another one too are found there from now on."""
        for shard_id in gone:
            del self._shards[shard_id]
            self._young.pop(shard_id, None)
            self._lost.pop(shard_id, None)
        self._build(self._lookup.runs)

    def lose(self, shard_id: str, rows: Iterable[int]) -> None:
        """Remove rows of a shard; contents that lie in another one too are found there from now on."""
        self._lost[shard_id] = self._lost.get(shard_id, frozenset()) | frozenset(rows)
        self._build(self._lookup.runs)

    def _build(self, runs: Iterable[SortedRun]) -> None:
        """Enter the young shards anew, and let of some runs count what is there."""
        # Built beside the old one and assigned at once: `in` is asked by other threads meanwhile.
        young: Positions = {}
        for shard in self._young.values():
            _enter(young, shard, self._lost.get(shard.id, ()))
        self._young_entries = sum(len(shard.rows) for shard in self._young.values())
        masked = [run.among(self._shards.keys(), self._lost) for run in runs]
        self._lookup = _Lookup(young, tuple(run for run in masked if run.present.any()))

    def _young_run(self) -> list[SortedRun]:
        """Sort the young entries; none where there are none."""
        shards = [self._young[shard_id] for shard_id in sorted(self._young)]
        if not shards:
            return []
        run = run_of(
            [shard.id for shard in shards],
            [shard.count for shard in shards],
            [digests_of(shard.contents) for shard in shards],
            [np.asarray(shard.rows, np.int64) for shard in shards],
        )
        return [run.among(self._shards.keys(), self._lost)]

    def holds(self, contents: Sequence[str]) -> NDArray[np.bool_]:
        """Return which of many contents are in a shard."""
        lookup = self._lookup
        young = np.fromiter((content in lookup.young for content in contents), bool, len(contents))
        return young | lookup.holds(digests_of(contents)) if lookup.runs else young

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of many contents, in their order; KeyError where one is in no shard."""
        lookup = self._lookup
        if not lookup.runs:
            positions = [lookup.young[content] for content in contents]
            ids = sorted({shard_id for shard_id, _ in positions})
            number = {shard_id: k for k, shard_id in enumerate(ids)}
            shard = np.fromiter((number[shard_id] for shard_id, _ in positions), np.int64, len(positions))
            return RowPositions(tuple(ids), shard, np.fromiter((row for _, row in positions), np.int64, len(positions)))
        digests = digests_of(contents)
        shard, row = split(lookup.find(digests))
        ids = list(lookup.numbered[0])
        _prefer_young(lookup, contents, ids, shard, row)
        if (shard < 0).any():
            raise KeyError(contents[int(np.argmax(shard < 0))])
        used, shard = np.unique(shard, return_inverse=True)
        names = tuple(ids[k] for k in used.tolist())
        return RowPositions(names, shard.astype(np.int64), row, digests if self.files else None)

    def idle(self) -> list[str]:
        """Return the shards from which nothing is read, since every content of theirs lies in an older one.

        Where there are sorted files, only shards are looked at that are in none of them yet.
        """
        if not self._lookup.runs:
            used = {shard_id for shard_id, _ in self._lookup.young.values()}
            return sorted(set(self._shards) - used)
        self.settle()
        asked = [shard for shard in self._shards.values() if shard is not None]
        digests = np.concatenate([digests_of([]), *(digests_of(shard.contents) for shard in asked)])
        numbers = np.unique(split(self._lookup.find(digests))[0])
        used = {self._lookup.numbered[0][number] for number in numbers.tolist() if number >= 0}
        return sorted(shard.id for shard in asked if shard.id not in used)


def _prefer_young(
    lookup: _Lookup, contents: Sequence[str], ids: list[str], shard: NDArray[np.int64], row: NDArray[np.int64]
) -> None:
    """Put the position that the dict has of a content in place of that which the runs have, where it is older."""
    number: dict[str, int] = {}
    for k, content in enumerate(contents) if lookup.young else ():
        place = lookup.young.get(content)
        if place is not None and (shard[k] < 0 or place < (ids[shard[k]], row[k])):
            if place[0] not in number:
                number[place[0]] = len(ids)
                ids.append(place[0])
            shard[k], row[k] = number[place[0]], place[1]


def _enter(positions: Positions, shard: Shard, lost: Collection[int]) -> None:
    for content, row in zip(shard.contents, np.asarray(shard.rows).tolist(), strict=True):
        oldest = positions.get(content)
        if (oldest is None or (shard.id, row) < oldest) and row not in lost:
            positions[content] = (shard.id, row)
