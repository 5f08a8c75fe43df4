"""Parquet files with a column image of bytes, or of Hugging Face's structs; where wished label, and mask as image."""

from __future__ import annotations

from typing import Any

from howfar.data.containers import image_column
from howfar.data.containers.container import Listing
from howfar.data.containers.parquet_column import Column
from howfar.errors import ImageError, InputError
from howfar.io.location import Location, open_binary

# What one request fetches behind a URL: metadata and small columns need little.
_BLOCK = 1 << 20


class ParquetImages:
    """The images of a Parquet file; listing reads its metadata and small columns, never an image.

    Parameters
    ----------
    place
        The file.

    Raises
    ------
    InputError
        It is no Parquet file, or has no column image of bytes.
    OSError
        It cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> file = Path(tempfile.mkdtemp()) / "roads.parquet"
    >>> pd.DataFrame({"image": [b"not really", b"nor this"], "label": ["dry", None]}).to_parquet(file)
    >>> images = ParquetImages(file)
    >>> [(one.own, one.label) for one in images.listing().members]
    [('0', 'dry'), ('1', None)]
    >>> images.read("1")
    b'nor this'
    """

    def __init__(self, place: Location) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._place = place
        with open_binary(place, _BLOCK) as stream:
            try:
                file = pq.ParquetFile(stream)
            except pa.ArrowException as error:
                line = " ".join(str(error).split())[:120]
                raise InputError(f"{place} is not a readable Parquet file ({line})") from error
            self._metadata = file.metadata
            self._schema = file.schema_arrow
        image_column.check(self._schema, place)
        names = (image_column.IMAGE, image_column.MASK)
        self._columns = {
            name: Column(place, self._metadata, name) for name in names if image_column.kind_of(self._schema, name) is not None
        }

    def listing(self) -> Listing:
        """Rows in the order of the file."""
        import pyarrow as pa

        try:
            labels = self._small(image_column.LABEL) if image_column.LABEL in self._schema.names else []
            paths = []
            if image_column.has_paths(image_column.kind_of(self._schema, image_column.IMAGE)):
                paths = [cell and cell["path"] for cell in self._small(f"{image_column.IMAGE}.path")]
            count = self._metadata.num_rows
            return Listing(image_column.members(count, paths, labels, self._masked(), image_column.class_names(self._schema)))
        except (pa.ArrowException, EOFError) as error:
            raise InputError(f"{self._place} cannot be read ({' '.join(str(error).split())[:120]})") from error

    def has(self, own: str) -> bool:
        """Whether there is such a row, and the column."""
        found = image_column.row_of(own, self._metadata.num_rows)
        return found is not None and found[1] in self._columns

    def read(self, own: str) -> bytes:
        """Return the bytes in one row: ``17``, or of its mask ``17/mask``."""
        import pyarrow as pa

        found = image_column.row_of(own, self._metadata.num_rows)
        if found is None or found[1] not in self._columns:
            raise ImageError("no such row")
        try:
            return image_column.as_bytes(self._columns[found[1]].cell(found[0]), self._place)
        except (pa.ArrowException, EOFError) as error:
            raise ImageError(f"damaged Parquet file ({' '.join(str(error).split())[:80]})") from error

    def _small(self, column: str) -> list[Any]:
        import pyarrow.parquet as pq

        with open_binary(self._place, _BLOCK) as stream:
            table = pq.ParquetFile(stream, metadata=self._metadata, pre_buffer=False).read(columns=[column], use_threads=False)
            return list(table.column(0).to_pylist())

    def _masked(self) -> list[bool]:
        """Which rows have a mask: by the statistics where these know of no empty cell, else by looking."""
        if image_column.MASK not in self._columns:
            return []
        if all(self._full(group) for group in range(self._metadata.num_row_groups)):
            return [True] * self._metadata.num_rows
        cells = map(self._columns[image_column.MASK].cell, range(self._metadata.num_rows))
        return [cell is not None and (not isinstance(cell, dict) or any(cell.values())) for cell in cells]

    def _full(self, number: int) -> bool:
        group = self._metadata.row_group(number)
        for at in range(group.num_columns):
            column = group.column(at)
            if column.path_in_schema in (image_column.MASK, f"{image_column.MASK}.bytes"):
                known = column.statistics
                return known is not None and bool(known.has_null_count) and known.null_count == 0
        return False
