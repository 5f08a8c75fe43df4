"""Hold the boxes of images, read them from howfar's own JSON, and notice boxes in other units than pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from howfar.data.dataset import Dataset
from howfar.data.documents import read_json, readable
from howfar.data.images import size
from howfar.data.label_marks import LabelExport
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.wording import printable

BoxesOf: TypeAlias = dict[str, dict[str, Any]]
"""From an entry's name to ``{"boxes": corners, "labels": texts, "scores": where predicted}``."""


@dataclass(frozen=True, eq=False)
class BoxFile:
    """Hold the boxes read from a file or folder, by each image's name as the file writes it.

    `whole`: an image that is no entry has no box. `unsure`: nobody may have looked at some entries. `names` and `ids` are the
    classes and images that the file states, by the ids by which other files refer to them.
    """

    boxes: BoxesOf
    whole: bool = False
    unsure: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def no_boxes(predicted: bool) -> dict[str, Any]:
    """Return the entry of an image without boxes, with scores if they are predicted."""
    return {"boxes": [], "labels": []} | ({"scores": []} if predicted else {})


def add_box(boxes: BoxesOf, image: str, corners: Sequence[float], label: str, score: float | None = None) -> None:
    """Add a box to an image's boxes."""
    entry = boxes.setdefault(image, no_boxes(score is not None))
    entry["boxes"].append(list(corners))
    entry["labels"].append(label)
    if score is not None:
        entry["scores"].append(score)


def relabelled(boxes: BoxesOf, name: Callable[[str], str]) -> BoxesOf:
    """Replace each label by its name."""
    return {image: {**entry, "labels": list(map(name, entry["labels"]))} for image, entry in boxes.items()}


def boxes_of_export(export: LabelExport) -> BoxesOf:
    """Return the boxes of a tool's export; raise `ValueError` for a shape without a label or an upright box."""
    boxes: BoxesOf = {}
    for image in export.images:
        if image.looked_at is not False:
            boxes[image.name] = no_boxes(predicted=False)
        for mark in image.marks:
            if mark.draw is None:
                continue
            if not mark.label:
                raise ValueError(f"a {mark.kind} of {image.name} has no label: give it one, or delete it")
            if mark.box is None:
                raise ValueError(f"a {mark.kind} of {image.name} is no upright box")
            add_box(boxes, image.name, mark.box, mark.label)
    return boxes


FORM = '[{"image": "1.jpg", "boxes": [[x0, y0, x1, y1], …], "scores": [0.9, …], "labels": ["car", …]}, …]'


def read_document(file: Path, what: str) -> Any:
    """Parse a JSON file that holds `what`; raise `MissingPathError` if it is missing and `InputError` if it is no JSON."""
    if not file.is_file():
        raise MissingPathError(f"no file of {what} at {file}: check the path")
    with readable(file, f"write {what} as {FORM}"):
        return read_json(file)


def boxes_in(document: Any, file: Path, what: str) -> dict[str, dict[str, Any]]:
    """Read boxes from a list, or a mapping by image, of objects with image, boxes (corners in pixels), labels and scores."""
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
        line = f"{position} ({printable(entry['image'])}) must have a list of names or numbers as labels: write {FORM}"
        raise InputError(line)
    return entry["image"], {**rest, "labels": [str(label) for label in labels]}


_SMALL: Final = 16
"""Pixels from which on a picture is too large for all boxes to lie in its first pixel."""


def outside(dataset: Dataset, boxes: Mapping[str, Sequence[Sequence[float]]], what: str) -> list[str]:
    """Return a warning that counts boxes wholly outside of their pictures; `InputError` if most are, or if all are 0 to 1."""
    sized: list[tuple[str, Sequence[float], tuple[int, int]]] = []
    for item in dataset.items:
        whole = list(filter(_is_box, boxes.get(item.name, ())))
        with suppress(ImageError):  # one that cannot be read is left to others
            shape = size(item.path) if whole else (0, 0)
            sized += [(item.name, box, shape) for box in whole]
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
    where = f"wholly outside of {'its picture' if one else 'their pictures'}"
    line = f"{len(out)} of {len(sized)} {what} {'lies' if one else 'lie'} {where}"
    line += f" ({name}: {list(box)} in {width} × {height} pixels)"
    if 2 * len(out) > len(sized):
        raise InputError(f"{line}: write corners x0, y0, x1, y1 in pixels of the pictures as they are")
    return [f"{line}, where nothing can match {'it: check its' if one else 'them: check their'} corners"]


def _is_box(box: object) -> bool:
    """Return whether a value is four finite numbers; of a whole number beyond all floats only its comparison is asked."""
    corners = box if isinstance(box, Sequence) else ()
    return len(corners) == 4 and all(isinstance(corner, (int, float)) and abs(corner) < math.inf for corner in corners)


def _is_out(box: Sequence[float], width: int, height: int) -> bool:
    left, top, right, bottom = box
    return right <= 0 or bottom <= 0 or left >= width or top >= height
