"""Read untrusted Parquet tables: estimate the memory that they need first, then validate their contents.

Arrow's own access to the footer of a damaged file ends the interpreter (``terminate called after throwing``), so what a file
will take in memory is looked up here. The footer is a Thrift structure in the compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md, and parquet.thrift of
https://github.com/apache/parquet-format).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from howfar.memory import check_file, file_limit

if TYPE_CHECKING:
    import pandas as pd


MAGIC: Final = b"PAR1"
DEEPEST: Final = 32
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


class Chunk(NamedTuple):
    """Hold a footer's record of one column (`path`, with dots) in one row group.

    `kind` is its physical type's number, `unpacked` its bytes without compression, `empty` its empty cells (None: not known).
    """

    path: str
    kind: int
    values: int
    unpacked: int
    empty: int | None


class RowGroup(NamedTuple):
    """Hold a row group's number of rows and its columns."""

    rows: int
    chunks: tuple[Chunk, ...]


def is_cut_short(file: Path) -> bool:
    """Return whether a file is empty, or begins as a Parquet file does and lacks its end, as after a full disk."""
    data = file.read_bytes()
    return not data or (data.startswith(MAGIC) and not data.endswith(MAGIC))


def read_footer(file: Any) -> tuple[RowGroup, ...]:
    """Read an open Parquet file's row groups, moving its position; raise `ValueError` if the file is damaged."""
    size = file.seek(0, os.SEEK_END) or file.tell()
    file.seek(max(0, size - 8))
    end = bytes(file.read(8))
    length = int.from_bytes(end[:4], "little")
    if end[4:] != MAGIC or length + 8 > size:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - 8 - length)
    try:
        whole = _Reader(bytes(file.read(length))).structure()
        groups = []
        for group in whole.get(4, []):
            chunks = []
            for column in group[1]:
                about = column[3]
                path = ".".join(part.decode("utf-8") for part in about[3])
                chunks.append(Chunk(path, int(about[1]), int(about[5]), int(about[6]), about.get(12, {}).get(3)))
            groups.append(RowGroup(int(group[3]), tuple(chunks)))
        return tuple(groups)
    except (LookupError, TypeError, AttributeError, struct.error) as error:
        raise ValueError("its footer is damaged") from error


class _Reader:
    """Read values of Thrift's compact protocol; raise `LookupError` or `ValueError` for cut or invalid bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place, self._depth = data, 0, 0

    def structure(self) -> dict[int, Any]:
        """Read a structure as a mapping from field numbers to values."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError("its footer is nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._signed()
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._signed()
        if kind == _BINARY:
            return self._take(self._unsigned())
        if kind in (_LIST, _SET):
            head = self._byte()
            count, kind = head >> 4, head & 15
            count = self._unsigned() if count == 15 else count
            return [self._value(kind) for _ in range(self._checked(count))]
        if kind == _STRUCT:
            return self.structure()
        if kind == _DOUBLE:
            return struct.unpack("<d", self._take(8))[0]
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _MAP:
            count = self._checked(self._unsigned())
            kinds = self._byte() if count else 0
            return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(count)]
        raise ValueError("its footer is damaged")

    def _checked(self, count: int) -> int:
        """Return a count of items, each at least one byte; raise `ValueError` if the data is too short for them."""
        if count > len(self._data) - self._place:
            raise ValueError("its footer is cut")
        return count

    def _byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1]

    def _take(self, count: int) -> bytes:
        start, self._place = self._place, self._place + self._checked(count)
        return self._data[start : self._place]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise ValueError("its footer holds a number that is too large")

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


CELL = 100
"""Bytes of a text, or of a list, beside its content: Python's object and the place that points to it."""
COPIES = 3
"""How many times numbers are held at most: as they are read, as an array, and as what is made of it."""
TEXT_COPIES: Final = 5
"""How many times the texts of a table are held at most: as they are read, as a frame, as Python's, and as names and paths."""
MOST: Final = 64 << 30
"""Bytes up to which a table is counted, for the error to say what it needs."""
# By the numbers of Parquet's physical types: BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE.
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}
_TEXTS, _OFFSET, _NUMBER = 6, 4, 8
"""The number of BYTE_ARRAY, which pyarrow reads as dictionaries; the bytes of a text's place in a column, and of a number."""
_ROWS = 1 << 16


