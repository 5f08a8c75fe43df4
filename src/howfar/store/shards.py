"""Write and read shards, the feature files of a store: a matrix ``<id>.npy``, and an index ``<id>.parquet`` of its rows.

The matrix is written, synced and named before the index, so an index that is seen always has its matrix behind it. Ids begin
with the time in nanoseconds: sorted by id, shards are sorted by age, and of two rows for one content the older is used.

The index is a Parquet file of content hashes, paths, rows and checksums of rows, with a seal: a checksum of the file. The key
of the seal is the name of the feature's folder. The seal is compared before the file is parsed, so a damaged index never gets
as far as a parser, and an index that was copied from another feature's folder is refused.

In memory a content is held as a digest of 16 bytes, by which contents are sorted and compared, rather than as text.
"""

from __future__ import annotations

import binascii
import io
import re
import secrets
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, TypeVar, overload

import numpy as np
import xxhash
from numpy.typing import NDArray

from howfar.io.embedded_checksum import UNSEALED, is_intact, sealed
from howfar.store.folders import FileMatrix, Folder, ShardDamagedError, ShardGoneError

CHECKSUM: Final = "xxh3"
ABSENT: Final = 0
"""In place of the checksum of a row that an earlier version wrote."""
DIGITS: Final = 32
"""Hexadecimal digits of a content that howfar has written (`howfar.data.content_hash`)."""
_PERSON: Final = b"howfar-index"
_BIG: Final = np.dtype(">u8")


class HexContents(Sequence[str]):
    """Hold contents of 32 hexadecimal digits as numbers, (n, 2) uint64, and return them as text on access."""

    def __init__(self, digests: NDArray[np.uint64]) -> None:
        self.digests = digests

    def __len__(self) -> int:
        return len(self.digests)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> HexContents: ...
    def __getitem__(self, index: int | slice) -> str | HexContents:
        if isinstance(index, slice):
            return HexContents(self.digests[index])
        return str(self.digests[index].astype(_BIG).tobytes().hex())

    def __iter__(self) -> Any:
        digits = self.digests.astype(_BIG).tobytes().hex()
        return (digits[start : start + DIGITS] for start in range(0, len(digits), DIGITS))


def digests_of(contents: Sequence[str]) -> NDArray[np.uint64]:
    """Compute the digests of contents (`digest_of`) as (n, 2) uint64, which sort as the digests' bytes do."""
    packed = in_hex(contents)
    if packed is not None:
        return packed.digests
    return _halves(b"".join(map(digest_of, contents)))


def in_hex(contents: Sequence[str]) -> HexContents | None:
    """Convert contents to numbers if all are 32 hexadecimal digits, as howfar writes them; else return None."""
    if isinstance(contents, HexContents):
        return contents
    if any(length != DIGITS for length in set(map(len, contents))):
        return None
    text = "".join(contents)
    try:
        data = binascii.unhexlify(text)
    except ValueError:
        return None
    # Upper-case digits are another content.
    return HexContents(_halves(data)) if data.hex() == text else None


def digest_of(content: str) -> bytes:
    """Compute a content's digest: the 16 bytes of 32 hexadecimal digits, or BLAKE2b of any other text."""
    if len(content) == DIGITS:
        with suppress(ValueError):
            data = bytes.fromhex(content)
            if data.hex() == content:
                return data
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2, person=_PERSON).digest()


