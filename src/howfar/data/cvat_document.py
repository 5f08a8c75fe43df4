"""Write annotations in the format "CVAT for images 1.1" (docs.cvat.ai, XML annotation format)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from howfar.printable import xml_text


@dataclass(frozen=True)
class Frame:
    """Hold an image's name, its width and height in pixels, and its annotations, a tag with attributes each."""

    name: str
    width: int
    height: int
    annotations: Sequence[tuple[str, Mapping[str, str]]] = ()


def cvat_document(title: str, labels: Sequence[str], kind: str, frames: Sequence[Frame]) -> str:
    """Write a task's labels, each of a kind ("any", "rectangle", "tag"), and its frames, which count from 0.

    Examples
    --------
    >>> text = cvat_document("roads", ["car"], "rectangle", [Frame("a.png", 4, 3)])
    >>> ElementTree.fromstring(text).find("image").attrib
    {'id': '0', 'name': 'a.png', 'width': '4', 'height': '3'}
    """
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    about = {"name": title, "size": str(len(frames)), "mode": "annotation", "overlap": "0"}
    limits = {"start_frame": "0", "stop_frame": str(max(0, len(frames) - 1))}
    for tag, text in (about | limits).items():
        _add(task, tag, text)
    _add_labels(_add(task, "labels"), labels, kind)
    for number, frame in enumerate(frames):
        size = {"width": str(frame.width), "height": str(frame.height)}
        image = _add(root, "image", None, {"id": str(number), "name": frame.name, **size})
        for tag, attributes in frame.annotations:
            _add(image, tag, None, attributes)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add_labels(parent: ElementTree.Element, labels: Iterable[str], kind: str) -> None:
    for name in labels:
        label = _add(parent, "label")
        _add(label, "name", name)
        _add(label, "type", kind)
        _add(label, "attributes")


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, {name: xml_text(value) for name, value in (attributes or {}).items()})
    child.text = None if text is None else xml_text(text)
    return child
