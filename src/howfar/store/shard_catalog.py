"""List the files (shards) that hold one backbone's features, and follow what other processes add to them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import RLock
from typing import Any

from howfar.errors import StoreError
from howfar.store import shards
from howfar.store.folder import Folder, Matrix
from howfar.store.index import Index, RowPositions
from howfar.store.mmap_cache import MmapCache
from howfar.store.shards import Shard, ShardDamagedError, ShardGoneError

TRIES = 10
# Catalogs that a process keeps which were sent to it.
KEPT = 8
_log = logging.getLogger("howfar.store")


class ShardCatalog:
    """Serve one folder of shards, to which other processes add and which they pack. Safe to call from several threads."""

    def __init__(self, folder: Folder, dtype: str, length: int) -> None:
        self.folder, self.dtype, self.length = folder, dtype, length
        self._lock = RLock()
        self._index = Index()
        self._damaged: dict[str, str] = {}
        self._maps = MmapCache(folder, dtype, length)
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        return catalog_at, (self.folder, self.dtype, self.length)

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

    def idle(self) -> list[str]:
        """Return the shards from which nothing is read (see `Index.idle`)."""
        with self._lock:
            return self._index.idle()

    def insert(self, shard: Shard) -> None:
        """Add a shard that this process has written."""
        with self._lock:
            self._index.insert([shard])

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
            raise StoreError(f"the store cannot read {self.folder.path}: {error}") from error

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

    def matrix(self, shard_id: str) -> Matrix:
        """Return the (count, q) matrix of a shard.

        Raises `ShardGoneError` where it is there no longer, or no longer whole, so that its contents must be located anew, and
        `StoreError` where it cannot be read.
        """
        try:
            return self._maps.get(shard_id)
        except ShardDamagedError as error:
            with self._lock:
                self._condemn(shard_id, str(error))
                if shard_id in self._index.shards:
                    self._index.drop([shard_id])
            raise ShardGoneError(shard_id) from error
        except OSError as error:
            raise StoreError(f"the store cannot read shard {shard_id} of {self.folder.path}: {error}") from error

    def _look(self) -> bool:
        """Read the folder once; False where it changed meanwhile, so that a shard may have been missed."""
        present = shards.ids(self.folder)
        unread = sorted(present - self._index.shards.keys() - self._damaged.keys())
        usable, whole = [], True
        for shard_id, read in zip(unread, self._read(unread), strict=True):
            if isinstance(read, Shard):
                usable.append(read)
            elif isinstance(read, ShardGoneError):
                whole = False
            else:
                self._condemn(shard_id, str(read))
        self._index.insert(usable)
        gone = self._index.shards.keys() - present
        if gone:
            self._index.drop(list(gone))
            self._maps.drop(gone)
        self._damaged = {shard_id: why for shard_id, why in self._damaged.items() if shard_id in present}
        # A folder is not listed in one instant: the list may lack both the shards that a pack deletes and the one it made.
        return whole and not gone and present == shards.ids(self.folder)

    def _read(self, unread: Sequence[str]) -> list[Shard | ShardGoneError | ShardDamagedError]:
        """Read the shards of some ids, or what is wrong with each."""

        def read(shard_id: str) -> Shard | ShardGoneError | ShardDamagedError:
            try:
                return shards.read(self.folder, shard_id, self.dtype, self.length)
            except (ShardGoneError, ShardDamagedError) as error:
                return error

        return list(shards.several(self.folder, read, unread))

    def _condemn(self, shard_id: str, why: str) -> None:
        self._damaged[shard_id] = why
        _log.warning("shard %s of %s is not used, its images will be embedded anew: %s", shard_id, self.folder.path, why)


@lru_cache(maxsize=KEPT)
def catalog_at(folder: Folder, dtype: str, length: int) -> ShardCatalog:
    """Return the catalog of a folder, the same one where several are unpickled in a process: its index is read once."""
    return ShardCatalog(folder, dtype, length)