def _halves(data: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(data, _BIG).reshape(-1, 2).astype(np.uint64)


@dataclass(frozen=True, eq=False)
class Entries:
    """Hold an index in columns: content, row and checksum of each entry, and its path if requested."""

    contents: Sequence[str]
    rows: NDArray[np.int64]
    checksums: NDArray[np.uint64]
    paths: Sequence[str | None] = ()


def checksum(data: Any) -> int:
    """Compute the checksum of a row's bytes: XXH3, 64 bits (https://github.com/Cyan4973/xxHash)."""
    # The standard library's crc32 needs no dependency, but with it a warm compare spent 3.5 % of its time on checksums, and 8 %
    # with SAM's features, where 3 % is the most that they may take; XXH3 is three to four times as fast, as recorded by
    # benchmarks/checksums.py. xxhash has no dependency of its own, and wheels for every system and Python that howfar is for.
    return int(xxhash.xxh3_64_intdigest(data))


def encode(contents: Sequence[str], paths: Sequence[str], checksums: Sequence[int], key: str) -> bytes:
    """Encode the index of a shard with these contents, paths and checksums, sealed for the feature's folder `key`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # A file name may hold bytes that are not UTF-8, which Parquet refuses.
    plain = [path.encode("utf-8", "backslashreplace").decode("utf-8") for path in paths]
    columns = {
        "content": list(contents),
        "path": plain,
        "row": pa.array(range(len(plain)), pa.int64()),
        CHECKSUM: pa.array(checksums, pa.uint64()),
    }
    stream = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata({"howfar": UNSEALED}), stream)
    return sealed(stream.getvalue(), key)


def decode(data: bytes, key: str, paths: bool = False) -> Entries:
    """Decode an index; an index of an earlier version has neither seal nor checksums.

    Raises `ShardDamagedError` where the seal fits neither the bytes nor the feature's folder `key`, or the file is no index.
    """
    intact = is_intact(data, key)
    if intact is False:
        raise ShardDamagedError("its index does not match its checksum")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        wanted = ("content", "row", *(("path",) if paths else ()), CHECKSUM)
        names = [name for name in wanted if name != CHECKSUM or name in file.schema_arrow.names]
        table = file.read(columns=names, use_threads=False)
        columns = {name: table.column(name) for name in names}
        for name, column in columns.items():
            text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            right = text if name == "content" else pa.types.is_integer(column.type)
            if name != "path" and (column.null_count or not right):
                raise ValueError("its columns are of other types, or have gaps")
        rows = _numbers(columns["row"], np.dtype(np.int64))
        sums = np.full(len(rows), ABSENT, np.uint64)
        if CHECKSUM in columns:
            sums = _numbers(columns[CHECKSUM], np.dtype(np.uint64))
        contents: list[str] = columns["content"].to_pylist()
        entries = Entries(in_hex(contents) or contents, rows, sums, columns["path"].to_pylist() if paths else ())
    # The bytes are in memory, so it is never a disk's refusal; which errors a parser has for spoilt bytes nobody has listed.
    except Exception as error:
        raise ShardDamagedError(f"its index cannot be read ({error})") from error
    # Both or neither: where one of them got lost the file is no longer as it was written.
    if bool(intact) != (CHECKSUM in columns):
        raise ShardDamagedError("its index has lost its checksum")
    return entries


def _numbers(column: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read a column of numbers without nulls; `to_numpy` would import pandas."""
    import pyarrow as pa

    array = column.combine_chunks().cast(pa.from_numpy_dtype(dtype))
    values = array.buffers()[1]
    return np.frombuffer(values, dtype, len(array), array.offset * dtype.itemsize) if len(array) else np.zeros(0, dtype)


def checksums_of(block: NDArray[Any]) -> list[int]:
    """Compute the checksum of each row of a contiguous (b, q) block."""
    width = block.shape[1] * block.itemsize
    data = block.view(np.uint8).reshape(-1).data
    return [checksum(data[start : start + width]) for start in range(0, len(data), width)]


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
        """Return whether rows hold the contents with these digests (`digests_of`), (n, 2)."""
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.count:
            return False
        entry = np.full(self.count, -1, np.int64)
        entry[np.asarray(self.rows)] = np.arange(len(self.rows))
        asked = entry[rows]
        return bool((asked >= 0).all() and (digests_of(self.contents)[asked] == digests).all())


def new_id(before: str | None = None) -> str:
    """Make a unique shard id of 32 hex digits that begins with the time, so that later ids sort after earlier ones.

    With `before`, make one that sorts just before that id (one nanosecond older), for a shard that takes over its rows.
    """
    moment = time.time_ns() if before is None else int(before[:16], 16) - 1
    return f"{moment:016x}{secrets.token_hex(8)}"


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

    `paths` are for people only. `checksums` are those that rows had where they lay before (0 for none), by which a row that was
    damaged since is found. Raises `OSError` where the disk refuses, and leaves nothing behind then.
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
