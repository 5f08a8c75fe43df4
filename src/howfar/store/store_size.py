"""Say how much of a store each feature takes, and when it was last used (`howfar.store.size`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from howfar.store.folder import Folder, folder_at
from howfar.store.inventory import SUMS, StoredFeature, features_in
from howfar.store.store import default_root


@dataclass(frozen=True)
class FeatureSize:
    """Say what one feature takes.

    Attributes
    ----------
    feature, backbone
        The feature's folder, and the name in its identity.
    dtype, length
        Stored type, and q, the numbers in a feature; None where the manifest and every shard are damaged.
    images, shards
        How many images have features, in how many shards.
    bytes
        Bytes of everything in the folder, and of that `sums_bytes` those of kept sums, which are computed anew where they lack.
    used
        When a run last opened it (UTC, ISO 8601); behind a URL, where that is not noted, when it was last written.
    """

    feature: str
    backbone: str
    dtype: str | None
    length: int | None
    images: int
    shards: int
    bytes: int
    sums_bytes: int
    used: str


@dataclass(frozen=True)
class StoreSize:
    """Say what a store takes, feature by feature, the largest first; `howfar.store.size` makes it."""

    store: str
    features: tuple[FeatureSize, ...]

    @property
    def bytes(self) -> int:
        """Return the bytes of all features."""
        return sum(feature.bytes for feature in self.features)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar store size --json``."""
        return {**asdict(self), "bytes": self.bytes}


def size(store: str | Path | None = None, feature: Sequence[str] = ()) -> StoreSize:
    """Say how many images and bytes a store holds of each feature, and when each was last used.

    `store` and `feature` are as in `howfar.store.check`, and so are the errors.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from howfar.store import Store
    >>> root = tempfile.mkdtemp()
    >>> features = Store(root).open({"name": "pixels", "side": 1}, 3)
    >>> features.add(["a1", "b2"], ["cat.png", "dog.png"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    >>> [(found.backbone, found.images, found.length) for found in size(root).features]
    [('pixels', 2, 3)]
    """
    sizes = [size_of(found) for found in features_in(store, feature)]
    ordered = sorted(sizes, key=lambda found: (-found.bytes, found.feature))
    return StoreSize(str(folder_at(default_root() if store is None else store).path), tuple(ordered))


def size_of(feature: StoredFeature) -> FeatureSize:
    """Count the images and bytes of one feature."""
    sums, catalog = _bytes(feature.home.child(SUMS)), feature.catalog(derived=True)
    return FeatureSize(
        feature=feature.name,
        backbone=feature.backbone,
        dtype=None if feature.layout is None else feature.layout.dtype,
        length=None if feature.layout is None else feature.layout.length,
        images=0 if catalog is None else len(catalog),
        shards=0 if catalog is None else len(catalog.shards),
        bytes=_bytes(feature.home),
        sums_bytes=sums,
        used=datetime.fromtimestamp(feature.used(), UTC).isoformat(timespec="seconds"),
    )


def _bytes(folder: Folder) -> int:
    """Sum the bytes of all files in a folder and those below it; 0 where there is none."""
    try:
        here = sum(folder.sizes().values())
    except FileNotFoundError:
        return 0
    return here + sum(_bytes(folder.child(name)) for name in folder.folders())
