"""Define `Store`, a folder of image features, and `FeatureStore`, which looks up, adds and selects one backbone's features.

The folder of a backbone's features is named by the hash of what made them (weights, settings), which its manifest holds.
"""

import hashlib
import json
import logging
import math
import os
import re
import shutil
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from howfar import protocols
from howfar.errors import InputError, StoreError, check_at_least, check_choice, one_line
from howfar.store import shards
from howfar.store.folders import Folder, ShardDamagedError, ShardGoneError, as_store_errors, folder_at
from howfar.store.shard_catalog import PACKING, TRIES, ShardCatalog, drop_idle, rewrite, sweep
from howfar.store.shards import CHECKSUM, STORED, ShardFormat, in_hex

DIGITS = 24
LONGEST_NAME = 40


def feature_key(identity: Mapping[str, Any], dtype: str) -> str:
    """Name the folder of one feature in one storage type: a readable prefix, then 24 hex digits.

    The digits begin the SHA-256 of the canonical JSON of identity and type (96 bits; the manifest is compared all the same).
    The prefix is the identity's ``name``, if that is text. Raises `InputError` where the identity is not made of JSON values.

    Examples
    --------
    >>> feature_key({"name": "timm:resnet18", "layer": "pool"}, "float32")
    'timm-resnet18-78d7d043ad063c1b7dc1ceb9'
    """
    text = canonical({"dtype": dtype, "identity": identity})
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()[:DIGITS]
    name = identity.get("name")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:LONGEST_NAME].strip("-") if isinstance(name, str) else ""
    return f"{slug}-{digest}" if slug else digest


def canonical(identity: Mapping[str, Any]) -> str:
    """Write an identity as canonical JSON: keys sorted, no blanks, ASCII only; raise `InputError` for what is no JSON value."""
    try:
        plain = _plain(identity)
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"identity must be made of JSON values (text, finite numbers, lists, mappings): {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            # json would write the key 1 as "1" and make two identities one.
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


FORMAT = 1
NAME = "manifest.json"
SHARDS = "shards"
_log = logging.getLogger("howfar.store")


class ManifestDamagedError(Exception):
    """Report a manifest that cannot be read, or does not match its checksum."""


def ensure(folder: Folder, identity: Mapping[str, Any], layout: ShardFormat) -> None:
    """Write the manifest of a new folder, or check that the existing manifest agrees.

    A damaged or lost manifest is written anew, since the folder's name and the seals of its indexes tell the feature too.
    Raises `StoreError` where a whole manifest is of another format or feature, or the disk refuses.
    """
    with as_store_errors(folder, "use"):
        if not _has_manifest(folder):
            rows = folder.child(SHARDS)
            # Where folders are only prefixes of names, one exists if it holds anything. The manifest is looked at again, since
            # another writer may have made both between the two looks.
            with suppress(FileNotFoundError):
                if (rows.names() or rows.near) and not _has_manifest(folder):
                    _log.warning("%s has shards but no %s: written anew", folder.path, NAME)
            folder.make()
            write_manifest(folder, identity, layout)
        data = folder.read(NAME)
        # After the manifest, so that a folder with shards and no manifest is a damaged one and never a young one.
        folder.child(SHARDS).make()
    try:
        document = parse_manifest(data)
    except ManifestDamagedError as error:
        _log.warning("%s/%s is damaged (%s): written anew", folder.path, NAME, error)
        # Where the disk refuses, as with a store that is read-only, it will be said at the next run again.
        with suppress(OSError):
            write_manifest(folder, identity, layout)
    else:
        remedy = f"delete {folder.path} and its features will be computed anew"
        if document.get("format") != FORMAT:
            raise StoreError(
                f"{folder.path} has store format {document.get('format')!r}, this howfar reads {FORMAT}: "
                "use the howfar that wrote it, or give another store folder"
            )
        if canonical(document["identity"]) != canonical(identity) or document.get("dtype") != layout.dtype:
            raise StoreError(f"{folder.path} holds another feature than its name says (was it copied or edited?): {remedy}")
        if document.get("length") != layout.length:
            raise StoreError(
                f"{folder.path} holds features of length {document.get('length')!r}, the backbone now gives {layout.length}: "
                f"its identity must tell the two apart; mend that, or {remedy}"
            )
    folder.touch(NAME)


def write_manifest(folder: Folder, identity: Mapping[str, Any], layout: ShardFormat) -> None:
    """Write a manifest with its checksum, replacing an earlier one. Raises `OSError` if the disk refuses."""
    document = {"identity": json.loads(canonical(identity)), "dtype": layout.dtype, "length": layout.length, "format": FORMAT}
    text = json.dumps({**document, CHECKSUM: _checksum(document)}, indent=1, sort_keys=True)
    with folder.appearing(NAME) as file:
        file.write(text.encode("ascii") + b"\n")


