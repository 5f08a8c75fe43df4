"""Compare where boxes lie with the sizes of their pictures, so that boxes in other units are noticed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from howfar.data.dataset import Dataset
from howfar.data.images import size
from howfar.errors import ImageError, InputError

_SMALL: Final = 16
"""Pixels from which on a picture is too large for all boxes to lie in its first pixel."""


def outside(dataset: Dataset, boxes: Mapping[str, Sequence[Sequence[float]]], what: str) -> list[str]:
    """Say in a line how many boxes lie wholly outside of their pictures; nothing where none does.

    `boxes` are corners x0, y0, x1, y1 by image, `what` they are called in lines ("true boxes"). Images that cannot be read are
    left to others, as are boxes that are not four numbers.

    Raises
    ------
    InputError
        Most boxes lie outside, or all lie between 0 and 1: they are not in pixels of these pictures.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from howfar.demo import write_dataset
    >>> roads = Dataset.from_folder(write_dataset(Path(tempfile.mkdtemp()) / "roads", 1, seed=0, size=64))
    >>> outside(roads, {"0001.jpg": [[0, 0, 9, 9], [8, 8, 9, 9], [90, 0, 99, 9]]}, "true boxes")
    ['1 of 3 true boxes lies wholly outside of its picture (0001.jpg: [90, 0, 99, 9] in 64 × 64 pixels), ...
    """
    sized = [(item.name, box, shape) for item in dataset.items for box, shape in _sized(item.path, boxes.get(item.name, ()))]
    out = [(name, box, shape) for name, box, shape in sized if _is_out(box, *shape)]
    if sized and all(min(shape) >= _SMALL and min(box) >= 0 and max(box) <= 1 for _, box, shape in sized):
        name, box, (width, height) = sized[0]
        rule = "must be corners in pixels, and all lie between 0 and 1"
        remedy = f"multiply x by the picture's width and y by its height ({width} and {height} of {name})"
        raise InputError.of(what, rule, list(box), remedy)
    if not out:
        return []
    name, box, (width, height) = out[0]
    one = len(out) == 1
    where = f"{'lies' if one else 'lie'} wholly outside of {'its picture' if one else 'their pictures'}"
    line = f"{len(out)} of {len(sized)} {what} {where} ({name}: {list(box)} in {width} × {height} pixels)"
    if 2 * len(out) > len(sized):
        raise InputError(f"{line}: write corners x0, y0, x1, y1 in pixels of the pictures as they are")
    return [f"{line}, where nothing can match {'it' if one else 'them'}: check {'its corners' if one else 'their corners'}"]


def _sized(path: Path | str, boxes: Sequence[Sequence[float]]) -> list[tuple[Sequence[float], tuple[int, int]]]:
    """Pair the boxes of an image with its size; none where there are none, or it cannot be read."""
    whole = [box for box in boxes if _is_box(box)]
    try:
        shape = size(path) if whole else (0, 0)
    except ImageError:
        return []
    return [(box, shape) for box in whole]


def _is_box(box: object) -> bool:
    corners = box if isinstance(box, Sequence) else ()
    return len(corners) == 4 and all(isinstance(corner, (int, float)) and math.isfinite(corner) for corner in corners)


def _is_out(box: Sequence[float], width: int, height: int) -> bool:
    left, top, right, bottom = box
    return right <= 0 or bottom <= 0 or left >= width or top >= height
