"""Read boxes of images, predicted or true, from a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howfar.data.json_text import parsed
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.memory import check_file
from howfar.printable import printable

FORM = '[{"image": "1.jpg", "boxes": [[x0, y0, x1, y1], …], "scores": [0.9, …], "labels": ["car", …]}, …]'


def read_boxes(path: str | Path, what: str = "predictions") -> dict[str, dict[str, Any]]:
    """Read boxes from a JSON file, as `boxes_in` says.

    Raises `MissingPathError` where there is no such file, and `InputError` where it is of another form or names an image twice.
    """
    file = absolute(path)
    return boxes_in(read_document(file, what), file, what)


def read_document(file: Path, what: str) -> Any:
    """Parse a JSON file; raises `MissingPathError` where there is none, and `InputError` where it is no JSON.

    `what` says in error lines what the file holds.
    """
    if not file.is_file():
        raise MissingPathError(f"no file of {what} at {file}: check the path")
    try:
        size = file.stat().st_size
        check_file(2 * size, file, size)
        return parsed(file.read_text(encoding="utf-8-sig"), file)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is not readable JSON ({one_line(error, 120)}): write {what} as {FORM}") from error


def boxes_in(document: Any, file: Path, what: str) -> dict[str, dict[str, Any]]:
    """Take the boxes of a list with one object an image: image, boxes (corners in pixels), labels, and scores where predicted.

    A mapping from the names of images to such objects, as torchvision's detectors return them, is understood too. Returns image
    names with their boxes, labels as texts (names or numbers; where there are none all boxes are of class 0) and what else the
    objects hold. Raises `InputError` where the document is not of this form or names an image twice.

    Examples
    --------
    >>> boxes_in({"1.jpg": {"boxes": [[0, 0, 2, 2]], "labels": [3], "scores": [0.9]}}, Path("boxes.json"), "predictions")
    {'1.jpg': {'boxes': [[0, 0, 2, 2]], 'labels': ['3'], 'scores': [0.9]}}
    """
    if isinstance(document, Mapping) and all(isinstance(entry, Mapping) for entry in document.values()):
        document = [{**entry, "image": name} for name, entry in document.items()]
    if not isinstance(document, list) or not document:
        raise InputError(f"{file} must hold a list with one object an image: write {what} as {FORM}")
    boxes_of: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(document, start=1):
        name, boxes = _entry(file, number, entry)
        if name in boxes_of:
            raise InputError(f"{file}: image {printable(name)} is there twice: join its boxes in one object")
        boxes_of[name] = boxes
    return boxes_of


def _entry(file: Path, number: int, entry: Any) -> tuple[str, dict[str, Any]]:
    position = f"{file}: entry {number}"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("image"), str) or not isinstance(entry.get("boxes"), list):
        raise InputError(f"{position} lacks image or boxes: write {FORM}")
    rest = {str(key): value for key, value in entry.items() if key != "image"}
    labels = rest.get("labels", [0] * len(rest["boxes"]))
    if not isinstance(labels, list) or not all(isinstance(label, (str, int)) for label in labels):
        raise InputError(
            f"{position} ({printable(entry['image'])}) must have a list of names or numbers as labels: write {FORM}"
        )
    return entry["image"], {**rest, "labels": [str(label) for label in labels]}
