"""Write lists of images whose classes or boxes are to be told for labelling tools, and read the labels back.

A label that somebody confirmed and one that nobody looked at are alike where a tool is given the model's class as a label. So
the model's class is handed to Label Studio alone, which keeps predictions and annotations apart. COCO has no class of an image.

The model's boxes stand there as first labels to correct.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from howfar.data.box_files import KINDS, read_true_boxes
from howfar.data.classes import labelled_by_folders
from howfar.data.dataset import Dataset, match_names
from howfar.data.documents import texts_of_csv
from howfar.data.folder import path_text, stem
from howfar.data.label_exports import DAMAGED, read_export
from howfar.data.labelling import Frame, LabelNames, PictureToLabel, address, cvat_document
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.wording import unguarded

if TYPE_CHECKING:
    pass

IMAGE, LABEL, NAME = "image", "label", "name"
EXPORTED = (".xml", ".json", ".zip")
KINDS_OF_CLASSES = (
    "class folders, a CSV table with the columns image and label, or a file that CVAT (.xml) or Label Studio (.json) exported"
)


@dataclass(frozen=True)
class ClassLabels:
    """Hold the class that somebody gave each of a dataset's images, and the names of labelled images that it does not have."""

    labels: Mapping[str, str]
    strangers: tuple[str, ...] = ()


def class_choices(pictures: Sequence[PictureToLabel], predicted: Sequence[str], title: str) -> str:
    """Write images as tasks of Label Studio, each with the model's class as a prediction by ``Choices`` called ``label``.

    An image whose predicted class is "" has none.

    Examples
    --------
    >>> (task,) = json.loads(class_choices([Picture("a.png", "/roads/a.png")], ["wet"], "roads"))
    >>> task["predictions"][0]["result"][0]["value"]
    {'choices': ['wet']}
    """
    tasks = [
        {
            "data": {"image": address(picture.path)},
            "meta": {"title": title, "image": picture.name, "rank": rank},
            **({"predictions": [{"model_version": "model", "result": [_choice(label)]}]} if label else {}),
        }
        for rank, (picture, label) in enumerate(zip(pictures, predicted, strict=True), start=1)
    ]
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def class_tags(pictures: Sequence[PictureToLabel], classes: Sequence[str], title: str) -> str:
    """Write images as "CVAT for images 1.1" with a tag for each class, and none of them set; those without a size are left out.

    Examples
    --------
    >>> text = class_tags([Picture("a.png", "/roads/a.png", (4, 3))], ["dry", "wet"], "roads")
    >>> from xml.etree import ElementTree
    >>> [label.findtext("name") for label in ElementTree.fromstring(text).iter("label")]
    ['dry', 'wet']
    """
    frames = [Frame(picture.name, *picture.size) for picture in pictures if picture.size is not None]
    return cvat_document(title, classes, "tag", frames)


def read_class_labels(dataset: Dataset, source: str | Path) -> ClassLabels:
    r"""Read the classes of a dataset's images; an image without a class is not labelled yet.

    Parameters
    ----------
    dataset
        Its images are matched by their paths without the endings.
    source
        A CSV table with the columns image and label, and name where images are paths from elsewhere; or an export of CVAT for
        images 1.1 (tags) or Label Studio (choices); or a folder whose folders are classes, into which images were sorted.

    Raises
    ------
    MissingPathError
        There is no such file.
    InputError
        It is of no such form, is damaged, or gives an image several classes.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.data import Item
    >>> file = Path(tempfile.mkdtemp()) / "labels.csv"
    >>> _ = file.write_text("image,label\n1.jpg,wet\n2.jpg,\n")
    >>> read_class_labels(Dataset("roads", (Item("1.jpg", Path("1.jpg")), Item("2.jpg", Path("2.jpg")))), file).labels
    {'1.jpg': 'wet'}
    """
    path = absolute(source)
    if path.is_dir():
        return _sorted_into_folders(dataset, path)
    if not path.is_file():
        raise MissingPathError(f"no labels at {path}: pass {KINDS_OF_CLASSES}")
    try:
        pairs = list(_pairs(path))
    except InputError as error:
        raise InputError(f"{path_text(path)}: {error}") from error
    except DAMAGED as error:
        raise InputError(f"{path_text(path)} cannot be read ({one_line(error)}): pass {KINDS_OF_CLASSES}") from error
    matched = _matched(dataset, pairs, path)
    return matched if matched.labels or path.suffix.lower() in EXPORTED else _matched(dataset, list(_pairs(path, NAME)), path)


