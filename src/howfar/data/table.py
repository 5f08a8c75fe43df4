"""Read CSV and Parquet tables that list images by their paths, with masks, labels and further columns."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias

from howfar.data.containers.parquet_file import ParquetFile
from howfar.data.item import DatasetFields, Item
from howfar.data.item_table import ItemTable
from howfar.data.read import exists
from howfar.data.text_column import TextColumn, first_repeat
from howfar.errors import InputError, MissingPathError, one_line
from howfar.io.cell_urls import cell_location
from howfar.io.location import Location, as_location, is_url, open_binary
from howfar.printable import printable, unguarded
from howfar.results import Skipped

Columns: TypeAlias = Mapping[str, Sequence[str | None]]
WANTED: Final = ("image", "mask", "label")
_ROWS: Final = 1 << 14


def list_table(table: Location | ParquetFile, name: str | None = None) -> DatasetFields:
    """List the images that a table names, as `howfar.data.Dataset.from_table` says; a Parquet file may be open already."""
    location = table.location if isinstance(table, ParquetFile) else table
    name = name or location.stem
    return list_rows(read_columns(table), location, str(location), name)


def list_rows(columns: Columns, table: Location, what: str, name: str) -> DatasetFields:
    """List the images that the columns of a table name, as `howfar.data.Dataset.from_table` says.

    `table` is where the table lies, from whose folder paths count, and `what` is what error lines call it. Raises `InputError`.
    """
    skipped: list[Skipped] = []
    names = TextColumn()

    def listed() -> Iterator[Item]:
        for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
            item, faults = _item(table, what, number, dict(zip(columns, cells, strict=True)))
            names.append(item.name)
            skipped.extend(Skipped(name, str(file), reason) for file, reason in faults)
            if not any(file == item.path for file, _ in faults):
                yield item

    try:
        items = ItemTable.of(listed())
    except InputError:
        _check_once(names, what)  # a repeat above the row that is refused comes first
        raise
    _check_once(names, what)
    if not items:
        first = f"; the first: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{what} names no image that is there ({len(names)} rows{first}): paths are relative to its folder")
    return name, items, tuple(skipped), table


def _check_once(names: TextColumn, what: str) -> None:
    repeat = first_repeat(names)
    if repeat is not None:
        earlier, later = repeat
        shown = one_line(names[later], 200)
        raise InputError(f"{what}: image {shown} is in rows {earlier + 1} and {later + 1}: drop one of them")


def read_columns(table: Location | ParquetFile) -> Columns:
    """Read the columns of a table that hold texts, numbers, dates or truth values, as text; "" stands for empty cells.

    Raises `MissingPathError` where there is no such file, and `InputError` where it is no such table or lacks the column
    ``image``.
    """
    if isinstance(table, ParquetFile):
        wanted = _wanted(table.location, [name for name in table.schema.names if name in WANTED or _is_plain(table, name)])
        cells = table.read(wanted)
        return {name: TextColumn(_texts(cells.column(name))) for name in wanted}
    if not table.is_file():
        raise MissingPathError(f"no table at {table}: check the path")
    try:
        return _read_csv(table) if table.suffix.lower() == ".csv" else read_columns(ParquetFile(table, "table"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is not a readable table ({one_line(error, 120)}): pass UTF-8 CSV or Parquet") from error


def why_no_text(table: Location, column: str) -> str:
    r"""Say why a column of a table gives no image a text: it holds lists or bytes, or is empty; "" where there is none.

    Raises as `read_columns`.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "roads.csv"
    >>> _ = file.write_text("image,camera\n1.png,\n")
    >>> why_no_text(file, "camera"), why_no_text(file, "site")
    ('is empty in every row of', '')
    """
    if table.suffix.lower() != ".csv":
        schema = (file := ParquetFile(table, "table")).schema
        position = schema.get_field_index(column)
        if position >= 0 and not _is_plain(file, column):
            return f"holds {schema.field(position).type}, no single values, in"
    cells = read_columns(table).get(column)
    return "is empty in every row of" if cells is not None and not any(cells) else ""


def _item(table: Location, what: str, number: int, row: Mapping[str, str | None]) -> tuple[Item, list[tuple[Location, str]]]:
    """Make an image of a row, and list those of its files that are missing, with the reasons."""
    image = row["image"]
    if not image:
        raise InputError(f"{what}: row {number} has no image: fill in its path or drop the row")
    name = image if is_url(image) else PurePath(image).as_posix()
    path = _beside(table, image)
    fault = why_no_file(path)
    faults = [(path, fault)] if fault else []
    cell = row.get("mask")
    mask = _beside(table, cell) if cell else None
    fault = why_no_file(mask) if mask is not None else None
    if mask is not None and fault:
        if not faults:
            faults = [(mask, f"mask: {fault}; the image is kept without it")]
        mask = None
    further = tuple((column, text) for column, text in row.items() if column not in WANTED and text)
    return Item(name, path, mask, row.get("label") or None, further), faults


def _beside(table: Location, cell: str) -> Location:
    """Return the location that a cell of a table names: a URL, a path from the root, or one from the table's folder."""
    if is_url(cell):
        return cell_location(table, cell)
    if Path(cell).is_absolute():
        return as_location(cell)
    folder = table.parent
    if isinstance(folder, Path):
        return folder / cell
    scheme, _, rest = folder.partition("://")
    # The steps of a path (..) may lead to another host or bucket.
    return cell_location(table, f"{scheme}://{posixpath.normpath(posixpath.join(rest, cell))}")


