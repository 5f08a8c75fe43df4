"""Open a Parquet file once, for its schema and for the columns that are read later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from howfar.errors import HowfarError, InputError, one_line
from howfar.io.location import Location, open_binary
from howfar.io.parquet import check_names, dates_as_text, read_table
from howfar.io.parquet_footer import read_footer

# What one request fetches behind a URL: metadata and small columns need little.
_BLOCK = 1 << 20


class ParquetFile:
    """Hold an open Parquet file with its metadata; a local one is opened once, and read by several threads at a time.

    `schema` holds its columns and their types, and `groups` what its footer says of its row groups. `metadata` is what pyarrow
    needs to open it again; to ask it for columns may end the interpreter. `what` says in error lines what the caller takes the
    file for. Raises `InputError` where it is not a Parquet file, and `OSError` where it cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> path = Path(tempfile.mkdtemp()) / "roads.parquet"
    >>> pd.DataFrame({"image": ["1.png", "2.png"], "label": ["dry", None]}).to_parquet(path)
    >>> file = ParquetFile(path)
    >>> file.schema.names, file.read(["label"]).column("label").to_pylist()
    (['image', 'label'], ['dry', None])
    """

    def __init__(self, location: Location, what: str = "Parquet file") -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.location, self._what = location, what
        # Arrow reads a local file at any position without moving the one position that threads would share.
        self._source: Any = pa.OSFile(str(location)) if isinstance(location, Path) else open_binary(location, _BLOCK)
        try:
            self.groups = read_footer(self._source)
            self._size = self._source.tell()
            file = pq.ParquetFile(self._source)
            self.metadata, self.schema = file.metadata, file.schema_arrow
            check_names(self.schema.names)
        except Exception as error:  # over a damaged file Arrow may raise anything
            raise self._unreadable(error) from error

    def read(self, columns: Sequence[str]) -> Any:
        """Read whole columns; a field of a struct is named ``image.path``.

        Raises `InputError` where the file is damaged, or takes more memory than is allowed.
        """
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(self._source, metadata=self.metadata)
            return dates_as_text(read_table(file, self.groups, columns, self.location, self._size))
        except HowfarError:
            raise
        except Exception as error:  # over a damaged file Arrow may raise anything
            raise self._unreadable(error) from error

    def pieces(self, group: int, column: str, rows: int, block: int) -> Iterator[Any]:
        """Walk through a column of one row group, `rows` rows at a time, and behind a URL by requests of `block` bytes.

        Raises `InputError` where the file is damaged.
        """
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
