"""List the files (shards) that hold one backbone's features, and follow what other processes add to them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.errors import StoreError
from howfar.store import shards
from howfar.store.damage import ShardDamagedError, ShardGoneError
from howfar.store.folder import Folder, Matrix
from howfar.store.index import Index, RowPositions
from howfar.store.mmap_cache import MmapCache
from howfar.store.refusals import refusal
from howfar.store.row_checks import RowChecks, State, damaged_rows
from howfar.store.shards import Shard, ShardFormat

TRIES = 10
# Catalogs that a process keeps which were sent to it.
KEPT = 8
_log = logging.getLogger("howfar.store")


class ShardCatalog:
    """Serve one folder of shards, to which other processes add and which they pack. Safe to call from several threads.

    `use` is what keeps others from removing the feature's folder (`howfar.store.folder.Folder.hold`) for as long as something
    is to be read here. A copy in another process, whose work ends before this one's, has none.
    """

    def __init__(self, folder: Folder, layout: ShardFormat, quiet: bool = False, use: object = None) -> None:
        self.folder, self.layout, self._quiet, self._use = folder, layout, quiet, use
        self._lock = RLock()
        self._index = Index()
        self._damaged: dict[str, str] = {}
        self._checks = RowChecks()
        self._maps = MmapCache(folder, layout)
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            return catalog_at, (self.folder, self.layout), self._checks.state()

    def __setstate__(self, state: State) -> None:
        """Take over which rows another process has checked, so that a run checks each once, and which of them are lost."""
        with self._lock:
            self._checks.learn(state)
            for shard_id, rows in state[1].items():
                if shard_id in self._index.shards:
                    self._index.lose(shard_id, rows)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, content: object) -> bool:
        return content in self._index

    @property
    def shards(self) -> Mapping[str, Shard]:
        """Return the shards by id, as of now."""
        with self._lock:
            return dict(self._index.shards)

    @property
    def damaged(self) -> Mapping[str, str]:
        """Return the shards that are there but not used, and why."""
        with self._lock:
            return dict(self._damaged)

    @property
    def lost(self) -> Mapping[str, int]:
        """Return how many rows of which shards were found to be damaged, and count as absent."""
        with self._lock:
            return {shard_id: len(rows) for shard_id, rows in self._checks.lost.items()}

    def idle(self) -> list[str]:
        """Return the shards from which nothing is read (see `Index.idle`)."""
        with self._lock:
            return self._index.idle()

    def insert(self, shard: Shard) -> None:
        """Add a shard that this process has written, whose rows need not be checked."""
        with self._lock:
            self._index.insert([shard])
            self._checks.mark(shard.id, shard.count, slice(None))

    def refresh(self) -> None:
        """Follow the folder: add what others have written, drop what they have packed away.

        Raises `StoreError` where the folder cannot be read.
        """
        try:
            with self._lock:
                # The last look counts even where the folder has not come to rest: what it shows is there.
                for _ in range(TRIES):
                    if self._look():
                        return
        except OSError as error:
            raise refusal(self.folder, "read", error) from error

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of each content; the folder is read again before one is said to be missing.

        Raises `StoreError` where a content has no features here.
        """
        with self._lock:
            if any(content not in self._index for content in contents):
                self.refresh()
            try:
                return self._index.locate(contents)
            except KeyError as error:
                raise StoreError(
                    f"{self.folder.path} holds no features of content {error.args[0]!r}: embed its image (again) first"
                ) from error

    def verify(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Check the rows of some contents where they are stored; return the contents that are lost, as theirs is damaged.

        A row is read and checked once in a process. Raises `StoreError` where the folder cannot be read.
        """
        with self._lock:
            wanted = [content for content in dict.fromkeys(contents) if content in self._index]
        for _ in range(TRIES):
            with self._lock:
                positions = self._index.locate([content for content in wanted if content in self._index])
            try:
                for shard_id, _, rows in positions.by_shard():
                    self.check(shard_id, rows)
                break
            except (ShardGoneError, FileNotFoundError):
                # Another row of a content may stand in for the damaged one, which is then checked in its turn.
                self.refresh()
            except OSError as error:
                raise refusal(self.folder, "read", error) from error
        return tuple(content for content in wanted if content not in self._index)

    def check(self, shard_id: str, rows: NDArray[np.int64]) -> None:
        """Check those of some rows of a shard, which do not fall, that this process has not checked yet.

        Raises `ShardGoneError` where one is damaged, so that its content must be located anew, and as `matrix`.
        """
        if shard_id in self._checks.whole:
            return
        with self._lock:
            shard = self._index.shards.get(shard_id)
            if shard is None:
                raise ShardGoneError(shard_id)
            unchecked = self._checks.unchecked(shard_id, rows)
        if not len(unchecked):
            return
        # Outside the lock: what takes long is that other threads may go on meanwhile.
        damaged = damaged_rows(self.matrix(shard_id), shard, unchecked)
        with self._lock:
            self._checks.mark(shard_id, shard.count, np.setdiff1d(unchecked, damaged) if damaged else unchecked)
            if not damaged:
                return
            new = set(damaged) - set(self._checks.lost.get(shard_id, ()))
            self._checks.lose(shard_id, damaged)
            if shard_id in self._index.shards:
                self._index.lose(shard_id, set(damaged))
        if new:
            self._warn(f"{len(new)} rows of shard {shard_id}", "they do not match their checksums")
        raise ShardGoneError(shard_id)

    def matrix(self, shard_id: str) -> Matrix:
        """Return the (count, q) matrix of a shard.

        Raises `ShardGoneError` where it is there no longer, or no longer whole, so that its contents must be located anew, and
        `StoreError` where it cannot be read.
        """
        try:
            return self._maps.get(shard_id)
        except ShardDamagedError as error:
            with self._lock:
                self._damaged[shard_id] = str(error)
                if shard_id in self._index.shards:
                    self._index.drop([shard_id])
            self._warn(f"shard {shard_id}", str(error))
            raise ShardGoneError(shard_id) from error
        except OSError as error:
            raise refusal(self.folder, f"read shard {shard_id} of", error) from error

    def _look(self) -> bool:
        """Read the folder once; False where it changed meanwhile, so that a shard may have been missed."""
        present = shards.ids(self.folder)
        unread = sorted(present - self._index.shards.keys() - self._damaged.keys())
        usable, whole = [], True
        damaged: dict[str, str] = {}
        for shard_id, read in zip(unread, self._read(unread), strict=True):
            if isinstance(read, Shard):
                lost = self._checks.lost.get(shard_id)
                usable.append(read.without(lost) if lost else read)
            elif isinstance(read, ShardGoneError):
                whole = False
            else:
                damaged[shard_id] = str(read)
        if damaged:
            first, why = next(iter(damaged.items()))
            more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            self._warn(f"shard {first}{more}", why)
        self._damaged.update(damaged)
        self._index.insert(usable)
        gone = self._index.shards.keys() - present
        if gone:
            self._index.drop(list(gone))
            self._maps.drop(gone)
        self._damaged = {shard_id: why for shard_id, why in self._damaged.items() if shard_id in present}
        self._checks.keep(present)
        # A folder is not listed in one instant: the list may lack both the shards that a pack deletes and the one it made.
        return whole and not gone and present == shards.ids(self.folder)

    def _read(self, unread: Sequence[str]) -> list[Shard | ShardGoneError | ShardDamagedError]:
        """Read the shards of some ids, or what is wrong with each."""

        def read(shard_id: str) -> Shard | ShardGoneError | ShardDamagedError:
            try:
                return shards.read(self.folder, shard_id, self.layout)
            except (ShardGoneError, ShardDamagedError) as error:
                return error

        return list(shards.several(self.folder, read, unread))

    def _warn(self, what: str, why: str) -> None:
        if not self._quiet:
            _log.warning("%s of %s: not used, the images will be embedded anew, since %s", what, self.folder.path, why)


@lru_cache(maxsize=KEPT)
def catalog_at(folder: Folder, layout: ShardFormat) -> ShardCatalog:
    """Return the catalog of a folder, the same one where several are unpickled in a process: its index is read once."""
    return ShardCatalog(folder, layout)
