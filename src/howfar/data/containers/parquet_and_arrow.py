"""Read images from Parquet and Arrow files whose column `image` holds image bytes; `label` and `mask` are optional."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from howfar.data.arrow_subprocess import batches, first_look
from howfar.data.containers.container_base_classes import IMAGE, MASK, TableImages, type_of_files
from howfar.errors import HowfarError, ImageError, InputError, one_line
from howfar.io.file_location import Location, open_binary
from howfar.io.untrusted_parquet import CELL, OpenParquet, RowGroup, check_names, dates_as_text, decoded_bytes
from howfar.memory import check_file, file_limit

# What one request fetches behind a URL: metadata and small columns need little.
_BLOCK = 1 << 20


class ParquetFile(OpenParquet):
    """Hold a Parquet file, opened once for all threads, and its metadata; to ask that for columns may end the interpreter."""

    def __init__(self, location: Location, what: str = "Parquet file") -> None:
        import pyarrow as pa

        self.location, self._what = location, what
        # Arrow reads a local file at any position without moving the one position that threads would share.
        source: Any = pa.OSFile(str(location)) if isinstance(location, Path) else open_binary(location, _BLOCK)
        try:
            super().__init__(source, location)
        except Exception as error:  # over a damaged file Arrow may raise anything
            raise self._unreadable(error) from error

    def read(self, columns: Sequence[str] | None = None) -> Any:
        """Read columns as `OpenParquet` does; raise `InputError` if they are damaged."""
        try:
            return super().read(columns)
        except HowfarError:
            raise
        except Exception as error:  # over a damaged file Arrow may raise anything
            raise self._unreadable(error) from error

    def pieces(self, group: int, column: str, rows: int, block: int) -> Iterator[Any]:
        """Yield a column of one row group, `rows` rows at a time; behind a URL, each request fetches `block` bytes."""
        import pyarrow.parquet as pq

        # Behind a URL each walk has a position of its own.
        local = isinstance(self.location, Path)
        with nullcontext(self._source) if local else open_binary(self.location, block) as source:
            # A column's pages are read one by one in this way, by default the whole row group's at once.
            file = pq.ParquetFile(source, metadata=self.metadata, buffer_size=1 << 20, pre_buffer=False)
            try:
                for batch in file.iter_batches(rows, row_groups=[group], columns=[column], use_threads=False):
                    batch.validate(full=True)
                    yield batch.column(0)
            except Exception as error:  # over a damaged file Arrow may raise anything
                raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(f"{self.location} is not a readable {self._what} ({one_line(error, 120)})")


PIECE_BYTES = 1 << 22
"""About how much of a column is read at a time."""

KEPT_BYTES = 1 << 25
"""How much of all columns together stays in memory; of a piece that is larger only itself."""

WALKS = 2
"""Walks through one column that go on at a time; each holds a page of it, which some writers make large."""

_ROWS = 1024


class _PieceCache:
    """Cache the most recently read pieces of all files."""

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


class ParquetColumn:
    """Read cells of one column by row, in pieces of a few megabytes, whatever the size of the row groups."""

    def __init__(self, file: ParquetFile, name: str) -> None:
        self._file, self._name = file, name
        self._number = next(_numbers)
        self._lock = Lock()
        # Iterators over the pieces of a row group, by the group and the number of the next piece.
        self._walks: dict[tuple[int, int], Iterator[Any]] = {}
        self._starts = [0]
        self._rows: list[int] = []
        for group in file.groups:
            self._starts.append(self._starts[-1] + group.rows)
            size = sum(chunk.unpacked for chunk in group.chunks if chunk.path.partition(".")[0] == name)
            self._rows.append(max(1, min(_ROWS, PIECE_BYTES * group.rows // max(1, size))))

    def cell(self, row: int) -> Any:
        """Return the value in a row as a Python object."""
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
        """Return a piece by continuing the nearest earlier walk, or by a new walk if all are past the piece."""
        begun = max((key for key in self._walks if key[0] == group and key[1] <= number), default=(group, 0))
        pieces = self._walks.pop(begun, None) or self._file.pieces(group, self._name, self._rows[group], PIECE_BYTES)
        for reached, piece in enumerate(pieces, start=begun[1]):
            _piece_cache.put((self._number, group, reached), piece)
            if reached == number:
                self._walks[group, reached + 1] = pieces
                if len(self._walks) > WALKS:
                    del self._walks[next(iter(self._walks))]
                return piece
        raise InputError(f"row group {group} of {self._file.location} ends early")


class ParquetImages(TableImages):
    """Read the images of a Parquet file; listing reads its metadata and small columns, never an image."""

    def __init__(self, location: Location | ParquetFile) -> None:
        self._file = location if isinstance(location, ParquetFile) else ParquetFile(location)
        super().__init__(self._file.location, self._file.schema, int(self._file.metadata.num_rows))
        self._columns = {
            name: ParquetColumn(self._file, name) for name in (IMAGE, MASK) if type_of_files(self.schema, name) is not None
        }

    def cells(self, column: str, field: str | None = None) -> list[Any]:
        """Return a small column, or a field of its structs, as Python objects."""
        cells = self._file.read([column if field is None else f"{column}.{field}"]).column(0).to_pylist()
        return list(cells) if field is None else [cell and cell[field] for cell in cells]

    def cell(self, column: str, row: int) -> Any:
        """Return one cell of a column of files as a Python object."""
        try:
            return self._columns[column].cell(row)
        except InputError as error:
            raise ImageError(f"damaged Parquet file ({one_line(error.__cause__ or error, 80)})") from error

    def masked(self) -> list[bool]:
        """Return whether each row has a mask, from statistics if they exclude empty cells, else by reading."""
        if all(map(_full, self._file.groups)):
            return [True] * self.rows
        cells = map(self._columns[MASK].cell, range(self.rows))
        return [cell is not None and (not isinstance(cell, dict) or any(cell.values())) for cell in cells]


def _full(group: RowGroup) -> bool:
    """Return whether a row group's statistics say that no mask is empty."""
    masks = (chunk for chunk in group.chunks if chunk.path in (MASK, f"{MASK}.bytes"))
    return next((chunk.empty == 0 for chunk in masks), False)


