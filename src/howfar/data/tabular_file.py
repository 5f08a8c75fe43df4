"""Read a CSV or Parquet table of predictions into memory, texts as they stand."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from howfar.errors import InputError, one_line
from howfar.io.parquet import read_frame

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".parquet", ".pq")


def read_tabular(file: Path) -> pd.DataFrame:
    """Read a table whose cells are numbers and texts; of CSV every cell is a text.

    Raises `InputError` where it is no such table, or takes more memory than is allowed.
    """
    try:
        if file.suffix.lower() == ".csv":
            return texts_of_csv(file)
        return read_frame(file).rename(columns=str)
    except InputError:
        raise
    except Exception as error:  # over a damaged file pandas and Arrow may raise anything
        raise InputError(f"{file} is not a readable table ({one_line(error, 120)}): pass UTF-8 CSV or Parquet") from error


def texts_of_csv(source: Path | IO[bytes]) -> pd.DataFrame:
    """Read CSV, of which every cell is a text as it stands: a class may be called NA.

    Raises `ValueError` where rows have more cells than the header, the first of which would be taken for a name of the row.
    """
    import pandas as pd

    table = pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8-sig").rename(columns=str.strip)
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("its rows have more cells than its header")
    return table
