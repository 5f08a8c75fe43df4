"""Read the classes and boxes that somebody gave images, from tables, folders and exports of labelling tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from howfar.data.box_files import KINDS, read_true_boxes
from howfar.data.classes import labelled_by_folders
from howfar.data.dataset import Dataset, examples
from howfar.data.documents import readable, texts_of_csv
from howfar.data.image_folder import path_text, stem
from howfar.data.label_exports import Labels, matched, read_export
from howfar.errors import InputError, MissingPathError
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
        other = [(name.partition("/")[2], label) for name, label in pairs]
    elif not path.is_file():
        raise MissingPathError(f"no labels at {path}: pass {KINDS_OF_CLASSES}")
    else:
        with readable(path, f"pass {KINDS_OF_CLASSES}"):
            pairs = list(_pairs(path))
            other = [] if path.suffix.lower() in EXPORTED else list(_pairs(path, NAME))
    labels = _matched(dataset, pairs, path)
    return _matched(dataset, other, path) if other and not labels.by_image else labels


def _matched(dataset: Dataset, pairs: Sequence[tuple[str, str]], path: Path) -> Labels:
    """Match the labels in a file with the images of a dataset."""
    by_key: dict[str, str] = {}
    for name, label in pairs:
        if by_key.setdefault(stem(name), label) != label:
            two = examples([by_key[stem(name)], label])
            raise InputError(f"{path_text(path)}: {name} has two labels ({two}): keep one")
    return Labels(*matched(dataset, by_key, whole=True))


def _pairs(path: Path, column: str = IMAGE) -> Iterator[tuple[str, str]]:
    """Yield (image, class) pairs of an export or of a CSV table; yield nothing if the table lacks `column`."""
    if path.suffix.lower() in EXPORTED:
        for image in read_export(path).images:
            yield from ((image.name, mark.label) for mark in image.marks if mark.draw is None)
        return
    table = texts_of_csv(path)
    if not {IMAGE, LABEL} <= set(table):
        raise InputError(f"its columns are {', '.join(map(path_text, map(str, table)))}: it needs {IMAGE} and {LABEL}")
    if column in table:
        named = zip(*(table[name].str.strip().map(unguarded) for name in (column, LABEL)), strict=True)
        yield from ((name, label) for name, label in named if label)


def read_box_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the true boxes of a dataset's images from what `howfar.data.box_files.read_true_boxes` reads."""
    path = absolute(source)
    if not path.exists():
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    read = read_true_boxes(dataset, path)
    with readable(path, "give each image as many labels as boxes"):
        by_key = {stem(name): list(zip(entry["labels"], entry["boxes"], strict=True)) for name, entry in read.boxes.items()}
    return Labels(*matched(dataset, by_key, whole=True), read.unsure)
