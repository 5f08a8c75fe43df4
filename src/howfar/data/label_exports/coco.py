"""Read annotations of COCO (cocodataset.org/#format-data): polygons, run lengths and boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from howfar.data.label_exports.records import Corners, Export, LabelledImage, Mark
from howfar.data.label_exports.shapes import coco_shape, rectangle
from howfar.errors import InputError


def read_coco(document: Mapping[str, Any]) -> Export:
    """Read a COCO document; it never says whether somebody looked at an image without annotations."""
    check_ids(document["images"], "images")
    check_ids(document.get("categories", []), "categories")
    images = {image["id"]: image for image in document["images"]}
    categories = {category["id"]: str(category["name"]) for category in document.get("categories", [])}
    marks: dict[Any, list[Mark]] = {number: [] for number in images}
    for annotation in document["annotations"]:
        number = annotation["category_id"]
        label = categories.get(number, f"category {number}")
        marks[annotation["image_id"]].append(_mark(annotation, label, images[annotation["image_id"]]))
    listed = tuple(
        LabelledImage(str(image["file_name"]), _size(image), tuple(marks[number]), True if marks[number] else None)
        for number, image in images.items()
    )
    return Export("COCO", listed, tuple(categories.values()), unsure=True)


def check_ids(entries: Sequence[Mapping[str, Any]], what: str) -> None:
    """Raise `InputError` where two entries have one id: which of them is meant, nobody can tell."""
    seen = set()
    for entry in entries:
        number = entry.get("id")  # annotations that other tools wrote may have none
        if number is not None and number in seen:
            raise InputError(f"two of its {what} have the id {number}: number them anew")
        seen.add(number)


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    return (image["width"], image["height"]) if "width" in image and "height" in image else None


def _mark(annotation: Mapping[str, Any], label: str, image: Mapping[str, Any]) -> Mark:
    height: Any = image.get("height")
    width: Any = image.get("width")
    box = _corners(annotation.get("bbox"))
    segmentation = annotation.get("segmentation")
    if not segmentation and box is not None:
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        angle = float((annotation.get("attributes") or {}).get("rotation", 0))
        upright = None if angle else box
        return Mark(label, "box", partial(rectangle, box, height, width, angle, middle), upright)
    return Mark(label, "shape", partial(coco_shape, segmentation, height, width), box)


def _corners(box: Any) -> Corners | None:
    if not isinstance(box, list) or len(box) != 4:
        return None
    left, top, width, height = (float(side) for side in box)
    return left, top, left + width, top + height