def _checksum(document: Mapping[str, Any]) -> str:
    """Return the 64-bit XXH3 of the canonical text of all entries except the checksum."""
    rest = {name: value for name, value in document.items() if name != CHECKSUM}
    return xxhash.xxh3_64_hexdigest(canonical(rest).encode("ascii"))


def _has_manifest(folder: Folder) -> bool:
    try:
        return NAME in folder.names()
    except FileNotFoundError:
        return False


def parse_manifest(data: bytes) -> dict[str, Any]:
    """Parse a manifest (those of earlier versions have no checksum); raise `ManifestDamagedError` if it is damaged."""
    try:
        document = json.loads(data, parse_constant=_refuse)
        if not isinstance(document, dict) or not isinstance(document.get("identity"), dict):
            raise ValueError("it holds no identity")
        if document.get(CHECKSUM, _checksum(document)) != _checksum(document):
            raise ValueError("it does not match its checksum")
    # Nested brackets end in RecursionError, and numbers of thousands of digits in ValueError.
    except (ValueError, RecursionError, MemoryError) as error:
        raise ManifestDamagedError(one_line(error)) from error
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


class StoredRows:
    """Read the (n, q) float32 features of n contents (`howfar.protocols.Rows`), in their order; a content may repeat.

    Shards that another process packs away meanwhile are found again. A row is checked against its checksum when this process
    first reads it; a damaged one counts as absent. Raises `StoreError` where a content has no features, on reading too.
    """

    def __init__(self, catalog: ShardCatalog, contents: Sequence[str]) -> None:
        self._catalog = catalog
        # 16 bytes an image where contents are howfar's own.
        self._contents: Sequence[str] = in_hex(contents) or tuple(contents)
        self._row_positions = catalog.locate(self._contents)
        self.shape: tuple[int, int] = (len(self._contents), catalog.layout.length)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read rows `start` to `stop`, (stop - start, q) float32, with bounds as in a slice."""
        return self._read(slice(start, stop), slice(None))

    def columns(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read columns `start` to `stop` of every row, (n, stop - start) float32, with bounds as in a slice."""
        return self._read(slice(None), slice(start, stop))

    def _read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        n, q = self.shape
        columns = slice(*columns.indices(q))
        block = np.empty((len(range(n)[rows]), len(range(q)[columns])), np.float32)
        for _ in range(TRIES):
            with as_store_errors(self._catalog.folder, "read"):
                try:
                    for shard_id, positions, row in self._row_positions.by_shard(rows):
                        self._catalog.check(shard_id, row, self._row_positions.digests[rows][positions])
                        for first, last, piece in self._catalog.matrix(shard_id).pieces(row, columns):
                            block[positions[first:last]] = piece
                    return block
                except (ShardGoneError, FileNotFoundError):
                    self._catalog.refresh()
                    self._row_positions = self._catalog.locate(self._contents)
        line = f"the shards of {self._catalog.folder.path} vanish faster than they can be read"
        raise StoreError(f"{line}: let one process pack at a time")


TARGET_BYTES = 64 * 2**20
MANY_SHARDS = 64
TIDY_EVERY = 256
SELDOM = 50
"""Times as long as a look at a store behind a URL took, until `claim` takes another: its list grows with its shards."""