def why_no_file(location: Location) -> str | None:
    """Return why there is no image at a location, if so; what lies behind a URL is asked for when it is read.

    Examples
    --------
    >>> why_no_file(Path("no/such.png"))
    'no such file'
    """
    try:
        if not isinstance(location, Path) or location.is_file():
            return None
    except OSError as error:  # a name that is too long
        return error.strerror or "no such file"
    if location.is_dir():
        return "a folder, not an image"
    if location.exists():
        return "not a regular file"
    if location.is_symlink():
        return "broken link"
    return None if exists(location) else "no such file"


def _texts(cells: Any) -> Iterator[str]:
    """Yield the cells of an Arrow column as text, with few of them in memory as objects at a time."""
    for chunk in cells.chunks:
        for start in range(0, len(chunk), _ROWS):
            yield from (cell_text(value) or "" for value in chunk.slice(start, _ROWS).to_pylist())


def _read_csv(path: Location) -> Columns:
    with io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = [cell.strip() for cell in next(reader, [])]
        columns = {name: TextColumn() for name in _wanted(path, header)}
        places = [(header.index(name), column) for name, column in columns.items()]
        for number, cells in enumerate(filter(None, reader), start=1):
            if len(cells) != len(header):
                raise InputError(
                    f"{path}: row {number} has {len(cells)} cells and the header {len(header)}: quote cells with commas"
                )
            for place, column in places:
                column.append(unguarded(cells[place].strip()))
    return columns


def _wanted(path: Location, header: Sequence[str]) -> list[str]:
    if "image" not in header:
        columns = ", ".join(printable(name) or "(unnamed)" for name in header) or "none"
        raise InputError(f"{path} has no column image; its columns: {columns}: name the column of image paths image")
    # A column without a name, or the second of one name, is none that anybody could ask for.
    return [name for name in dict.fromkeys(header) if name]


def _is_plain(table: ParquetFile, column: str) -> bool:
    """Tell whether a column has one value a cell that can be written as text; images' bytes and lists have not."""
    import pyarrow.types as kinds

    position = table.schema.get_field_index(column)
    if position < 0:  # two columns of one name
        return False
    kind = table.schema.field(position).type
    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    tests = (kinds.is_string, kinds.is_large_string, kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_temporal)
    return any(test(kind) for test in tests)


def cell_text(value: Any) -> str | None:
    """Write one value of a table as text; None stands for an empty cell, which is NaN in pandas.

    Examples
    --------
    >>> cell_text(3), cell_text(float("nan")), cell_text(None)
    ('3', None, None)
    """
    return None if value is None or value != value else str(value)  # NaN is pandas' empty cell
