"""Write and map the sorted files of a store's index, which spare a process that opens the store from reading every shard.

``shards/sorted/<id>.run`` holds the entries of some shards (`howfar.store.sorted_run`): pages of 4 KiB, each with a checksum
that fits no other page; then the first key of each page, the shards' ids and how many rows each has, and a trailer with a
checksum of these and of the name of the feature's folder. A file is written once and never changed. It is made from the shards
alone: where it is damaged or lost nothing is lost with it, and what it says of shards that are no longer there is passed over.
Each process may write one of shards that no file has yet. Only a disk has such files, since behind a URL nothing can be mapped.
"""

from __future__ import annotations

import logging
import mmap
import struct
import sys
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import BinaryIO, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from howfar.store import shards
from howfar.store.folder import Folder
from howfar.store.local_folder import LocalFolder
from howfar.store.sorted_run import (
    GROWTH,
    PAGE,
    PAGE_BYTES,
    SLOTS,
    EntryColumns,
    RunDamagedError,
    SortedRun,
    merged,
    numbered,
    page_sum,
    pages_of,
    seed_of,
    together,
)

SORTED: Final = "sorted"
RUN: Final = ".run"
LOCK: Final = "write.lock"
AT_ONCE: Final = 1 << 22
"""Entries of a file that is merged on the way, as that takes a second or two; larger ones are merged when shards are."""
_TRAILER: Final = struct.Struct("<8s5Q")
_MAGIC: Final = b"howfar 1"
_log = logging.getLogger("howfar.store")


class SortedFiles:
    """Keep the sorted files of one folder of shards; `key` is the name of the feature's folder.

    With `quiet` nothing is said in the log, and no file is deleted because it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from howfar.store.sorted_run import run_of
    >>> files = SortedFiles(LocalFolder(Path(tempfile.mkdtemp())), "pixels-0")
    >>> digests = np.array([[7, 1], [5, 1]], np.uint64)
    >>> name = files.write([run_of(["a" * 32], [2], [digests], [np.arange(2)])])
    >>> [run.find(digests).tolist() for run in files.new(set())]
    [[0, 1]]
    """

    def __init__(self, folder: Folder, key: str, quiet: bool = False) -> None:
        self.folder = folder.child(SORTED)
        self._key, self._quiet = key, quiet
        self._ignored: set[str] = set()
        # The numbers of a file are used as they lie there.
        self.usable = isinstance(self.folder, LocalFolder) and sys.byteorder == "little"

    def new(self, known: Collection[str]) -> list[SortedRun]:
        """Map the files that are not known yet, the largest first; those that are damaged are passed over."""
        runs = []
        for name in sorted(self.names() - set(known) - self._ignored):
            try:
                runs.append(self._mapped(name))
            except (RunDamagedError, ValueError):  # nothing at all can be mapped of an empty file
                self.distrust(name)
            except OSError:  # merged away meanwhile, or nobody may read it
                continue
        return sorted(runs, key=lambda run: run.count, reverse=True)

    def names(self) -> set[str]:
        """List the files."""
        if self.usable:
            with suppress(OSError):
                return {name for name in self.folder.names() if name.endswith(RUN)}
        return set()

    def write(self, runs: Sequence[SortedRun]) -> str:
        """Write what counts of some runs into one file, and return its name. Raises `OSError` and `RunDamagedError`."""
        self.folder.make()
        name = f"{shards.new_id()}{RUN}"
        ids, rows, numbers = numbered(runs)
        with self.folder.appearing(name) as file:
            write_run(file, merged(runs, numbers), ids, rows, self._key)
        return name

    def remove(self, names: Iterable[str]) -> None:
        """Delete files, which others may have mapped: they go on reading them."""
        for name in names:
            with suppress(OSError):  # Windows keeps a file that is mapped; it goes at the next merge
                self.folder.remove(name)

    def clear(self, used: Collection[str], untold: Collection[str]) -> None:
        """Delete the files that are not used and tell of none of the shards that no other file tells of."""
        self.remove(file.name for file in self.new(used) if not set(file.ids).intersection(untold))

    def distrust(self, name: str) -> None:
        """Pass over a file that is damaged from now on, and delete it, unless nothing is to be changed or said."""
        self._ignored.add(name)
        if self._quiet:
            return
        _log.warning("the sorted index %s/%s is damaged: the shards are read instead", self.folder.path, name)
        self.remove([name])

    def _mapped(self, name: str) -> SortedRun:
        with (self.folder.path / name).open("rb") as file:  # type: ignore[operator]  # usable: a path
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        run = read_run(mapped, name, self._key)
        if hasattr(mmap, "MADV_RANDOM"):
            mapped.madvise(mmap.MADV_RANDOM, 0, len(run.pages) * PAGE_BYTES)
        return run


