"""Read and write the XML format "CVAT for images 1.1" (docs.cvat.ai, XML annotation format)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from xml.etree import ElementTree

from howfar.data.annotations import CATEGORY, LabelExport, Mark, MarkedImage, Shape, blank, bounds, from_runs, polygon, to_runs
from howfar.errors import InputError
from howfar.formatting_and_escaping import xml_text
from howfar.memory import check_file

_CORNERS: Final = ("xtl", "ytl", "xbr", "ybr")
_PLACE: Final = ("left", "top", "width", "height")
_UNREAD: Final = ("polyline", "points", "ellipse", "cuboid", "skeleton")
_POINT, _RUN = 400, 100
"""Bytes that a point of an outline, and a run of a mask, take at the most while they are read."""


def read_cvat(root: ElementTree.Element) -> LabelExport:
    """Read the root of a CVAT file; only images with a shape or a tag are known to have been looked at."""
    images = []
    for image in root.iter("image"):
        name = image.attrib["name"]
        size = (int(image.attrib["width"]), int(image.attrib["height"])) if "width" in image.attrib else None
        width, height = size or (0, 0)
        marks = []
        for element in image:
            values, kind = element.attrib, element.tag
            label = values.get("label", "").strip()
            if kind == "tag":
                marks.append(Mark(label, "tag"))
            elif kind in _UNREAD:
                marks.append(Mark.without_area(label, kind, f"{kind} of {name} is no area: draw polygons, boxes or masks"))
            elif kind == "box":
                left, top, right, bottom = (float(values[side]) for side in _CORNERS)
                angle = float(values.get("rotation", 0))
                marks.append(Mark.of_box(label, kind, (left, top, right, bottom), (width, height), angle))
            elif draw := {"polygon": _outlined, "mask": _masked}.get(kind):
                marks.append(Mark(label, kind, partial(draw, values, width, height)))
        images.append(MarkedImage(name, size, tuple(marks), True if marks else None))
    return LabelExport("CVAT", tuple(images), unsure=True)


def _outlined(values: Mapping[str, str], width: int, height: int) -> Shape:
    check_file(_POINT * values["points"].count(";"), "a shape of the labels")
    return polygon([list(map(float, pair.split(","))) for pair in values["points"].split(";")], height, width)


def _masked(values: Mapping[str, str], width: int, height: int) -> Shape:
    left, top, across, down = (int(float(values[name])) for name in _PLACE)
    if min(left, top, across, down) < 0 or left + across > width or top + down > height:
        raise InputError.of("mask", f"must lie inside its image of {width} × {height}", f"{across} × {down} at {left}, {top}")
    check_file(_RUN * values["rle"].count(","), "a mask of the labels")
    shape = blank(height, width)
    shape[top : top + down, left : left + across] = from_runs([int(run) for run in values["rle"].split(",")], down, across)
    return shape


def write_cvat(images: Sequence[MarkedImage], title: str, names: Sequence[str] = (CATEGORY,), kind: str = "any") -> str:
    r"""Return images as XML; `names` are the labels that CVAT offers, and `kind` is what they may mark.

    CVAT looks for the frame whose path ends with the image's name. An image without a size is left out, since the format states
    it. A class is not set: a class that somebody confirmed could not be told from one that nobody looked at. What XML cannot
    hold of a name is written out, as ``\x1b``; `howfar.data.label_files` finds the image again.
    """
    sized = [image for image in images if image.size is not None]
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    about = {"name": title, "size": str(len(sized)), "mode": "annotation", "overlap": "0"}
    limits = {"start_frame": "0", "stop_frame": str(max(0, len(sized) - 1))}
    for tag, text in (about | limits).items():
        _add(task, tag, text)
    labels = _add(task, "labels")
    for name in names:
        label = _add(labels, "label")
        for tag, value in (("name", name), ("type", kind), ("attributes", None)):
            _add(label, tag, value)
    for number, image in enumerate(sized):
        width, height = map(str, image.size or ())
        element = _add(root, "image", None, {"id": str(number), "name": image.name, "width": width, "height": height})
        for mark in image.marks:
            fixed = {"label": mark.label, "source": "auto", "occluded": "0"}
            if mark.box is not None:
                sides = (f"{side:g}" if side == round(side, 3) else f"{side:.3f}" for side in mark.box)
                _add(element, "box", None, {**fixed, **dict(zip(_CORNERS, sides, strict=True)), "z_order": "0"})
            elif mark.draw is not None and (shape := mark.draw()).any():
                left, top, across, down = place = bounds(shape)
                runs = ", ".join(map(str, to_runs(shape[top : top + down, left : left + across])))
                placed = dict(zip(_PLACE, map(str, place), strict=True))
                _add(element, "mask", None, {**fixed, "rle": runs, **placed, "z_order": "0"})
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, {name: xml_text(value) for name, value in (attributes or {}).items()})
    child.text = None if text is None else xml_text(text)
    return child
