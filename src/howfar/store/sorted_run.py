"""Find contents among the entries of many shards, which lie sorted in pages of 4 KiB, in memory or in a mapped file.

A run is a sorted part of the index, as in a log-structured merge tree. An entry is 24 bytes: the 16 of the content's digest
(`howfar.store.content_digests`), by which entries are sorted, and where its row lies. The first 8 of a digest say in which page
to look, so that one page is read for a content; the other 8 are compared, so that contents which share the first are told
apart. Every shard's entries are here, also where an older shard holds the content too; which one counts is decided when it is
asked for, among the shards that are there by then.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

PAGE_BYTES: Final = 4096
SLOTS: Final = 170
"""Entries of a page."""
PAGE: Final = np.dtype([("sum", "u8"), ("spare", "u8"), *((name, "u8", (SLOTS,)) for name in ("key", "rest", "place"))])
"""A page: its checksum, and its entries in columns."""
_NUMBERS: Final = PAGE_BYTES // 8
ROW_BITS: Final = 32
_ROW: Final = (1 << ROW_BITS) - 1
NONE: Final = -1
ASKED: Final = 1 << 15
"""Contents that are looked for at a time: in a file about as many pages, 128 MiB, are in memory then."""
BLOCK: Final = 1 << 20
"""About as many entries are merged at a time."""
GROWTH: Final = 4
"""Times as many entries a run has at least as all smaller ones together, once they are merged: so runs stay few."""


class RunDamagedError(Exception):
    """Report a sorted file that does not match its checksums; it says the file's name."""


class EntryColumns(NamedTuple):
    """Hold entries in columns: both halves of the digest, and the place, number of the shard << 32 | row."""

    key: NDArray[np.uint64]
    rest: NDArray[np.uint64]
    place: NDArray[np.int64]

    def sort(self) -> EntryColumns:
        """Return the entries sorted by digest, then by place."""
        order = np.argsort(self.key)
        key = self.key[order]
        same = key[1:] == key[:-1]
        if same.any():
            # Few, unless shards hold the same contents: those that share the first half of the digest are sorted by the rest.
            among = np.concatenate([same, [False]]) | np.concatenate([[False], same])
            tied = order[among]
            order[among] = tied[np.lexsort((self.place[tied], self.rest[tied], self.key[tied]))]
        return EntryColumns(key, self.rest[order], self.place[order])

    def cut(self, start: int, stop: int | None = None) -> EntryColumns:
        """Return the entries from `start` to `stop`."""
        return EntryColumns(self.key[start:stop], self.rest[start:stop], self.place[start:stop])

    def starts(self) -> NDArray[np.bool_]:
        """Return whether each of some sorted entries is the first one of its content."""
        return _changes(self.key, self.rest)

    def once(self) -> EntryColumns:
        """Return sorted entries without those that stand there twice, as two files may tell of one shard."""
        new = _changes(self.key, self.rest, self.place)
        return self if new.all() else EntryColumns(self.key[new], self.rest[new], self.place[new])


