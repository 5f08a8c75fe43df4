"""Read datasets from data frames of pandas or polars, whose columns are those of a table: image, mask, label and others."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data.dataset import Dataset
from howfar.data.embeddings import from_array, unique_names
from howfar.data.image_sequences import check_picture
from howfar.data.item import Item
from howfar.data.memory_images import MemoryImages, Part
from howfar.data.pixel_values import file_bytes
from howfar.data.table import WANTED, cell_text, list_rows
from howfar.errors import ImageError, InputError
from howfar.printable import printable
from howfar.results import Features

EMBEDDING = "embedding"
KINDS = (("pandas", "DataFrame"), ("polars", "DataFrame"))
SERIES = (("pandas", "Series"), ("polars", "Series"))


def is_of(argument: object, kinds: Sequence[tuple[str, str]]) -> bool:
    """Return whether an argument is of a class of another package, which is not imported for the question.

    Examples
    --------
    >>> import pandas as pd
    >>> is_of(pd.DataFrame(), KINDS), is_of(pd.Series([1]), KINDS), is_of([], KINDS)
    (True, False, False)
    """
    classes = (getattr(sys.modules.get(module), name, None) for module, name in kinds)
    return any(isinstance(argument, kind) for kind in classes if isinstance(kind, type))


def read_frame(frame: Any, name: str) -> Dataset | Features:
    """Make a dataset of a data frame's rows, or features of one with a column ``embedding`` or of numbers alone.

    The cells of ``image`` and ``mask`` are paths, from the current folder or the root, URLs, or pictures in memory. An image's
    name is its path as the frame writes it, or else its row number. Raises `InputError` as `howfar.Dataset.from_table`.

    Examples
    --------
    >>> import pandas as pd
    >>> read_frame(pd.DataFrame({"image": [np.zeros((8, 8, 3), np.uint8)], "label": ["dry"]}), "roads").items[0].label
    'dry'
    """
    called = list(map(str, frame.columns))
    if doubled := next((column for column in called if called.count(column) > 1), None):
        raise InputError(f"the data frame has the column {printable(doubled)} twice: drop or rename one")
    columns = {str(column): frame[column] for column in frame.columns}
    if EMBEDDING in columns:
        return _embeddings(columns, name)
    if "image" not in columns:
        if len(frame) and columns and all(_is_number(column) for column in columns.values()):
            return from_array(frame.to_numpy(), name)
        listed = ", ".join(map(printable, columns)) or "none"
        raise InputError(
            f"the data frame has no column image; its columns: {listed}: name the column of paths or pictures image, "
            "or drop all columns that are no numbers to give embeddings"
        )
    texts: dict[str, list[str | None]] = {
        column: [None if _is_empty(cell) else cell_text(cell) for cell in values.to_list()]
        for column, values in columns.items()
        if column not in WANTED[:2] and _is_plain(values)
    }
    images, masks = columns["image"].to_list(), columns["mask"].to_list() if "mask" in columns else [None] * len(frame)
    if all(isinstance(cell, (str, Path)) or _is_empty(cell) for cell in (*images, *masks)):
        texts |= {"image": [None if _is_empty(cell) else str(cell) for cell in images]}
        texts |= {"mask": [None if _is_empty(cell) else str(cell) for cell in masks]}
        # Paths are taken as from a table in the current folder.
        return Dataset(*list_rows(texts, Path.cwd() / "the data frame", "the data frame", name)[:3])
    return _pictures(images, masks, texts, name)


def _pictures(images: Sequence[Any], masks: Sequence[Any], texts: Mapping[str, Sequence[str | None]], name: str) -> Dataset:
    empty = next((row for row, cell in enumerate(images) if _is_empty(cell)), None)
    if empty is not None:
        raise InputError(f"the data frame: row {empty + 1} has no image: fill it in or drop the row")
    check_picture(images[0], "the data frame: image in row 1")

    def read(part: Part, row: int) -> bytes:
        if part == "mask" and _is_empty(masks[row]):
            raise ImageError("no mask in this row")
        return file_bytes(images[row]) if part == "image" else file_bytes(masks[row], mask=True)

    memory = MemoryImages(read, len(images))
    items = []
    for row, mask in enumerate(masks):
        further = tuple((column, text) for column, cells in texts.items() if column not in WANTED and (text := cells[row]))
        label = texts["label"][row] if "label" in texts else None
        items.append(Item(str(row), memory.path(row), None if _is_empty(mask) else memory.path(row, "mask"), label, further))
    return Dataset(name, tuple(items))


def _embeddings(columns: Mapping[str, Any], name: str) -> Features:
    cells = columns[EMBEDDING].to_list()
    try:
        rows = np.array([np.asarray(cell, dtype=np.float64) for cell in cells])
    except (ValueError, TypeError) as error:
        raise InputError("the data frame: column embedding must hold lists of numbers of one length") from error
    names = [cell_text(cell) for cell in columns["image"].to_list()] if "image" in columns else [None] * len(cells)
    return from_array(rows, name, images=unique_names([text or f"row-{row}" for row, text in enumerate(names)]))


def _is_number(column: Any) -> bool:
    kind = getattr(column.dtype, "kind", None)
    return bool(column.dtype.is_numeric()) if kind is None else kind in "fiub"


def _is_plain(column: Any) -> bool:
    """Return whether the cells of a column are single values, which can be written as text."""
    first = next((cell for cell in column.to_list() if not _is_empty(cell)), "")
    return isinstance(first, (str, Path, int, float, bool, np.generic)) or hasattr(first, "isoformat")


def _is_empty(cell: object) -> bool:
    """Return whether a cell holds nothing: None, an empty text, NaN, or pandas' marks of missing values."""
    if cell is None or (isinstance(cell, str) and not cell):
        return True
    return (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NAType", "NaTType")
