"""Read boxes of images, predicted or true, from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howfar.errors import InputError, MissingPathError
from howfar.io.location import absolute

FORM = '[{"image": "1.jpg", "boxes": [[x0, y0, x1, y1], …], "scores": [0.9, …], "labels": ["car", …]}, …]'


def read_boxes(path: str | Path, what: str = "predictions") -> dict[str, dict[str, Any]]:
    """Read a JSON list with one object an image: image, boxes (corners in pixels), labels, and scores where predicted.

    Labels are names or numbers; without them all boxes are of one class, 0.

    Parameters
    ----------
    path
        The file.
    what
        What it holds, for the error line.

    Returns
    -------
    dict
        Image name to its boxes, labels as texts, and what else the object holds.

    Raises
    ------
    MissingPathError
        There is no such file.
    InputError
        It is not of this form, or names an image twice.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "boxes.json"
    >>> _ = file.write_text('[{"image": "1.jpg", "boxes": [[0, 0, 9, 9]], "scores": [0.8]}]')
    >>> read_boxes(file)
    {'1.jpg': {'boxes': [[0, 0, 9, 9]], 'scores': [0.8], 'labels': ['0']}}
    """
    file = absolute(path)
    if not file.is_file():
        raise MissingPathError(f"no file of {what} at {file}: check the path")
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is not readable JSON ({error}): write {what} as {FORM}") from error
    if not isinstance(document, list) or not document:
        raise InputError(f"{file} must hold a list with one object an image: write {what} as {FORM}")
    found: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(document, start=1):
        name, boxes = _entry(file, number, entry)
        if name in found:
            raise InputError(f"{file}: image {name} is there twice: join its boxes in one object")
        found[name] = boxes
    return found


def _entry(file: Path, number: int, entry: Any) -> tuple[str, dict[str, Any]]:
    here = f"{file}: entry {number}"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("image"), str) or not isinstance(entry.get("boxes"), list):
        raise InputError(f"{here} lacks image or boxes: write {FORM}")
    rest = {str(key): value for key, value in entry.items() if key != "image"}
    labels = rest.get("labels", [0] * len(rest["boxes"]))
    if not isinstance(labels, list) or not all(isinstance(label, (str, int)) for label in labels):
        raise InputError(f"{here} ({entry['image']}) must have a list of names or numbers as labels: write {FORM}")
    return entry["image"], {**rest, "labels": [str(label) for label in labels]}
