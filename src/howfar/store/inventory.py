"""Find the features in a store without changing anything: which they are, how they are stored, who is using them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from howfar.errors import InputError, MissingPathError, StoreError
from howfar.store import shards
from howfar.store.feature_store import default_root
from howfar.store.local_folder import folder_at
from howfar.store.manifest import DIGITS, NAME, SHARDS, ManifestDamagedError, feature_key, parse
from howfar.store.shard_catalog import ShardCatalog
from howfar.store.shard_folder import Folder, reason_and_remedy
from howfar.store.shards import ShardFormat

SUMS: Final = "sums"
"""Folder below a feature's where means and inner products of datasets are kept (`howfar.projection.sufficient_statistics`)."""
JUST_NOW: Final = 600.0
"""Seconds for which features behind a URL, where nobody can lock, count as being written after the last was."""
IN_USE: Final = "another process uses it: prune it later"
_FOLDER: Final = re.compile(rf"(?:[a-z0-9][a-z0-9-]*-)?[0-9a-f]{{{DIGITS}}}")


@dataclass(frozen=True)
class StoredFeature:
    """Describe the folder of one feature.

    `manifest` is None where it is damaged or lost, and `fault` says why; `layout` is None where nothing tells how rows are
    stored.
    """

    name: str
    home: Folder
    manifest: Mapping[str, Any] | None
    fault: str
    layout: ShardFormat | None

    @property
    def backbone(self) -> str:
        """Return the name in the feature's identity (usually the backbone's), else that in the folder's name."""
        named = (self.manifest or {}).get("identity", {}).get("name")
        return named if isinstance(named, str) else self.name[: -DIGITS - 1]

    def catalog(self, derived: bool = False) -> ShardCatalog | None:
        """Read the feature's shard indexes or, with `derived`, the index file, without log messages.

        None where it is not known how rows are stored, or another process has removed the folder or only begun to make it.
        """
        try:
            home = self.home.child(SHARDS)
            return None if self.layout is None else ShardCatalog(home, self.layout, quiet=True, derived=derived)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def written(self) -> float:
        """Return when features were last added, in seconds since 1970, by the shards' names; 0 without shards."""
        try:
            return max((int(shard_id[:16], 16) / 1e9 for shard_id in shards.ids(self.home.child(SHARDS))), default=0.0)
        except FileNotFoundError:
            return 0.0

    def used(self) -> float:
        """Return when a run last opened the feature, in seconds since 1970; for a URL, when it was last written."""
        moment = self.home.written(NAME) if self.home.near else 0.0
        return max(self.written(), 0.0 if math.isinf(moment) else moment)

    def in_use(self) -> str:
        """Return why the features must be left alone, as others write or read them; "" if nobody does."""
        claimed = len(self.home.claimed())
        if claimed:
            return f"another process is embedding {claimed:,} images of it"
        with suppress(FileNotFoundError), self.home.unused() as unused:
            if not unused:
                return IN_USE
        if not self.home.near and time.time() - self.written() < JUST_NOW:
            return "features were added within the last ten minutes, and nobody can lock what lies behind a URL"
        return ""


def store_folder(root: Path | str | None = None) -> Folder:
    """Return the folder of a store, by default that of `howfar.store.default_root`."""
    return folder_at(default_root() if root is None else root)


def features_in(root: Path | str | None = None, only: Sequence[str] = (), *, whole: bool = False) -> list[StoredFeature]:
    """List the features in a store, sorted by folder name; other folders are ignored.

    `only` names backbones, folders or, unless `whole`, beginnings of folder names. Raises `InputError` where the folder is one
    feature's, holds none of a name or cannot be read, and `MissingPathError` where a named folder is absent.
    """
    folder = store_folder(root)
    place, remedy = str(folder.path), "name the folder that --store was given"
    if root is not None and isinstance(folder.path, Path) and not folder.path.is_dir():
        raise MissingPathError(f"no store at {place}: {remedy}")
    try:
        below = folder.folders()
        if SHARDS in below:
            parent, _, name = place.rpartition("/")
            rule = "must be a store, not the folder of one feature in it"
            raise InputError.of("store", rule, place, f"pass {parent} and --feature {name}")
        if root is not None and not any(_FOLDER.fullmatch(name) for name in below) and (below or folder.names()):
            raise InputError.of("store", "must hold folders of features", place, remedy)
        found = [feature for name in sorted(below) if _FOLDER.fullmatch(name) and (feature := _read(folder.child(name), name))]
    except OSError as error:
        reason, remedy = reason_and_remedy(folder, error)
        raise InputError.of("store", f"must be a store that can be read ({reason})", place, remedy) from error
    for wanted in only:
        if not any(_is(feature, wanted, whole) for feature in found):
            known = ", ".join(sorted({feature.backbone for feature in found})) or "none"
            raise InputError.of("feature", f"must be one of the store's ({known})", wanted, "howfar store size lists them")
    return [feature for feature in found if not only or any(_is(feature, wanted, whole) for wanted in only)]


def _is(feature: StoredFeature, wanted: str, whole: bool) -> bool:
    begun = bool(wanted) and not whole and feature.name.startswith(wanted)
    return begun or wanted in (feature.backbone, feature.name)


def _read(home: Folder, name: str) -> StoredFeature | None:
    """Read the manifest of a feature's folder; return None if the folder is no feature's."""
    try:
        has_manifest, has_shards = NAME in home.names(), SHARDS in home.folders()
    except FileNotFoundError:  # removed meanwhile
        return None
    if not has_shards and not has_manifest:
        return None
    manifest, fault = None, "it is missing"
    if has_manifest:
        try:
            manifest, fault = _whole(parse(home.read(NAME)), name), ""
        except FileNotFoundError:
            return None
        except ManifestDamagedError as error:
            fault = str(error)
    if manifest is not None:
        return StoredFeature(name, home, manifest, fault, ShardFormat(manifest["dtype"], manifest["length"], name))
    guessed = shards.guess(home.child(SHARDS), name) if has_shards else None
    # Without a manifest nothing but a shard says that it is a feature's.
    return None if guessed is None else StoredFeature(name, home, None, fault, guessed)


def _whole(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    dtype, length = manifest.get("dtype"), manifest.get("length")
    if dtype not in shards.STORED or not isinstance(length, int) or length < 1:
        raise ManifestDamagedError("it does not say how features are stored")
    if feature_key(manifest["identity"], dtype) != name:
        raise ManifestDamagedError("it is of another feature than the folder's name")
    return manifest