def _changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where one of some columns differs from the entry before."""
    changes = np.ones(len(columns[0]), bool)
    changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changes


@dataclass(frozen=True, eq=False)
class SortedRun:
    """Hold the sorted entries of some shards.

    `pages` are of `PAGE`, all full but the last, where keys beyond the `count` entries are the highest; `first` has the first
    key of each page. `ids` are the shards' sorted ids and `rows` how many each has. `present` says which shards are there, and
    `lost` holds the places of rows that are damaged, sorted. Of a file, `name` is its name, `map` its memory map, and `sound`
    says which pages were found to match their checksums, of which `seed` is the seed, and `contents` counts the contents where
    all shards are there.

    Examples
    --------
    >>> digests = np.array([[7, 1], [7, 2], [5, 1]], np.uint64)
    >>> run = run_of(["a", "b"], [3, 1], [digests, digests[:1]], [np.arange(3), np.arange(1)])
    >>> run.find(np.array([[7, 1], [7, 2], [7, 3]], np.uint64)).tolist(), run.distinct
    ([0, 1, -1], 3)
    >>> run.among({"b"}, {}).find(digests).tolist() == [1 << ROW_BITS, -1, -1]
    True
    """

    pages: NDArray[np.void]
    first: NDArray[np.uint64]
    count: int
    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    present: NDArray[np.bool_]
    lost: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    name: str = ""
    contents: int = NONE
    map: mmap.mmap | None = None
    sound: NDArray[np.bool_] | None = None
    seed: int = 0

    def among(self, present: Collection[str], lost: Mapping[str, Collection[int]]) -> SortedRun:
        """Return the same entries, of which those count that lie in shards that are present, and not in rows that are lost."""
        there = np.fromiter((shard_id in present for shard_id in self.ids), bool, len(self.ids))
        places = [(k << ROW_BITS) | row for k, shard_id in enumerate(self.ids) if shard_id in lost for row in lost[shard_id]]
        return replace(self, present=there, lost=np.array(sorted(places), np.int64))

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find the oldest place of each of some digests; -1 where it has none. Raises `RunDamagedError`."""
        found = np.full(len(digests), NONE, np.int64)
        # Sorted, as neighbours lie on the same pages.
        order = np.argsort(digests[:, 0]) if len(digests) > 1 else np.arange(len(digests))
        for start in range(0, len(order), ASKED):
            part = order[start : start + ASKED]
            found[part] = self._find(digests[part, 0], digests[part, 1])
            if self.map is not None and len(part) == ASKED and hasattr(mmap, "MADV_DONTNEED"):
                # They stay in the system's cache, and may be read again.
                self.map.madvise(mmap.MADV_DONTNEED)
        return found

    def has(self, key: int, rest: int) -> bool:
        """Return whether a digest has a place, quicker than `find` does for one alone. Raises `RunDamagedError`."""
        numbers = self._numbers
        page = max(bisect_left(self._firsts, key) - 1, 0)
        while page < len(self.pages):
            if self.sound is not None and not self.sound[page]:
                self._check(np.array([page]))
            begin = page * _NUMBERS + 2
            end = begin + min(SLOTS, self.count - page * SLOTS)
            for at in range(bisect_left(numbers, key, begin, end), end):
                if numbers[at] != key:
                    return False
                place = numbers[at + 2 * SLOTS]
                if numbers[at + SLOTS] == rest and self.present[place >> ROW_BITS] and place not in self.lost:
                    return True
            page += 1
        return False

    @cached_property
    def _numbers(self) -> memoryview:
        return self.pages.view(np.uint8).reshape(-1).data.cast("B").cast("Q")

    @cached_property
    def _firsts(self) -> memoryview:
        return self.first.view(np.uint8).data.cast("B").cast("Q")

    def _find(self, key: NDArray[np.uint64], rest: NDArray[np.uint64]) -> NDArray[np.int64]:
        found = np.full(len(key), NONE, np.int64)
        slot = self.slots(key)
        sought = np.flatnonzero(slot < self.count)
        # Once for nearly all; again for those that share the first half of a digest, or whose shard is not there any more.
        while len(sought):
            page, at = np.divmod(slot[sought], SLOTS)
            self._check(page)
            same = self.pages["key"][page, at] == key[sought]
            sought, page, at = sought[same], page[same], at[same]
            place = self.pages["place"][page, at].astype(np.int64)
            here = self.pages["rest"][page, at]
            hit = (here == rest[sought]) & self._counts(place)
            found[sought[hit]] = place[hit]
            sought = sought[~hit & (here <= rest[sought])]
            slot[sought] += 1
            sought = sought[slot[sought] < self.count]
        return found

    def slots(self, key: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find the first entry whose key is not below each of some."""
        page = np.maximum(np.searchsorted(self.first, key) - 1, 0)
        self._check(page)
        keys = self.pages["key"]
        below = np.zeros(len(key), np.int64)
        for step in (128, 64, 32, 16, 8, 4, 2, 1):
            more = np.minimum(below + step, SLOTS)
            below = np.where(keys[page, more - 1] < key, more, below)
        return page * SLOTS + below

    def entries(self, start: int = 0, stop: int | None = None) -> EntryColumns:
        """Read the entries from `start` to `stop` that count, sorted. Raises `RunDamagedError`."""
        stop = self.count if stop is None else stop
        low, high = start // SLOTS, -(-stop // SLOTS)
        self._check(np.arange(low, high))
        inside = slice(start - low * SLOTS, stop - low * SLOTS)
        key, rest, place = (self.pages[name][low:high].reshape(-1)[inside] for name in ("key", "rest", "place"))
        counts = self._counts(place.astype(np.int64))
        return EntryColumns(key[counts], rest[counts], place[counts].astype(np.int64))

    @property
    def distinct(self) -> int:
        """Count the contents."""
        if self.contents >= 0 and self.present.all() and not len(self.lost):
            return self.contents
        return sum(int(block.starts().sum()) for block in merged([self], [np.arange(len(self.ids))]))

    def _counts(self, place: NDArray[np.int64]) -> NDArray[np.bool_]:
        try:
            there: NDArray[np.bool_] = self.present[place >> ROW_BITS]
        except IndexError as error:  # of no shard of this file: the page was spoilt after it was found to be sound
            raise RunDamagedError(self.name) from error
        return there & ~np.isin(place, self.lost) if len(self.lost) else there

    def _check(self, page: NDArray[np.int64]) -> None:
        """Compare those pages of a file with their checksums that were not yet."""
        if self.sound is None or self.map is None:
            return
        fresh = np.unique(page[~self.sound[page]])
        if len(fresh) > 1 and hasattr(mmap, "MADV_WILLNEED"):
            for at in (fresh * PAGE_BYTES).tolist():
                self.map.madvise(mmap.MADV_WILLNEED, at, PAGE_BYTES)
        view = memoryview(self.map)
        for number, wanted in zip(fresh.tolist(), self.pages["sum"][fresh].tolist(), strict=True):
            if page_sum(view[number * PAGE_BYTES : (number + 1) * PAGE_BYTES], self.seed + number) != wanted:
                raise RunDamagedError(self.name)
        self.sound[fresh] = True


def together(parts: Sequence[EntryColumns]) -> EntryColumns:
    """Put entries behind each other."""
    return EntryColumns(
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.rest for part in parts]),
        np.concatenate([part.place for part in parts]),
    )


def page_sum(page: memoryview, seed: int) -> int:
    """Compute the checksum of a page: XXH3, 64 bits, of what follows it.

    The seed is the file's (`seed_of`) and the page's number, so that a page in the place of another matches none.
    """
    return int(xxhash.xxh3_64_intdigest(page[8:], seed & (2**64 - 1)))


def seed_of(key: str, ids: bytes) -> int:
    """Compute a file's seed from the name of the feature's folder and the ids of the shards, whose numbers its places are."""
    return int(xxhash.xxh3_64_intdigest(ids, xxhash.xxh3_64_intdigest(key.encode())))


def run_of(
    ids: Sequence[str], counts: Sequence[int], digests: Sequence[NDArray[np.uint64]], rows: Sequence[NDArray[np.int64]]
) -> SortedRun:
    """Sort the entries of shards, given by sorted id, how many rows each has, and the digest and row of each entry."""
    number = np.repeat(np.arange(len(ids)), [len(each) for each in rows])
    place = (number << ROW_BITS) | np.concatenate([*rows, np.zeros(0, np.int64)])
    both = np.concatenate([*digests, np.zeros((0, 2), np.uint64)])
    return in_memory(tuple(ids), np.array(counts, np.int64), EntryColumns(both[:, 0], both[:, 1], place).sort())


def in_memory(ids: tuple[str, ...], rows: NDArray[np.int64], entries: EntryColumns) -> SortedRun:
    """Hold sorted entries in pages in memory."""
    pages = pages_of(entries)
    return SortedRun(pages, pages["key"][:, 0].copy(), len(entries.key), ids, rows, np.ones(len(ids), bool))


def pages_of(entries: EntryColumns) -> NDArray[np.void]:
    """Lay sorted entries into pages, of which only the last may not be full; checksums are left out."""
    pages = np.zeros(max(1, -(-len(entries.key) // SLOTS)), PAGE)
    for name, column, rest in (
        ("key", entries.key, np.iinfo(np.uint64).max),
        ("rest", entries.rest, 0),
        ("place", entries.place, 0),
    ):
        padded = np.full(len(pages) * SLOTS, rest, np.uint64)
        padded[: len(column)] = column
        pages[name] = padded.reshape(-1, SLOTS)
    return pages


def merged(runs: Sequence[SortedRun], numbers: Sequence[NDArray[np.int64]]) -> Iterator[EntryColumns]:
    """Yield what counts of several runs, sorted together, block by block; `numbers` has the new number of each run's shards.

    The entries of a content are never in two blocks. Raises `RunDamagedError`.
    """
    total = sum(run.count for run in runs)
    # Digests are spread evenly, so that equal steps of the first half hold about as many entries each.
    cuts = np.linspace(0, 2.0**64, max(1, total // BLOCK) + 1)[1:-1].astype(np.uint64)
    slots = [[0, *np.minimum(run.slots(cuts), run.count).tolist(), run.count] for run in runs]
    for k in range(len(cuts) + 1):
        parts = [run.entries(at[k], at[k + 1]) for run, at in zip(runs, slots, strict=True)]
        places = [
            (new[part.place >> ROW_BITS] << ROW_BITS) | (part.place & _ROW) for part, new in zip(parts, numbers, strict=True)
        ]
        block = together([EntryColumns(part.key, part.rest, place) for part, place in zip(parts, places, strict=True)])
        yield block.sort().once() if len(runs) > 1 else block


def numbered(runs: Sequence[SortedRun]) -> tuple[tuple[str, ...], NDArray[np.int64], list[NDArray[np.int64]]]:
    """Number the shards of several runs that are there.

    Returned are their sorted ids, how many rows each has, and for each run the new numbers of its shards.
    """
    here = [[shard_id for shard_id, there in zip(run.ids, run.present.tolist(), strict=True) if there] for run in runs]
    ids = tuple(sorted(set().union(*here)))
    number = {shard_id: k for k, shard_id in enumerate(ids)}
    rows = np.zeros(len(ids), np.int64)
    numbers = []
    for run in runs:
        # Of one that is gone no entry counts, whatever its number.
        numbers.append(np.array([number.get(shard_id, 0) for shard_id in run.ids], np.int64))
        rows[numbers[-1][run.present]] = run.rows[run.present]
    return ids, rows, numbers


def joined(runs: Sequence[SortedRun]) -> SortedRun:
    """Hold what counts of several runs in one, in memory."""
    ids, rows, numbers = numbered(runs)
    blocks = list(merged(runs, numbers))
    return in_memory(ids, rows, together(blocks))


def split(place: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split places into numbers of shards and rows."""
    return place >> ROW_BITS, place & _ROW
