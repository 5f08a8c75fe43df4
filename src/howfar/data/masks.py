"""Read ground-truth masks of segmentation as boolean arrays, and resize them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data.colour_modes import is_wide, to_rgb, wide_values
from howfar.data.decoding_memory import pictures_in_use
from howfar.data.images import damage_named, load
from howfar.data.read import read_bytes
from howfar.errors import ImageError

BLACK = (0, 0, 0)
ABOVE = 127
LOSSY = frozenset({"JPEG", "MPO", "WEBP", "JPEG2000", "AVIF"})
"""Pillow's names of the formats that may alter values."""


_PIXELS = 1024
"""Pixels from which on a file shows whether it is a picture and no mask."""
_NEITHER = slice(32, 224)
"""Levels that are near neither black nor white."""
_COMMON = 8
"""The levels most in use: those of the ground and a class or two, and what JPEG makes of them."""
_CLASSES = 32
"""Levels that a mask of many classes may have."""


class Mask(NamedTuple):
    """Hold a mask's foreground, (h, w), and whether its file held grey levels that no lossy format explains."""

    foreground: NDArray[np.bool_]
    grey: bool


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask file as an (h, w) array of bool: foreground where the value is above 127 of 255.

    A colour or palette mask counts by its brightest channel, so that red on black is foreground; transparent pixels are
    background. 16-bit values are scaled to 0-255 first, unless none is above 255, when they are 8-bit values already.

    Raises `ImageError` as `howfar.data.read_bytes` and `howfar.data.decode`; for a lossless mask whose brightest value is from
    1 to 127 (0 and 1, class numbers), which would else be read as wholly background; and for a picture that is no mask, such as
    the photograph itself: the eight levels most in use cover less than half of it, and more than half of it is near neither
    black nor white. Grey levels of edges, and those that JPEG makes, are far fewer.
    """
    return decode_mask(read_bytes(path)).foreground


def decode_mask(data: bytes) -> Mask:
    """Decode the bytes of a mask file, and say whether it holds grey levels. Raises as `read_mask`."""
    with pictures_in_use():
        image = load(data).image
        with damage_named():
            values = _eight_bit(image)
    lossy, top = image.format in LOSSY, int(values.max())
    if top == 1 and not lossy:
        raise ImageError("a mask of 0 and 1: foreground is above 127, so multiply it by 255")
    if 1 < top <= ABOVE and not lossy:
        raise ImageError(f"a mask whose brightest value is {top}: foreground is above {ABOVE}, so write it as 255")
    counts = np.bincount(values.ravel(), minlength=256)
    _refuse_picture(counts)
    levels = np.count_nonzero(counts)
    return Mask(values > ABOVE, bool(levels > 2) and not lossy)


def _refuse_picture(counts: NDArray[np.int64]) -> None:
    """Raise `ImageError` where the counts of the 256 levels are those of a photograph."""
    pixels = int(counts.sum())
    common, neither = int(np.sort(counts)[-_COMMON:].sum()), int(counts[_NEITHER].sum())
    levels = np.count_nonzero(counts)
    if pixels >= _PIXELS and levels > _CLASSES and 2 * common < pixels < 2 * neither:
        line = f"a picture and no mask: {neither / pixels:.0%} of it is near neither black nor white, on {levels} levels"
        raise ImageError(f"{line}; name the mask's file, with 255 for the foreground and 0 for all else")


def _eight_bit(image: Image.Image) -> NDArray[np.uint8]:
    if is_wide(image) and image.mode != "F" and wide_values(image).max() <= 255:
        return wide_values(image).astype(np.uint8)
    brightest: NDArray[np.uint8] = np.asarray(to_rgb(image, paper=BLACK)).max(axis=2)
    return brightest


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Resize an (h, w) mask so that nothing of it is lost: an axis shrinks by "any pixel covered", and grows by the nearest.

    Nearest alone drops lines one pixel wide where it shrinks.

    Examples
    --------
    >>> resize_mask(np.eye(6, dtype=bool), 3, 3).astype(int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 1]])
    >>> resize_mask(np.eye(2, dtype=bool), 4, 4)[0].tolist()
    [True, True, False, False]
    """
    return _resize_rows(_resize_rows(mask, height).T, width).T


def _resize_rows(mask: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    height = mask.shape[0]
    rows = np.arange(count)
    if count >= height:
        nearest: NDArray[np.bool_] = mask[(2 * rows + 1) * height // (2 * count)]
        return nearest
    first, last = rows * height // count, -(-(rows + 1) * height // count)
    sums = np.concatenate([np.zeros((1, mask.shape[1]), np.int64), np.cumsum(mask, axis=0)])
    covered: NDArray[np.bool_] = sums[last] > sums[first]
    return covered
