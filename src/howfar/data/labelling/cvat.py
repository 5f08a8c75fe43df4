"""CVAT for images 1.1 (XML): the images and one label, without a shape yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from howfar.data.labelling.pictures import CATEGORY, Picture


def cvat(pictures: Sequence[Picture], title: str) -> str:
    """Write images as annotations in the format "CVAT for images 1.1" (docs.cvat.ai, XML annotation format).

    ``name`` is the image's name in its dataset: CVAT looks for the frame whose path ends with it. Frames count from 0. An
    image without a size is left out, since the format states it.

    Examples
    --------
    >>> text = cvat([Picture("a.png", "/roads/a.png", (4, 3))], "roads")
    >>> ElementTree.fromstring(text).find("image").attrib
    {'id': '0', 'name': 'a.png', 'width': '4', 'height': '3'}
    """
    known = [(one.name, one.size) for one in pictures if one.size is not None]
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    about = {"name": title, "size": str(len(known)), "mode": "annotation", "overlap": "0"}
    frames = {"start_frame": "0", "stop_frame": str(max(0, len(known) - 1))}
    for tag, text in (about | frames).items():
        _add(task, tag, text)
    label = _add(_add(task, "labels"), "label")
    _add(label, "name", CATEGORY)
    _add(label, "type", "any")
    _add(label, "attributes")
    for number, (name, (width, height)) in enumerate(known):
        _add(root, "image", None, {"id": str(number), "name": name, "width": str(width), "height": str(height)})
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, dict(attributes or {}))
    child.text = text
    return child