class FeatureStore:
    """Keep the features of one backbone identity on disk, keyed by image content; made by `howfar.store.Store.open`.

    Several threads may use one object, several processes one folder. What a process was writing when it was killed is absent,
    everything else is whole. Pickled, it opens the same folder again. `identity` is what the features depend on, `dtype` the
    stored type (what is read is float32 always), and `length` q, the numbers in a feature.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from howfar.store import Store
    >>> features = Store(tempfile.mkdtemp()).open({"name": "pixels", "side": 1}, 3)
    >>> features.add(["a1", "b2"], ["cat.png", "dog.png"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    >>> features.contains("a1"), features.contains("c3"), len(features)
    (True, False, 2)
    >>> features.select(["b2", "a1", "b2"]).columns(0, 2)
    array([[4., 5.],
           [1., 2.],
           [4., 5.]], dtype=float32)
    """

    def __init__(self, folder: Path | str, identity: Mapping[str, Any], dtype: str, length: int) -> None:
        self._home, self.dtype, self.length = folder_at(folder), dtype, length
        self.identity: dict[str, Any] = json.loads(canonical(identity))
        self._calls = 0
        self._looked, self._took = -math.inf, 0.0
        with as_store_errors(self._home, "use"):
            use = self._home.hold()
        layout = ShardFormat(dtype, length, feature_key(identity, dtype))
        ensure(self._home, self.identity, layout)
        self._catalog = ShardCatalog(self._home.child(SHARDS), layout, use=use)

    @property
    def folder(self) -> Path | str:
        """Return the location of the features: a path or a URL."""
        return self._home.path

    def remove_when_unused(self) -> None:
        """Remove the store's whole folder, a local one, once neither this object nor rows selected from it exist."""
        weakref.finalize(self._catalog, shutil.rmtree, Path(self.folder).parent, ignore_errors=True)

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.folder)!r}, {len(self)} contents, q = {self.length:,}, {self.dtype})"

    def __len__(self) -> int:
        return len(self._catalog)

    @property
    def damaged(self) -> Mapping[str, str]:
        """Return the shards on disk that are not used, and why; their contents count as absent."""
        return self._catalog.damaged

    def contains(self, content: str) -> bool:
        """Return whether a content's features are stored; `refresh` shows additions by other processes."""
        return content in self._catalog

    def verify(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Check the stored features of some contents against their checksums, each once per process.

        Returns those that were stored and are lost to damage: they must be embedded anew. What an earlier version wrote has no
        checksum; there NaN and infinity are damage. Raises `StoreError` where the folder cannot be read.
        """
        return self._catalog.verify(contents)

    def faults(self) -> tuple[str, ...]:
        """Return one line on the damage found here, which counts as absent; empty without damage."""
        shards, rows = len(self._catalog.damaged), sum(self._catalog.lost.values())
        counts = [f"{n:,} {word if n == 1 else word + 's'}" for n, word in ((shards, "shard"), (rows, "row")) if n]
        if not counts:
            return ()
        what = " and ".join(counts)
        return (f"{what} of the store {self.folder} were damaged and count as absent: their images were embedded anew",)

    def refresh(self) -> None:
        """Read what other processes have added or packed. Raises `StoreError` if the folder cannot be read."""
        self._catalog.refresh()

    @contextmanager
    def claim(self, contents: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Claim contents until the block ends; yield those that this caller must compute and `add`.

        Left out is what is stored, or claimed by another thread or process. A claim ends with its process. Where files cannot
        be locked, everything that is not stored is granted. Raises `StoreError` where the folder refuses.
        """
        with ExitStack() as stack:
            with as_store_errors(self._home, "write to"):
                granted = stack.enter_context(self._home.claim(contents, self._refreshed))
            yield granted

    def free(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Return the contents that are neither stored nor claimed now; raise `StoreError` if the folder cannot be read."""
        claimed = self._home.claimed()
        self.refresh()
        free = [content for content in dict.fromkeys(contents) if content not in claimed]
        stored = self._catalog.holds(free).tolist()
        return tuple(content for content, there in zip(free, stored, strict=True) if not there)

    def _refreshed(self) -> ShardCatalog:
        """Refresh the catalog; behind a URL, so rarely that it takes a small part of the time."""
        begun = time.monotonic()
        if self._home.near or begun - self._looked >= SELDOM * self._took:
            self.refresh()
            self._looked = time.monotonic()
            self._took = self._looked - begun
        return self._catalog

    def add(self, contents: Sequence[str], paths: Sequence[str], rows: ArrayLike) -> None:
        """Store features as one shard, whole or not at all, synced to disk on return.

        `rows` are (b, q) floating-point features of b `contents`, hashes of image bytes: of a content known already the older
        row stays the one that is read. `paths` are for people who look into the index. Raises `InputError` where shapes or
        types do not agree, and `StoreError` where a feature is NaN, infinite or beyond the stored type (65,504 for float16), or
        the disk refuses.
        """
        array = np.asarray(rows)
        if array.dtype.kind != "f":
            raise InputError.of("rows", "must be floating-point", array.dtype, "pass float32")
        if array.ndim != 2 or array.shape[1] != self.length or not len(array) == len(contents) == len(paths):
            rule = f"must be ({len(contents)} contents, {self.length} features) with a path each"
            raise InputError.of("rows", rule, (*array.shape, f"{len(paths)} paths"))
        not_text = [content for content in contents if not isinstance(content, str)]
        if not_text:
            raise InputError.of("contents", "must be text, the hash of an image's bytes", not_text[0])
        limit = float(np.finfo(STORED[self.dtype]).max)
        # NaN fails this comparison too. Minimum and maximum, unlike abs, need no second array of that size.
        fits = not array.size or max(-array.min(), array.max()) <= limit
        for row, path in () if fits else zip(array, paths, strict=True):
            if not np.isfinite(row).all():
                raise StoreError(f"the features of {path} hold NaN or infinity: check that image and the model's weights")
            largest = float(np.abs(row).max())
            if largest > limit:
                cure = 'use dtype="float32"' if self.dtype == "float16" else "scale the features down"
                reached = f"{largest:.6g}, beyond {limit:,.6g}, the end of {self.dtype}"
                raise StoreError(f"the features of {path} reach {reached}: {cure}")
        # float32 stays bit-exact.
        stored = np.ascontiguousarray(array, STORED[self.dtype])
        if not len(stored):
            return
        with as_store_errors(self._home, "write to"):
            shard = shards.write(self._catalog.folder, shards.new_id(), [stored], self._catalog.layout, contents, paths)
            self._catalog.insert(shard)

    def tidy(self) -> None:
        """Pack at every 256th call, on a disk only; writers call this after each `add` to keep the shards few."""
        self._calls += 1
        if self._home.near and self._calls % TIDY_EVERY == 0:
            self.pack()

    def select(self, contents: Sequence[str]) -> StoredRows:
        """Select the features of some contents, in order; raise `StoreError` for a content without features."""
        return StoredRows(self._catalog, contents)

    def pack(self, target_bytes: int = TARGET_BYTES, many: int = MANY_SHARDS) -> int:
        """Merge small shards into large ones if there are more than `many`; return how many were merged. No result changes.

        It may be killed anywhere, and others may read and write meanwhile. Damaged rows, and what killed writers left a day
        ago, are deleted on the way. A merged shard is closed at `target_bytes`; shards below half of that are small. Nothing is
        done where another process packs or the disk refuses: packing is never needed. Raises `InputError` where either is below
        1.
        """
        catalog = self._catalog
        check_at_least(1, target_bytes=target_bytes, many=many)
        try:
            with self._home.alone(PACKING) as first:
                if not first:
                    return 0
                catalog.refresh()
                sweep(self._home, catalog)
                drop_idle(catalog)
                merged = rewrite(catalog, target_bytes, many)
                catalog.refresh()
                catalog.purge()
                return merged
        except (ShardGoneError, ShardDamagedError, OSError) as error:
            _log.info("%s is left unpacked: %s", catalog.folder.path, error)
            return 0
        finally:
            catalog.refresh()


VARIABLE = "HOWFAR_STORE"


class Store:
    """Keep embeddings in a folder. Nothing is made on disk before `open`; a pickled store opens the same folder.

    `root` is its folder, or a URL that fsspec knows (``s3://bucket/folder``, ``gs://``, ``az://``); by default that of the
    environment variable ``HOWFAR_STORE``, else the user's cache folder. The `dtype` ``float16`` halves the space: I^dist moves
    by about 3e-5 relative, and features beyond 65,504 are refused. Raises `InputError` for another `dtype`.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(tempfile.mkdtemp())
    >>> store.open({"name": "pixels", "side": 96}, 27648)
    FeatureStore('...pixels-...', 0 contents, q = 27,648, float32)
    """

    def __init__(self, root: str | Path | None = None, dtype: Literal["float32", "float16"] = "float32") -> None:
        check_choice("dtype", dtype, STORED)
        self.root = default_root() if root is None else folder_at(root).path
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r}, dtype={self.dtype!r})"

    def open(self, identity: Mapping[str, Any], length: int) -> FeatureStore:
        """Open the features of length q of one identity (JSON values), creating them if they do not exist.

        Raises `InputError` where the identity is not made of JSON values or the length is below 1, and `StoreError` where the
        folder is of another format, feature or length, or cannot be used.
        """
        check_at_least(1, length=length)
        folder = folder_at(self.root).child(feature_key(identity, self.dtype))
        return FeatureStore(folder.path, identity, self.dtype, int(length))


def default_root() -> Path | str:
    """Return the default folder of a store: ``HOWFAR_STORE``, else howfar's folder in the user's cache."""
    named = os.environ.get(VARIABLE)
    if named:
        return folder_at(named).path
    return _cache()


def local_root(store: protocols.StoreLike | str | Path | None = None) -> Path:
    """Return the folder for files of this machine: a store's, else `default_root`; for URLs the user's cache."""
    given = Store(store) if isinstance(store, (str, Path)) else store
    root = given.root if isinstance(given, Store) else default_root()
    return root if isinstance(root, Path) else _cache()


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("howfar", appauthor=False)
