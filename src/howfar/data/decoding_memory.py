"""Limit the memory of pictures that several threads decode at a time: a large one is decoded alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, local

from PIL import Image

from howfar.errors import ImageError
from howfar.memory import file_limit

# Bytes of a pixel that the decoders of some formats hold beside Pillow's.
_DECODERS = {"JPEG2000": 16, "AVIF": 12, "WEBP": 8}
# Pillow's modes of fewer bytes a pixel than four.
_SMALL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_RGB = 4
_WIDE = 5
"""Bytes of a pixel beside, while one of more than 8 bits becomes RGB."""


def decoding_bytes(image: Image.Image) -> int:
    """Compute how many bytes it takes to decode a picture, whose header alone has been read, and to turn it into RGB.

    Examples
    --------
    >>> decoding_bytes(Image.new("L", (100, 50))), decoding_bytes(Image.new("RGBA", (100, 50)))
    (25000, 40000)
    """
    own = _SMALL.get(image.mode, 4) + _DECODERS.get(image.format or "", 0)
    wide = _WIDE if image.mode.startswith("I") or image.mode == "F" else 0
    return image.width * image.height * (own + _RGB + wide)


class _Shared:
    """Hold how many bytes all threads are decoding into."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.bytes = 0


_shared = _Shared()


class _Own(local):
    """Hold what one thread has taken, and whether it keeps that beyond the decoding of one picture."""

    taken = 0
    depth = 0


_own = _Own()


@contextmanager
def pictures_in_use() -> Iterator[None]:
    """Count the pictures that the block decodes as held until the block ends: while they are resized, say.

    Examples
    --------
    >>> with pictures_in_use(), decoding(10**6, "1,000 \u00d7 1,000"):
    ...     pass
    """
    _own.depth += 1
    try:
        yield
    finally:
        _own.depth -= 1
        if not _own.depth:
            _give_back()


@contextmanager
def decoding(needed: int, what: str) -> Iterator[None]:
    """Wait until as many bytes are free of what `howfar.memory.file_limit` allows, and take them for the block.

    A thread that holds pictures already does not wait for more, since another could wait for it. Raises `ImageError`, which
    names the picture as `what`, where it takes more than is allowed for all.

    Examples
    --------
    >>> with decoding(10**12, "1,000,000 \u00d7 1,000,000 pixels"):
    ...     pass
    Traceback (most recent call last):
    howfar.errors.ImageError: 1,000,000 \u00d7 1,000,000 pixels take 1,000,000 MB to decode, above the 2,147 MB of memory that
    are allowed: give more (--memory), or make the picture smaller
    """
    limit = file_limit()
    if needed > limit:
        megabytes = f"{-(-needed // 10**6):,} MB to decode, above the {limit // 10**6:,} MB of memory that are allowed"
        raise ImageError(f"{what} take {megabytes}: give more (--memory), or make the picture smaller")
    with _shared.changed:
        if not _own.taken:
            _shared.changed.wait_for(lambda: _shared.bytes + needed <= limit or not _shared.bytes)
        _shared.bytes += needed
        _own.taken += needed
    _own.depth += 1
    try:
        yield
    finally:
        _own.depth -= 1
        if not _own.depth:
            _give_back()


def _give_back() -> None:
    with _shared.changed:
        _shared.bytes -= _own.taken
        _own.taken = 0
        _shared.changed.notify_all()
