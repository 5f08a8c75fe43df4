"""Read CSV and Parquet tables, and text files, that list images with their masks, labels and further columns."""

import csv
import io
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, Final, TypeAlias

from howfar.data.compact_item_table import DatasetFields, Item, ItemTable, TextColumn, first_repeat
from howfar.data.containers.parquet_and_arrow import ParquetFile
from howfar.data.image_bytes import exists
from howfar.data.untrusted_documents_and_tables import TABLES, cell_text, readable, refuse_separator
from howfar.errors import InputError, one_line
from howfar.formatting_and_escaping import printable, unguarded, written_out
from howfar.io.file_location import Location, absolute, as_location, is_url, open_binary
from howfar.io.url_guard import cell_location
from howfar.results import Skipped

Columns: TypeAlias = Mapping[str, Sequence[str | None]]
WANTED: Final = ("image", "mask", "label", "group")
_ROWS: Final = 1 << 14


def list_table(table: Location | ParquetFile, name: str | None = None) -> DatasetFields:
    """List the images that a table names (see `howfar.data.Dataset.from_table`); a Parquet file may be open already."""
    location = table.location if isinstance(table, ParquetFile) else table
    name = name or location.stem
    return list_rows(read_columns(table), location, str(location), name)


def list_rows(columns: Columns, table: Location, what: str, name: str) -> DatasetFields:
    """List the images that table columns name, as paths from the folder of `table`; `what` is what error lines call it."""
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
    finally:  # a repeat above a row that is refused comes first
        if repeat := first_repeat(names):
            earlier, later = repeat
            shown = one_line(names[later], 200)
            raise InputError(f"{what}: image {shown} is in rows {earlier + 1} and {later + 1}: drop one of them")
    if not items:
        first = f"; the first: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{what} names no image that is there ({len(names)} rows{first}): paths are relative to its folder")
    return name, items, tuple(skipped), table


