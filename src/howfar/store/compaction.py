"""Merge many small shards (feature files) of a store into few large ones, while other processes read and write.

A shard is deleted only when every row of it that is read lies in another shard that is whole on disk. Hence a kill at any
point, another process that packs, or one that writes costs space for a while and never a row. The merged shard takes the
position of the first of its parts in the order of ids, so the choice between two rows of one content stays the same.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.io.atomic import TEMPORARY
from howfar.store import shards
from howfar.store.folders import PIECE_BYTES, Folder, ShardDamagedError, ShardGoneError
from howfar.store.shard_catalog import ShardCatalog
from howfar.store.shards import ARRAY, INDEX, Shard
from howfar.store.sqlite_index import SORTED

LOCK = "pack.lock"
STALE_SECONDS = 24 * 3600.0
_log = logging.getLogger("howfar.store")


def pack(home: Folder, catalog: ShardCatalog, target: int, many: int) -> int:
    """Remove damaged rows and leftovers of killed writers, and merge small shards if there are more than `many`.

    Returns the number of shards that were merged. Nothing is done where another process packs or the disk refuses: packing is
    never needed. A merged shard has about `target` bytes; shards below half of that are small.
    """
    try:
        with home.alone(LOCK) as first:
            if not first:
                return 0
            catalog.refresh()
            sweep(home, catalog)
            drop_idle(catalog)
            merged = rewrite(catalog, target, many)
            catalog.refresh()
            catalog.purge()
            return merged
    except (ShardGoneError, ShardDamagedError, OSError) as error:
        _log.info("%s is left unpacked: %s", catalog.folder.path, error)
        return 0
    finally:
        catalog.refresh()


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
    merged: set[str] = set()
    rows: list[NDArray[np.int64]] = []
    contents: list[str] = []
    paths: list[str] = []
    entries = shards.several(catalog.folder, lambda shard: shards.read_entries(catalog.folder, shard.id, catalog.layout), group)
    for shard, entry in zip(group, entries, strict=True):
        path_of = dict(zip(entry.rows.tolist(), entry.paths, strict=True))
        picked = []
        for content, row in sorted(zip(shard.contents, shard.rows, strict=True), key=lambda entry: entry[1]):
            if content not in merged:
                merged.add(content)
                contents.append(content)
                paths.append(path_of[row] or "")
                picked.append(row)
        rows.append(np.array(picked, np.int64))
    if contents:
        blocks = _blocks(catalog, group, rows)
        sums = np.concatenate([shard.checksums[picked] for shard, picked in zip(group, rows, strict=True)]).tolist()
        shards.write(catalog.folder, shards.new_id(before=ids[0]), blocks, catalog.layout, contents, paths, sums)
    shards.remove(catalog.folder, ids)


def _blocks(catalog: ShardCatalog, group: Sequence[Shard], rows: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[Any]]:
    step = max(1, PIECE_BYTES // catalog.layout.row_bytes)
    matrices = shards.several(catalog.folder, lambda shard: shards.view(catalog.folder, shard.id, catalog.layout), group)
    for matrix, picked in zip(matrices, rows, strict=True):
        for start in range(0, len(picked), step):
            yield matrix.take(picked[start : start + step])
