"""Check all files of a feature store against their checksums (`check`), and remove damaged features (`repair`)."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from howfar.errors import StoreError, one_line
from howfar.store import shards
from howfar.store.feature_store import NAME, SHARDS, TARGET_BYTES, feature_key, write_manifest
from howfar.store.folders import ShardDamagedError, ShardGoneError, as_store_errors
from howfar.store.inventory_and_pruning import SUMS, StoredFeature, StoreReport, features_in, store_folder
from howfar.store.shard_catalog import PACKING, ShardCatalog, drop_idle, leftovers, rewrite, sweep
from howfar.store.shards import ABSENT, ARRAY, INDEX


@dataclass(frozen=True)
class Damage:
    """Name a damaged file of a store, below the folder of its feature, and the damage.

    `images` is how many images must be embedded anew, None where the index that would tell is damaged too; `paths` are their
    files, where the index tells.
    """

    feature: str
    file: str
    reason: str
    images: int | None
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureCheck:
    """Count the sound images and shards of one feature, given by its folder and the name in its identity.

    Of the images `without_checksum`, which an earlier version wrote, only NaN and infinity can be found. `leftovers` are
    harmless files of killed writers.
    """

    feature: str
    backbone: str
    images: int
    shards: int
    without_checksum: int
    leftovers: int


@dataclass(frozen=True)
class StoreCheck(StoreReport):
    """Report which parts of a store are sound and which are damaged; made by `howfar.store.check`."""

    features: tuple[FeatureCheck, ...]
    damage: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Return whether nothing is damaged."""
        return not self.damage


def check(store: str | Path | None = None, feature: Sequence[str] = ()) -> StoreCheck:
    """Compare a whole store with its checksums, without changing anything.

    `store` is its folder or URL, by default that of ``HOWFAR_STORE``, else the user's cache. `feature` names the features to
    check, by backbone or by folder or its beginning; all by default. Raises `InputError` where the folder is one feature's or
    has no such feature, and `MissingPathError` where there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from howfar.store import Store
    >>> root = Path(tempfile.mkdtemp())
    >>> features = Store(root).open({"name": "pixels", "side": 1}, 3)
    >>> features.add(["a1", "b2"], ["cat.png", "dog.png"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    >>> check(root).sound
    True
    >>> matrix = next(root.rglob("*.npy"))
    >>> _ = matrix.write_bytes(matrix.read_bytes()[:-4] + b"oops")
    >>> [(damage.reason, damage.paths) for damage in check(root).damage]
    [('1 of 2 rows do not match their checksums', ('dog.png',))]
    """
    features: list[FeatureCheck] = []
    damage: list[Damage] = []
    for found in features_in(store, feature):
        counts, catalog = FeatureCheck(found.name, found.backbone, 0, 0, 0, 0), found.catalog()
        if found.fault:
            damage.append(Damage(found.name, NAME, found.fault, 0))
        if catalog is not None:
            damage += check_rows(found.name, catalog)
            damage += damaged_sums(found)
            without = sum(catalog.shard(shard_id).without_checksums for shard_id in catalog.counts)
            left = sum(name[:32] not in catalog.damaged for _, name in leftovers(found.home, catalog))
            counts = FeatureCheck(found.name, found.backbone, len(catalog), len(catalog.counts), without, left)
        features.append(counts)
    return StoreCheck(str(store_folder(store).path), tuple(features), tuple(damage))


def check_rows(name: str, catalog: ShardCatalog) -> list[Damage]:
    """Check every row of every shard, including rows that no read uses, and return the damage."""
    before = {shard_id: catalog.shard(shard_id) for shard_id in catalog.counts}
    for shard_id, shard in before.items():
        with suppress(ShardGoneError):
            catalog.check(shard_id, np.sort(np.array(shard.rows, np.int64)))
    damage = []
    for shard_id, count in catalog.lost.items():
        if shard_id not in before:
            continue
        shard = before[shard_id]
        left = set(catalog.shard(shard_id).rows) if shard_id in catalog.counts else set()
        lost = {content for content, row in zip(shard.contents, shard.rows, strict=True) if row not in left}
        wrong = "hold NaN or infinity" if (shard.checksums == ABSENT).all() else "do not match their checksums"
        reason = f"{count:,} of {shard.count:,} rows {wrong}"
        damage.append(Damage(name, f"{SHARDS}/{shard_id}{ARRAY}", reason, *_images(catalog, shard_id, lost)))
    for shard_id, why in catalog.damaged.items():
        suffix = INDEX if "its index" in why else ARRAY
        damage.append(Damage(name, f"{SHARDS}/{shard_id}{suffix}", why, *_images(catalog, shard_id, None)))
    return damage


