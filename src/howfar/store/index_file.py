"""Write and read the index of a shard: a Parquet file of contents, paths, rows and their checksums, sealed by one of its own.

The seal is a line of the file's metadata, ``howfar-xxh3:`` and 16 digits: XXH3, 64 bits, of the name of the feature's folder
and of all bytes of the file, where these digits are zeros. It is compared before the file is parsed, so a damaged index never
gets as far as a parser, and an index that was copied from another feature's folder is refused.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from howfar.store.damage import ShardDamagedError

CHECKSUM: Final = "xxh3"
ABSENT: Final = 0
"""In place of the checksum of a row that an earlier version wrote."""
_SEAL: Final = b"howfar-xxh3:"
_DIGITS: Final = 16
_ZEROS: Final = b"0" * _DIGITS


@dataclass(frozen=True, eq=False)
class Entries:
    """Hold what an index says: content, path and row of each entry, and the checksum of each row that it names."""

    contents: Sequence[str]
    paths: Sequence[str]
    rows: Sequence[int]
    checksums: Mapping[int, int]


def checksum(data: Any) -> int:
    """Compute the checksum of a row's bytes: XXH3, 64 bits (https://github.com/Cyan4973/xxHash).

    Examples
    --------
    >>> f"{checksum(b'123456789'):016x}"
    '72dcb18b67a17dff'
    """
    # The standard library's crc32 needs no dependency, but with it a warm compare spent 3.5 % of its time on checksums, and 8 %
    # with SAM's features, where 3 % is the most that they may take; XXH3 is three to four times as fast, as recorded by
    # benchmarks/checksums.py. xxhash has no dependency of its own, and wheels for every system and Python that howfar is for.
    return int(xxhash.xxh3_64_intdigest(data))


def encode(contents: Sequence[str], paths: Sequence[str], checksums: Sequence[int], key: str) -> bytes:
    """Write the index of a shard whose rows have these contents, paths and checksums, sealed for the feature's folder `key`."""
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
    pq.write_table(pa.table(columns).replace_schema_metadata({"howfar": _SEAL + _ZEROS}), stream)
    data = stream.getvalue()
    at = data.rfind(_SEAL) + len(_SEAL)
    return b"".join((data[:at], _sealed(data, at, key), data[at + _DIGITS :]))


def decode(data: bytes, key: str) -> Entries:
    """Read an index; one without a seal and checksums is of an earlier version, and is read as that wrote it.

    Raises `ShardDamagedError` where the seal fits neither the bytes nor the feature's folder `key`, or the file is no index.
    """
    at = data.rfind(_SEAL) + len(_SEAL)
    sealed = at >= len(_SEAL)
    if sealed and data[at : at + _DIGITS] != _sealed(data, at, key):
        raise ShardDamagedError("its index does not match its checksum")
    columns = _parse(data)
    contents, paths, rows = (columns[name] for name in ("content", "path", "row"))
    # Both or neither: where one of them got lost the file is no longer as it was written.
    if sealed != (CHECKSUM in columns):
        raise ShardDamagedError("its index has lost its checksum")
    return Entries(contents, paths, rows, dict(zip(rows, columns.get(CHECKSUM, ()), strict=sealed)))


def checksums_of(block: NDArray[Any]) -> list[int]:
    """Compute the checksum of each row of a (b, q) block, which is contiguous.

    Examples
    --------
    >>> checksums_of(np.zeros((2, 3), np.float32))
    [14166511957577999600, 14166511957577999600]
    """
    width = block.shape[1] * block.itemsize
    data = block.view(np.uint8).reshape(-1).data
    return [checksum(data[start : start + width]) for start in range(0, len(data), width)]


def _sealed(data: bytes, at: int, key: str) -> bytes:
    seal = xxhash.xxh3_64(key.encode())
    for part in (memoryview(data)[:at], _ZEROS, memoryview(data)[at + _DIGITS :]):
        seal.update(part)
    return seal.hexdigest().encode()


def _parse(data: bytes) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = file.schema_arrow.names
        wanted = ["content", "path", "row", *([CHECKSUM] if CHECKSUM in names else [])]
        table = file.read(columns=wanted, use_threads=False)
        columns = {name: table.column(name) for name in wanted}
        whole = all(_is_kind(name, column.type) and not column.null_count for name, column in columns.items() if name != "path")
        if not whole:
            raise ValueError("its columns are of other types, or have gaps")
        return {name: column.to_pylist() for name, column in columns.items()}
    # The bytes are in memory, so whatever is raised is damage and never a disk's refusal; which errors a parser has for
    # spoilt bytes nobody has listed.
    except Exception as error:
        raise ShardDamagedError(f"its index cannot be read ({error})") from error


def _is_kind(name: str, kind: Any) -> bool:
    import pyarrow as pa

    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(text if name == "content" else pa.types.is_integer(kind))
