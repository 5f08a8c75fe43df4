"""Write lists of images to be labelled as COCO, CVAT and Label Studio files, without a label yet, as each tool imports them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.etree import ElementTree

from howfar.io.location import is_url

__all__ = ["Picture", "coco", "cvat", "label_studio"]

CATEGORY = "foreground"
"""The only category that is to be labelled."""
LOCAL_FILES = "/data/local-files/?d="


@dataclass(frozen=True)
class Picture:
    """Hold an image's name in its dataset, its file, and its width and height in pixels; None where the file cannot be read."""

    name: str
    path: str
    size: tuple[int, int] | None = None


def coco(pictures: Sequence[Picture], title: str) -> str:
    """Write images as a COCO file: info, licenses, images, annotations, categories (cocodataset.org/#format-data).

    ``file_name`` is the image's name in its dataset, a path below the dataset's folder of images. Ids count from 1, as 0 is
    taken for the background by some readers. An image without a size is left out, since COCO has to state it.

    Examples
    --------
    >>> json.loads(coco([Picture("a.png", "/roads/a.png", (4, 3))], "roads"))["images"]
    [{'id': 1, 'file_name': 'a.png', 'width': 4, 'height': 3}]
    """
    document = {
        "info": {"description": title},
        "licenses": [],
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, width, height) in enumerate(_sized(pictures), start=1)
        ],
        "annotations": [],
        "categories": [{"id": 1, "name": CATEGORY, "supercategory": ""}],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


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
    frames = _sized(pictures)
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    about = {"name": title, "size": str(len(frames)), "mode": "annotation", "overlap": "0"}
    limits = {"start_frame": "0", "stop_frame": str(max(0, len(frames) - 1))}
    for tag, text in (about | limits).items():
        _add(task, tag, text)
    label = _add(_add(task, "labels"), "label")
    _add(label, "name", CATEGORY)
    _add(label, "type", "any")
    _add(label, "attributes")
    for number, (name, width, height) in enumerate(frames):
        _add(root, "image", None, {"id": str(number), "name": name, "width": str(width), "height": str(height)})
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def label_studio(pictures: Sequence[Picture], title: str) -> str:
    """Write images as tasks for import (labelstud.io, basic Label Studio JSON format), each with its file or URL.

    ``/data/local-files/?d=PATH`` is a path below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``, which is ``/`` where it is not
    set; a URL (``s3://`` …) stands as it is. ``meta`` keeps the image's name and rank in the list.

    Examples
    --------
    >>> json.loads(label_studio([Picture("a b.png", "/roads/a b.png")], "roads"))[0]["data"]
    {'image': '/data/local-files/?d=roads/a%20b.png'}
    """
    tasks = [
        {
            "data": {"image": picture.path if is_url(picture.path) else LOCAL_FILES + quote(picture.path.lstrip("/"))},
            "meta": {"title": title, "image": picture.name, "rank": rank},
        }
        for rank, picture in enumerate(pictures, start=1)
    ]
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def _sized(pictures: Sequence[Picture]) -> list[tuple[str, int, int]]:
    return [(picture.name, *picture.size) for picture in pictures if picture.size is not None]


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, dict(attributes or {}))
    child.text = text
    return child