def read_columns(table: Location | ParquetFile) -> Columns:
    """Read a table's columns of texts, numbers, dates or truth values as text; "" stands for an empty cell."""
    if isinstance(table, ParquetFile):
        wanted = _wanted(table.location, [name for name in table.schema.names if name in WANTED or _is_plain(table, name)])
        cells = table.read(wanted)
        return {name: TextColumn(_texts(cells.column(name))) for name in wanted}
    with readable(table, "pass UTF-8 CSV or Parquet"):
        if table.suffix.lower() != ".csv":
            return read_columns(ParquetFile(table, "table"))
        with io.TextIOWrapper(open_binary(table), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [cell.strip() for cell in next(reader, [])]
            columns = {name: TextColumn() for name in _wanted(table, header)}
            places = [(header.index(name), column) for name, column in columns.items()]
            for number, row in enumerate(filter(None, reader), start=1):
                if len(row) != len(header):
                    line = f"{table}: row {number} has {len(row)} cells and the header {len(header)}: quote cells with commas"
                    raise InputError(line)
                for place, column in places:
                    column.append(unguarded(row[place].strip()))
        return columns


def why_no_text(table: Location, column: str) -> str:
    """Return why a table's column has no text for any image (lists, bytes, or all empty); "" if it has one."""
    if table.suffix.lower() != ".csv":
        schema = (file := ParquetFile(table, "table")).schema
        position = schema.get_field_index(column)
        if position >= 0 and not _is_plain(file, column):
            return f"holds {schema.field(position).type}, no single values, in"
    cells = read_columns(table).get(column)
    return "is empty in every row of" if cells is not None and not any(cells) else ""


def _item(table: Location, what: str, number: int, row: Mapping[str, str | None]) -> tuple[Item, list[tuple[Location, str]]]:
    """Make an image from a row, and list its missing files with the reasons."""
    image = row["image"]
    if not image:
        raise InputError(f"{what}: row {number} has no image: fill in its path or drop the row")
    image, path = _beside(table, image)
    name = image if is_url(image) else PurePath(image).as_posix()
    fault = why_no_file(path)
    faults = [(path, fault)] if fault else []
    cell = row.get("mask")
    mask = _beside(table, cell)[1] if cell else None
    if mask is not None and (fault := why_no_file(mask)):
        faults = faults or [(mask, f"mask: {fault}; the image is kept without it")]
        mask = None
    further = tuple((column, text) for column, text in row.items() if column not in WANTED and text)
    return Item(name, path, mask, row.get("label") or None, further, row.get("group") or None), faults


def _beside(table: Location, cell: str) -> tuple[str, Location]:
    """Return a cell, Windows' backslashes turned, and its location: a URL, an absolute path, or one from the table's folder."""
    if is_url(cell):
        return cell, cell_location(table, cell)
    folder = table.parent
    if "\\" in cell and not (isinstance(folder, Path) and os.path.lexists(folder / cell)):
        if PureWindowsPath(cell).drive and os.name != "nt":
            line = f"{table}: {one_line(cell, 120)} is a path of a Windows machine"
            raise InputError(f"{line}: write paths from the table's folder on")
        cell = cell.replace("\\", "/")
    if Path(cell).is_absolute():
        return cell, as_location(cell)
    if isinstance(folder, Path):
        return cell, folder / cell
    scheme, _, rest = folder.partition("://")
    # The steps of a path (..) may lead to another host or bucket.
    return cell, cell_location(table, f"{scheme}://{posixpath.normpath(posixpath.join(rest, cell))}")


def why_no_file(location: Location) -> str | None:
    """Return why no image is at a location, or None; a URL is checked only when it is read."""
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
    """Yield an Arrow column's cells as text, with few of them in memory as objects at a time."""
    for chunk in cells.chunks:
        for start in range(0, len(chunk), _ROWS):
            yield from (cell_text(value) or "" for value in chunk.slice(start, _ROWS).to_pylist())


def _wanted(path: Location, header: Sequence[str]) -> list[str]:
    if "image" not in header:
        refuse_separator(",".join(header))
        columns = ", ".join(printable(name) or "(unnamed)" for name in header) or "none"
        raise InputError(f"{path} has no column image; its columns: {columns}: name the column of image paths image")
    # A column without a name, or the second of one name, is none that anybody could ask for.
    return [name for name in dict.fromkeys(header) if name]


def _is_plain(table: ParquetFile, column: str) -> bool:
    """Return whether a column has single values that can be written as text, unlike image bytes and lists."""
    import pyarrow.types as kinds

    position = table.schema.get_field_index(column)
    if position < 0:  # two columns of one name
        return False
    kind = table.schema.field(position).type
    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    tests = (kinds.is_string, kinds.is_large_string, kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_temporal)
    return any(test(kind) for test in tests)


# Controls and line breaks, what is not UTF-8, blanks at an end, and the mark that some programs put before UTF-8.
_NO_LINE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|^[\\s\ufeff]+|\\s+$")


def list_line(path: str) -> str:
    r"""Write a path as one line of a list, from which `match_list` finds the image and mostly other programs the file.

    Controls and line breaks (``\n``), bytes that are not UTF-8 (``\xff``) and blanks at an end (``\x20``) are written out.
    """
    return _NO_LINE.sub(lambda found: "".join("\\x20" if each == " " else written_out(each) for each in found[0]), path)


def read_list(path: str | Path) -> tuple[str, ...]:
    """Read the image names or paths in a list, one a line, or in the column ``image`` of a table, even if no file exists."""
    file = absolute(path)
    if file.suffix.lower() in TABLES:
        return tuple(cell for cell in read_columns(file)["image"] if cell)
    with readable(file, "pass UTF-8 text with one image a line"):
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def match_list(entries: Iterable[str], names: Sequence[str], paths: Sequence[str]) -> list[int | None]:
    """Find the image that each list entry names, by its name in the dataset or its path, which may be empty; None for none."""
    filled = [(path, row) for row, path in enumerate(paths) if path]
    by_name, by_path = _rows([(name, row) for row, name in enumerate(names)]), _rows(filled)
    return [by_name.get(entry, by_path.get(entry, by_path.get(str(absolute(entry))))) for entry in entries]


def _rows(named: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Map texts to rows in three forms: plain, as `list_line` writes, as earlier versions wrote; the first form wins."""
    return {write(text): row for write in (printable, list_line, str) for text, row in named}
