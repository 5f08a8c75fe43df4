"""Write and read shards, the feature files of a store: a matrix ``<id>.npy``, and an index ``<id>.parquet`` of its rows.

The index has a checksum of each row and one of itself (`howfar.store.shard_index_file`).
The matrix is written, synced and named before the index, so an index that is seen always has its matrix behind it. Ids begin
with the time in nanoseconds: sorted by id, shards are sorted by age, and of two rows for one content the older is used.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.errors import InputError, StoreError
from howfar.store.open_folder import FileMatrix, Folder, ShardDamagedError, ShardGoneError
from howfar.store.shard_index_file import ABSENT, Entries, checksums_of, decode, digests_of, encode, in_hex

ARRAY, INDEX = ".npy", ".parquet"
ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(rf"[0-9a-f]{{32}}{re.escape(INDEX)}")
# What numpy writes, and no more: its own reader evaluates the text as Python, so that one spoilt byte may raise anything.
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<f[24])', 'fortran_order': False, 'shape': \((\d{1,18}), (\d{1,18})\), \} *\n", re.DOTALL
)
# On disk always little-endian, whatever wrote it.
STORED: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
HEADER_BYTES = 256
# Of a store behind a URL, where an answer takes its time.
ASKED_AT_ONCE = 16
S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class ShardFormat:
    """Describe the shards of one feature: the stored type, the numbers in a row, and the name of the feature's folder."""

    dtype: str
    length: int
    key: str

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row."""
        return self.length * STORED[self.dtype].itemsize


@dataclass(frozen=True, eq=False)
class Shard:
    """Hold the index of one shard of `count` rows: each entry's content and row, and each row's checksum (0 for none)."""

    id: str
    count: int
    contents: Sequence[str]
    rows: Sequence[int] | NDArray[np.int64]
    checksums: NDArray[np.uint64]

    @property
    def without_checksums(self) -> int:
        """Count the rows without checksums, which an earlier version wrote."""
        return int((self.checksums[list(self.rows)] == ABSENT).sum())

    def without(self, lost: Container[int]) -> Shard:
        """Return the shard without the entries of some rows."""
        left = [k for k, row in enumerate(self.rows) if row not in lost]
        contents = [self.contents[k] for k in left]
        return replace(self, contents=in_hex(contents) or contents, rows=np.asarray(self.rows, np.int64)[left])

    def has(self, rows: NDArray[np.int64], digests: NDArray[np.uint64]) -> bool:
        """Return whether rows hold the contents with these digests (`howfar.store.shard_index_file`), (n, 2)."""
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.count:
            return False
        entry = np.full(self.count, -1, np.int64)
        entry[np.asarray(self.rows)] = np.arange(len(self.rows))
        asked = entry[rows]
        return bool((asked >= 0).all() and (digests_of(self.contents)[asked] == digests).all())


def new_id() -> str:
    """Make a unique shard id of 32 hex digits that begins with the time, so that later ids sort after earlier ones."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def id_before(shard_id: str) -> str:
    """Make an id that sorts just before `shard_id` (one nanosecond older), for a shard that takes over its rows."""
    return f"{int(shard_id[:16], 16) - 1:016x}{secrets.token_hex(8)}"


def ids(folder: Folder) -> set[str]:
    """List the ids of a folder's shards: those with an index. Raises `OSError` if the folder cannot be read."""
    return {name[:32] for name in folder.names() if _NAME.fullmatch(name)}


def write(
    folder: Folder,
    shard_id: str,
    blocks: Iterable[NDArray[Any]],
    layout: ShardFormat,
    contents: Sequence[str],
    paths: Sequence[str],
    checksums: Sequence[int] | None = None,
) -> Shard:
    """Write a shard whole or not at all, and return it.

    `paths` are for people only. `checksums` are those that rows had where they lay before, 0 for a row without one: they are
    kept, so that a row which is damaged by then is found all the same. Raises `OSError` where the disk refuses; nothing is left
    behind then.
    """
    kept = [ABSENT] * len(contents) if checksums is None else list(checksums)
    array, index = f"{shard_id}{ARRAY}", f"{shard_id}{INDEX}"
    header = {"descr": STORED[layout.dtype].str, "fortran_order": False, "shape": (len(contents), layout.length)}
    try:
        row = 0
        with folder.appearing(array) as file:
            np.lib.format.write_array_header_1_0(file, header)
            for block in map(np.ascontiguousarray, blocks):
                stop = row + len(block)
                if ABSENT in kept[row:stop]:
                    fresh = zip(kept[row:stop], checksums_of(block), strict=True)
                    kept[row:stop] = [new if old == ABSENT else old for old, new in fresh]
                file.write(block.data.cast("B"))
                row = stop
        with folder.appearing(index) as file:
            file.write(encode(contents, paths, kept, layout.key))
    except BaseException:
        with suppress(OSError):
            if index not in folder.names():
                folder.remove(array)
        raise
    held = in_hex(contents) or tuple(contents)
    return Shard(shard_id, len(contents), held, np.arange(len(contents)), np.array(kept, np.uint64))


