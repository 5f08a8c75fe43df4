"""Hold the contents of images as 16 bytes each, by which they are sorted and compared, rather than as text.

A content is mostly 32 hexadecimal digits (`howfar.data.content_hash`), which are 16 bytes and can be told from them. Of any
other text the digest is BLAKE2b, 16 bytes, under a name of its own, so that no text has the digest of another content.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

DIGITS: Final = 32
_NAME: Final = b"howfar-index"
_BIG: Final = np.dtype(">u8")


class HexContents(Sequence[str]):
    """Hold contents of 32 hexadecimal digits as numbers, (n, 2) uint64, and give them as text when they are asked for.

    Examples
    --------
    >>> contents = HexContents(np.array([[0, 10], [1, 255]], np.uint64))
    >>> contents[1], len(contents)
    ('000000000000000100000000000000ff', 2)
    """

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
    """Compute the digests of contents, (n, 2) uint64, whose order is that of the bytes.

    Examples
    --------
    >>> digests_of(["00000000000000010000000000000002"]).tolist()
    [[1, 2]]
    >>> digests_of(["cat"]).tolist()
    [[731827759277707201, 9753301195396271390]]
    """
    packed = in_hex(contents)
    if packed is not None:
        return packed.digests
    return _numbers(b"".join(map(_digest, contents)))


def in_hex(contents: Sequence[str]) -> HexContents | None:
    """Hold contents as numbers, where all of them are 32 hexadecimal digits, as howfar writes them; else None."""
    if isinstance(contents, HexContents):
        return contents
    if any(length != DIGITS for length in set(map(len, contents))):
        return None
    return in_digits("".join(contents).encode("utf-8", "surrogatepass"))


def in_digits(text: bytes) -> HexContents | None:
    """Read contents of 32 lower-case hexadecimal digits that follow each other without a gap; None where they are others."""
    try:
        data = binascii.unhexlify(text)
    except binascii.Error:
        return None
    # Upper-case digits are another content.
    return HexContents(_numbers(data)) if data.hex().encode() == text else None


def digest_of(content: str) -> tuple[int, int]:
    """Compute both halves of the digest of one content.

    Examples
    --------
    >>> digest_of("00000000000000010000000000000002")
    (1, 2)
    """
    data = _digest(content)
    return int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big")


def _digest(content: str) -> bytes:
    if len(content) == DIGITS:
        with suppress(ValueError):
            data = bytes.fromhex(content)
            if data.hex() == content:
                return data
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2, person=_NAME).digest()


def _numbers(data: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(data, _BIG).reshape(-1, 2).astype(np.uint64)
