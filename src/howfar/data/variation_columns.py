"""Read from the columns of a dataset's table who or what each image shows, and under which variation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import pandas as pd

from howfar.data.dataset import Dataset
from howfar.data.tabular_file import texts_of_csv
from howfar.errors import InputError, one_line
from howfar.io.location import as_location, is_url, open_binary
from howfar.io.parquet import read_frame
from howfar.printable import unguarded

_PARQUET = (".parquet", ".pq")


def variation_columns(dataset: Dataset, columns: Sequence[str]) -> pd.DataFrame:
    r"""Return a table with a row for each image of a dataset, in its order, and the columns named of the dataset's own table.

    Values are text; what the table leaves empty is "".

    Parameters
    ----------
    dataset
        A dataset that was read from a CSV or Parquet table with a column ``image`` of paths.
    columns
        Names of columns of that table.

    Raises
    ------
    InputError
        The dataset is no such table, the table cannot be read, or lacks a column.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from howfar.demo import write_dataset
    >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, seed=0, size=64)
    >>> _ = (folder / "list.csv").write_text("image,person,pose\nimages/0001.jpg,ann,left\nimages/0002.jpg,bob,left\n")
    >>> variation_columns(Dataset.from_table(folder / "list.csv"), ["person", "pose"])
      person  pose
    0    ann  left
    1    bob  left
    """
    table = _table(dataset)
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError.of(
            "columns", "must be columns of the dataset's table", missing[0], f"it has {', '.join(map(str, table))}"
        )
    names = [image if is_url(image) else PurePath(image).as_posix() for image in table["image"]]
    by_image = table[list(columns)].set_axis(names)
    return by_image.loc[[item.name for item in dataset.items]].reset_index(drop=True)


def _table(dataset: Dataset) -> pd.DataFrame:
    location = None if dataset.root is None else as_location(dataset.root)
    ending = "" if location is None else location.suffix.lower()
    if location is None or ending not in (".csv", *_PARQUET):
        rule = "must be of a dataset that is a CSV or Parquet table"
        raise InputError.of("columns", rule, str(dataset.root), "name a pattern instead")
    try:
        with open_binary(location) as file:
            table = read_frame(file, None) if ending in _PARQUET else texts_of_csv(file)
    except InputError:
        raise
    except Exception as error:  # over a damaged file pandas and Arrow may raise anything
        raise InputError(f"{location} is not a readable table ({one_line(error, 120)})") from error
    table.columns = table.columns.str.strip()
    if "image" not in table:
        rule = "must be of a dataset whose table has a column image"
        raise InputError.of("columns", rule, str(location), "name a pattern instead")
    text = table.astype(object).where(table.notna(), "").astype(str)
    cells: pd.DataFrame = text.apply(lambda column: column.str.strip())
    plain: pd.DataFrame = cells.map(unguarded) if ending == ".csv" else cells
    return plain