def read(folder: Folder, shard_id: str, layout: ShardFormat) -> Shard:
    """Read a shard's index and check it against the header of its matrix.

    Raises `ShardGoneError` where there is no index, and `ShardDamagedError` where index, matrix and `layout` do not agree.
    """
    try:
        entries = decode(folder.read(f"{shard_id}{INDEX}"), layout.key)
        count, _ = _layout(folder, f"{shard_id}{ARRAY}", layout)
    except FileNotFoundError as error:
        if f"{shard_id}{INDEX}" in folder.names():
            raise ShardDamagedError("its matrix is missing") from error
        raise ShardGoneError(shard_id) from error
    if len(entries.rows) and not (entries.rows.min() >= 0 and entries.rows.max() < count):
        raise ShardDamagedError(f"its index names rows beyond the {count} of its matrix")
    checksums = np.full(count, ABSENT, np.uint64)
    checksums[entries.rows] = entries.checksums
    return Shard(shard_id, count, entries.contents, entries.rows, checksums)


def read_entries(folder: Folder, shard_id: str, layout: ShardFormat) -> Entries:
    """Read a shard's index, with paths, without its matrix; raise as `read`, or `FileNotFoundError` if it is gone."""
    return decode(folder.read(f"{shard_id}{INDEX}"), layout.key, paths=True)


def view(folder: Folder, shard_id: str, layout: ShardFormat) -> FileMatrix:
    """Open a shard's (count, q) matrix; raise `ShardGoneError` if it is gone, `ShardDamagedError` for another shape."""
    name = f"{shard_id}{ARRAY}"
    try:
        count, offset = _layout(folder, name, layout)
        return folder.matrix(name, (count, layout.length), STORED[layout.dtype], offset)
    except FileNotFoundError as error:
        raise ShardGoneError(shard_id) from error


def remove(folder: Folder, gone: Iterable[str]) -> None:
    """Delete shards: first every index, which ends their existence, then the matrices."""
    doomed = list(gone)
    for suffix in (INDEX, ARRAY):
        for _ in several(folder, folder.remove, [f"{shard_id}{suffix}" for shard_id in doomed]):
            pass


def several(folder: Folder, ask: Callable[[S], R], of: Sequence[S]) -> Iterator[R]:
    """Yield ``ask`` of each item, in order; behind a URL, where answers take time, ask for several at a time."""
    if folder.near or len(of) < 2:
        yield from map(ask, of)
        return
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for start in range(0, len(of), ASKED_AT_ONCE):
            yield from pool.map(ask, of[start : start + ASKED_AT_ONCE])


def guess(folder: Folder, key: str) -> ShardFormat | None:
    """Detect from a folder's shards how its rows are stored; None if no matrix tells."""
    for shard_id in sorted(ids(folder)):
        with suppress(OSError):
            found = HEADER.match(folder.head(f"{shard_id}{ARRAY}", HEADER_BYTES)[0])
            if found and int(found[3]):
                dtype = next(name for name, stored in STORED.items() if stored.str == found[1].decode())
                return ShardFormat(dtype, int(found[3]), key)
    return None


def _layout(folder: Folder, name: str, layout: ShardFormat) -> tuple[int, int]:
    """Read a matrix's number of rows and the offset at which they begin."""
    head, size = folder.head(name, HEADER_BYTES)
    found = HEADER.match(head)
    begin = 10 + int.from_bytes(head[8:10], "little")
    if not found or found.end() != begin:
        raise ShardDamagedError("its matrix does not begin as howfar writes it")
    descr, count, length = found[1].decode(), int(found[2]), int(found[3])
    if descr != STORED[layout.dtype].str or length != layout.length:
        raise ShardDamagedError(f"its matrix is {descr} ({count}, {length}), not {layout.dtype} with {layout.length} columns")
    if size != begin + count * layout.row_bytes:
        raise ShardDamagedError(f"its matrix has {size} bytes, not those of {count} rows")
    return count, begin


def as_stored(rows: ArrayLike, contents: Sequence[str], paths: Sequence[str], dtype: str, length: int) -> NDArray[Any]:
    """Convert b features to their stored form: (b, q), contiguous, of the stored type; float32 stays bit-exact.

    Raises `InputError` where shapes or types do not agree, and `StoreError` for NaN, infinity or what the stored type cannot
    hold.
    """
    array = np.asarray(rows)
    if array.dtype.kind != "f":
        raise InputError.of("rows", "must be floating-point", array.dtype, "pass float32")
    if array.ndim != 2 or array.shape[1] != length or not len(array) == len(contents) == len(paths):
        raise InputError.of(
            "rows",
            f"must be ({len(contents)} contents, {length} features) with a path each",
            (*array.shape, f"{len(paths)} paths"),
        )
    not_text = [content for content in contents if not isinstance(content, str)]
    if not_text:
        raise InputError.of("contents", "must be text, the hash of an image's bytes", not_text[0])
    limit = float(np.finfo(STORED[dtype]).max)
    # NaN fails this comparison too. Minimum and maximum, unlike abs, need no second array of that size.
    fits = not array.size or max(-array.min(), array.max()) <= limit
    for row, path in () if fits else zip(array, paths, strict=True):
        if not np.isfinite(row).all():
            raise StoreError(f"the features of {path} hold NaN or infinity: check that image and the model's weights")
        largest = float(np.abs(row).max())
        if largest > limit:
            cure = 'use dtype="float32"' if dtype == "float16" else "scale the features down"
            raise StoreError(f"the features of {path} reach {largest:.6g}, beyond {limit:,.6g}, the end of {dtype}: {cure}")
    return np.ascontiguousarray(array, STORED[dtype])
