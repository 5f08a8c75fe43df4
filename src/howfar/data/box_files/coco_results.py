"""Read COCO's detection results: a JSON list with one object a box (cocodataset.org/#format-results).

Ultralytics' ``save_json`` writes the same, with the stem of the image's file as ``image_id``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from howfar.data.box_files.box_file import BoxesOf, BoxFile, add_box
from howfar.data.dataset import Dataset
from howfar.errors import InputError
from howfar.printable import printable

FORM: Final = '[{"image_id": 17, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, …]'


def read_results(dataset: Dataset, rows: Sequence[Any], truth: BoxFile | None) -> BoxFile:
    """Read the results of a dataset's images; an image without a result has no box.

    The images that ids stand for, and the names of categories, are those of the `truth`, where that is COCO's; else an id is
    taken for the name of an image's file without its ending. Raises `InputError` for a row of another form, or an id that is no
    image's.
    """
    boxes: BoxesOf = {}
    files = _by_id(dataset)
    ids, names = (truth.ids, truth.names) if truth is not None and truth.ids else ({}, {})
    strange: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        image, category, corners, score = _row(number, row)
        name = row.get("file_name") or (ids.get(image) if ids else _one(files, image))
        if not isinstance(name, str):
            strange[image] = None
            continue
        add_box(boxes, name, corners, names.get(category, category), score)
    if not boxes:
        first = printable(next(iter(strange)))
        remedy = "pass the COCO file that has these ids (--truth FILE, or --classes FILE where there are no labels)"
        raise InputError(f"no image_id is one of an image (the first: {first}): {remedy}, or name images by their files' stems")
    count, first = len(strange), printable(next(iter(strange), ""))
    what = "1 image_id is" if count == 1 else f"{count} image_ids are"
    notes = (f"{what} of no image (the first: {first})",) if strange else ()
    return BoxFile(boxes, whole=True, notes=notes)


def _by_id(dataset: Dataset) -> dict[str, list[str]]:
    """Name the images by the stems of their files, without the zeros before a number."""
    named: dict[str, list[str]] = {}
    for item in dataset.items:
        named.setdefault(_number(PurePosixPath(item.name).stem), []).append(item.name)
    return named


def _one(files: Mapping[str, Sequence[str]], image: str) -> str | None:
    """Find the image of an id; `InputError` where it may be one of several."""
    names = files.get(_number(image), ())
    if len(names) > 1:
        remedy = "pass the COCO file that has these ids (--truth FILE), or write file_name"
        raise InputError(f"image_id {image} may be {printable(names[0])} or {printable(names[1])}: {remedy}")
    return names[0] if names else None


def _number(text: str) -> str:
    return (text.lstrip("0") or "0") if text.isdecimal() else text


def _row(number: int, row: Any) -> tuple[str, str, tuple[float, float, float, float], float]:
    """Check a row, and return its image, its category, its corners and its score."""
    if not isinstance(row, Mapping) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        raise InputError(f"result {number} lacks image_id, category_id, bbox or score: write {FORM}")
    image, category, box, score = (row[name] for name in ("image_id", "category_id", "bbox", "score"))
    plain = isinstance(box, list) and len(box) == 4 and all(map(_is_number, [*box, score]))
    if not plain or not all(isinstance(value, (str, int)) for value in (image, category)):
        raise InputError(f"result {number} is of another form: write {FORM}")
    left, top, width, height = map(float, box)
    return str(image), str(category), (left, top, left + width, top + height), float(score)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18
