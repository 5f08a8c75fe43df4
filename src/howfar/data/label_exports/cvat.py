"""Read annotations of "CVAT for images 1.1" (docs.cvat.ai, XML annotation format)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from howfar.data.label_exports.records import Corners, Export, LabelledImage, Mark
from howfar.data.label_exports.shapes import blank, polygon, rectangle
from howfar.data.run_lengths import from_rows
from howfar.errors import InputError

# Left out in silence, such a label would say that there is nothing in the image.
_UNREAD = ("polyline", "points", "ellipse", "cuboid", "skeleton")


def read_cvat(root: ElementTree.Element) -> Export:
    """Read the root of a CVAT file; an image was looked at where it has a shape or a tag, else the file does not say."""
    images = []
    for image in root.iter("image"):
        name = image.attrib["name"]
        size = (int(image.attrib["width"]), int(image.attrib["height"])) if "width" in image.attrib else None
        marks = tuple(_marks(image, name, size))
        images.append(LabelledImage(name, size, marks, True if marks else None))
    declared = (label.findtext("name") or "" for label in root.iter("label"))
    return Export("CVAT", tuple(images), tuple(name for name in declared if name), unsure=True)


def _marks(image: ElementTree.Element, name: str, size: tuple[int, int] | None) -> Iterator[Mark]:
    for element in image:
        label = element.attrib.get("label", "").strip()
        if element.tag == "tag":
            yield Mark(label, "tag")
        elif element.tag in _UNREAD:
            yield Mark(label, element.tag, partial(_no_area, element.tag, name))
        elif element.tag in _CVAT:
            width, height = size or (0, 0)
            box = _upright(element.attrib) if element.tag == "box" else None
            yield Mark(label, element.tag, partial(_CVAT[element.tag], element.attrib, height, width), box)


def _no_area(tag: str, name: str) -> NDArray[np.bool_]:
    raise InputError(f"{tag} of {name} is no area: draw polygons, boxes or masks")


def _polygon(values: Mapping[str, str], height: int, width: int) -> NDArray[np.bool_]:
    points = [tuple(map(float, pair.split(","))) for pair in values["points"].split(";")]
    return polygon([(x, y) for x, y in points], height, width)


def _box(values: Mapping[str, str], height: int, width: int) -> NDArray[np.bool_]:
    left, top, right, bottom = _sides(values)
    middle = ((left + right) / 2, (top + bottom) / 2)
    return rectangle((left, top, right, bottom), height, width, float(values.get("rotation", 0)), middle)


def _mask(values: Mapping[str, str], height: int, width: int) -> NDArray[np.bool_]:
    left, top, across, down = (int(float(values[name])) for name in ("left", "top", "width", "height"))
    if min(left, top, across, down) < 0 or left + across > width or top + down > height:
        raise InputError.of("mask", f"must lie inside its image of {width} × {height}", f"{across} × {down} at {left}, {top}")
    shape = blank(height, width)
    shape[top : top + down, left : left + across] = from_rows([int(run) for run in values["rle"].split(",")], down, across)
    return shape


_CVAT: Mapping[str, Callable[[Mapping[str, str], int, int], NDArray[np.bool_]]] = {
    "polygon": _polygon,
    "box": _box,
    "mask": _mask,
}


def _sides(values: Mapping[str, str]) -> Corners:
    left, top, right, bottom = (float(values[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    return left, top, right, bottom


def _upright(values: Mapping[str, str]) -> Corners | None:
    return None if float(values.get("rotation", 0)) else _sides(values)