class OpenParquet:
    """Hold an open Parquet file and its footer; over a damaged file Arrow may raise anything."""

    def __init__(self, source: Any, name: object) -> None:
        import pyarrow.parquet as pq

        self._source, self._name, self.groups = source, name, read_footer(source)
        self._size = source.tell()
        file = pq.ParquetFile(source)
        self.metadata, self.schema = file.metadata, file.schema_arrow
        check_names(self.schema.names)

    def read(self, columns: Sequence[str] | None = None) -> Any:
        """Read columns, all by default, as a checked table; ``image.path`` names a field of a struct."""
        import pyarrow.parquet as pq

        chunks, limit = [chunk for group in self.groups for chunk in group.chunks], file_limit(self._size)
        if columns is not None:
            begun = tuple(f"{name}." for name in columns)
            chunks = [chunk for chunk in chunks if f"{chunk.path}.".startswith(begun)]
        # The least memory to read the columns and convert them to values, once unpacked.
        stated = CELL * sum(max(0, group.rows) for group in self.groups)
        for chunk in chunks:
            width, values = _WIDTHS.get(chunk.kind), max(0, chunk.values)
            stated += max(0, chunk.unpacked) + CELL * values if width is None else COPIES * width * values
        if any(chunk.unpacked > limit // 8 or chunk.values > limit // _NUMBER for chunk in chunks):
            check_file(stated, self._name, self._size)  # for its texts and indices alone may not fit
        # Texts that are stored once may be named by many rows.
        texts = (chunk for chunk in chunks if chunk.kind not in _WIDTHS)
        swollen = sum(max(0, chunk.values) * max(0, chunk.unpacked) for chunk in texts)
        if stated < MOST and swollen > limit:
            check_file(self._decoded_bytes(chunks, columns, limit // 8), self._name, self._size)
        check_file(stated, self._name, self._size)
        table = pq.ParquetFile(self._source, metadata=self.metadata).read(columns=columns, use_threads=False)
        table.validate(full=True)
        return dates_as_text(table)

    def _decoded_bytes(self, chunks: Sequence[Chunk], columns: Sequence[str] | None, part: int) -> int:
        """Compute a table's bytes once its texts are repeated in every cell, from dictionaries that hold each text once."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts = sorted({chunk.path for chunk in chunks if chunk.kind == _TEXTS})
        longest = max(1, *(chunk.unpacked for chunk in chunks))
        # Bytes of a fixed length are repeated in every cell that is read.
        held = longest <= part and all(chunk.kind in _WIDTHS or chunk.kind == _TEXTS for chunk in chunks)
        rows = _ROWS if held else max(1, min(_ROWS, part // longest))
        file, needed = pq.ParquetFile(self._source, metadata=self.metadata, read_dictionary=texts), 0
        for batch in file.iter_batches(rows, columns=columns, use_threads=False):
            for column in batch.columns:
                plain = pa.types.is_primitive(column.type) or pa.types.is_list(column.type)
                needed += (COPIES if plain else TEXT_COPIES) * decoded_bytes(column) + CELL * batch.num_rows
            if needed > MOST:
                break
        return needed


def read_frame(path: Any, lists: Collection[str] | None = ()) -> pd.DataFrame:
    """Read a Parquet file of numbers and texts; columns of `lists` may be lists, and None leaves out columns of other types."""
    import pyarrow as pa

    named = isinstance(path, (str, os.PathLike))
    with pa.OSFile(os.fspath(path)) if named else nullcontext(path) as source:
        table = OpenParquet(source, path if named else "the table").read()
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if _is_plain(kind) or field.name in (lists or ()):
            continue
        if lists is not None:
            raise ValueError(f"its column {field.name} holds {kind}, neither numbers nor texts")
        table = table.drop_columns([field.name])
    frame: pd.DataFrame = table.to_pandas()
    return frame


def check_names(names: Sequence[str]) -> None:
    """Raise `ValueError` for a repeated column name."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it has the column {twice} twice")


def decoded_bytes(array: Any) -> int:
    """Compute an Arrow array's bytes once its dictionary-encoded texts are repeated in every cell."""
    import pyarrow.compute as pc
    import pyarrow.types as types

    if types.is_dictionary(array.type):
        kept = array.dictionary
        if types.is_string(kept.type) or types.is_binary(kept.type) or types.is_large_string(kept.type):
            lengths = pc.binary_length(kept).cast("int64")
            return int(pc.sum(lengths.take(array.indices)).as_py() or 0) + _OFFSET * len(array)
        return int(kept.nbytes) * len(array)
    if types.is_struct(array.type):
        return sum(map(decoded_bytes, array.flatten()))
    if types.is_map(array.type):
        return decoded_bytes(array.keys) + decoded_bytes(array.items)
    if types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type):
        return decoded_bytes(array.flatten())
    return int(array.nbytes)


def dates_as_text(table: Any) -> Any:
    """Convert an Arrow table's dates to texts and decimals to numbers, as Python has no value for some of them."""
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
