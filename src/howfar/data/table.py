"""Datasets given by a table of paths of images (CSV, Parquet)."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from howfar.data.folder import Dataset, Item
from howfar.data.read import exists
from howfar.errors import InputError, MissingPathError
from howfar.io.location import Location, as_location, bare, ending, is_file, is_url, open_binary, parent
from howfar.results import Skipped

Columns: TypeAlias = Mapping[str, Sequence[str | None]]
WANTED = ("image", "mask", "label")


def read_table(path: str | Path, name: str | None = None) -> Dataset:
    r"""Read a CSV or Parquet table with a column ``image``, and where wished ``mask`` and ``label``.

    Paths are relative to the table's folder; one may also be a URL, or lie within a tar or Parquet file. An image's name is
    its path as the table writes it. A row whose image is not there is skipped with the reason; one whose mask is not there is
    kept without it, and that is noted among the skipped. The same image in two rows is an error, since it would count twice.

    Parameters
    ----------
    path
        The table; CSV in UTF-8, with a header and commas.
    name
        The dataset's name; by default the table's, without its ending.

    Raises
    ------
    MissingPathError
        There is no such file.
    InputError
        It is no such table, lacks the column ``image``, leaves an image empty, repeats one, or names no file that exists.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, seed=0, size=64)
    >>> _ = (folder / "list.csv").write_text("image,label\nimages/0001.jpg,dry\n")
    >>> read_table(folder / "list.csv").items[0].label
    'dry'
    """
    table = as_location(path)
    if not is_file(table):
        raise MissingPathError(f"no table at {table}: check the path")
    name = name or bare(table)
    columns = _columns(table)
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    items: list[Item] = []
    skipped: list[Skipped] = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        item, faults = _row(table, number, row)
        if item.name in first_row:
            raise InputError(f"{table}: image {item.name} is in rows {first_row[item.name]} and {number}: drop one of them")
        first_row[item.name] = number
        skipped.extend(Skipped(name, str(file), reason) for file, reason in faults)
        if not any(file == item.path for file, _ in faults):
            items.append(item)
    if not items:
        first = f"; the first: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{table} names no image that is there ({len(rows)} rows{first}): paths are relative to its folder")
    return Dataset(name, tuple(items), tuple(skipped), table)


def read_column(path: Location, name: str) -> list[str]:
    """Cells of one of the columns that a table of images may have, "" where it leaves one empty.

    Raises
    ------
    InputError
        It is no such table, or lacks the column ``image``.
    """
    columns = _columns(path)
    return [cell or "" for cell in columns[name]]


def read_schema(place: Location) -> Any:
    """Columns of a Parquet file and their types.

    Raises
    ------
    InputError
        It is not a Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_binary(place) as stream:
            return pq.read_schema(stream)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(place, error) from error


def _columns(table: Location) -> Columns:
    return _read_csv(table) if ending(table) == ".csv" else _read_parquet(table)


def _row(table: Location, number: int, row: Mapping[str, str | None]) -> tuple[Item, list[tuple[Location, str]]]:
    image = row["image"]
    if not image:
        raise InputError(f"{table}: row {number} has no image: fill in its path or drop the row")
    name = image if is_url(image) else PurePath(image).as_posix()
    path = _beside(table, image)
    fault = _fault(path)
    faults = [(path, fault)] if fault else []
    cell = row.get("mask")
    mask = _beside(table, cell) if cell else None
    fault = _fault(mask) if mask is not None else None
    if mask is not None and fault:
        if not faults:
            faults = [(mask, f"mask: {fault}; the image is kept without it")]
        mask = None
    return Item(name, path, mask, row.get("label") or None), faults


def _beside(table: Location, cell: str) -> Location:
    """What a cell of a table names: a URL, a path from the root, or one from the table's folder."""
    if is_url(cell) or Path(cell).is_absolute():
        return as_location(cell)
    folder = parent(table)
    if isinstance(folder, Path):
        return folder / cell
    scheme, _, rest = folder.partition("://")
    return f"{scheme}://{posixpath.normpath(posixpath.join(rest, cell))}"


def _fault(place: Location) -> str | None:
    """Why there is no image; what lies behind a URL is asked for when it is read."""
    if not isinstance(place, Path) or place.is_file():
        return None
    if place.is_dir():
        return "a folder, not an image"
    if place.exists():
        return "not a regular file"
    if place.is_symlink():
        return "broken link"
    return None if exists(place) else "no such file"


def _read_csv(path: Location) -> Columns:
    try:
        with io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [cell.strip() for cell in next(reader, [])]
            rows = [cells for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error
    wanted = _wanted(path, header)
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            raise InputError(
                f"{path}: row {number} has {len(cells)} cells and the header {len(header)}: quote cells with commas"
            )
    return {name: [cells[header.index(name)].strip() for cells in rows] for name in wanted}


def _read_parquet(path: Location) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = _wanted(path, read_schema(path).names)
    try:
        with open_binary(path) as stream:
            table = pq.read_table(stream, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    return {name: [_text(value) for value in table.column(name).to_pylist()] for name in wanted}


def _wanted(path: Location, header: Sequence[str]) -> list[str]:
    if "image" not in header:
        found = ", ".join(name or "(unnamed)" for name in header) or "none"
        raise InputError(f"{path} has no column image; its columns: {found}: name the column of image paths image")
    return [name for name in WANTED if name in header]


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)  # NaN is pandas' empty cell


def _unreadable(path: Location, error: Exception) -> InputError:
    line = " ".join(str(error).split())[:120]
    return InputError(f"{path} is not a readable table ({line}): pass UTF-8 CSV or Parquet")