def _sorted_into_folders(dataset: Dataset, folder: Path) -> ClassLabels:
    """Take the folders that copies of the images were sorted into, under their names in the dataset or without its folders."""
    items = labelled_by_folders(Dataset.from_folder(folder)).items
    pairs = [(item.name, item.label) for item in items if item.label is not None]
    if not pairs:
        rule = "must be a folder with two folders or more, one a class"
        raise InputError.of("labels", rule, path_text(folder), f"or pass {KINDS_OF_CLASSES}")
    whole = _matched(dataset, pairs, folder)
    return whole if whole.labels else _matched(dataset, [(name.partition("/")[2], label) for name, label in pairs], folder)


def _matched(dataset: Dataset, pairs: Sequence[tuple[str, str]], path: Path) -> ClassLabels:
    """Match the labels in a file with the images of a dataset."""
    by_key: dict[str, str] = {}
    for name, label in pairs:
        if by_key.setdefault(stem(name), label) != label:
            raise InputError(f"{path_text(path)}: {name} has two labels, {by_key[stem(name)]} and {label}: keep one")
    keys = match_names(dataset, by_key)
    labels = {name: by_key[key] for name, key in keys.items() if key in by_key}
    used = set(keys.values())
    return ClassLabels(labels, tuple(key for key in by_key if key not in used))


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def _pairs(path: Path, column: str = IMAGE) -> Iterator[tuple[str, str]]:
    """Yield the image and class of each label; of a table, the image by a column, none where it lacks that."""
    if path.suffix.lower() in EXPORTED:
        for image in read_export(path).images:
            yield from ((image.name, mark.label) for mark in image.marks if mark.draw is None)
    else:
        table = texts_of_csv(path)
        if not {IMAGE, LABEL} <= set(table):
            raise InputError(
                f"its columns are {', '.join(map(path_text, map(str, table.columns)))}: it needs {IMAGE} and {LABEL}"
            )
        if column not in table:
            return
        named = zip(*(table[name].str.strip().map(unguarded) for name in (column, LABEL)), strict=True)
        yield from ((name, label) for name, label in named if label)


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


def coco_boxes(pictures: Sequence[PictureToLabel], boxes: Sequence[Boxes], classes: Sequence[str], title: str) -> str:
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


def cvat_boxes(pictures: Sequence[PictureToLabel], boxes: Sequence[Boxes], classes: Sequence[str], title: str) -> str:
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


def label_studio_boxes(pictures: Sequence[PictureToLabel], boxes: Sequence[Boxes], title: str) -> str:
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
        raise InputError(f"{path_text(path)}: an image must have as many labels as boxes ({one_line(error)})") from error
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


@dataclass(frozen=True, eq=False)
class FirstLabels:
    """Hold first labels by the name of an image, of one task; an image that is in none of the mappings has none.

    Attributes
    ----------
    task
        "segmentation", "multiclass", "detection" or "classification".
    names
        What the tool calls the labels.
    own
        The labels that the model may give, in its own words.
    foregrounds, boxes, classes, maps
        Functions that return the model's foreground, (h, w); the model's boxes; its class; the file of its map of classes.
    """

    task: str = "segmentation"
    names: LabelNames = field(default_factory=lambda: LabelNames({}))
    own: tuple[str, ...] = ()
    foregrounds: Mapping[str, Callable[[], NDArray[np.bool_]]] = field(default_factory=dict)
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Path] = field(default_factory=dict)

    def offered(self) -> tuple[str, ...]:
        """Return the names of the labels that the tool offers; the first is that of the foreground where masks are labelled."""
        return self.names.offered(() if self.task == "segmentation" and self.names.given else self.own)

    def named_boxes(self, image: str) -> Boxes:
        """Return the boxes of an image under the names that the tool offers."""
        return [(self.names.in_tool(label), corners) for label, corners in self.boxes.get(image, ())]

    def named_class(self, image: str) -> str:
        """Return the class of an image under the name that the tool offers, "" where it has none."""
        return self.names.in_tool(self.classes[image]) if image in self.classes else ""
