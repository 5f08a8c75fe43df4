"""Merge many small shards into few large ones, while others read and write.

A shard is deleted only when every row of it that is read lies in another shard that is whole on disk. Hence a kill at any
point, another process that packs, or one that writes costs space for a while and never a row. The merged shard takes the
position of the first of its parts in the order of ids, so the choice between two rows of one content stays the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.io.atomic import TEMPORARY
from howfar.store import shards
from howfar.store.folder import Folder
from howfar.store.local_folder import PIECE_BYTES
from howfar.store.shard_catalog import ShardCatalog
from howfar.store.shards import ARRAY, INDEX, Shard, ShardDamagedError, ShardGoneError

LOCK = "pack.lock"
STALE_SECONDS = 24 * 3600.0
_log = logging.getLogger("howfar.store")


def pack(home: Folder, catalog: ShardCatalog, target: int, many: int) -> int:
    """Remove what killed writers left, and merge small shards where there are more than `many`; return the number merged.

    Where another process packs, or the disk refuses (a read-only store), nothing is done: packing is never needed. The lock
    lies in `home`, the feature's folder. A merged shard is large enough at `target` bytes; shards below half of it are small.
    """
    try:
        with home.alone(LOCK) as first:
            if not first:
                return 0
            catalog.refresh()
            sweep(home, catalog)
            idle = catalog.idle()
            shards.remove(catalog.folder, idle)
            catalog.refresh()
            groups = _plan(catalog, target, many)
            for group in groups:
                _merge(catalog, group)
            return sum(map(len, groups))
    except (ShardGoneError, ShardDamagedError, OSError) as error:
        _log.info("%s is left unpacked: %s", catalog.folder.path, error)
        return 0
    finally:
        catalog.refresh()


def sweep(home: Folder, catalog: ShardCatalog, older_than: float = STALE_SECONDS) -> list[str]:
    """Delete what nothing can use: temporary files, matrices without an index, damaged shards; return their names.

    Only what was last written `older_than` seconds ago goes. A writer needs seconds between a matrix and its index, so a day is
    far beyond any that still lives; and should one wake up after that, its shard has no matrix and counts as absent: features
    are computed again then, and no wrong row is ever read. Raises `OSError` where the disk refuses.
    """
    limit = time.time() - older_than
    damaged = catalog.damaged
    swept = []
    for folder in (home, catalog.folder):
        names = folder.names()
        for name in names:
            if _useless(name, names, damaged) and folder.written(name) < limit:
                folder.remove(name)
                swept.append(name)
    return sorted(swept)


def _useless(name: str, beside: Collection[str], damaged: Collection[str]) -> bool:
    shard_id, suffix = name[:32], name[32:]
    if suffix == ARRAY and shards.ID.fullmatch(shard_id):
        return f"{shard_id}{INDEX}" not in beside or shard_id in damaged
    return name.endswith(TEMPORARY) or (suffix == INDEX and shard_id in damaged)


def _plan(catalog: ShardCatalog, target: int, many: int) -> list[list[Shard]]:
    """Find runs of small shards that follow each other by id, cut where they reach the target."""
    row_bytes = catalog.length * shards.STORED[catalog.dtype].itemsize
    groups: list[list[Shard]] = [[]]
    filled = small = 0
    for _, shard in sorted(catalog.shards.items()):
        size = shard.count * row_bytes
        if size >= target / 2 or filled >= target:
            groups.append([])
            filled = 0
        if size < target / 2:
            small += 1
            filled += size
            groups[-1].append(shard)
    return [group for group in groups if len(group) > 1] if small > many else []


def _merge(catalog: ShardCatalog, group: Sequence[Shard]) -> None:
    merged: set[str] = set()
    rows: list[NDArray[np.int64]] = []
    contents: list[str] = []
    paths: list[str] = []
    paths_of_shards = shards.several(catalog.folder, lambda shard: shards.read_paths(catalog.folder, shard.id), group)
    for shard, shard_paths in zip(group, paths_of_shards, strict=True):
        picked = []
        for content, path, row in sorted(zip(shard.contents, shard_paths, shard.rows, strict=True), key=lambda entry: entry[2]):
            if content not in merged:
                merged.add(content)
                contents.append(content)
                paths.append(path)
                picked.append(row)
        rows.append(np.array(picked, np.int64))
    blocks = _blocks(catalog, group, rows)
    shards.write(catalog.folder, shards.id_before(group[0].id), blocks, (len(contents), catalog.length), contents, paths)
    shards.remove(catalog.folder, [shard.id for shard in group])


def _blocks(catalog: ShardCatalog, group: Sequence[Shard], rows: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[Any]]:
    folder, dtype, length = catalog.folder, catalog.dtype, catalog.length
    step = max(1, PIECE_BYTES // (length * shards.STORED[dtype].itemsize))
    matrices = shards.several(folder, lambda shard: shards.view(folder, shard.id, dtype, length), group)
    for matrix, picked in zip(matrices, rows, strict=True):
        for start in range(0, len(picked), step):
            yield matrix.take(picked[start : start + step])
