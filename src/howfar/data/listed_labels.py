"""Read the classes and boxes that somebody gave images, from tables, folders and exports of labelling tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from howfar.data.box_files import KINDS, read_true_boxes
from howfar.data.classes import labelled_by_folders
from howfar.data.dataset import Dataset
from howfar.data.documents import texts_of_csv
from howfar.data.image_folder import path_text, stem
from howfar.data.label_exports import DAMAGED, Labels, matched, read_export
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.wording import unguarded

IMAGE, LABEL, NAME = "image", "label", "name"
EXPORTED = (".xml", ".json", ".zip")
KINDS_OF_CLASSES = (
    "class folders, a CSV table with the columns image and label, or a file that CVAT (.xml) or Label Studio (.json) exported"
)


def read_class_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the classes of a dataset's images from one of the `KINDS_OF_CLASSES`; one without a class is not labelled yet."""
    path = absolute(source)
    if path.is_dir():
        # Copies of images, matched by name with or without the folder of their class.
        items = labelled_by_folders(Dataset.from_folder(path)).items
        pairs = [(item.name, item.label) for item in items if item.label is not None]
        if not pairs:
            rule = "must be a folder with two folders or more, one a class"
            raise InputError.of("labels", rule, path_text(path), f"or pass {KINDS_OF_CLASSES}")
        whole = _matched(dataset, pairs, path)
        return whole if whole.by_image else _matched(dataset, [(name.partition("/")[2], label) for name, label in pairs], path)
    if not path.is_file():
        raise MissingPathError(f"no labels at {path}: pass {KINDS_OF_CLASSES}")
    try:
        pairs = list(_pairs(path))
    except InputError as error:
        raise InputError(f"{path_text(path)}: {error}") from error
    except DAMAGED as error:
        raise InputError(f"{path_text(path)} cannot be read ({one_line(error)}): pass {KINDS_OF_CLASSES}") from error
    read = _matched(dataset, pairs, path)
    return read if read.by_image or path.suffix.lower() in EXPORTED else _matched(dataset, list(_pairs(path, NAME)), path)


def _matched(dataset: Dataset, pairs: Sequence[tuple[str, str]], path: Path) -> Labels:
    """Match the labels in a file with the images of a dataset."""
    by_key: dict[str, str] = {}
    for name, label in pairs:
        if by_key.setdefault(stem(name), label) != label:
            raise InputError(f"{path_text(path)}: {name} has two labels, {by_key[stem(name)]} and {label}: keep one")
    return Labels(*matched(dataset, by_key, whole=True))


def _pairs(path: Path, column: str = IMAGE) -> Iterator[tuple[str, str]]:
    """Yield (image, class) pairs of an export or of a CSV table; yield nothing if the table lacks `column`."""
    if path.suffix.lower() in EXPORTED:
        for image in read_export(path).images:
            yield from ((image.name, mark.label) for mark in image.marks if mark.draw is None)
    else:
        table = texts_of_csv(path)
        if not {IMAGE, LABEL} <= set(table):
            line = f"its columns are {', '.join(map(path_text, map(str, table.columns)))}: it needs {IMAGE} and {LABEL}"
            raise InputError(line)
        if column not in table:
            return
        named = zip(*(table[name].str.strip().map(unguarded) for name in (column, LABEL)), strict=True)
        yield from ((name, label) for name, label in named if label)


def read_box_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the true boxes of a dataset's images from what `howfar.data.box_files.read_true_boxes` reads."""
    path = absolute(source)
    if not path.exists():
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    read = read_true_boxes(dataset, path)
    try:
        by_key = {stem(name): list(zip(entry["labels"], entry["boxes"], strict=True)) for name, entry in read.boxes.items()}
    except ValueError as error:
        raise InputError(f"{path_text(path)}: an image must have as many labels as boxes ({one_line(error)})") from error
    return Labels(*matched(dataset, by_key, whole=True), read.unsure)
