"""Write and read the index of a shard (feature file): a Parquet file of content hashes, paths, rows and checksums.

The key of the seal is the name of the feature's folder. The seal is compared before the file is parsed, so a damaged index
never gets as far as a parser, and an index that was copied from another feature's folder is refused.

In memory a content is held as a digest of 16 bytes, by which contents are sorted and compared, rather than as text.
"""

from __future__ import annotations

import binascii
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, overload

import numpy as np
import xxhash
from numpy.typing import NDArray

from howfar.io.embedded_checksum import UNSEALED, is_intact, sealed
from howfar.store.open_folder import ShardDamagedError

CHECKSUM: Final = "xxh3"
ABSENT: Final = 0
"""In place of the checksum of a row that an earlier version wrote."""
DIGITS: Final = 32
"""Hexadecimal digits of a content that howfar has written (`howfar.data.content_hash`)."""
_NAME: Final = b"howfar-index"
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
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2, person=_NAME).digest()


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
    try:
        columns = _parse(data, ("content", "row", "path") if paths else ("content", "row"))
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


def _parse(data: bytes, wanted: Sequence[str]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    names = [*wanted, *([CHECKSUM] if CHECKSUM in file.schema_arrow.names else [])]
    table = file.read(columns=names, use_threads=False)
    columns = {name: table.column(name) for name in names}
    for name, column in columns.items():
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        right = text if name == "content" else pa.types.is_integer(column.type)
        if name != "path" and (column.null_count or not right):
            raise ValueError("its columns are of other types, or have gaps")
    return columns
