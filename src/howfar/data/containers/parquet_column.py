"""Read cells of a Parquet column in pieces of some megabytes, each piece once where rows are read in order."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any

from howfar.data.containers.parquet_file import ParquetFile
from howfar.errors import InputError
from howfar.io.parquet_footer import RowGroup

PIECE_BYTES = 1 << 22
"""About how much of a column is read at a time."""

KEPT_BYTES = 1 << 25
"""How much of all columns together stays in memory; of a piece that is larger only itself."""

WALKS = 2
"""Walks through one column that go on at a time; each holds a page of it, which some writers make large."""

_ROWS = 1024


class _PieceCache:
    """Keep the pieces that were read last, of any file."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pieces: OrderedDict[tuple[int, int, int], Any] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[int, int, int]) -> Any:
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
            return self._pieces.get(key)

    def put(self, key: tuple[int, int, int], piece: Any) -> None:
        with self._lock:
            if key in self._pieces:
                return
            self._pieces[key] = piece
            self._bytes += piece.nbytes
            while self._bytes > KEPT_BYTES and len(self._pieces) > 1:
                self._bytes -= self._pieces.popitem(last=False)[1].nbytes


_piece_cache = _PieceCache()
_numbers = count()


@dataclass(eq=False)
class _Walk:
    """Hold an iterator over the pieces of one row group, and the number of the piece that it gives next."""

    group: int
    pieces: Iterator[Any]
    next: int = 0


class Column:
    """Read cells of one column by their rows. A piece is some megabytes, however large row groups are; pages are read whole."""

    def __init__(self, file: ParquetFile, name: str) -> None:
        self._file, self._name = file, name
        self._number = next(_numbers)
        self._lock = Lock()
        self._walks: list[_Walk] = []
        self._starts = [0]
        self._rows: list[int] = []
        for group in file.groups:
            self._starts.append(self._starts[-1] + group.rows)
            self._rows.append(max(1, min(_ROWS, PIECE_BYTES * group.rows // max(1, self._size(group)))))

    def cell(self, row: int) -> Any:
        """Return the value in a row, as Python knows it."""
        group = bisect_right(self._starts, row) - 1
        number, within = divmod(row - self._starts[group], self._rows[group])
        key = (self._number, group, number)
        piece = _piece_cache.get(key)
        if piece is None:
            with self._lock:
                piece = _piece_cache.get(key)
                if piece is None:
                    piece = self._walk_to(group, number)
        return piece[within].as_py()

    def _walk_to(self, group: int, number: int) -> Any:
        """Go on with the walk that is nearest before a piece, or begin a new one where all are past it."""
        walk = max(
            (candidate for candidate in self._walks if candidate.group == group and candidate.next <= number),
            key=lambda candidate: candidate.next,
            default=None,
        )
        if walk is None:
            walk = _Walk(group, self._pieces(group))
        else:
            self._walks.remove(walk)
        for piece in walk.pieces:
            _piece_cache.put((self._number, group, walk.next), piece)
            walk.next += 1
            if walk.next > number:
                self._walks = [*self._walks, walk][-WALKS:]
                return piece
        raise InputError(f"row group {group} of {self._file.location} ends early")

    def _pieces(self, group: int) -> Iterator[Any]:
        return self._file.pieces(group, self._name, self._rows[group], PIECE_BYTES)

    def _size(self, group: RowGroup) -> int:
        return sum(chunk.unpacked for chunk in group.chunks if chunk.path.partition(".")[0] == self._name)
