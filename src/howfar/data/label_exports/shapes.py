"""Fill the polygons, boxes and run lengths that labelling tools export, as boolean masks (h, w)."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from howfar.data.run_lengths import MOST, compressed, from_columns
from howfar.errors import InputError, MissingExtraError
from howfar.memory import check_file

_COPIES = 3
"""How many times a shape is held while it is drawn and joined."""


def blank(height: Any, width: Any) -> NDArray[np.bool_]:
    """Return an empty shape; `InputError` for a size that no image has."""
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in (height, width))
    if not whole or not (height >= 1 and width >= 1 and height * width <= MOST):
        raise InputError.of("size of an image", "must be whole numbers of pixels, at least 1 each", (width, height))
    check_file(_COPIES * height * width, "a shape of the labels")
    return np.zeros((height, width), np.bool_)


def polygon(points: Sequence[tuple[float, float]], height: int, width: int) -> NDArray[np.bool_]:
    """Fill a polygon given by its corners (x, y), in pixels from the image's corner: the pixels whose centre lies inside.

    Where it crosses itself, what an even number of its parts surround is outside. One that is too narrow to hold any centre is
    drawn by its outline.
    """
    corners = np.array(checked_points(points, height, width))
    # Each side turns all pixels to the right of it, from outside to inside or back.
    turned = blank(height, width + 1).view(np.uint8)
    for (x, y), (to_x, to_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        top, bottom = (int(np.clip(np.ceil(end - 0.5), 0, height)) for end in sorted((y, to_y)))
        rows = np.arange(top, bottom)
        if len(rows):
            crossed = x + (rows + 0.5 - y) * (to_x - x) / (to_y - y)
            turned[rows, np.clip(np.ceil(crossed - 0.5), 0, width).astype(np.intp)] ^= 1
    shape = np.bitwise_xor.accumulate(turned, axis=1)[:, :width].view(np.bool_)
    return shape if shape.any() else _covering(_outline(points, height, width), "polygon", points)


def _outline(points: Sequence[tuple[float, float]], height: int, width: int) -> NDArray[np.bool_]:
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon(list(points), fill=1, outline=1)
    return np.asarray(canvas)


def rectangle(
    sides: tuple[float, float, float, float], height: int, width: int, angle: float, about: tuple[float, float]
) -> NDArray[np.bool_]:
    """Fill left, top, right, bottom, turned clockwise about a point by an angle in degrees."""
    checked_numbers((*sides, *about), height, width)
    left, top, right, bottom = sides
    if angle:
        turn = cmath.rect(1.0, math.radians(angle))
        corners = [
            complex(*about) + turn * (complex(x, y) - complex(*about))
            for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
        ]
        return polygon([(corner.real, corner.imag) for corner in corners], height, width)
    shape = blank(height, width)
    shape[max(round(top), 0) : max(round(bottom), 0), max(round(left), 0) : max(round(right), 0)] = True
    return _covering(shape, "box", sides)


def _covering(shape: NDArray[np.bool_], what: str, corners: Sequence[Any]) -> NDArray[np.bool_]:
    """Refuse a shape that covers nothing, which would turn a mark into "nothing there"."""
    if not shape.any():
        height, width = shape.shape
        raise InputError.of(what, f"must cover a pixel of its image of {width} × {height}", list(corners), "draw it anew")
    return shape


def coco_shape(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """Draw COCO's field ``segmentation``: polygons, or run lengths of the whole image."""
    if isinstance(segmentation, list):
        shape = coco_polygons(segmentation, height, width)
        return _covering(shape, "polygon", segmentation[0]) if segmentation else shape
    runs = segmentation["counts"]
    size = segmentation.get("size", [height, width])
    if list(size) != [height, width]:
        raise InputError.of("size of a segmentation", f"must be that of its image, {[height, width]}", size)
    return from_columns(runs if isinstance(runs, list) else compressed(runs), height, width)


def coco_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Fill polygons as COCO does; none of them is an empty shape."""
    if not polygons:
        return blank(height, width)
    # pycocotools takes four numbers for a box, drops the last of an odd count, and hangs or crashes on endless outlines.
    for outline in polygons:
        checked_points(list(zip(outline[::2], outline[1::2], strict=True)), height, width)
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingExtraError("polygons of COCO need pycocotools: pip install 'howfar[detection]'") from error
    runs: bytes = mask.merge(mask.frPyObjects(polygons, height, width))["counts"]
    return from_columns(compressed(runs), height, width)


def checked_points(points: Sequence[tuple[float, float]], height: int, width: int) -> list[tuple[float, float]]:
    """Return the corners of a polygon, at least three; they may lie outside of the image, but not further than it is large."""
    if len(points) < 3:
        raise InputError.of("polygon", "must have at least three corners", len(points))
    checked_numbers([number for point in points for number in point], height, width)
    return list(points)


def checked_numbers(numbers: Sequence[float], height: int, width: int) -> None:
    """Raise `InputError` for a coordinate that is no number, or is far away from an image of this size."""
    most = 10 * max(height, width)
    wrong = next((number for number in numbers if not -most <= number <= most), None)
    if wrong is not None:
        raise InputError.of("corner of a shape", f"must lie in or near its image of {width} × {height}", wrong)
