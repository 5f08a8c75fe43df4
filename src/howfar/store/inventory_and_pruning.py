"""List the features in a store with their sizes (`size`), and remove features by name, age or total size (`prune`)."""

import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from howfar.errors import InputError, MissingPathError, StoreError, option
from howfar.io.atomic_writes import TEMPORARY
from howfar.memory import parse_size
from howfar.store import shards
from howfar.store.feature_store import DIGITS, NAME, SHARDS, ManifestDamagedError, default_root, feature_key, parse_manifest
from howfar.store.folders import CLAIMS, Folder, as_store_errors, folder_at, reason_and_remedy
from howfar.store.shard_catalog import PACKING, ShardCatalog
from howfar.store.shards import ARRAY, INDEX, ShardFormat
from howfar.store.sqlite_index import FILE, JOURNAL, LOCK, SORTED

SUMS: Final = "sums"
"""Folder below a feature's where means and inner products of datasets are kept (`howfar.projection.pca_cache`)."""
JUST_NOW: Final = 600.0
"""Seconds for which features behind a URL, where nobody can lock, count as being written after the last was."""
_FOLDER: Final = re.compile(rf"(?:[a-z0-9][a-z0-9-]*-)?[0-9a-f]{{{DIGITS}}}")


@dataclass(frozen=True)
class StoredFeature:
    """Describe the folder of one feature, by its manifest or, where that is damaged or lost as `fault` says, by its shards.

    `backbone` is the name in the feature's identity (usually the backbone's), else that in the folder's name.
    """

    name: str
    home: Folder
    backbone: str
    fault: str
    layout: ShardFormat

    def catalog(self, derived: bool = False) -> ShardCatalog | None:
        """Read the feature's shard indexes or, with `derived`, the index file, without log messages.

        None where another process has removed the folder or only begun to make it.
        """
        try:
            return ShardCatalog(self.home.child(SHARDS), self.layout, quiet=True, derived=derived)
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

    @contextmanager
    def reserved(self) -> Iterator[str]:
        """Keep others from the features until the block ends; yield why these must be left alone, "" if nobody uses them.

        Raises `FileNotFoundError` where another process has removed the folder.
        """
        claimed = len(self.home.claimed())
        if claimed:
            yield f"another process is embedding {claimed:,} images of it"
            return
        with self.home.unused() as unused:
            if not unused:
                yield "another process uses it: prune it later"
            elif not self.home.near and time.time() - self.written() < JUST_NOW:
                yield "features were added within the last ten minutes, and nobody can lock what lies behind a URL"
            else:
                yield ""


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
    chosen: set[str] = set()
    for wanted in only:
        begun = {feature.name for feature in found if wanted and not whole and feature.name.startswith(wanted)}
        named = {feature.name for feature in found if wanted in (feature.backbone, feature.name)}
        if not begun | named:
            known = ", ".join(sorted({feature.backbone for feature in found})) or "none"
            raise InputError.of("feature", f"must be one of the store's ({known})", wanted, "howfar store size lists them")
        chosen |= begun | named
    return [feature for feature in found if not only or feature.name in chosen]


def _read(home: Folder, name: str) -> StoredFeature | None:
    """Read the manifest of a feature's folder; return None if the folder is no feature's."""
    try:
        has_manifest, has_shards = NAME in home.names(), SHARDS in home.folders()
    except FileNotFoundError:  # removed meanwhile
        return None
    if not has_shards and not has_manifest:
        return None
    fault = "it is missing"
    if has_manifest:
        try:
            manifest = parse_manifest(home.read(NAME))
            dtype, length, named = manifest.get("dtype"), manifest.get("length"), manifest["identity"].get("name")
            if dtype not in shards.STORED or not isinstance(length, int) or length < 1:
                raise ManifestDamagedError("it does not say how features are stored")
            if feature_key(manifest["identity"], dtype) != name:
                raise ManifestDamagedError("it is of another feature than the folder's name")
            backbone = named if isinstance(named, str) else name[: -DIGITS - 1]
            return StoredFeature(name, home, backbone, "", ShardFormat(dtype, length, name))
        except FileNotFoundError:
            return None
        except ManifestDamagedError as error:
            fault = str(error)
    guessed = shards.guess(home.child(SHARDS), name) if has_shards else None
    # Without a manifest nothing but a shard says that it is a feature's.
    return None if guessed is None else StoredFeature(name, home, name[: -DIGITS - 1], fault, guessed)


