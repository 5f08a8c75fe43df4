"""Read class names, tables of predicted class probabilities (`ClassPredictions`), and class labels given by folder names."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import numpy as np

from howfar.arrays import Float64Array
from howfar.data.dataset import Dataset
from howfar.data.name_matching import examples
from howfar.data.untrusted_documents_and_tables import (
    cell_numbers,
    cell_texts,
    file_bytes,
    images_of,
    parsed,
    read_tabular,
    readable,
    renamed_columns,
)
from howfar.errors import InputError
from howfar.io.file_location import absolute

Classes: TypeAlias = Sequence[str] | str | Path


class CategoryNames(tuple[str, ...]):
    """Hold COCO's category names by id, with stand-ins for absent ids, and the names of the file's `images` by their ids."""

    images: Mapping[str, str]


YAML: Final = (".yaml", ".yml")
COCO: Final = ".json"
_FILES: Final = (".txt", ".names", COCO, *YAML)
_MOST_IDS: Final = 100_000
_COPIES: Final = 60
"""Bytes that a byte of YAML takes at the most once it is read: a list of single digits is the densest."""


def class_names(given: Classes) -> tuple[str, ...]:
    """Return the names of classes 0, 1, 2 …; empty if no names are given.

    They are names, one text with commas, or a file: ``.txt`` or ``.names`` of one name a line, ``.yaml`` with ``names``, as
    Ultralytics writes it, or ``.json`` of COCO, whose category ids are the numbers.
    """
    if isinstance(given, Path) or (isinstance(given, str) and given.lower().endswith(_FILES)):
        names = read_names(given)
    else:
        if isinstance(given, str) and ("/" in given or Path(given).is_file()):
            raise InputError.of("classes", f"must be names, or a file of them ({', '.join(_FILES)})", given)
        names = tuple(given.split(",")) if isinstance(given, str) and given.strip() else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise InputError.of("classes", "must be names, or a file of them", list(names), "write a,b,c")
    if isinstance(names, CategoryNames):
        return names
    names = tuple(name.strip() for name in names)
    for position, name in enumerate(names):
        if not name or name in names[:position]:
            what = f"{name!r} is there twice" if name else f"that of class {position} is empty"
            raise InputError.of("classes", "must give each class a name of its own", what)
    return names


def read_names(path: str | Path) -> tuple[str, ...]:
    """Read class names from a file, as `class_names` says."""
    file = absolute(path)
    with readable(file, "write one name of a class on each line, or pass names with commas between"):
        text = file_bytes(file, _COPIES if file.suffix.lower() in YAML else 3).decode("utf-8-sig")
        if file.suffix.lower() == COCO:
            return _of_coco(parsed(text, file))
        return _of_yaml(text) if file.suffix.lower() in YAML else tuple(filter(None, map(str.strip, text.splitlines())))


def named(label: str, names: Sequence[str]) -> str:
    """Return the name of a class given by number; return any other text unchanged."""
    number = label.removesuffix(".0")
    if label in names or not number.isdecimal() or len(number) > 9:
        return label
    return names[int(number)] if int(number) < len(names) else label


def _of_coco(document: Any) -> CategoryNames:
    categories = document.get("categories") if isinstance(document, Mapping) else None
    if not isinstance(categories, list) or not categories:
        raise InputError("it has no categories: pass COCO annotations")
    by_id = {category["id"]: str(category["name"]) for category in categories}
    if not all(isinstance(number, int) and 0 <= number < _MOST_IDS for number in by_id):
        raise InputError(f"an id of its categories is no whole number below {_MOST_IDS:,}: number them anew")
    names = CategoryNames(by_id.get(number, f"category {number}") for number in range(max(by_id) + 1))
    names.images = {str(image["id"]): str(image["file_name"]) for image in document.get("images", [])}
    return names


def _of_yaml(text: str) -> tuple[str, ...]:
    import yaml

    document: Any = yaml.safe_load(text)
    names = document.get("names") if isinstance(document, Mapping) else None
    if isinstance(names, Mapping) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, (str, int)) for name in names):
        raise InputError("it has no names: it must hold a list `names`, or numbers 0, 1 … with their names")
    return tuple(map(str, names))


IMAGE, PREDICTED, CONFIDENCE = "image", "predicted", "confidence"
_NUMBERS = ": every column but image holds a class's probabilities, unless there is a column predicted"
_CALLED = {"image": IMAGE, "label": PREDICTED, "score": CONFIDENCE}


@dataclass(frozen=True, eq=False)
class ClassPredictions:
    """Hold the predicted class of each image, in table order.

    `probabilities` is (n, k) of the `classes`, or None where the table has the column ``predicted``. `predicted` is "" where
    the probabilities are nan. `confidence`, (n,), is the largest probability or the column ``confidence``; nan where unknown.
    """

    file: Path
    images: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Float64Array | None
    predicted: tuple[str, ...]
    confidence: Float64Array


def read_classes(path: str | Path, columns: Mapping[str, str] | None = None, classes: Sequence[str] = ()) -> ClassPredictions:
    """Read a CSV or Parquet table with a column ``image`` and a column of probabilities for each class, or ``predicted``.

    `columns` names the columns image, label and score that are called otherwise; `classes` are the names of numbered classes.
    """
    file = absolute(path)
    roles = columns or {}
    idle = next((role for role in roles if role not in _CALLED), None)
    if idle is not None:
        rule = f"must be of {', '.join(_CALLED)} for a table of classes"
        raise InputError.of("columns", rule, f"{idle}={roles[idle]}", "leave it out")
    table = renamed_columns(read_tabular(file), roles, _CALLED, file)
    if IMAGE not in table or len(table.columns) < 2 or table.empty:
        listed = ", ".join(map(str, table.columns)) or "none"
        rule = (
            "it needs rows with the column image, and predicted or a column of probabilities for each class; "
            "name others by --columns image=NAME,label=NAME"
        )
        raise InputError(f"{file} has {len(table)} rows and the columns {listed}: {rule}")
    images = images_of(table[IMAGE], file)
    if repeated := [image for image, count in Counter(map(PurePosixPath, images)).items() if count > 1]:
        raise InputError(f"{file}: image {repeated[0]} is there twice: keep one row an image")
    if PREDICTED in table:
        predicted = tuple(named(label, classes) for label in cell_texts(table[PREDICTED]))
        unknown = np.full(len(table), np.nan)
        confidence = cell_numbers(table[CONFIDENCE], file, _NUMBERS) if CONFIDENCE in table else unknown
        if bool(((confidence < 0) | (confidence > 1)).any()):
            raise InputError(f"{file}: column confidence must lie in 0-1: write the predicted class's probability")
        return ClassPredictions(file, tuple(images), tuple(sorted(set(predicted) - {""})), None, predicted, confidence)
    given = tuple(str(name) for name in table.columns if name != IMAGE)
    labels = ("label", "class", "prediction")
    rules = {name: f": if it holds the predicted classes, add --columns label={name}, or call it predicted" for name in labels}
    numbers = [cell_numbers(table[name], file, rules.get(name, _NUMBERS)) for name in given]
    if len(given) < 2:
        raise InputError(f"{file} has probabilities of one class only ({given[0]}): give each class its column")
    probabilities: Float64Array = np.stack(numbers, axis=1)
    finite = np.asarray(np.isfinite(probabilities).all(axis=1))
    best = np.nan_to_num(probabilities).argmax(axis=1)
    names = tuple(named(name, classes) for name in given)
    predicted = tuple(names[k] if whole else "" for k, whole in zip(best, finite, strict=True))
    largest = np.where(finite, probabilities[np.arange(len(best)), best], np.nan)
    return ClassPredictions(file, tuple(images), names, probabilities, predicted, largest)


def labelled_by_folders(dataset: Dataset) -> Dataset:
    """Label the images of a dataset without labels by the first folders of their names, where there are two folders or more."""
    parts = [PurePosixPath(item.name).parts for item in dataset.items]
    folders = {part[0] for part in parts}
    if any(item.label is not None for item in dataset.items) or min(map(len, parts), default=0) < 2 or len(folders) < 2:
        return dataset
    if any(part[0] == "/" or "://" in item.name for part, item in zip(parts, dataset.items, strict=True)):
        return dataset
    items = tuple(replace(item, label=part[0]) for part, item in zip(parts, dataset.items, strict=True))
    return replace(dataset, items=items)


def folder_notes(before: Dataset, after: Dataset) -> Iterator[str]:
    """Yield a note if the labels were taken from folder names."""
    if before is not after:
        names = sorted({item.label for item in after.items if item.label is not None})
        yield f"the labels are the names of the class folders ({len(names)}: {examples(names)})"
