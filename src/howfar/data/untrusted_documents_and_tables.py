"""Read JSON, XML, CSV and Parquet files of labels and predictions that may be damaged, and recognise their columns."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from xml.etree import ElementTree

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError, MissingExtraError, MissingPathError, one_line
from howfar.formatting_and_escaping import printable
from howfar.io.untrusted_parquet import read_frame
from howfar.memory import check_file
from howfar.option_checks_and_signatures import nearest

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def readable(file: object, remedy: str) -> Iterator[None]:
    """Turn any error from a damaged file into an `InputError` that names the file, the fault and the remedy."""
    try:
        yield
    except (MissingExtraError, MissingPathError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise MissingPathError(f"nothing at {printable(file)}: {remedy}") from error
    except Exception as error:  # over a damaged file the libraries that read it may raise anything
        if isinstance(error, InputError) and (str(file) in str(error) or printable(file) in str(error)):
            raise
        reason = one_line(f"no {error}" if isinstance(error, KeyError) else error, 300)
        raise InputError(f"{printable(file)} cannot be read ({reason}): {remedy}") from error


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
    return json.loads(text, object_pairs_hook=_with_own_names)


def _with_own_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a JSON text; raise `ValueError` for a name that is there twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{printable(twice)} is there twice in one object")
    return values


def file_bytes(file: Path, copies: int = COPIES) -> bytes:
    """Read a file, if `copies` copies of it fit into memory."""
    size = file.stat().st_size
    check_file(copies * size, file, size)
    return file.read_bytes()


def read_json(file: Path) -> Any:
    """Parse a JSON file, if it fits into memory."""
    return parsed(file_bytes(file).decode("utf-8-sig"), file)


_TAG, _ATTRIBUTE = 130, 150
"""Bytes that a tag and an attribute of XML take at the most."""


def parsed_xml(data: bytes, name: object, size: int) -> ElementTree.Element:
    """Parse the bytes of an XML file, if they fit into memory, and return its root; `name` and `size` are those of the file."""
    check_file(COPIES * len(data) + _TAG * data.count(b"<") + _ATTRIBUTE * data.count(b"="), name, size)
    return ElementTree.fromstring(data)


TABLES = (".csv", ".parquet", ".pq")
_HEADER: Final = 1 << 16
"""Characters of a header that are looked at."""
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs"}


def read_tabular(file: Path) -> pd.DataFrame:
    """Read a table of numbers and texts; every cell of a CSV file is a text."""
    with readable(file, "pass UTF-8 CSV or Parquet"):
        return texts_of_csv(file) if file.suffix.lower() == ".csv" else read_frame(file).rename(columns=str)


def texts_of_csv(file: Path) -> pd.DataFrame:
    """Read a CSV file with every cell as text, so that a class may be called NA; `ValueError` for rows beyond the header."""
    import pandas as pd

    check_separator(file)
    table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig").rename(columns=str.strip)
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("its rows have more cells than its header")
    return table


def check_separator(file: Path) -> None:
    """Raise `InputError` for a CSV file whose header has semicolons or tabs and no comma between its cells."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        refuse_separator(lines.readline(_HEADER))


def refuse_separator(header: str) -> None:
    """Raise `InputError` for a header with semicolons or tabs and no comma between its cells."""
    mark = next((name for sign, name in _SEPARATORS.items() if sign in header), "")
    if mark and "," not in header:
        raise InputError(f"its cells are separated by {mark}: save it as CSV with commas, and numbers with a decimal point")


def number_remedy(error: Exception, remedy: str) -> str:
    """Return the remedy for a text that is no number: a decimal point where it has a comma, else the given one."""
    return "write numbers with a decimal point" if "," in str(error) else remedy


def cell_text(value: Any) -> str | None:
    """Convert a table value to text; None stands for an empty cell (NaN in pandas)."""
    return None if value is None or value != value else str(value)  # NaN is pandas' empty cell


def cell_texts(column: pd.Series[Any]) -> list[str]:
    """Return a column's cells as texts without blanks at their ends; "" stands for an empty cell."""
    return [(cell_text(value) or "").strip() for value in column]


def images_of(column: pd.Series[Any], file: object) -> list[str]:
    """Return the images that a table's rows name; raise `InputError`, which names the file, for a row without one."""
    images = cell_texts(column)
    if "" in images:
        raise InputError(f"{file}: row {images.index('') + 1} has no image: fill in its path or drop the row")
    return images


def cell_numbers(column: pd.Series[Any], file: object, rule: str = "") -> Float64Array:
    """Return a column's cells as numbers, NaN for empty ones; raise `InputError`, which names the file, for text."""
    try:
        filled = column if column.dtype.kind in "fiu" else column.replace("", np.nan)
        return filled.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        remedy = number_remedy(error, "")
        line = f"{file}: column {column.name} must hold numbers ({error})"
        raise InputError(f"{line}: {remedy}" if remedy else f"{line}{rule}") from error


Roles: TypeAlias = Sequence[str] | str | Mapping[str, str]
CORNERS: Final = ("x0", "y0", "x1", "y1")
SIDES: Final = ("width", "height")
ROLES: Final = ("image", "label", "score", *CORNERS, *SIDES)


def column_roles(given: Roles, known: Sequence[str] = ROLES) -> dict[str, str]:
    """Parse roles and their columns from a mapping, ``ROLE=COLUMN`` texts, or one comma-separated text."""
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        texts = [text for text in (given.split(",") if isinstance(given, str) else given) if text.strip()]
        pairs = [(role.strip(), column.strip()) for role, _, column in (text.partition("=") for text in texts)]
    roles: dict[str, str] = {}
    for role, column in pairs:
        if role not in known:
            raise InputError.of("columns", "must name a role", role, nearest(role, known, "roles"))
        if role in roles or not column:
            rule = "must give each role one column"
            raise InputError.of("columns", rule, f"{role}={column}", "write ROLE=COLUMN,ROLE=COLUMN")
        if column in roles.values():
            raise InputError.of("columns", "must give each role a column of its own", f"{role}={column}")
        roles[role] = column
    if set(SIDES) & set(roles) and set(CORNERS[2:]) & set(roles):
        raise InputError.of("columns", "must name x1 and y1, or width and height", ", ".join(roles), "leave out one pair")
    return roles


def renamed_columns(table: pd.DataFrame, roles: Mapping[str, str], names: Mapping[str, str], file: object) -> pd.DataFrame:
    """Rename the columns that have a role to the role's name; drop other columns that already have such a name."""
    check_columns(roles, list(map(str, table.columns)), file)
    called = {roles[role]: name for role, name in names.items() if role in roles}
    kept = [name for name in table.columns if name in called or name not in called.values()]
    return table[kept].rename(columns=called)


def check_columns(roles: Mapping[str, str], present: Sequence[str], file: object) -> None:
    """Raise `InputError` if a table lacks a column that a role names."""
    for role, column in roles.items():
        if column not in present:
            listed = ", ".join(present)
            raise InputError.of("columns", f"must be columns of {file}", f"{role}={column}", f"its columns are {listed}")