@dataclass(frozen=True)
class StoreReport:
    """Report on the store at a path or URL."""

    store: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar store --json``: all fields, then what is computed of them."""
        computed = [name for name, kind in vars(type(self)).items() if isinstance(kind, property)]
        return asdict(self) | {name: getattr(self, name) for name in computed}


@dataclass(frozen=True)
class FeatureSize:
    """Report the space that one feature takes.

    `bytes` is everything in the folder, `sums_bytes` the part of kept sums. `used` is when a run last opened it (UTC, ISO
    8601); behind a URL, when it was last written.
    """

    feature: str
    backbone: str
    dtype: str
    length: int
    images: int
    shards: int
    bytes: int
    sums_bytes: int
    used: str


@dataclass(frozen=True)
class StoreSize(StoreReport):
    """Report the space that a store takes by feature, the largest first; made by `howfar.store.size`."""

    features: tuple[FeatureSize, ...]

    @property
    def bytes(self) -> int:
        """Return the bytes of all features."""
        return sum(feature.bytes for feature in self.features)


def size(store: str | Path | None = None, feature: Sequence[str] = ()) -> StoreSize:
    """Return how many images and bytes a store holds of each feature, and when each was last used.

    `store` and `feature` are as in `howfar.store.check`, and so are the errors.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.store import Store
    >>> root = tempfile.mkdtemp()
    >>> _ = Store(root).open({"name": "pixels", "side": 1}, 3)
    >>> [(found.backbone, found.images, found.length) for found in size(root).features]
    [('pixels', 0, 3)]
    """
    sizes = [size_of(found) for found in features_in(store, feature)]
    ordered = sorted(sizes, key=lambda found: (-found.bytes, found.feature))
    return StoreSize(str(store_folder(store).path), tuple(ordered))


def size_of(feature: StoredFeature) -> FeatureSize:
    """Count the images and bytes of one feature."""
    sums, catalog = _bytes(feature.home.child(SUMS)), feature.catalog(derived=True)
    return FeatureSize(
        feature=feature.name,
        backbone=feature.backbone,
        dtype=feature.layout.dtype,
        length=feature.layout.length,
        images=0 if catalog is None else len(catalog),
        shards=0 if catalog is None else len(catalog.counts),
        bytes=_bytes(feature.home),
        sums_bytes=sums,
        used=datetime.fromtimestamp(feature.used(), UTC).isoformat(timespec="seconds"),
    )


def _bytes(folder: Folder) -> int:
    """Sum the bytes of all files below a folder; 0 if the folder does not exist."""
    try:
        here = sum(folder.sizes().values())
    except FileNotFoundError:
        return 0
    return here + sum(_bytes(folder.child(name)) for name in folder.folders())


DAY: Final = 24 * 3600.0
_SUMS: Final = re.compile(r"[0-9a-f]{32}")
_UNFINISHED: Final = rf".*{re.escape(TEMPORARY)}"
_DERIVED: Final = "|".join(map(re.escape, (FILE, JOURNAL, LOCK)))
_OWN: Final = {
    f"{SHARDS}/{SORTED}": re.compile(rf".*\.run|write\.lock|{_UNFINISHED}"),
    SHARDS: re.compile(rf"[0-9a-f]{{32}}({re.escape(ARRAY)}|{re.escape(INDEX)})|{_DERIVED}|{_UNFINISHED}"),
    CLAIMS: re.compile(r"[0-9a-f]{16}|\.door"),
    SUMS: re.compile(r"(?!)"),
    "": re.compile(rf"{re.escape(NAME)}|{_UNFINISHED}"),
}
"""Names of the files that howfar writes, by the folder below a feature's."""


@dataclass(frozen=True)
class LeftFeature:
    """Name a feature that was to be removed but was left, with the reason."""

    feature: str
    reason: str


@dataclass(frozen=True)
class StorePrune(StoreReport):
    """Report which features were or, in a `dry_run`, would be removed from a store; made by `howfar.store.prune`.

    `left` are features that were to go and were left; `bytes` is what the remaining features take.
    """

    removed: tuple[FeatureSize, ...]
    left: tuple[LeftFeature, ...]
    bytes: int
    dry_run: bool

    @property
    def freed(self) -> int:
        """Return the bytes that were or would be freed."""
        return sum(feature.bytes for feature in self.removed)


