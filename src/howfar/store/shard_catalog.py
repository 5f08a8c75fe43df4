"""Find features in the shards (files) of one backbone, verify, merge and delete shards, while others read and write.

A shard is deleted only when every row of it that is read lies in another shard that is whole on disk. Hence a kill at any
point, another process that packs, or one that writes costs space for a while and never a row. The merged shard takes the
position of the first of its parts in the order of ids, so the choice between two rows of one content stays the same.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from howfar.errors import StoreError
from howfar.io.atomic_writes import TEMPORARY
from howfar.io.file_locks import locked
from howfar.store import shards
from howfar.store.folders import FileMatrix, Folder, ShardDamagedError, ShardGoneError, as_store_errors
from howfar.store.shards import ABSENT, ARRAY, INDEX, Shard, ShardFormat, checksums_of
from howfar.store.sqlite_index import FILE, LOCK, SORTED, Index, IndexDamagedError, RowPositions, delete

# Under each on a disk is a memory map, which holds a file descriptor; a process commonly has 1,024, on some systems 256.
OPEN_MAPS = 64


State = tuple[frozenset[str], dict[str, frozenset[int]]]
"""Shards whose every row is verified, and damaged rows by shard."""


def damaged_rows(matrix: FileMatrix, shard: Shard, rows: NDArray[np.int64]) -> list[int]:
    """Return the rows (ascending) that fail their checksum or, without a checksum, hold NaN or infinity."""
    damaged: list[int] = []
    for first, last, block in matrix.pieces(rows):
        wanted = shard.checksums[rows[first:last]]
        wrong = np.array(checksums_of(block), np.uint64) != wanted
        if wrong.any():
            wrong &= (wanted != ABSENT) | ~np.isfinite(block).all(axis=1)
            damaged.extend(rows[first:last][wrong].tolist())
    return damaged


TRIES = 10
# Catalogs that a process keeps which were sent to it.
KEPT = 8
# Entries from which on an index file is written, for who opens the store next.
SAVED_FROM = 1 << 17
# Shards that are read together, and entries of shards that are kept after they were read.
READ_AT_ONCE = 64
KEPT_ENTRIES = 1 << 17
R = TypeVar("R")
_log = logging.getLogger("howfar.store")


class ShardCatalog:
    """List and read the shards of one folder while other processes add and merge shards. Thread-safe.

    `use` keeps others from removing the feature's folder (`Folder.hold`); a copy in another process has
    none. Without `derived` every shard is read and no index file is trusted. With `quiet` nothing is logged, written or
    deleted.
    """

    def __init__(
        self, folder: Folder, layout: ShardFormat, quiet: bool = False, use: object = None, derived: bool = True
    ) -> None:
        self.folder, self.layout, self._quiet, self._use = folder, layout, quiet, use
        self._file = folder.path / FILE if derived and isinstance(folder.path, Path) else None
        self._damages = 0
        self._save_from: float = SAVED_FROM
        self._lock = RLock()
        self._index = Index(layout.key, {})
        self._damaged: dict[str, str] = {}
        self._sound: dict[str, NDArray[np.bool_]] = {}
        # Shards whose every row is sound, of which nothing has to be asked any more; without the lock too.
        self._whole: set[str] = set()
        self._kept: dict[str, Shard] = {}
        # A matrix that is let go of closes when the last array over it is gone, as a thread may be reading it.
        self._view = lru_cache(OPEN_MAPS)(lambda shard_id: shards.view(folder, shard_id, layout))
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            return catalog_at, (self.folder, self.layout), (frozenset(self._whole), dict(self._index.lost))

    def __setstate__(self, state: State) -> None:
        """Take over another process's verified shards and lost rows, so that a run checks these once."""
        with self._lock:
            self._whole |= state[0]
            for shard_id, rows in state[1].items():
                self._index.lose(shard_id, rows)

    def __len__(self) -> int:
        return self._ask(len)

    def __contains__(self, content: object) -> bool:
        return isinstance(content, str) and self._ask(lambda index: content in index)

    def holds(self, contents: Sequence[str]) -> NDArray[np.bool_]:
        """Return which contents have features here, as far as this process has read the folder."""
        return self._located(contents).shard >= 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the number of rows of each current shard."""
        with self._lock:
            return dict(self._index.counts)

    def shard(self, shard_id: str) -> Shard:
        """Return a shard without its lost rows; raise `ShardGoneError` where it is gone or damaged."""
        shard = self._read(shard_id)
        lost = self._index.lost.get(shard_id)
        return shard.without(lost) if lost else shard

    def _read(self, shard_id: str) -> Shard:
        with self._lock:
            if shard_id not in self._index.counts:
                raise ShardGoneError(shard_id)
            kept = self._kept.get(shard_id)
        try:
            return kept or self._keep(shards.read(self.folder, shard_id, self.layout))
        except ShardDamagedError as error:
            self._spoilt(shard_id, error)
            raise ShardGoneError(shard_id) from error

    def _keep(self, shard: Shard) -> Shard:
        with self._lock:
            if len(shard.rows) + sum(len(kept.rows) for kept in self._kept.values()) > KEPT_ENTRIES:
                self._kept.clear()
            self._kept[shard.id] = shard
        return shard

    @property
    def damaged(self) -> Mapping[str, str]:
        """Return the damaged shards on disk, with the reasons why they are not used."""
        with self._lock:
            return dict(self._damaged)

    @property
    def lost(self) -> Mapping[str, int]:
        """Return the number of damaged rows by shard; these rows count as absent."""
        with self._lock:
            return {shard_id: len(rows) for shard_id, rows in self._index.lost.items()}

    def idle(self) -> list[str]:
        """Return the shards, among those that this process has read, whose contents all lie in older shards."""
        with self._lock:
            private, used = self._index.private(), set[str]()
            for shard_id in private:
                positions = self._located(self._read(shard_id).contents)
                used.update(positions.ids[rank] for rank in set(positions.shard.tolist()) if rank >= 0)
            return sorted(set(private) - used)

    def insert(self, shard: Shard) -> None:
        """Add a shard that this process wrote; its rows need no check."""
        with self._lock:
            self._mark(shard, slice(None))
            self._enter([shard], waiting=True)

    def refresh(self) -> None:
        """Add the shards of other processes, and drop those packed away; raise `StoreError` if it cannot be read."""
        with as_store_errors(self.folder, "read"), self._lock:
            # The last look counts even where the folder has not come to rest: what it shows is there.
            for _ in range(TRIES):
                if self._look():
                    return

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of each content, reading the folder again before `StoreError` is raised for a missing one."""
        for again in (True, False):
            positions = self._located(contents)
            missing = np.flatnonzero(positions.shard < 0)
            if not len(missing):
                break
            if not again:
                content = contents[int(missing[0])]
                raise StoreError(f"{self.folder.path} holds no features of content {content!r}: embed its image (again) first")
            self.refresh()
        return positions

    def _located(self, contents: Sequence[str]) -> RowPositions:
        return self._ask(lambda index: index.locate(contents))

    def verify(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Check the stored rows of some contents, each once in a process; return the contents that are lost to damage."""
        wanted = list(dict.fromkeys(contents))
        row_positions = first = self._located(wanted)
        for _ in range(TRIES):
            with as_store_errors(self.folder, "read"):
                try:
                    for shard_id, positions, rows in row_positions.by_shard():
                        self.check(shard_id, rows, row_positions.digests[positions])
                    break
                except (ShardGoneError, FileNotFoundError):
                    # Another row of a content may stand in for the damaged one, which is then checked in its turn.
                    self.refresh()
                    row_positions = self._located(wanted)
        lost = (first.shard >= 0) & (row_positions.shard < 0)
        return tuple(wanted[number] for number in np.flatnonzero(lost))

    def check(self, shard_id: str, rows: NDArray[np.int64], digests: NDArray[np.uint64] | None = None) -> None:
        """Check the rows of a shard, given in non-decreasing order, that this process has not checked yet.

        With `digests`, also check that these contents have these rows. Raises `ShardGoneError` where a row is damaged or
        another's, so that its content must be located anew, and as `matrix`.
        """
        if shard_id in self._whole:
            return
        with self._lock:
            if shard_id not in self._index.counts:
                raise ShardGoneError(shard_id)
            sound = self._sound.get(shard_id)
            left = rows if sound is None else rows[~sound[rows]]
            # Each row once. Not np.unique, which takes a hundred times as long for the few rows of a small shard.
            unchecked = left[np.flatnonzero(np.diff(left, prepend=-1))] if len(left) else left
        if not len(unchecked):
            return
        shard = self._read(shard_id)
        if digests is not None and not shard.has(rows, digests):
            with self._lock:
                self._distrust(IndexDamagedError("an entry is not that of its shard"))
            raise ShardGoneError(shard_id)
        # Outside the lock: what takes long is that other threads may go on meanwhile.
        damaged = damaged_rows(self.matrix(shard_id), shard, unchecked)
        with self._lock:
            self._mark(shard, np.setdiff1d(unchecked, damaged) if damaged else unchecked)
            if not damaged:
                return
            new = set(damaged) - self._index.lost.get(shard_id, frozenset())
            self._index.lose(shard_id, damaged)
        if new:
            self._warn(f"{len(new)} rows of shard {shard_id}", "they do not match their checksums")
        raise ShardGoneError(shard_id)

    def _mark(self, shard: Shard, rows: NDArray[np.int64] | slice) -> None:
        """Record that rows of a shard are sound."""
        sound = self._sound.setdefault(shard.id, np.zeros(shard.count, bool))
        sound[rows] = True
        if sound.all():
            self._whole.add(shard.id)

    def matrix(self, shard_id: str) -> FileMatrix:
        """Return the (count, q) matrix of a shard.

        Raises `ShardGoneError` where it is gone or damaged, so that its contents must be located anew, else `StoreError`.
        """
        try:
            with as_store_errors(self.folder, f"read shard {shard_id} of"):
                return self._view(shard_id)
        except ShardDamagedError as error:
            self._spoilt(shard_id, error)
            raise ShardGoneError(shard_id) from error

    def _spoilt(self, shard_id: str, error: ShardDamagedError) -> None:
        """Exclude a shard whose files are damaged."""
        with self._lock:
            self._damaged[shard_id] = str(error)
            self._index.drop([shard_id])
            self._kept.pop(shard_id, None)
        self._warn(f"shard {shard_id}", str(error))

    def _look(self) -> bool:
        """Read the folder once; return False if it changed meanwhile, so that a shard may be missing."""
        present = shards.ids(self.folder)
        self._damaged = {shard_id: why for shard_id, why in self._damaged.items() if shard_id in present}
        self._sound = {shard_id: sound for shard_id, sound in self._sound.items() if shard_id in present}
        self._whole = self._whole & present
        if not self._index.current:
            self._index = Index(self.layout.key, self._index.lost)
        gone = self._index.counts.keys() - present
        if gone:
            self._index.drop(gone)
            self._view.cache_clear()
        unknown = present - self._damaged.keys() - self._index.counts.keys()
        if unknown and self._file is not None and self._file.exists():
            try:
                self._index.attach(self._file, read_only=self._quiet)
                self._index.read_filed(unknown)
            except (OSError, IndexDamagedError) as error:
                self._distrust(error)
        # The other shards are read, unless they vanish meanwhile.
        unread = sorted(present - self._index.counts.keys() - self._damaged.keys())
        vanished: list[str] = []
        damaged: dict[str, str] = {}

        def read(shard_id: str) -> list[Shard]:
            try:
                return [shards.read(self.folder, shard_id, self.layout)]
            except ShardGoneError:
                vanished.append(shard_id)
            except ShardDamagedError as error:
                damaged[shard_id] = str(error)
            return []

        for start in range(0, len(unread), READ_AT_ONCE):
            found = shards.several(self.folder, read, unread[start : start + READ_AT_ONCE])
            self._enter([self._keep(shard) for each in found for shard in each])
        if damaged:
            first, why = next(iter(damaged.items()))
            more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            self._warn(f"shard {first}{more}", why)
        self._damaged.update(damaged)
        # A folder is not listed in one instant: the list may lack both the shards that a pack deletes and the one it made.
        return not vanished and not gone and present == shards.ids(self.folder)

    def _enter(self, new: Sequence[Shard], waiting: bool = False) -> None:
        """Add shards to the index and save it in its file if much is unsaved; `waiting` leaves more unsaved."""
        try:
            self._index.insert(new)
            unsaved = sum(self._index.counts[shard_id] for shard_id in self._index.private())
            # A write touches most pages of a large file.
            large = min(sum(self._index.filed.values()) // 32, 2 * SAVED_FROM) if waiting else 0
            if self._file is None or self._quiet or unsaved < max(self._save_from, large):
                return
            if not self._index.current:
                self.refresh()
                return
            with locked(self._file.with_name(LOCK)):
                self._index.attach(self._file, make=True)
                self._index.save()
        except IndexDamagedError as error:
            self._distrust(error)
        except OSError as error:
            _log.info("no index is kept in %s: %s", self.folder.path, error)
            # A file that was attached before can be read, and not be written to.
            self._save_from = math.inf
            self._file = self._index.file

    def purge(self) -> None:
        """Delete the index file's entries of vanished shards, if they are at least half of it."""
        with self._lock:
            if self._file is None or self._quiet or not self._file.exists() or not self._index.current:
                return
            try:
                with locked(self._file.with_name(LOCK)):
                    self._index.attach(self._file)
                    self._index.read_filed()
                    filed = self._index.filed
                    # Listed twice, as a folder is not listed in one instant.
                    gone = filed.keys() - shards.ids(self.folder) - shards.ids(self.folder)
                    if gone and 2 * sum(filed[shard_id] for shard_id in gone) >= sum(filed.values()):
                        self._index.purge(gone)
            except (OSError, IndexDamagedError) as error:
                _log.info("the index in %s is left as it is: %s", self.folder.path, error)

    def _ask(self, question: Callable[[Index], R]) -> R:
        """Answer from the index; ask again if it is damaged."""
        with self._lock:
            while True:
                try:
                    return question(self._index)
                except (OSError, IndexDamagedError) as error:
                    self._distrust(error)

    def _distrust(self, error: Exception) -> None:
        """Stop using an index file that is damaged (it is deleted) or refuses, and read the shards instead."""
        file, index = self._file, self._index
        if isinstance(error, OSError):
            if file is None:
                with as_store_errors(self.folder, "index"):
                    raise error
            _log.info("no index is used in %s: %s", self.folder.path, error)
            self._file = None
        elif not index.inherited:
            if file is None:
                raise StoreError(f"the index of {self.folder.path} cannot be held in a temporary file ({error})") from error
            self._damages += 1
            if not self._quiet:
                _log.warning("the index %s is damaged (%s): the shards are read instead", file, error)
            try:
                if self._quiet or self._damages > TRIES:
                    self._file = None
                elif index.current:
                    delete(file)
            except OSError:
                self._file = None
        self._index = Index(self.layout.key, index.lost)
        self.refresh()

    def _warn(self, what: str, why: str) -> None:
        if not self._quiet:
            _log.warning("%s of %s: not used, the images will be embedded anew, since %s", what, self.folder.path, why)


@lru_cache(maxsize=KEPT)
def catalog_at(folder: Folder, layout: ShardFormat) -> ShardCatalog:
    """Return a folder's catalog, shared by all copies unpickled in this process, so that its index is read once."""
    return ShardCatalog(folder, layout)


PACKING = "pack.lock"
STALE_SECONDS = 24 * 3600.0


def drop_idle(catalog: ShardCatalog) -> None:
    """Delete the shards that no read uses: their contents are damaged or lie intact in older shards."""
    idle = catalog.idle()
    # The older row may be the damaged one, of which nobody knows yet.
    catalog.verify([content for shard_id in idle for content in catalog.shard(shard_id).contents])
    shards.remove(catalog.folder, catalog.idle())
    catalog.refresh()


def rewrite(catalog: ShardCatalog, target: int, many: int, renew: bool = False) -> int:
    """Merge small shards, and rewrite shards with damaged rows or, with `renew`, without checksums; return their number."""
    # Small shards with consecutive ids are grouped, and the groups cut at the target size.
    groups: list[list[str]] = [[]]
    filled = small = 0
    for shard_id, count in sorted(catalog.counts.items()):
        size = count * catalog.layout.row_bytes
        if size >= target / 2 or filled >= target:
            groups.append([])
            filled = 0
        if size < target / 2:
            small += 1
            filled += size
            groups[-1].append(shard_id)
    groups = [group for group in groups if len(group) > 1] if small > many else []
    planned = {shard_id for group in groups for shard_id in group}
    for shard_id in catalog.counts:
        alone = shard_id not in planned
        if alone and (shard_id in catalog.lost or (renew and catalog.shard(shard_id).without_checksums)):
            groups.append([shard_id])
    for group in groups:
        _merge(catalog, group)
    return sum(map(len, groups))


def sweep(home: Folder, catalog: ShardCatalog, older_than: float = STALE_SECONDS) -> list[str]:
    """Delete unusable files last written `older_than` seconds ago, and return their names.

    A writer needs seconds between a matrix and its index; a day is far beyond that. A shard swept all the same counts as
    absent.
    """
    limit = time.time() - older_than
    swept = []
    for folder, name in leftovers(home, catalog):
        if folder.written(name) < limit:
            folder.remove(name)
            swept.append(name)
    return sorted(swept)


def leftovers(home: Folder, catalog: ShardCatalog) -> list[tuple[Folder, str]]:
    """List unusable files with their folders: temporary files, matrices without an index, damaged shards."""
    damaged, found = catalog.damaged, []
    for folder in (home, catalog.folder, catalog.folder.child(SORTED)):
        with suppress(FileNotFoundError):
            names = folder.names()
            for name in sorted(names):
                shard_id, suffix = name[:32], name[32:]
                if suffix == ARRAY and shards.ID.fullmatch(shard_id):
                    useless = f"{shard_id}{INDEX}" not in names or shard_id in damaged
                else:
                    useless = name.endswith((TEMPORARY, ".run")) or (suffix == INDEX and shard_id in damaged)
                if useless:
                    found.append((folder, name))
    return found


def _merge(catalog: ShardCatalog, ids: Sequence[str]) -> None:
    # Before rows are written anew, so that a damaged one does not take the place of a sound one that is younger.
    catalog.verify([content for shard_id in ids for content in catalog.shard(shard_id).contents])
    group = [catalog.shard(shard_id) for shard_id in ids]
    # Path by content, in the order of the merged rows.
    paths: dict[str, str] = {}
    rows: list[NDArray[np.int64]] = []
    entries = shards.several(catalog.folder, lambda shard: shards.read_entries(catalog.folder, shard.id, catalog.layout), group)
    for shard, entry in zip(group, entries, strict=True):
        path_of = dict(zip(entry.rows.tolist(), entry.paths, strict=True))
        picked = []
        for content, row in sorted(zip(shard.contents, shard.rows, strict=True), key=itemgetter(1)):
            if content not in paths:
                paths[content] = path_of[row] or ""
                picked.append(row)
        rows.append(np.array(picked, np.int64))
    if paths:
        matrices = shards.several(catalog.folder, lambda shard: shards.view(catalog.folder, shard.id, catalog.layout), group)
        blocks = (block for matrix, picked in zip(matrices, rows, strict=True) for _, _, block in matrix.pieces(picked))
        sums = np.concatenate([shard.checksums[picked] for shard, picked in zip(group, rows, strict=True)]).tolist()
        new_id, texts = shards.new_id(before=ids[0]), list(paths.values())
        shards.write(catalog.folder, new_id, blocks, catalog.layout, list(paths), texts, sums)
    shards.remove(catalog.folder, ids)
