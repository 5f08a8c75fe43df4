"""Read images from Arrow files, as Hugging Face saves datasets, whose column `image` holds image bytes."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Any

from howfar.data.containers import image_column
from howfar.data.containers.container import Listing
from howfar.errors import ImageError, InputError, one_line
from howfar.io.location import Location


class ArrowImages:
    """Read the images of an Arrow file, stream or random access, mapped into memory: only what is read is loaded.

    Raises `InputError` where it is no Arrow file, has no column image of bytes, or lies behind a URL, and `OSError` where it
    cannot be read.
    """

    def __init__(self, location: Location) -> None:
        import pyarrow as pa

        if not isinstance(location, Path):
            raise InputError.of("an Arrow file", "must lie on this machine", location, "copy it here, or write Parquet")
        self._location = location
        try:
            self._schema, self._batches = _mapped(location)
        except pa.ArrowException as error:
            raise InputError(f"{location} is not a readable Arrow file ({one_line(error, 120)})") from error
        image_column.check(self._schema, location)
        self._starts = [0]
        for batch in self._batches:
            self._starts.append(self._starts[-1] + batch.num_rows)

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
        import pyarrow.compute as pc

        arrays = (batch.column(column) for batch in self._batches)
        return [cell for array in arrays for cell in (array if field is None else pc.struct_field(array, field)).to_pylist()]

    def _masked(self) -> list[bool]:
        if image_column.kind_of(self._schema, image_column.MASK) is None:
            return []
        return [has_mask for batch in self._batches for has_mask in image_column.filled(batch.column(image_column.MASK))]


def _mapped(location: Path) -> tuple[Any, list[Any]]:
    import pyarrow as pa

    source = pa.memory_map(str(location))
    try:
        stream = pa.ipc.open_stream(source)
        return stream.schema, list(stream)
    except pa.ArrowInvalid:
        source.seek(0)
        file = pa.ipc.open_file(source)
        return file.schema, [file.get_batch(number) for number in range(file.num_record_batches)]
