"""Read images from Parquet files whose column `image` holds image bytes; columns `label` and `mask` are optional."""

from __future__ import annotations

from typing import Any

from howfar.data.containers import image_column
from howfar.data.containers.container import Listing
from howfar.data.containers.parquet_column import Column
from howfar.data.containers.parquet_file import ParquetFile
from howfar.errors import ImageError, InputError, one_line
from howfar.io.location import Location
from howfar.io.parquet_footer import RowGroup


class ParquetImages:
    """Read the images of a Parquet file, open or not; listing reads its metadata and small columns, never an image.

    Raises `InputError` where it is no Parquet file or has no column image of bytes, and `OSError` where it cannot be read.
    """

    def __init__(self, location: Location | ParquetFile) -> None:
        self._file = location if isinstance(location, ParquetFile) else ParquetFile(location)
        self._schema, self._metadata = self._file.schema, self._file.metadata
        image_column.check(self._schema, self._file.location)
        names = (image_column.IMAGE, image_column.MASK)
        self._columns = {
            name: Column(self._file, name) for name in names if image_column.kind_of(self._schema, name) is not None
        }

    def listing(self) -> Listing:
        """List rows in the order of the file."""
        labels = self._small(image_column.LABEL) if image_column.LABEL in self._schema.names else []
        paths = []
        if image_column.has_paths(image_column.kind_of(self._schema, image_column.IMAGE)):
            paths = [cell and cell["path"] for cell in self._small(f"{image_column.IMAGE}.path")]
        count = self._metadata.num_rows
        return Listing(image_column.members(count, paths, labels, self._masked(), image_column.class_names(self._schema)))

    def has(self, inner_path: str) -> bool:
        """Return whether there is such a row, and the column."""
        cell = image_column.row_of(inner_path, self._metadata.num_rows)
        return cell is not None and cell[1] in self._columns

    def read(self, inner_path: str) -> bytes | Location:
        """Return the bytes in one row: ``17``, or of its mask ``17/mask``; where the row holds a path alone, that."""
        cell = image_column.row_of(inner_path, self._metadata.num_rows)
        if cell is None or cell[1] not in self._columns:
            raise ImageError("no such row")
        try:
            return image_column.bytes_or_location(self._columns[cell[1]].cell(cell[0]), self._file.location)
        except InputError as error:
            raise ImageError(f"damaged Parquet file ({one_line(error.__cause__ or error, 80)})") from error

    def _small(self, column: str) -> list[Any]:
        return list(self._file.read([column]).column(0).to_pylist())

    def _masked(self) -> list[bool]:
        """List whether each row has a mask: by the statistics where these know of no empty cell, else by reading."""
        if image_column.MASK not in self._columns:
            return []
        if all(map(_full, self._file.groups)):
            return [True] * self._metadata.num_rows
        cells = map(self._columns[image_column.MASK].cell, range(self._metadata.num_rows))
        return [cell is not None and (not isinstance(cell, dict) or any(cell.values())) for cell in cells]


def _full(group: RowGroup) -> bool:
    """Return whether the statistics of a row group know of no empty mask."""
    masks = (chunk for chunk in group.chunks if chunk.path in (image_column.MASK, f"{image_column.MASK}.bytes"))
    return next((chunk.empty == 0 for chunk in masks), False)
