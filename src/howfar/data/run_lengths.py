"""Write a mask as run lengths and read it back, in the three forms that labelling tools use: COCO, CVAT and Label Studio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.memory import check_file

__all__ = ["compressed", "from_brush", "from_columns", "from_rows", "to_brush", "to_columns", "to_rows"]

CHANNELS = 4
"""Label Studio's brush strokes are RGBA pictures, of which the last channel counts."""
WORD = 8
MOST = 1 << 30
"""Pixels of an image at most."""
SIZES = (3, 4, 8, 16)
"""How many bits the length of a run may take in a brush's stream."""


def to_columns(mask: NDArray[np.bool_]) -> list[int]:
    """Count runs of background and foreground in turn, column by column, background first (COCO's uncompressed RLE).

    Examples
    --------
    >>> to_columns(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    return _runs(mask.ravel(order="F"))


def from_columns(counts: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Make the (height, width) mask of such counts; `InputError` where they are not as many pixels.

    Examples
    --------
    >>> from_columns([1, 3], 2, 2).tolist()
    [[False, True], [True, True]]
    """
    return _values(counts, height * width).reshape(width, height).T


def compressed(text: str | bytes) -> list[int]:
    """Read the run lengths that COCO's compressed text stands for.

    A number is written in digits of 5 bits from the lowest, each as the character 48 + digit, + 32 where another follows; the
    fifth bit of its last is its sign. From the third on a number is the difference from the last but one (maskApi.c of
    github.com/cocodataset/cocoapi).

    Examples
    --------
    >>> compressed("13")
    [1, 3]
    """
    runs: list[int] = []
    number = place = 0
    for byte in text.encode() if isinstance(text, str) else text:
        digit = byte - 48
        if not 0 <= digit < 64 or place > 60:
            raise InputError("the compressed run lengths are no such text: export them again")
        number |= (digit & 31) << place
        place += 5
        if not digit & 32:
            number -= (1 << place) if digit & 16 else 0
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number = place = 0
    return runs


def to_rows(mask: NDArray[np.bool_]) -> list[int]:
    """Count runs of background and foreground in turn, row by row, background first (CVAT).

    Examples
    --------
    >>> to_rows(np.array([[True, True], [False, True]]))
    [0, 2, 1, 1]
    """
    return _runs(mask.ravel())


def from_rows(counts: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Make the (height, width) mask of such counts; `InputError` where they are not as many pixels.

    Examples
    --------
    >>> from_rows([0, 2, 1, 1], 2, 2).tolist()
    [[True, True], [False, True]]
    """
    return _values(counts, height * width).reshape(height, width)


def to_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Write a mask as the bytes of a Label Studio brush (its value ``rle``).

    A stream of bits: 32 for the number of values (four a pixel), 5 for the bits of a value less one, four times 4 for the sizes
    that a length may have, less one; then for each run a 1, two bits that choose a size, the length less one, and the value.

    Examples
    --------
    >>> from_brush(to_brush(np.eye(3, dtype=bool)), 3, 3).tolist() == np.eye(3, dtype=bool).tolist()
    True
    """
    parts = [(mask.size * CHANNELS, 32), (WORD - 1, 5), *((size - 1, 4) for size in SIZES)]
    foreground, most = False, 1 << SIZES[-1]
    for run in _runs(mask.ravel()):
        left = run * CHANNELS
        while left:
            length = min(left, most)
            chosen = next(index for index, size in enumerate(SIZES) if length <= 1 << size)
            parts += [(1, 1), (chosen, 2), (length - 1, SIZES[chosen]), (255 * foreground, WORD)]
            left -= length
        foreground = not foreground
    bits = "".join(f"{value:0{size}b}" for value, size in parts)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


def from_brush(stream: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Read the (height, width) mask of a Label Studio brush: where its last channel is above 127.

    Raises `InputError` where the bytes are no such stream, or are of another size.
    """
    try:
        if not 0 < height * width <= MOST:
            raise ValueError(f"an image of {width} × {height} pixels")
        check_file((CHANNELS + 1) * height * width, "a brush of the labels")
        values = np.zeros(height * width * CHANNELS, dtype=np.uint8)
        _read_brush(np.asarray(stream, dtype=np.uint8).tobytes(), values)
    except InputError:
        raise
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"the run lengths of a brush cannot be read ({error}): export it again") from error
    return np.asarray(values.reshape(height, width, CHANNELS)[..., -1] > 127)


_MOST_BYTES = 8
"""A value of a brush takes no more bytes than this, itself and the head of a run of its own together."""


def _read_brush(data: bytes, values: NDArray[np.uint8]) -> None:
    """Fill `values` from a brush's stream of bits."""
    total = int.from_bytes(data[:4], "big")
    if total != len(values):
        raise ValueError(f"{total // CHANNELS} pixels, and the image has {len(values) // CHANNELS}")
    if len(data) > _MOST_BYTES * (total + 16):
        raise ValueError(f"{len(data)} bytes are more than any brush of {total // CHANNELS} pixels takes")
    bits = "".join(f"{byte:08b}" for byte in data)
    place = 32

    def take(count: int) -> int:
        nonlocal place
        part = bits[place : place + count]
        place += count
        return int(part, 2)

    word = take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    start = 0
    while start < total:
        same = take(1)
        stop = start + 1 + take(sizes[take(2)])
        if stop > total:
            raise ValueError("a run passes the end")
        values[start:stop] = take(word) if same else [take(word) for _ in range(start, stop)]
        start = stop


def _runs(values: NDArray[np.bool_]) -> list[int]:
    changes = np.flatnonzero(np.diff(values)) + 1
    edges = np.concatenate([[0], changes, [len(values)]])
    lengths: list[int] = np.diff(edges).tolist()
    return [0, *lengths] if len(values) and values[0] else lengths


def _values(counts: Sequence[int], pixels: int) -> NDArray[np.bool_]:
    lengths = np.asarray(counts)
    if lengths.ndim != 1 or (len(lengths) and not np.issubdtype(lengths.dtype, np.integer)):
        raise InputError.of("run lengths", "must be whole numbers", lengths.dtype.name, "export them again")
    # Each is checked alone too: the sum of huge ones would wrap around.
    if (lengths < 0).any() or (lengths > pixels).any() or lengths.sum() != pixels:
        what = "others" if (lengths < 0).any() or (lengths > pixels).any() else int(lengths.sum())
        raise InputError.of("run lengths", f"must add up to the image's {pixels} pixels", what, "export them again")
    lengths = lengths.astype(np.int64)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
