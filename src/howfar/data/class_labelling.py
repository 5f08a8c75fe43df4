"""Write lists of images whose class is to be told, as tables and for CVAT and Label Studio, and read the classes back.

A label that somebody confirmed and one that nobody looked at are alike where a tool is given the model's class as a label. So
the model's class is handed to Label Studio alone, which keeps predictions and annotations apart. COCO has no class of an image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.data.class_folders import labelled_by_folders
from howfar.data.cvat_document import Frame, cvat_document
from howfar.data.dataset import Dataset
from howfar.data.folder_walk import printable, stem
from howfar.data.label_exports import DAMAGED, read_export
from howfar.data.labelling import Picture, address
from howfar.data.prediction_matching import match_names
from howfar.data.tabular_file import texts_of_csv
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.printable import unguarded

if TYPE_CHECKING:
    pass

IMAGE, LABEL, NAME = "image", "label", "name"
EXPORTED = (".xml", ".json", ".zip")
KINDS = (
    "class folders, a CSV table with the columns image and label, or a file that CVAT (.xml) or Label Studio (.json) exported"
)


@dataclass(frozen=True)
class ClassLabels:
    """Hold the class that somebody gave each of a dataset's images, and the names of labelled images that it does not have."""

    labels: Mapping[str, str]
    strangers: tuple[str, ...] = ()


def class_choices(pictures: Sequence[Picture], predicted: Sequence[str], title: str) -> str:
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


def class_tags(pictures: Sequence[Picture], classes: Sequence[str], title: str) -> str:
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
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    try:
        pairs = list(_pairs(path))
    except InputError as error:
        raise InputError(f"{printable(path)}: {error}") from error
    except DAMAGED as error:
        raise InputError(f"{printable(path)} cannot be read ({one_line(error)}): pass {KINDS}") from error
    matched = _matched(dataset, pairs, path)
    return matched if matched.labels or path.suffix.lower() in EXPORTED else _matched(dataset, list(_pairs(path, NAME)), path)


def _sorted_into_folders(dataset: Dataset, folder: Path) -> ClassLabels:
    """Take the folders that copies of the images were sorted into, under their names in the dataset or without its folders."""
    items = labelled_by_folders(Dataset.from_folder(folder)).items
    pairs = [(item.name, item.label) for item in items if item.label is not None]
    if not pairs:
        rule = "must be a folder with two folders or more, one a class"
        raise InputError.of("labels", rule, printable(folder), f"or pass {KINDS}")
    whole = _matched(dataset, pairs, folder)
    return whole if whole.labels else _matched(dataset, [(name.partition("/")[2], label) for name, label in pairs], folder)


def _matched(dataset: Dataset, pairs: Sequence[tuple[str, str]], path: Path) -> ClassLabels:
    """Match the labels in a file with the images of a dataset."""
    by_key: dict[str, str] = {}
    for name, label in pairs:
        if by_key.setdefault(stem(name), label) != label:
            raise InputError(f"{printable(path)}: {name} has two labels, {by_key[stem(name)]} and {label}: keep one")
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
                f"its columns are {', '.join(map(printable, map(str, table.columns)))}: it needs {IMAGE} and {LABEL}"
            )
        if column not in table:
            return
        named = zip(*(table[name].str.strip().map(unguarded) for name in (column, LABEL)), strict=True)
        yield from ((name, label) for name, label in named if label)
