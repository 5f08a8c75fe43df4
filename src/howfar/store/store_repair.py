"""Drop from a store what is damaged, give old rows checksums, and merge small shards (`howfar.store.repair`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from howfar.errors import StoreError
from howfar.store import shards
from howfar.store.compaction import LOCK, drop_idle, rewrite, sweep
from howfar.store.damage import ShardDamagedError, ShardGoneError
from howfar.store.feature_store import TARGET_BYTES
from howfar.store.folder import folder_at
from howfar.store.index_file import ABSENT
from howfar.store.inventory import StoredFeature, features_in, recovered
from howfar.store.manifest import NAME, Manifest, write
from howfar.store.refusals import refusal
from howfar.store.shard_catalog import ShardCatalog
from howfar.store.store import default_root
from howfar.store.store_check import Damage, check_rows, damaged_sums


@dataclass(frozen=True)
class FeatureRepair:
    """Say what was done to the folder of one feature.

    Attributes
    ----------
    feature, backbone
        The feature's folder, and the name in its identity.
    dropped
        The damaged files and rows that were deleted; their images are embedded anew by the next run that needs them.
    checksums_added
        How many images an earlier version wrote, whose features have checksums now.
    merged
        How many shards were written anew in others.
    left
        Why the folder was left as it is, or the manifest in it; empty where it was not.
    """

    feature: str
    backbone: str
    dropped: tuple[Damage, ...]
    checksums_added: int
    merged: int
    left: str = ""


@dataclass(frozen=True)
class StoreRepair:
    """Say what was done to a store; `howfar.store.repair` makes it."""

    store: str
    features: tuple[FeatureRepair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar store repair --json``."""
        return asdict(self)


def repair(store: str | Path | None = None, feature: Sequence[str] = ()) -> StoreRepair:
    """Drop what of a store is damaged, so that it is embedded anew, give what is old checksums, and merge small shards.

    Others may read and write the store meanwhile; a folder that another process packs is left as it is.

    Parameters
    ----------
    store
        Its folder or URL; by default that of ``HOWFAR_STORE``, else the user's cache.
    feature
        Names of the features to repair, as in `howfar.store.check`; all by default.

    Raises
    ------
    InputError, MissingPathError
        As `howfar.store.check`.
    StoreError
        The disk refuses, or a folder changes faster than it can be read.

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
    return StoreRepair(str(folder_at(default_root() if store is None else store).path), done)


def _repaired(feature: StoredFeature) -> FeatureRepair:
    nothing = FeatureRepair(feature.name, feature.backbone, (), 0, 0)
    try:
        with feature.home.alone(LOCK) as first:
            if not first:
                return FeatureRepair(feature.name, feature.backbone, (), 0, 0, "another process packs it: repair it later")
            spoilt = [Damage(feature.name, name, why, 0) for name, why in damaged_sums(feature)]
            for damage in spoilt:
                folder, _, name = damage.file.rpartition("/")
                feature.home.child(folder).remove(name)
            left = _mend_manifest(feature) if feature.fault else ""
            if feature.fault and not left:
                spoilt.append(Damage(feature.name, NAME, f"{feature.fault}, and was written anew", 0))
            catalog = feature.catalog()
            if catalog is None:
                return nothing
            return _rows_repaired(feature, catalog, spoilt, left)
    except (ShardGoneError, ShardDamagedError) as error:
        raise StoreError(f"{feature.home.path} changes faster than it can be repaired: try again ({error})") from error
    except OSError as error:
        raise refusal(feature.home, "write to", error) from error


def _rows_repaired(feature: StoredFeature, catalog: ShardCatalog, spoilt: list[Damage], left: str) -> FeatureRepair:
    damage = check_rows(feature.name, catalog)
    shards.remove(catalog.folder, list(catalog.damaged))
    catalog.refresh()
    sweep(feature.home, catalog)
    drop_idle(catalog)
    without = sum(int((shard.checksums[list(shard.rows)] == ABSENT).sum()) for shard in catalog.shards.values())
    merged = rewrite(catalog, TARGET_BYTES, 1, renew=True)
    return FeatureRepair(feature.name, feature.backbone, (*spoilt, *damage), without, merged, left)


def _mend_manifest(feature: StoredFeature) -> str:
    """Write a damaged manifest anew where its identity can still be read; else say that the next run does."""
    identity = recovered(feature)
    if identity is None or feature.layout is None:
        return f"the next run with this feature writes its manifest anew, as nothing here tells its identity ({feature.fault})"
    write(feature.home, Manifest(identity, feature.layout.dtype, feature.layout.length))
    return ""
