"""Write and read a shard: a row matrix ``<id>.npy`` and its index ``<id>.parquet``; it exists when its index does.

The matrix is written, synced and named before the index, so an index that is seen always has its matrix behind it. Ids begin
with the time in nanoseconds: sorted by id, shards are sorted by age, and of two rows for one content the older is used.
"""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from howfar.store.folder import Folder, Matrix

ARRAY, INDEX = ".npy", ".parquet"
ID = re.compile(r"[0-9a-f]{32}")
# On disk always little-endian, whatever wrote it.
STORED: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
HEADER_BYTES = 256
# Of a store behind a URL, where an answer takes its time.
ASKED_AT_ONCE = 16
S = TypeVar("S")
R = TypeVar("R")


class ShardGoneError(Exception):
    """Report a shard that is no longer there: another process packed it away."""


class ShardDamagedError(Exception):
    """Report a shard whose files contradict each other or are cut short."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Hold the index of one shard: which content lies in which row.

    `id` has 32 hex digits, `count` is the rows of the matrix, and `contents` and `rows` are the content and the row of each
    entry.
    """

    id: str
    count: int
    contents: Sequence[str]
    rows: Sequence[int]


def new_id() -> str:
    """Make an id that no other writer gives, beginning with the time: later ones sort after earlier ones.

    Examples
    --------
    >>> len(new_id()), new_id()[:16] <= new_id()[:16]
    (32, True)
    """
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def id_before(shard_id: str) -> str:
    """Make an id that sorts just before `shard_id`, one nanosecond older: that of a shard which takes over its rows.

    Examples
    --------
    >>> id_before("00000000000000ff" + "0" * 16)[:16]
    '00000000000000fe'
    """
    return f"{int(shard_id[:16], 16) - 1:016x}{secrets.token_hex(8)}"


def ids(folder: Folder) -> set[str]:
    """List the ids of the shards in a folder: those whose index is there. Raises `OSError` where it cannot be read."""
    return {name[:32] for name in folder.names() if name.endswith(INDEX) and ID.fullmatch(name[: -len(INDEX)])}


def write(
    folder: Folder,
    shard_id: str,
    blocks: Iterable[NDArray[Any]],
    shape: tuple[int, int],
    contents: Sequence[str],
    paths: Sequence[str],
) -> None:
    """Write a shard, so that it appears whole or not at all.

    Blocks of rows, in their stored type, are together of `shape`; `contents` and `paths` are those of each row, and a path is
    kept for people only. Raises `OSError` where the disk refuses; nothing is left behind then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    dtype: np.dtype[Any] | None = None
    array, index = f"{shard_id}{ARRAY}", f"{shard_id}{INDEX}"
    try:
        with folder.appearing(array) as file:
            for block in blocks:
                if dtype is None:
                    dtype = block.dtype
                    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
                file.write(np.ascontiguousarray(block).data.cast("B"))
        # A file name may hold bytes that are not UTF-8, which Parquet refuses.
        plain = [path.encode("utf-8", "backslashreplace").decode("utf-8") for path in paths]
        table = pa.table({"content": list(contents), "path": plain, "row": pa.array(range(shape[0]), pa.int64())})
        with folder.appearing(index) as file:
            pq.write_table(table, file)
    except BaseException:
        with suppress(OSError):
            if index not in folder.names():
                folder.remove(array)
        raise


def read(folder: Folder, shard_id: str, dtype: str, length: int) -> Shard:
    """Read the index of a shard and check it against the matrix, of which only the header is read.

    Raises `ShardGoneError` where the index is not there; `ShardDamagedError` where index or matrix is damaged, or they do not
    agree with each other or with `dtype` and `length`; and `OSError` where a file cannot be read.
    """
    try:
        contents, rows = _read_index(folder.read(f"{shard_id}{INDEX}"))
        (count, _), _ = _layout(folder, f"{shard_id}{ARRAY}", dtype, length)
    except FileNotFoundError as error:
        if f"{shard_id}{INDEX}" in folder.names():
            raise ShardDamagedError("its matrix is missing") from error
        raise ShardGoneError(shard_id) from error
    if rows and not (min(rows) >= 0 and max(rows) < count):
        raise ShardDamagedError(f"its index names rows beyond the {count} of its matrix")
    return Shard(shard_id, count, contents, rows)


def read_paths(folder: Folder, shard_id: str) -> list[str]:
    """Read the path of each entry of a shard, in the order of its contents. Raises `FileNotFoundError` where it is gone."""
    return _read_columns(folder.read(f"{shard_id}{INDEX}"), ["path"])[0]


def view(folder: Folder, shard_id: str, dtype: str, length: int) -> Matrix:
    """Open the (count, q) matrix of a shard, to be read in pieces.

    Raises `ShardGoneError` where it is not there, `ShardDamagedError` where it is cut short or of another shape, and `OSError`
    where it cannot be read.
    """
    name = f"{shard_id}{ARRAY}"
    try:
        shape, offset = _layout(folder, name, dtype, length)
        return folder.matrix(name, shape, STORED[dtype], offset)
    except FileNotFoundError as error:
        raise ShardGoneError(shard_id) from error


def remove(folder: Folder, gone: Iterable[str]) -> None:
    """Delete shards: every index first, which ends their existence, then the matrices.

    Raises `OSError` where the disk refuses.
    """
    doomed = list(gone)
    for suffix in (INDEX, ARRAY):
        for _ in several(folder, folder.remove, [f"{shard_id}{suffix}" for shard_id in doomed]):
            pass


def several(folder: Folder, ask: Callable[[S], R], of: Sequence[S]) -> Iterator[R]:
    """Yield ``ask`` of each, in order; behind a URL, where an answer takes its time, ask for several at a time.

    Examples
    --------
    >>> from howfar.store.folder import folder_at
    >>> list(several(folder_at("memory://shelf"), str.upper, ["a", "b"]))
    ['A', 'B']
    """
    if folder.near or len(of) < 2:
        yield from map(ask, of)
        return
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for start in range(0, len(of), ASKED_AT_ONCE):
            yield from pool.map(ask, of[start : start + ASKED_AT_ONCE])


def _read_index(data: bytes) -> tuple[list[str], list[int]]:
    contents, rows = _read_columns(data, ["content", "row"])
    if None in contents or None in rows or not all(isinstance(row, int) for row in rows):
        raise ShardDamagedError("its index has gaps")
    return contents, rows


def _read_columns(data: bytes, names: list[str]) -> list[list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # The bytes are in memory, so whatever pyarrow raises is damage and never a disk's refusal.
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns=names, use_threads=False)
        return [table.column(name).to_pylist() for name in names]
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ShardDamagedError(f"its index cannot be read ({error})") from error


def _layout(folder: Folder, name: str, dtype: str, length: int) -> tuple[tuple[int, int], int]:
    head, size = folder.head(name, HEADER_BYTES)
    shape, fortran, stored, offset = _header(head[: 10 + int.from_bytes(head[8:10], "little")])
    if fortran or stored != STORED[dtype] or len(shape) != 2 or shape[1] != length:
        raise ShardDamagedError(f"its matrix is {stored} {shape}, not {dtype} with {length} columns")
    if size != offset + shape[0] * length * stored.itemsize:
        raise ShardDamagedError(f"its matrix has {size} bytes, not those of {shape[0]} rows")
    return (shape[0], length), offset


@lru_cache(maxsize=256)
def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Read shape, order, type and offset; cached, since most shards of a folder begin with the same bytes."""
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise ShardDamagedError(f"its matrix has no header ({error})") from error
    return shape, fortran, dtype, stream.tell()
