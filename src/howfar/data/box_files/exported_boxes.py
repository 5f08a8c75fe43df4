"""Take the boxes out of COCO annotations, and out of what labelling tools export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from howfar.data.box_files.box_file import BoxesOf, BoxFile
from howfar.data.folder_walk import printable
from howfar.data.label_exports import DAMAGED, Export, LabelledImage, read_export
from howfar.data.label_exports.coco import check_ids, read_coco
from howfar.errors import InputError, one_line


def of_coco(path: Path, document: Mapping[str, Any]) -> BoxFile:
    """Take the boxes of a COCO document; crowds, which are no single objects, are left out, and noted.

    Raises `InputError` where it is damaged, or holds shapes that are no upright boxes.
    """
    try:
        annotations = document["annotations"]
        if not isinstance(annotations, list):
            raise ValueError("annotations is no list")
        check_ids(annotations, "annotations")
        single = [annotation for annotation in annotations if not annotation.get("iscrowd")]
        boxes = _boxes(read_coco({**document, "annotations": single}))
        names = {str(category["id"]): str(category["name"]) for category in document.get("categories", [])}
        ids = {str(image["id"]): str(image["file_name"]) for image in document["images"]}
    except DAMAGED as error:
        raise _refusal(path, error) from error
    crowds = len(annotations) - len(single)
    what = "1 crowd is" if crowds == 1 else f"{crowds} crowds are"
    notes = (f"{what} left out of {printable(path)}: boxes that are predicted there count as false",)
    return BoxFile(boxes, unsure=True, names=names, ids=ids, notes=notes if crowds else ())


def of_export(path: Path) -> BoxFile:
    """Take the boxes of what CVAT or Label Studio exported, or of a .zip; raises `InputError` as `of_coco`."""
    try:
        export = read_export(path)
        return BoxFile(_boxes(export), unsure=export.unsure)
    except DAMAGED as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    kinds = "COCO annotations, or a file that CVAT (.xml) or Label Studio (.json) exported"
    return InputError(f"{printable(path)} cannot be read ({one_line(error)}): pass {kinds}")


def _boxes(export: Export) -> BoxesOf:
    boxes: BoxesOf = {}
    for image in export.images:
        if image.looked_at is not False:
            drawn = list(_drawn(image))
            boxes[image.name] = {"boxes": [box for _, box in drawn], "labels": [label for label, _ in drawn]}
    return boxes


def _drawn(image: LabelledImage) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield the boxes of an image; `ValueError` for a shape that is none, or has no label."""
    for mark in image.marks:
        if mark.draw is None:
            continue
        if not mark.label:
            raise ValueError(f"a {mark.kind} of {image.name} has no label: give it one, or delete it")
        if mark.box is None:
            raise ValueError(f"a {mark.kind} of {image.name} is no upright box")
        yield mark.label, list(mark.box)
