"""Read predicted classes of images from a table: probabilities, or the class with or without a confidence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.io.parquet import read_frame

IMAGE, PREDICTED, CONFIDENCE = "image", "predicted", "confidence"


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


def read_classes(path: str | Path) -> ClassPredictions:
    r"""Read a CSV or Parquet table with the column image and one column of probabilities for each class, named after it.

    With a column ``predicted`` that is taken for the class's name, and a column ``confidence``, where there is one, for its
    probability; other columns are left alone then. Raises `MissingPathError` where there is no such file, and `InputError`
    where it is no such table, lacks columns, holds text for numbers, leaves an image empty, or names one twice.
    """
    file = absolute(path)
    if not file.is_file():
        raise MissingPathError(f"no table of predictions at {file}: check the path")
    table = _read(file)
    if IMAGE not in table or len(table.columns) < 2 or table.empty:
        columns = ", ".join(map(str, table.columns)) or "none"
        rule = "it needs rows with the column image, and predicted or a column of probabilities for each class"
        raise InputError(f"{file} has {len(table)} rows and the columns {columns}: {rule}")
    images = _images(file, table)
    if PREDICTED in table:
        predicted = tuple(_texts(table[PREDICTED]))
        unknown = np.full(len(table), np.nan)
        confidence = _numbers(file, table, CONFIDENCE) if CONFIDENCE in table else unknown
        if bool(((confidence < 0) | (confidence > 1)).any()):
            raise InputError(f"{file}: column confidence must lie in 0-1: write the predicted class's probability")
        return ClassPredictions(file, images, tuple(sorted(set(predicted) - {""})), None, predicted, confidence)
    classes = tuple(str(name) for name in table.columns if name != IMAGE)
    if len(classes) < 2:
        raise InputError(f"{file} has probabilities of one class only ({classes[0]}): give each class its column")
    probabilities: Float64Array = np.stack([_numbers(file, table, name) for name in classes], axis=1)
    finite = np.asarray(np.isfinite(probabilities).all(axis=1))
    best = np.nan_to_num(probabilities).argmax(axis=1)
    predicted = tuple(classes[k] if whole else "" for k, whole in zip(best, finite, strict=True))
    largest = np.where(finite, probabilities[np.arange(len(best)), best], np.nan)
    return ClassPredictions(file, images, classes, probabilities, predicted, largest)


def _read(file: Path) -> pd.DataFrame:
    try:
        if file.suffix.lower() == ".csv":
            # Texts as they stand: a class may be called NA.
            return pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig").rename(columns=str.strip)
        return read_frame(file).rename(columns=str)
    except InputError:
        raise
    except Exception as error:  # over a damaged file pandas and Arrow may raise anything
        raise InputError(f"{file} is not a readable table ({one_line(error, 120)}): pass UTF-8 CSV or Parquet") from error


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