def write_run(file: BinaryIO, blocks: Iterable[EntryColumns], ids: Sequence[str], rows: NDArray[np.int64], key: str) -> None:
    """Write sorted blocks of entries, none of which parts the entries of a content, as a sorted file."""
    first: list[NDArray[np.uint64]] = []
    left = EntryColumns(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))
    names, count, contents = b"".join(map(bytes.fromhex, ids)), 0, 0
    seed = seed_of(key, names)
    for block in blocks:
        count, contents = count + len(block.key), contents + int(block.starts().sum())
        ready = together([left, block])
        whole = len(ready.key) // SLOTS * SLOTS
        if whole:
            first.append(_write_pages(file, ready.cut(0, whole), seed + sum(map(len, first))))
        left = ready.cut(whole)
    if len(left.key):
        first.append(_write_pages(file, left, seed + sum(map(len, first))))
    pages = sum(map(len, first))
    table = b"".join([*(each.tobytes() for each in first), names, rows.astype("<u8").tobytes()])
    counts = (count, pages, len(ids), contents)
    file.write(table)
    file.write(_TRAILER.pack(_MAGIC, *counts, _seal(table, counts, key)))


def _write_pages(file: BinaryIO, entries: EntryColumns, seed: int) -> NDArray[np.uint64]:
    pages = pages_of(entries)
    view = pages.view(np.uint8).reshape(-1).data
    starts = range(0, len(view), PAGE_BYTES)
    pages["sum"] = [page_sum(view[start : start + PAGE_BYTES], seed + number) for number, start in enumerate(starts)]
    file.write(view)
    return pages["key"][:, 0].copy()


def read_run(mapped: mmap.mmap, name: str, key: str) -> SortedRun:
    """Read the table at the end of a sorted file. Raises `RunDamagedError` where it does not match its checksum."""
    size = len(mapped)
    if size < _TRAILER.size:
        raise RunDamagedError(name)
    magic, count, pages, shard_count, contents, seal = _TRAILER.unpack(mapped[size - _TRAILER.size :])
    begin = size - _TRAILER.size - pages * 8 - shard_count * 24
    if magic != _MAGIC or begin != pages * PAGE_BYTES or not (pages - 1) * SLOTS < count <= pages * SLOTS:
        raise RunDamagedError(name)
    view = memoryview(mapped)
    table = view[begin : size - _TRAILER.size]
    if _seal(table, (count, pages, shard_count, contents), key) != seal:
        raise RunDamagedError(name)
    ids = bytes(table[pages * 8 : pages * 8 + shard_count * 16])
    digits = ids.hex()
    return SortedRun(
        pages=np.frombuffer(view[:begin], PAGE),
        first=np.frombuffer(table[: pages * 8], "<u8"),
        count=count,
        ids=tuple(digits[start : start + 32] for start in range(0, len(digits), 32)),
        rows=np.frombuffer(table[pages * 8 + shard_count * 16 :], "<u8").astype(np.int64),
        present=np.ones(shard_count, bool),
        name=name,
        contents=contents,
        map=mapped,
        sound=np.zeros(pages, bool),
        seed=seed_of(key, ids),
    )


def _seal(table: bytes | memoryview, counts: tuple[int, ...], key: str) -> int:
    seal = xxhash.xxh3_64(key.encode())
    seal.update(struct.pack("<4Q", *counts))
    seal.update(table)
    return seal.intdigest()


def to_merge(files: Sequence[SortedRun]) -> list[SortedRun]:
    """Choose the files to be merged into one, so that each that is left is `GROWTH` times as large as all smaller ones.

    One alone is chosen where half of its rows are gone.
    """
    ordered = sorted(files, key=lambda file: file.count)
    chosen: list[SortedRun] = []
    total = 0
    for k, file in enumerate(ordered):
        if k and file.count < GROWTH * total:
            chosen = ordered[: k + 1]
        total += file.count
    stale = [file for file in ordered if 2 * file.rows[file.present].sum() < file.rows.sum()]
    return chosen or stale


def to_join(files: Sequence[SortedRun], entries: int) -> list[SortedRun]:
    """Choose the small files to be merged with so many new entries, while these are written."""
    chosen = []
    for file in sorted(files, key=lambda file: file.count):
        if file.count >= min(GROWTH * entries, AT_ONCE):
            break
        chosen.append(file)
        entries += file.count
    return chosen
