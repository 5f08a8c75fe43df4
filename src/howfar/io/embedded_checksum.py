"""Embed a checksum of all bytes in a file, and verify the checksum before the file is parsed.

The seal is a text in the file, ``howfar-xxh3:`` and 16 digits: XXH3, 64 bits (https://github.com/Cyan4973/xxHash), of a key and
of all bytes of the file, where these digits are zeros. It is the last such text of the file: the value of `SEAL` in a JSON
document, or in the metadata of a Parquet file.
"""

from typing import Final

import xxhash

UNSEALED: Final = f"howfar-xxh3:{'0' * 16}"
"""What is written in place of a seal before the file is sealed."""
SEAL: Final = "seal"
"""The seal's name in a JSON document and in a Parquet file's metadata."""
_MARK: Final = UNSEALED.rstrip("0").encode()
_ZEROS: Final = b"0" * 16


def sealed(data: bytes, key: str = "") -> bytes:
    """Return a file's bytes with their checksum in place of the zeros of `UNSEALED`."""
    at = data.rfind(_MARK) + len(_MARK)
    return b"".join((data[:at], _digits(data, at, key), data[at + len(_ZEROS) :]))


def is_intact(data: bytes, key: str = "") -> bool | None:
    """Return whether a file's bytes are those that were sealed; None without a seal."""
    at = data.rfind(_MARK) + len(_MARK)
    return None if at < len(_MARK) else data[at : at + len(_ZEROS)] == _digits(data, at, key)


def _digits(data: bytes, at: int, key: str) -> bytes:
    checksum = xxhash.xxh3_64(key.encode())
    for part in (memoryview(data)[:at], _ZEROS, memoryview(data)[at + len(_ZEROS) :]):
        checksum.update(part)
    return checksum.hexdigest().encode()
