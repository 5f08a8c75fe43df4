"""Write lists of images to be labelled as COCO, CVAT and Label Studio files, as each tool imports them.

Where a model's foreground is known it stands there as a first label to correct (a pre-annotation).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from howfar.data.cvat_document import Frame, cvat_document
from howfar.data.run_lengths import to_brush, to_columns, to_rows
from howfar.io.location import is_url

__all__ = ["CATEGORY", "Picture", "coco", "cvat", "label_studio"]

CATEGORY = "foreground"
"""What is to be labelled, where nobody calls it otherwise."""
NAMES = (CATEGORY,)
"""The names of the labels that a tool offers; the first is that of the model's foreground."""
LOCAL_FILES = "/data/local-files/?d="


@dataclass(frozen=True)
class Picture:
    """Hold an image's name in its dataset, its file, its width and height in pixels, and what a model takes for foreground.

    The size is None where the file cannot be read; `foreground` returns an (h, w) mask of that size each time it is called, so
    that one mask at a time is in memory; None where there is no model.
    """

    name: str
    path: str
    size: tuple[int, int] | None = None
    foreground: Callable[[], NDArray[np.bool_]] | None = field(default=None, compare=False, repr=False)


def coco(pictures: Sequence[Picture], title: str, names: Sequence[str] = NAMES) -> str:
    """Write images as a COCO file: info, licenses, images, annotations, categories (cocodataset.org/#format-data).

    ``file_name`` is the image's name in its dataset, a path below the dataset's folder of images. Ids count from 1, as 0 is
    taken for the background by some readers. An image without a size is left out, since COCO has to state it. A foreground is
    one annotation of uncompressed run lengths, of the first category; the categories are `names`.

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
            for number, (name, width, height, _) in enumerate(_sized(pictures), start=1)
        ],
        "annotations": list(_annotations(pictures)),
        "categories": [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, start=1)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def cvat(pictures: Sequence[Picture], title: str, names: Sequence[str] = NAMES) -> str:
    r"""Write images as annotations in the format "CVAT for images 1.1" (docs.cvat.ai, XML annotation format).

    ``name`` is the image's name in its dataset: CVAT looks for the frame whose path ends with it. Frames count from 0. An
    image without a size is left out, since the format states it. A foreground is one mask, in its box, called as the first of
    `names`, which are the task's labels. What a name holds and XML cannot hold is written out, as ``\x1b``;
    `howfar.data.label_imports` finds the image again.

    Examples
    --------
    >>> from xml.etree import ElementTree
    >>> text = cvat([Picture("a.png", "/roads/a.png", (4, 3))], "roads")
    >>> ElementTree.fromstring(text).find("image").attrib
    {'id': '0', 'name': 'a.png', 'width': '4', 'height': '3'}
    """
    frames = [Frame(name, width, height, _masks(foreground, names[0])) for name, width, height, foreground in _sized(pictures)]
    return cvat_document(title, names, "any", frames)


def label_studio(pictures: Sequence[Picture], title: str, names: Sequence[str] = NAMES) -> str:
    """Write images as tasks for import (labelstud.io, basic Label Studio JSON format), each with its file or URL.

    ``/data/local-files/?d=PATH`` is a path below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``, which is ``/`` where it is not
    set; a URL (``s3://`` …) stands as it is. ``meta`` keeps the image's name and rank in the list. A foreground is a prediction
    by a brush, called as the first of `names`, which the interface of `howfar.data.label_studio_interface` shows.

    Examples
    --------
    >>> json.loads(label_studio([Picture("a b.png", "/roads/a b.png")], "roads"))[0]["data"]
    {'image': '/data/local-files/?d=roads/a%20b.png'}
    """
    tasks = [
        {
            "data": {"image": address(picture.path)},
            "meta": {"title": title, "image": picture.name, "rank": rank},
            **_prediction(picture, names[0]),
        }
        for rank, picture in enumerate(pictures, start=1)
    ]
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def address(path: str) -> str:
    """Return the address by which Label Studio finds an image's file or URL.

    Examples
    --------
    >>> address("/roads/a b.png"), address("s3://roads/a.png")
    ('/data/local-files/?d=roads/a%20b.png', 's3://roads/a.png')
    """
    return path if is_url(path) else LOCAL_FILES + quote(path.replace(os.sep, "/").lstrip("/"))


def box(foreground: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the box around a foreground that is not empty.

    Examples
    --------
    >>> box(np.array([[False, False], [False, True]]))
    (1, 1, 1, 1)
    """
    rows, columns = np.flatnonzero(foreground.any(axis=1)), np.flatnonzero(foreground.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def _annotations(pictures: Sequence[Picture]) -> Iterator[dict[str, Any]]:
    """Yield one COCO annotation for each foreground that is not empty; ``iscrowd`` 1 says that it is run lengths."""
    count = 0
    for number, (_, width, height, foreground) in enumerate(_sized(pictures), start=1):
        shape = _shape(foreground)
        if shape is not None:
            count += 1
            yield {
                "id": count,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 1,
                "segmentation": {"counts": to_columns(shape), "size": [height, width]},
                "area": int(shape.sum()),
                "bbox": list(box(shape)),
            }


def _masks(foreground: Callable[[], NDArray[np.bool_]] | None, label: str) -> list[tuple[str, dict[str, str]]]:
    shape = _shape(foreground)
    return [] if shape is None else [("mask", _mask(shape, label))]


def _mask(foreground: NDArray[np.bool_], label: str) -> dict[str, str]:
    """Return the attributes of CVAT's element ``mask``."""
    left, top, width, height = box(foreground)
    runs = to_rows(foreground[top : top + height, left : left + width])
    place = {"left": left, "top": top, "width": width, "height": height}
    fixed = {"label": label, "source": "auto", "occluded": "0", "rle": ", ".join(map(str, runs))}
    return {**fixed, **{name: str(value) for name, value in place.items()}, "z_order": "0"}


def _prediction(picture: Picture, label: str) -> dict[str, Any]:
    """Return the predictions of a Label Studio task, none where the model takes nothing for foreground."""
    shape = _shape(picture.foreground)
    if picture.size is None or shape is None:
        return {}
    width, height = picture.size
    result = {
        "from_name": "label",
        "to_name": "image",
        "type": "brushlabels",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": to_brush(shape), "brushlabels": [label]},
    }
    return {"predictions": [{"model_version": "model", "result": [result]}]}


def _shape(foreground: Callable[[], NDArray[np.bool_]] | None) -> NDArray[np.bool_] | None:
    """Return a foreground; None where there is none or it is empty."""
    shape = None if foreground is None else foreground()
    return shape if shape is not None and shape.any() else None


def _sized(pictures: Sequence[Picture]) -> list[tuple[str, int, int, Callable[[], NDArray[np.bool_]] | None]]:
    return [(picture.name, *picture.size, picture.foreground) for picture in pictures if picture.size is not None]