def _images(catalog: ShardCatalog, shard_id: str, among: set[str] | None) -> tuple[int | None, tuple[str, ...]]:
    """Return how many images only this shard holds, and their files; the count is None if the index is damaged."""
    try:
        entries = shards.read_entries(catalog.folder, shard_id, catalog.layout)
    except (ShardDamagedError, OSError):
        return None, ()
    lost = {
        content: path or ""
        for content, path in zip(entries.contents, entries.paths, strict=True)
        if content not in catalog and (among is None or content in among)
    }
    return len(lost), tuple(lost.values())


def damaged_sums(feature: StoredFeature) -> Iterator[Damage]:
    """Yield the damaged files of kept dataset sums."""
    root = feature.home.path
    if not isinstance(root, Path):
        return
    for file in sorted((root / SUMS).glob("*/*.npz")):
        # A zip file, which has checksums of its own.
        try:
            with zipfile.ZipFile(file) as archive:
                spoilt = archive.testzip()
            reason = f"{spoilt} does not match its checksum" if spoilt else ""
        # What a spoilt zip may raise nobody has listed.
        except Exception as error:
            reason = one_line(error)
        if reason:
            yield Damage(feature.name, file.relative_to(root).as_posix(), reason, 0)


@dataclass(frozen=True)
class FeatureRepair:
    """Report what a repair did to the folder of one feature.

    `dropped` are the deleted files and rows, whose images the next run embeds anew; `checksums_added` counts images of an
    earlier version that have checksums now; `merged` counts shards; `left` says why the folder, or its manifest, was left as it
    is, else "".
    """

    feature: str
    backbone: str
    dropped: tuple[Damage, ...]
    checksums_added: int
    merged: int
    left: str = ""


@dataclass(frozen=True)
class StoreRepair(StoreReport):
    """Report what a repair did to a store; made by `howfar.store.repair`."""

    features: tuple[FeatureRepair, ...]


def repair(store: str | Path | None = None, feature: Sequence[str] = ()) -> StoreRepair:
    """Drop damaged data (embedded anew by the next run), add missing checksums, and merge small shards.

    Others may read and write the store meanwhile; a folder that another process packs is left as it is. `store` and `feature`
    are as in `howfar.store.check`, and so are the errors; `StoreError` is raised where the disk refuses, or a folder changes
    faster than it can be read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from howfar.store import Store
    >>> root = Path(tempfile.mkdtemp())
    >>> features = Store(root).open({"name": "pixels", "side": 1}, 3)
    >>> features.add(["a1", "b2"], ["cat.png", "dog.png"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    >>> matrix = next(root.rglob("*.npy"))
    >>> _ = matrix.write_bytes(matrix.read_bytes()[:-4] + b"oops")
    >>> [done.dropped[0].reason for done in repair(root).features]
    ['1 of 2 rows do not match their checksums']
    >>> len(Store(root).open({"name": "pixels", "side": 1}, 3))
    1
    """
    done = tuple(_repaired(found) for found in features_in(store, feature))
    return StoreRepair(str(store_folder(store).path), done)


def _repaired(feature: StoredFeature) -> FeatureRepair:
    nothing = FeatureRepair(feature.name, feature.backbone, (), 0, 0)
    try:
        with as_store_errors(feature.home, "write to"), feature.home.alone(PACKING) as first:
            if not first:
                return replace(nothing, left="another process packs it: repair it later")
            spoilt = list(damaged_sums(feature))
            for each in spoilt:
                folder, _, name = each.file.rpartition("/")
                feature.home.child(folder).remove(name)
            left = ""
            if feature.fault:
                # The manifest is written anew, or by the next run, if nothing here tells the identity.
                identity = None
                with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    found = json.loads(feature.home.read(NAME))["identity"]
                    if feature_key(found, feature.layout.dtype) == feature.name:
                        identity = dict(found)
                if identity is None:
                    told = "as nothing here tells its identity"
                    left = f"the next run with this feature writes its manifest anew, {told} ({feature.fault})"
                else:
                    write_manifest(feature.home, identity, feature.layout)
                    spoilt.append(Damage(feature.name, NAME, f"{feature.fault}, and was written anew", 0))
            catalog = feature.catalog()
            if catalog is None:
                return nothing
            damage = check_rows(feature.name, catalog)
            shards.remove(catalog.folder, list(catalog.damaged))
            catalog.refresh()
            sweep(feature.home, catalog)
            drop_idle(catalog)
            without = sum(catalog.shard(shard_id).without_checksums for shard_id in catalog.counts)
            merged = rewrite(catalog, TARGET_BYTES, 1, renew=True)
            return FeatureRepair(feature.name, feature.backbone, (*spoilt, *damage), without, merged, left)
    except (ShardGoneError, ShardDamagedError) as error:
        raise StoreError(f"{feature.home.path} changes faster than it can be repaired: try again ({error})") from error
