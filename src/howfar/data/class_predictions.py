"""Read predicted classes of images from a table: probabilities, or the class with or without a confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.data.class_names import named
from howfar.data.column_roles import check_columns, check_known
from howfar.data.tabular_file import read_tabular
from howfar.errors import InputError, MissingPathError
from howfar.io.location import absolute

if TYPE_CHECKING:
    import pandas as pd

IMAGE, PREDICTED, CONFIDENCE = "image", "predicted", "confidence"
_CALLED = {"image": IMAGE, "label": PREDICTED, "score": CONFIDENCE}


@dataclass(frozen=True, eq=False)
class ClassPredictions:
    """Hold the predicted classes of images, in the order of their table.

    `images` are names as the table writes them. `classes` are the names of those whose probabilities it holds, else of those
    that were predicted. `probabilities` is (n, k), or None where the table has the column ``predicted``. `predicted` holds n
    class names; where the table holds probabilities it is the most probable class, "" where those are nan. `confidence`, (n,),
    is the largest probability or the column ``confidence``; nan where unknown.
    """

    file: Path
    images: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Float64Array | None
    predicted: tuple[str, ...]
    confidence: Float64Array


def read_classes(path: str | Path, columns: Mapping[str, str] | None = None, classes: Sequence[str] = ()) -> ClassPredictions:
    r"""Read a CSV or Parquet table with the column image and one column of probabilities for each class, named after it.

    With a column ``predicted`` that is taken for the class's name, and a column ``confidence``, where there is one, for its
    probability; other columns are left alone then. `columns` says which column is the image, the label (``predicted``) and the
    score (``confidence``), where they are called otherwise; `classes` are the names of classes that the table gives by their
    numbers. Raises `MissingPathError` where there is no such file, and `InputError`
    where it is no such table, lacks columns, holds text for numbers, leaves an image empty, or names one twice.
    """
    file = absolute(path)
    if not file.is_file():
        raise MissingPathError(f"no table of predictions at {file}: check the path")
    table = _by_role(file, read_tabular(file), columns or {})
    if IMAGE not in table or len(table.columns) < 2 or table.empty:
        listed = ", ".join(map(str, table.columns)) or "none"
        rule = "it needs rows with the column image, and predicted or a column of probabilities for each class"
        raise InputError(f"{file} has {len(table)} rows and the columns {listed}: {rule}")
    images = _images(file, table)
    if PREDICTED in table:
        predicted = tuple(named(label, classes) for label in _texts(table[PREDICTED]))
        unknown = np.full(len(table), np.nan)
        confidence = _numbers(file, table, CONFIDENCE) if CONFIDENCE in table else unknown
        if bool(((confidence < 0) | (confidence > 1)).any()):
            raise InputError(f"{file}: column confidence must lie in 0-1: write the predicted class's probability")
        return ClassPredictions(file, images, tuple(sorted(set(predicted) - {""})), None, predicted, confidence)
    given = tuple(str(name) for name in table.columns if name != IMAGE)
    if len(given) < 2:
        raise InputError(f"{file} has probabilities of one class only ({given[0]}): give each class its column")
    probabilities: Float64Array = np.stack([_numbers(file, table, name) for name in given], axis=1)
    finite = np.asarray(np.isfinite(probabilities).all(axis=1))
    best = np.nan_to_num(probabilities).argmax(axis=1)
    names = tuple(named(name, classes) for name in given)
    predicted = tuple(names[k] if whole else "" for k, whole in zip(best, finite, strict=True))
    largest = np.where(finite, probabilities[np.arange(len(best)), best], np.nan)
    return ClassPredictions(file, images, names, probabilities, predicted, largest)


def _by_role(file: Path, table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Call the columns that are given a role as they are called here; one that is called so already and has no role goes."""
    check_known(columns, tuple(_CALLED), "a table of classes")
    check_columns(columns, list(table.columns), file)
    called = {columns[role]: name for role, name in _CALLED.items() if role in columns}
    kept = [name for name in table.columns if name in called or name not in called.values()]
    return table[kept].rename(columns=called)


def _images(file: Path, table: pd.DataFrame) -> tuple[str, ...]:
    images = _texts(table[IMAGE])
    if "" in images:
        raise InputError(f"{file}: row {images.index('') + 1} has no image: fill in its path or drop the row")
    repeated = table[IMAGE][table[IMAGE].duplicated()]
    if len(repeated):
        raise InputError(f"{file}: image {repeated.iloc[0]} is there twice: keep one row an image")
    return tuple(images)


def _texts(column: pd.Series[Any]) -> list[str]:
    return ["" if value is None or value != value else str(value).strip() for value in column]


def _numbers(file: Path, table: pd.DataFrame, name: str) -> Float64Array:
    column = table[name].replace("", np.nan) if table[name].dtype.kind not in "fiu" else table[name]
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        rule = "every column but image holds a class's probabilities, unless there is a column predicted"
        raise InputError(f"{file}: column {name} must hold numbers ({error}): {rule}") from error
