"""Read a CSV or Parquet table of predictions into memory, texts as they stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
            import pandas as pd

            # Texts as they stand: a class may be called NA.
            return pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False).rename(
                columns=str.strip
            )
        return read_frame(file).rename(columns=str)
    except InputError:
        raise
    except Exception as error:  # over a damaged file pandas and Arrow may raise anything
        raise InputError(f"{file} is not a readable table ({one_line(error, 120)}): pass UTF-8 CSV or Parquet") from error