def prune(
    store: str | Path | None = None,
    feature: Sequence[str] = (),
    *,
    older_than: float | None = None,
    max_size: str | int | None = None,
    dry_run: bool = False,
) -> StorePrune:
    """Remove features from a store by name, by age, or the longest unused beyond a size limit.

    Conditions add up: only a feature that fulfils all of them goes. Features that another process uses are left, and so is
    every file that howfar did not write. `store` is as in `howfar.store.check`, and so are the errors; `feature` names
    backbones or folders, each in full. `older_than` lets go what no run has opened for so many days (behind a URL, what nothing
    was added to), `max_size` what was used longest ago until the store takes no more than this: 20GB, 500MB, or bytes. With
    `dry_run` nothing is removed. Raises `InputError` where nothing says what is to go, and `StoreError` where the disk refuses.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.store import Store
    >>> root = tempfile.mkdtemp()
    >>> for name in ("pixels", "clip"):
    ...     _ = Store(root).open({"name": name}, 3)
    >>> [gone.backbone for gone in prune(root, ["clip"], dry_run=True).removed]
    ['clip']
    >>> _ = prune(root, ["clip"])
    >>> [left.backbone for left in features_in(root)]
    ['pixels']
    """
    if not feature and older_than is None and max_size is None:
        raise InputError(
            "prune must be told what is to go: "
            f"a feature, {option('older_than')} days, or the {option('max_size')} of the store"
        )
    if older_than is not None and not older_than >= 0:
        raise InputError.of("older_than", "must be a number of days from 0 on", older_than)
    wanted = {found.name for found in features_in(store, feature, whole=True)}
    found = features_in(store)
    sizes = {each.name: size_of(each) for each in found}
    total = sum(each.bytes for each in sizes.values())
    limit = None if max_size is None else 0
    if max_size is not None and str(max_size).strip() != "0":
        try:
            limit = parse_size(max_size)
        except InputError as error:
            raise InputError.of("max_size", "must be a size", max_size, "write 20GB, 500MB, or bytes") from error
    removed, left = [], []
    for each in sorted(found, key=lambda each: (each.used(), each.name)):
        old = older_than is None or time.time() - each.used() >= older_than * DAY
        if each.name not in wanted or not old or (limit is not None and total <= limit):
            continue
        reason = _removed(each, dry_run)
        if reason:
            left.append(LeftFeature(each.name, reason))
        else:
            removed.append(sizes[each.name])
            total -= sizes[each.name].bytes
    root = str(store_folder(store).path)
    return StorePrune(root, tuple(removed), tuple(left), total, dry_run)


def _removed(feature: StoredFeature, dry_run: bool) -> str:
    """Remove a feature, unless in a `dry_run`; return the reason if it is or would be left, or "" if it is gone."""
    place = feature.home.path
    for name in () if dry_run else (SHARDS, f"{SHARDS}/{SORTED}", SUMS, CLAIMS):
        if isinstance(place, Path) and (place / name).is_symlink():
            return f"its folder {name} is a link, which is not followed"
    # Where the folder is not found, another process has removed it.
    with as_store_errors(feature.home, "remove"), suppress(FileNotFoundError), feature.reserved() as reason:
        if reason or dry_run:
            return reason
        with feature.home.alone(PACKING) as first:
            if not first:
                return "another process packs it"
            _remove(feature.home)
        feature.home.remove(PACKING)
        feature.home.discard()
    return ""


def _remove(home: Folder) -> None:
    """Remove howfar's files from a feature's folder, shards first, so that a kill leaves a sound store."""
    rows = home.child(SHARDS)
    shards.remove(rows, sorted(shards.ids(rows)))
    sums = {
        f"{SUMS}/{name}": re.compile(rf".*(\.npz|{TEMPORARY})") for name in home.child(SUMS).folders() if _SUMS.fullmatch(name)
    }
    for below, own in (sums | _OWN).items():
        folder = home.child(below) if below else home
        with suppress(FileNotFoundError):
            for name in sorted(filter(own.fullmatch, folder.names())):
                folder.remove(name)
        if below:
            folder.discard()
