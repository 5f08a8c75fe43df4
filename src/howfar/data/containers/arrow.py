"""Read images from Arrow files, as Hugging Face saves datasets, whose column `image` holds image bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from howfar.data.containers import image_column
from howfar.data.containers.arrow_check import batches, first_look
from howfar.data.containers.container import Listing
from howfar.errors import ImageError, InputError, one_line
from howfar.io.location import Location
from howfar.io.parquet import CELL, check_names, dates_as_text, decoded_bytes
from howfar.memory import check_file, file_limit


class ArrowImages:
    """Read the images of an Arrow file, stream or random access, mapped into memory: only what is read is loaded.

    Another process looks at the file first, as `arrow_check` says. Raises `InputError` where it is no Arrow file, is damaged,
    takes more memory than is allowed, has no column image of bytes, or lies behind a URL, and `OSError` where it cannot be
    read.
    """

    def __init__(self, location: Location) -> None:
        if not isinstance(location, Path):
            raise InputError.of("an Arrow file", "must lie on this machine", location, "copy it here, or write Parquet")
        self._location = location
        looked = first_look([location], file_limit(location.stat().st_size))[0]
        if looked.fault:
            raise InputError(f"{location} is not a readable Arrow file ({looked.fault})")
        self._check_memory(looked.unpacked)
        try:
            self._schema, self._batches = _mapped(location)
        except OSError:
            raise
        except Exception as error:  # over a damaged file Arrow may raise anything
            raise InputError(f"{location} is not a readable Arrow file ({one_line(error, 120)})") from error
        image_column.check(self._schema, location)
        self._starts = [0]
        for batch in self._batches:
            self._starts.append(self._starts[-1] + batch.num_rows)
        self._check_memory(looked.unpacked + 4 * CELL * self._starts[-1])

    def listing(self) -> Listing:
        """List rows in the order of the file."""
        labels = self._cells(image_column.LABEL) if image_column.LABEL in self._schema.names else []
        kind = image_column.kind_of(self._schema, image_column.IMAGE)
        paths = self._cells(image_column.IMAGE, "path") if image_column.has_paths(kind) else []
        return Listing(
            image_column.members(self._starts[-1], paths, labels, self._masked(), image_column.class_names(self._schema))
        )

    def has(self, inner_path: str) -> bool:
        """Return whether there is such a row, and the column."""
        cell = image_column.row_of(inner_path, self._starts[-1])
        return cell is not None and image_column.kind_of(self._schema, cell[1]) is not None

    def read(self, inner_path: str) -> bytes | Location:
        """Return the bytes in one row: ``17``, or of its mask ``17/mask``; where the row holds a path alone, that."""
        cell = image_column.row_of(inner_path, self._starts[-1])
        if cell is None or not self.has(inner_path):
            raise ImageError("no such row")
        row, column = cell
        batch = bisect_right(self._starts, row) - 1
        value = self._batches[batch].column(column)[row - self._starts[batch]].as_py()
        return image_column.bytes_or_location(value, self._location)

    def _cells(self, column: str, field: str | None = None) -> list[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        cells: list[Any] = []
        for batch in self._batches:
            array = batch.column(column) if field is None else pc.struct_field(batch.column(column), field)
            self._check_memory(decoded_bytes(array))
            try:
                cells += dates_as_text(pa.table({column: array})).column(0).to_pylist()
            except Exception as error:  # Python has no value for some of Arrow's
                reason = one_line(error, 120)
                raise InputError(f"{self._location} is not a readable Arrow file: column {column} ({reason})") from error
        return cells

    def _check_memory(self, needed: int) -> None:
        check_file(needed, self._location, self._location.stat().st_size)

    def _masked(self) -> list[bool]:
        if image_column.kind_of(self._schema, image_column.MASK) is None:
            return []
        return [has_mask for batch in self._batches for has_mask in image_column.filled(batch.column(image_column.MASK))]


def look_ahead(files: Sequence[Path]) -> None:
    """Have several Arrow files looked at by one process, before they are opened one by one; those that are absent are left."""
    there = [file for file in files if file.is_file()]
    if there:
        first_look(there, file_limit(max(file.stat().st_size for file in there)))


def _mapped(location: Path) -> tuple[Any, list[Any]]:
    import pyarrow as pa

    schema, read = batches(pa.memory_map(str(location)))
    check_names(schema.names)
    return schema, list(read)
