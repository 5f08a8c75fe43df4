"""Write lists of images in which boxes are to be drawn as COCO, CVAT and Label Studio files, and read the boxes back.

The model's boxes stand there as first labels to correct.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howfar.data.box_files import KINDS, read_true_boxes
from howfar.data.cvat_document import Frame, cvat_document
from howfar.data.dataset import Dataset
from howfar.data.folder_walk import printable, stem
from howfar.data.labelling import Picture, address
from howfar.data.prediction_matching import match_names
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute

Boxes = Sequence[tuple[str, Sequence[float]]]
"""The class and the corners x0, y0, x1, y1, in pixels, of the boxes of one image."""


@dataclass(frozen=True)
class BoxLabels:
    """Hold the true boxes of a dataset's images, and the names of labelled images that it does not have.

    An image with no box is one in which somebody found nothing. `unsure` is whether images may be among them that nobody looked
    at: COCO and CVAT list all images of a task, with the boxes that they were imported with.
    """

    boxes: Mapping[str, Boxes]
    strangers: tuple[str, ...] = ()
    unsure: bool = False


def coco_boxes(pictures: Sequence[Picture], boxes: Sequence[Boxes], classes: Sequence[str], title: str) -> str:
    """Write images and boxes as a COCO file; ids count from 1, and images without a size are left out.

    Examples
    --------
    >>> text = coco_boxes([Picture("a.png", "/roads/a.png", (9, 9))], [[("car", (1, 2, 5, 4))]], ["car"], "roads")
    >>> json.loads(text)["annotations"][0]["bbox"]
    [1, 2, 4, 2]
    """
    sized = [(picture, *picture.size, of) for picture, of in zip(pictures, boxes, strict=True) if picture.size is not None]
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    rows = [(number, label, box) for number, (*_, of) in enumerate(sized, start=1) for label, box in of]
    document = {
        "info": {"description": title},
        "licenses": [],
        "images": [
            {"id": number, "file_name": picture.name, "width": width, "height": height}
            for number, (picture, width, height, _) in enumerate(sized, start=1)
        ],
        "annotations": [
            {"id": count, "image_id": number, "category_id": numbers[label], "iscrowd": 0, **_extent(box)}
            for count, (number, label, box) in enumerate(rows, start=1)
        ],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def cvat_boxes(pictures: Sequence[Picture], boxes: Sequence[Boxes], classes: Sequence[str], title: str) -> str:
    """Write images and boxes as "CVAT for images 1.1"; images without a size are left out.

    Examples
    --------
    >>> text = cvat_boxes([Picture("a.png", "/roads/a.png", (9, 9))], [[("car", (1, 2, 5, 4))]], ["car"], "roads")
    >>> from xml.etree import ElementTree
    >>> ElementTree.fromstring(text).find("image/box").attrib["xbr"]
    '5'
    """
    frames = [
        Frame(picture.name, *picture.size, [("box", _sides(label, box)) for label, box in of])
        for picture, of in zip(pictures, boxes, strict=True)
        if picture.size is not None
    ]
    return cvat_document(title, classes, "rectangle", frames)


def label_studio_boxes(pictures: Sequence[Picture], boxes: Sequence[Boxes], title: str) -> str:
    """Write images as tasks of Label Studio, the boxes as predictions by ``RectangleLabels`` called ``label``.

    Examples
    --------
    >>> text = label_studio_boxes([Picture("a.png", "/roads/a.png", (10, 10))], [[("car", (1, 2, 5, 4))]], "roads")
    >>> json.loads(text)[0]["predictions"][0]["result"][0]["value"]["width"]
    40.0
    """
    tasks = []
    for rank, (picture, of) in enumerate(zip(pictures, boxes, strict=True), start=1):
        result = [] if picture.size is None else [_rectangle(label, box, *picture.size) for label, box in of]
        tasks.append(
            {
                "data": {"image": address(picture.path)},
                "meta": {"title": title, "image": picture.name, "rank": rank},
                "predictions": [{"model_version": "model", "result": result}],
            }
        )
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def read_box_labels(dataset: Dataset, source: str | Path) -> BoxLabels:
    """Read the true boxes of a dataset's images.

    Parameters
    ----------
    dataset
        Its images are matched by their paths without the endings.
    source
        What `howfar.data.box_files.read_true_boxes` reads: a JSON list as predictions are written (image, boxes, labels), COCO
        (bbox), a folder of YOLO's or Pascal VOC's files, a table, CVAT for images 1.1 (boxes) or Label Studio (rectangles).

    Raises
    ------
    MissingPathError
        There is no such file.
    InputError
        It is of no such form, is damaged, or holds shapes that are no upright boxes.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.data import Item
    >>> file = Path(tempfile.mkdtemp()) / "labels.json"
    >>> _ = file.write_text('[{"image": "1.jpg", "boxes": [[0, 0, 2, 2]], "labels": ["car"]}]')
    >>> read_box_labels(Dataset("roads", (Item("1.jpg", Path("1.jpg")),)), file).boxes
    {'1.jpg': [('car', [0, 0, 2, 2])]}
    """
    path = absolute(source)
    if not path.exists():
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    read = read_true_boxes(dataset, path)
    try:
        by_key = {stem(name): list(zip(entry["labels"], entry["boxes"], strict=True)) for name, entry in read.boxes.items()}
    except ValueError as error:
        raise InputError(f"{printable(path)}: an image must have as many labels as boxes ({one_line(error)})") from error
    keys = match_names(dataset, by_key)
    boxes = {name: by_key[key] for name, key in keys.items() if key in by_key}
    used = set(keys.values())
    return BoxLabels(boxes, tuple(key for key in by_key if key not in used), read.unsure)


def _extent(box: Sequence[float]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top), "segmentation": []}


def _sides(label: str, box: Sequence[float]) -> dict[str, str]:
    sides = dict(
        zip(
            ("xtl", "ytl", "xbr", "ybr"),
            (f"{side:g}" if side == round(side, 3) else f"{side:.3f}" for side in box),
            strict=True,
        )
    )
    return {"label": label, "source": "auto", "occluded": "0", **sides, "z_order": "0"}


def _rectangle(label: str, box: Sequence[float], width: int, height: int) -> dict[str, Any]:
    left, top, right, bottom = box
    sides = {"x": left / width, "y": top / height, "width": (right - left) / width, "height": (bottom - top) / height}
    return {
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {**{name: 100.0 * share for name, share in sides.items()}, "rotation": 0, "rectanglelabels": [label]},
    }
