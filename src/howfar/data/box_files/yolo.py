"""Read boxes as YOLO writes them: a text file an image, a line a box, as shares of the image's size.

A line is ``class x y width height``, with the middle of the box, and where predicted the confidence behind it
(docs.ultralytics.com/datasets/detect; Ultralytics' ``save_txt`` with ``save_conf``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from howfar.data.box_files.box_file import BoxesOf, BoxFile, add_box, renamed
from howfar.data.class_names import read_names
from howfar.data.dataset import Dataset
from howfar.data.folder_walk import printable, stem
from howfar.data.images import size
from howfar.data.item import Item
from howfar.data.prediction_matching import match_names, no_match
from howfar.errors import ImageError, InputError
from howfar.memory import check_file

NAMES: Final = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
"""Files that give the classes their names, beside the labels or in the two folders above."""
_TOKEN: Final = 120
"""Bytes that a number of a line takes at the most: its text, its value, and the places that point to them."""


def read_yolo(dataset: Dataset, folder: Path, files: Sequence[Path], predicted: bool, names: Sequence[str]) -> BoxFile:
    """Read the files of a dataset's images; an image without a file has no box, as YOLO has it.

    Raises `InputError` where no file is of an image, a line is none of a box, or an image's size is unknown.
    """
    by_key = {stem(file.relative_to(folder).as_posix()): file for file in files}
    keys = match_names(dataset, by_key)
    found = [(item, by_key[keys[item.name]]) for item in dataset.items if keys[item.name] in by_key]
    if not found:
        raise InputError(no_match(dataset, "file", printable(folder), [file.relative_to(folder).as_posix() for file in files]))
    boxes: BoxesOf = {item.name: _nothing(predicted) for item in dataset.items}
    for item, file in found:
        _read(item, file, predicted, boxes)
    empty = len(dataset) - len(found)
    what = "1 image has no file" if empty == 1 else f"{empty} images have no file"
    notes = (f"{what} below {printable(folder)}: taken for images without {'detections' if predicted else 'objects'}",)
    names = names or names_beside(folder)
    numbered = {str(number): name for number, name in enumerate(names)}
    return BoxFile(renamed(boxes, names), whole=True, names=numbered, notes=notes if empty else ())


def names_beside(folder: Path) -> tuple[str, ...]:
    """Read the names of the classes in a file beside the labels, or in the two folders above; none where there is none."""
    for place in (folder, *list(folder.parents)[:2]):
        for name in NAMES:
            if (place / name).is_file():
                return read_names(place / name)
    return ()


def _nothing(predicted: bool) -> dict[str, list[object]]:
    return {"boxes": [], "labels": [], **({"scores": []} if predicted else {})}


def _read(item: Item, file: Path, predicted: bool, boxes: BoxesOf) -> None:
    try:
        length = file.stat().st_size
        check_file(length + _TOKEN * length // 2, file, length)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        width, height = size(item.path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{printable(file)} is not readable text ({error}): write `class x y width height` a box") from error
    except ImageError as error:
        raise InputError(
            f"{printable(file)} holds shares of a size that is unknown, as {printable(item.path)} cannot be read ({error})"
        ) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            label, middle_x, middle_y, across, down, *score = _values(f"{printable(file)}: line {number}", line, predicted)
            x, y, half_x, half_y = middle_x * width, middle_y * height, across * width / 2, down * height / 2
            corners = (x - half_x, y - half_y, x + half_x, y + half_y)
            add_box(boxes, item.name, corners, f"{label:.0f}", score[0] if score else None)


def _values(position: str, line: str, predicted: bool) -> list[float]:
    """Check the numbers of a line: class, middle, size, and the confidence where it is predicted."""
    form = "class x y width height" + (" confidence" if predicted else "")
    texts = line.split()
    if predicted and len(texts) == 5:
        raise InputError(f"{position} has no confidence: write `{form}` (Ultralytics: save_txt=True, save_conf=True)")
    if not predicted and len(texts) == 6:
        texts = texts[:5]
    if len(texts) != 5 + predicted:
        kind = "corners of a polygon or a turned box" if len(texts) > 6 else f"{len(texts)} numbers"
        raise InputError(f"{position} has {kind}: write an upright box as `{form}`")
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise InputError(f"{position} has a text that is no number: write `{form}`") from error
    if not all(map(math.isfinite, values)) or values[0] != int(values[0]) or not 0 <= values[0] < 10**6:
        raise InputError(f"{position} has no class number, or an endless one: write `{form}`")
    if max(map(abs, values[1:5])) > 2 or min(values[3:5]) < 0:
        raise InputError(f"{position} must hold shares of the image's width and height, 0 to 1, got {line.strip()[:80]!r}")
    return values
