"""Read a CSV or Parquet table with one row a box."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from howfar.arrays import Float64Array
from howfar.data.box_files.box_file import BoxesOf, BoxFile, add_box
from howfar.data.column_roles import CORNERS, SIDES, check_columns
from howfar.data.folder_walk import printable
from howfar.data.tabular_file import read_tabular
from howfar.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_FORM: Final = "image, x0, y0, x1, y1 (or width and height in place of the last two), label, and score where predicted"


def read_box_table(file: Path, roles: Mapping[str, str], predicted: bool) -> BoxFile:
    """Read one row a box, with the columns that the roles name, or that are called like them.

    A row whose corners are empty says that its image has no box. Raises `InputError` where columns are missing or hold no
    numbers.
    """
    table = read_tabular(file)
    present = list(map(str, table.columns))
    # Of true boxes there are no scores, and a table of them may lack what is named for the predictions.
    given = roles if predicted else {role: column for role, column in roles.items() if column in present}
    check_columns(given, present, file)
    columns = {role: given.get(role, role) for role in ("image", "label", "score", *CORNERS, *SIDES)}
    by_size = bool(set(SIDES) & set(given)) or (columns["x1"] not in present and columns["width"] in present)
    ends = SIDES if by_size else CORNERS[2:]
    needed = ["image", *CORNERS[:2], *ends, *(["score"] if predicted else [])]
    missing = [columns[role] for role in needed if columns[role] not in present]
    if missing:
        listed = ", ".join(map(printable, present))
        raise InputError(
            f"{printable(file)} has no column {missing[0]}; its columns: {listed}: it needs {_FORM}; name others by --columns"
        )
    images = [_text(value) for value in table[columns["image"]]]
    labels = [_text(value) for value in table[columns["label"]]] if columns["label"] in present else ["0"] * len(table)
    numbers = {role: _numbers(file, table[columns[role]]) for role in needed[1:]}
    return BoxFile(_boxes(file, images, labels, numbers, ends, predicted), whole=predicted)


def _boxes(
    file: Path,
    images: list[str],
    labels: list[str],
    numbers: Mapping[str, Float64Array],
    ends: tuple[str, ...],
    predicted: bool,
) -> BoxesOf:
    boxes: BoxesOf = {}
    for row, image in enumerate(images):
        if not image:
            raise InputError(f"{printable(file)}: row {row + 1} has no image: fill in its path or drop the row")
        boxes.setdefault(image, {"boxes": [], "labels": []} | ({"scores": []} if predicted else {}))
        left, top, right, bottom = (float(numbers[role][row]) for role in (*CORNERS[:2], *ends))
        if all(np.isnan((left, top, right, bottom))):
            continue
        if ends == SIDES:
            right, bottom = left + right, top + bottom
        add_box(boxes, image, (left, top, right, bottom), labels[row], float(numbers["score"][row]) if predicted else None)
    return boxes


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()


def _numbers(file: Path, column: pd.Series[Any]) -> Float64Array:
    try:
        return column.replace("", np.nan).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"{printable(file)}: column {column.name} must hold numbers ({error})") from error
