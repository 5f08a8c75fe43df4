"""Read what the footer of a Parquet file says of its columns, in Python alone.

Arrow's own access to the footer of a damaged file ends the interpreter (``terminate called after throwing``), so what a file
will take in memory is looked up here. The footer is a Thrift structure in the compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md, and parquet.thrift of
https://github.com/apache/parquet-format).
"""

from __future__ import annotations

import os
import struct
from typing import Any, Final, NamedTuple

MAGIC: Final = b"PAR1"
DEEPEST: Final = 32
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


class Chunk(NamedTuple):
    """Hold what a footer says of one column in one row group.

    `path` is the column's, with dots; `kind` the number of its physical type; `values` counts its values; `unpacked` are its
    bytes without compression; `empty` counts its empty cells, None where that is not known.
    """

    path: str
    kind: int
    values: int
    unpacked: int
    empty: int | None


class RowGroup(NamedTuple):
    """Hold the number of rows of a row group, and its columns."""

    rows: int
    chunks: tuple[Chunk, ...]


def read_footer(file: Any) -> tuple[RowGroup, ...]:
    """Read the row groups of an open Parquet file, whose position is moved; `ValueError` where it is damaged.

    Examples
    --------
    >>> import io
    >>> import pandas as pd
    >>> file = io.BytesIO()
    >>> pd.DataFrame({"label": [3, 4, 4]}).to_parquet(file)
    >>> group = read_footer(file)[0]
    >>> group.rows, group.chunks[0].path, group.chunks[0].values, group.chunks[0].empty
    (3, 'label', 3, 0)
    """
    size = file.seek(0, os.SEEK_END) or file.tell()
    file.seek(max(0, size - 8))
    end = bytes(file.read(8))
    length = int.from_bytes(end[:4], "little")
    if end[4:] != MAGIC or length + 8 > size:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - 8 - length)
    try:
        whole = _Reader(bytes(file.read(length))).structure()
        return tuple(_row_group(group) for group in whole.get(4, []))
    except (LookupError, TypeError, AttributeError, struct.error) as error:
        raise ValueError("its footer is damaged") from error


def _row_group(group: dict[int, Any]) -> RowGroup:
    chunks = []
    for column in group[1]:
        about = column[3]
        path = ".".join(part.decode("utf-8") for part in about[3])
        chunks.append(Chunk(path, int(about[1]), int(about[5]), int(about[6]), about.get(12, {}).get(3)))
    return RowGroup(int(group[3]), tuple(chunks))


class _Reader:
    """Read values of the compact protocol from bytes; `LookupError` and `ValueError` where they end or make no sense."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place, self._depth = data, 0, 0

    def structure(self) -> dict[int, Any]:
        """Read a structure as its fields by their numbers."""
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
            return self._items()
        if kind == _STRUCT:
            return self.structure()
        if kind == _DOUBLE:
            return struct.unpack("<d", self._take(8))[0]
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _MAP:
            return self._pairs()
        raise ValueError("its footer is damaged")

    def _items(self) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        count = self._unsigned() if count == 15 else count
        return [self._value(kind) for _ in range(self._checked(count))]

    def _pairs(self) -> list[Any]:
        count = self._checked(self._unsigned())
        kinds = self._byte() if count else 0
        return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(count)]

    def _checked(self, count: int) -> int:
        """Return a count of items, of which each takes a byte at least."""
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
