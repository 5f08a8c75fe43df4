"""Memory-map the feature files (shards) of a store when they are first read, and keep only a limited number open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from howfar.store import shards
from howfar.store.folder import Folder, Matrix

# Under each on a disk is a memory map, which holds a file descriptor; a process commonly has 1,024, on some systems 256.
OPEN_MAPS = 64


class MmapCache:
    """Keep the open matrices of one folder, the least recently used closed first. Safe to call from several threads."""

    def __init__(self, folder: Folder, layout: shards.ShardFormat, capacity: int = OPEN_MAPS) -> None:
        self._folder, self._layout, self._capacity = folder, layout, capacity
        self._lock = Lock()
        self._open: OrderedDict[str, Matrix] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, shard_id: str) -> Matrix:
        """Return the (count, q) matrix of a shard. Raises as `howfar.store.shards.view`."""
        with self._lock:
            if shard_id not in self._open:
                self._open[shard_id] = shards.view(self._folder, shard_id, self._layout)
            self._open.move_to_end(shard_id)
            while len(self._open) > self._capacity:
                # Not closed by hand: a thread may be reading it. It closes when the last array over it is gone.
                self._open.popitem(last=False)
            return self._open[shard_id]

    def drop(self, gone: Iterable[str]) -> None:
        """Close the matrices of shards, so that the disk can free them."""
        with self._lock:
            for shard_id in gone:
                self._open.pop(shard_id, None)
