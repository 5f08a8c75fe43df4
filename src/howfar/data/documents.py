"""Read JSON, XML, CSV and Parquet documents of predictions and labels, and find the columns that they need."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias
from xml.etree import ElementTree

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError, one_line
from howfar.io.parquet_files import read_frame
from howfar.memory import check_file
from howfar.settings import nearest

if TYPE_CHECKING:
    import pandas as pd


_PAIR = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", re.IGNORECASE)
_HALF = re.compile(r"\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)


COPIES: Final = 3
"""How many times a document is held at most: its bytes, its text, and a text in it."""
_OBJECT, _LIST, _ITEM, _QUOTE = 250, 70, 40, 30
"""Bytes that an object, a list, an item of either and half a text take at the most."""


def parsed(text: str, name: object = "a JSON text") -> Any:
    """Parse a JSON text, if it fits into memory; `ValueError` also for half a surrogate pair, which no text file can hold."""
    counts = {"{": _OBJECT, "[": _LIST, ",": _ITEM, '"': _QUOTE}
    check_file(COPIES * len(text) + sum(held * text.count(mark) for mark, held in counts.items()), name, len(text))
    # An escaped backslash is none that escapes.
    bare = text.replace(r"\\", "") if r"\u" in text else ""
    half = _HALF.search(_PAIR.sub("", bare))
    if half is not None:
        raise ValueError(f"a text of it holds half a character ({half.group()})")
    return json.loads(text)


def read_json(file: Path) -> Any:
    """Parse a JSON file, if it fits into memory; raise `OSError`, `ValueError` or `RecursionError` if it is damaged."""
    size = file.stat().st_size
    check_file(COPIES * size, file, size)
    return parsed(file.read_text(encoding="utf-8-sig"), file)


_TAG, _ATTRIBUTE = 130, 150
"""Bytes that a tag and an attribute of XML take at the most."""


def parsed_xml(data: bytes, name: object, size: int) -> ElementTree.Element:
    """Parse the bytes of an XML file, if they fit into memory, and return its root; `name` and `size` are those of the file."""
    check_file(COPIES * len(data) + _TAG * data.count(b"<") + _ATTRIBUTE * data.count(b"="), name, size)
    return ElementTree.fromstring(data)


TABLES = (".csv", ".parquet", ".pq")


def read_tabular(file: Path) -> pd.DataFrame:
    """Read a table of numbers and texts; every cell of a CSV file is a text."""
    try:
        if file.suffix.lower() == ".csv":
            return texts_of_csv(file)
        return read_frame(file).rename(columns=str)
    except InputError:
        raise
    except Exception as error:  # over a damaged file pandas and Arrow may raise anything
        raise InputError(f"{file} is not a readable table ({one_line(error, 120)}): pass UTF-8 CSV or Parquet") from error


def texts_of_csv(source: Path | IO[bytes]) -> pd.DataFrame:
    """Read a CSV file with every cell as text, so that a class may be called NA; `ValueError` for rows beyond the header."""
    import pandas as pd

    table = pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8-sig").rename(columns=str.strip)
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("its rows have more cells than its header")
    return table


def cell_texts(column: pd.Series[Any]) -> list[str]:
    """Return a column's cells as texts without blanks at their ends; "" stands for an empty cell."""
    return ["" if value is None or value != value else str(value).strip() for value in column]


def cell_numbers(column: pd.Series[Any], file: object, rule: str = "") -> Float64Array:
    """Return a column's cells as numbers, NaN for empty ones; raise `InputError`, which names the file, for text."""
    try:
        filled = column if column.dtype.kind in "fiu" else column.replace("", np.nan)
        return filled.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: column {column.name} must hold numbers ({error}){rule}") from error


Roles: TypeAlias = Sequence[str] | str | Mapping[str, str]
CORNERS: Final = ("x0", "y0", "x1", "y1")
SIDES: Final = ("width", "height")
ROLES: Final = ("image", "label", "score", *CORNERS, *SIDES)


def column_roles(given: Roles) -> dict[str, str]:
    """Parse roles and their columns from a mapping, ``ROLE=COLUMN`` texts, or one comma-separated text."""
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        texts = [text for text in (given.split(",") if isinstance(given, str) else given) if text.strip()]
        pairs = [(role.strip(), column.strip()) for role, _, column in (text.partition("=") for text in texts)]
    roles: dict[str, str] = {}
    for role, column in pairs:
        if role not in ROLES:
            raise InputError.of("columns", "must name a role", role, nearest(role, ROLES, "roles"))
        if role in roles or not column:
            rule = "must give each role one column"
            raise InputError.of("columns", rule, f"{role}={column}", "write ROLE=COLUMN,ROLE=COLUMN")
        if column in roles.values():
            raise InputError.of("columns", "must give each role a column of its own", f"{role}={column}")
        roles[role] = column
    if set(SIDES) & set(roles) and set(CORNERS[2:]) & set(roles):
        raise InputError.of("columns", "must name x1 and y1, or width and height", ", ".join(roles), "leave out one pair")
    return roles


def check_columns(roles: Mapping[str, str], present: Sequence[str], file: Path) -> None:
    """Raise `InputError` if a table lacks a column that a role names."""
    for role, column in roles.items():
        if column not in present:
            listed = ", ".join(present)
            raise InputError.of("columns", f"must be columns of {file}", f"{role}={column}", f"its columns are {listed}")