class ArrowImages(TableImages):
    """Read the images of a memory-mapped Arrow file (stream or random access), once another process has checked the file."""

    def __init__(self, location: Location) -> None:
        import pyarrow as pa

        if not isinstance(location, Path):
            raise InputError.of("an Arrow file", "must lie on this machine", location, "copy it here, or write Parquet")
        self._size = location.stat().st_size
        looked = first_look([location], file_limit(self._size))[0]
        if looked.fault:
            raise InputError(f"{location} is not a readable Arrow file ({looked.fault})")
        check_file(looked.unpacked, location, self._size)
        try:
            schema, read = batches(pa.memory_map(str(location)))
            check_names(schema.names)
            self._table = pa.Table.from_batches(list(read), schema)
        except OSError:
            raise
        except Exception as error:  # over a damaged file Arrow may raise anything
            raise InputError(f"{location} is not a readable Arrow file ({one_line(error, 120)})") from error
        super().__init__(location, schema, int(self._table.num_rows))
        check_file(looked.unpacked + 4 * CELL * self.rows, location, self._size)

    def cells(self, column: str, field: str | None = None) -> list[Any]:
        """Return a small column, or a field of its structs, as Python objects."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells: list[Any] = []
        for chunk in self._table.column(column).chunks:
            array = chunk if field is None else pc.struct_field(chunk, field)
            check_file(decoded_bytes(array), self.location, self._size)
            try:
                cells += dates_as_text(pa.table({column: array})).column(0).to_pylist()
            except Exception as error:  # Python has no value for some of Arrow's
                reason = one_line(error, 120)
                raise InputError(f"{self.location} is not a readable Arrow file: column {column} ({reason})") from error
        return cells

    def cell(self, column: str, row: int) -> Any:
        """Return one cell of a column of files as a Python object."""
        return self._table.column(column)[row].as_py()

    def masked(self) -> list[bool]:
        """Return whether each row has a mask, as bytes or as a path."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = [column := self._table.column(MASK)]
        if pa.types.is_struct(column.type):
            parts = [pc.struct_field(column, name) for name in ("bytes", "path") if column.type.get_field_index(name) >= 0]
        return [any(valid) for valid in zip(*(part.is_valid().to_pylist() for part in parts), strict=True)]


def look_ahead(files: Sequence[Path]) -> None:
    """Check several Arrow files in one process, before they are opened one by one; missing files are ignored."""
    there = [file for file in files if file.is_file()]
    if there:
        first_look(there, file_limit(max(file.stat().st_size for file in there)))
