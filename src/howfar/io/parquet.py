"""Read Parquet tables of other people: what they will take in memory is stated first, and what they hold is checked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from howfar.io.parquet_footer import Chunk, RowGroup, read_footer
from howfar.memory import check_file, file_limit

if TYPE_CHECKING:
    import pandas as pd

CELL = 100
"""Bytes of a text, or of a list, beside its content: Python's object and the place that points to it."""
COPIES = 3
"""How many times numbers are held at most: as they are read, as an array, and as what is made of it."""
# By the numbers of Parquet's physical types: BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE.
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}
_ROWS = 1 << 16


def read_table(
    file: Any, groups: Sequence[RowGroup], columns: Sequence[str] | None = None, name: object = None, size: int = 0
) -> Any:
    """Read columns of an open `pyarrow.parquet.ParquetFile`, all by default, as a checked Arrow table.

    `groups` are those of its footer, `name` and `size` those of the file. Raises `InputError` where it takes more memory than
    is allowed, and errors of Arrow, `ValueError` or `OSError` where it is damaged: text that is not UTF-8, offsets that lie
    outside.
    """
    wanted = None if columns is None else list(columns)
    check_file(stated_bytes(groups, wanted), name, size)
    table = _piecewise(file, groups, wanted, name, size) if _may_swell(groups, wanted, size) else None
    table = file.read(columns=wanted, use_threads=False) if table is None else table
    table.validate(full=True)
    return table


def read_frame(path: Any, lists: Collection[str] | None = ()) -> pd.DataFrame:
    """Read a Parquet file as a pandas table whose cells are numbers and texts.

    `lists` names columns that may hold lists; where it is None, columns of other types are left out. Raises as `read_table`,
    and `ValueError` for a column that is there twice or holds neither numbers nor texts.

    Examples
    --------
    >>> import io
    >>> import pandas as pd
    >>> file = io.BytesIO()
    >>> pd.DataFrame({"image": ["1.png"], "label": ["dry"]}).to_parquet(file)
    >>> read_frame(file)
       image label
    0  1.png   dry
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    named = isinstance(path, (str, os.PathLike))
    source = pa.OSFile(os.fspath(path)) if named else path
    with nullcontext(path) if not named else source:
        groups = read_footer(source)
        size = source.tell()
        file = pq.ParquetFile(source)
        check_names(file.schema_arrow.names)
        table = read_table(file, groups, None, path if named else "the table", size)
    frame: pd.DataFrame = plain(table, lists).to_pandas()
    return frame


def check_names(names: Sequence[str]) -> None:
    """Raise `ValueError` for a column that is there twice.

    Examples
    --------
    >>> check_names(["image", "image"])
    Traceback (most recent call last):
    ValueError: it has the column image twice
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it has the column {twice} twice")


def stated_bytes(groups: Sequence[RowGroup], columns: Collection[str] | None = None) -> int:
    """Compute from a file's footer how many bytes its columns take at least, as they are read and turned into values.

    Numbers count as they are when they are unpacked, however few bytes the file needs for them.
    """
    needed = CELL * sum(max(0, group.rows) for group in groups)
    for chunk in _chunks(groups, columns):
        width = _WIDTHS.get(chunk.kind)
        values = max(0, chunk.values)
        needed += max(0, chunk.unpacked) + CELL * values if width is None else COPIES * width * values
    return needed


def _chunks(groups: Sequence[RowGroup], columns: Collection[str] | None) -> Iterator[Chunk]:
    for group in groups:
        for chunk in group.chunks:
            if columns is None or any(chunk.path == name or chunk.path.startswith(f"{name}.") for name in columns):
                yield chunk


def _may_swell(groups: Sequence[RowGroup], columns: Collection[str] | None, size: int) -> bool:
    """Return whether texts that are kept once in the file, and named by many rows, could take more than is allowed."""
    texts = [chunk for chunk in _chunks(groups, columns) if chunk.kind not in _WIDTHS]
    return sum(max(0, chunk.values) * max(0, chunk.unpacked) for chunk in texts) > file_limit(size)


def _piecewise(file: Any, groups: Sequence[RowGroup], columns: Sequence[str] | None, name: object, size: int) -> Any:
    """Read so few rows at a time that what is held is known before it is too much."""
    import pyarrow as pa

    limit = file_limit(size)
    longest = max((chunk.unpacked for chunk in _chunks(groups, columns)), default=1)
    rows = int(min(_ROWS, max(1, limit // 8 // max(1, longest))))
    batches, held = [], 0
    for batch in file.iter_batches(rows, columns=columns, use_threads=False):
        held += sum(map(decoded_bytes, batch.columns))
        check_file(2 * held, name, size)
        batches.append(batch)
    schema = file.schema_arrow if columns is None else None
    return pa.Table.from_batches(batches, schema if not batches else None) if batches or schema is not None else None


def decoded_bytes(array: Any) -> int:
    """Compute how many bytes an Arrow array takes once texts that it keeps once stand in each cell that names them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> decoded_bytes(pa.array(["asphalt"] * 100).dictionary_encode())
    700
    """
    import pyarrow.compute as pc
    import pyarrow.types as types

    if types.is_dictionary(array.type):
        kept = array.dictionary
        if types.is_string(kept.type) or types.is_binary(kept.type) or types.is_large_string(kept.type):
            lengths = pc.binary_length(kept).cast("int64")
            return int(pc.sum(lengths.take(array.indices)).as_py() or 0)
        return int(kept.nbytes) * len(array)
    if types.is_struct(array.type):
        return sum(map(decoded_bytes, array.flatten()))
    if types.is_list(array.type) or types.is_large_list(array.type):
        return decoded_bytes(array.flatten())
    return int(array.nbytes)


def plain(table: Any, lists: Collection[str] | None = ()) -> Any:
    """Turn dates and decimals of an Arrow table into texts and numbers; `ValueError` for a column of anything but these.

    `lists` names columns that may hold lists; where it is None, columns of anything else are left out.
    """
    import pyarrow as pa

    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        dated = pa.types.is_decimal(kind) or pa.types.is_temporal(kind)
        if dated or _is_plain(kind) or field.name in (lists or ()):
            continue
        if lists is None:
            table = table.drop_columns([field.name])
        else:
            raise ValueError(f"its column {field.name} holds {kind}, neither numbers nor texts")
    return dates_as_text(table)


def dates_as_text(table: Any) -> Any:
    """Turn dates of an Arrow table into texts, and decimals into numbers: Python has no value for some of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
            wanted = pa.float64() if pa.types.is_decimal(kind) else pa.string()
            cells = table.column(place).cast(wanted)
            # Whole seconds are written without their fraction of zeros.
            cells = cells if pa.types.is_decimal(kind) else pc.replace_substring_regex(cells, r"\.0+(Z?)$", r"\1")
            table = table.set_column(place, field.name, cells)
    return table


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null, types.is_string, types.is_large_string)
    return any(test(kind) for test in tests) or bool(types.is_string_view(kind))
