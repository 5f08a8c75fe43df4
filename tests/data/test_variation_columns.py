"""Reading from a dataset's own table who its images show and under which variation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from howfar.data import Dataset, parse
from howfar.data.variations import variation_columns
from howfar.demo import write_dataset
from howfar.errors import InputError

ROWS = {
    "image": ["images/0002.jpg", "images/0001.jpg", "images/gone.jpg", "images/0003.jpg"],
    "person": ["007", "bob", "bob", None],
    "pose": ["left", " right ", "left", "left"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_dataset(tmp_path_factory.mktemp("table") / "faces", 3, seed=0, size=32)
    pd.DataFrame(ROWS).to_csv(root / "list.csv", index=False)
    pd.DataFrame(ROWS).to_parquet(root / "list.parquet")
    return root


@pytest.mark.parametrize("table", ["list.csv", "list.parquet"])
def test_values_are_text_in_the_order_of_the_images_that_are_there(folder: Path, table: str) -> None:
    dataset = parse(folder / table)
    assert isinstance(dataset, Dataset)
    found = variation_columns(dataset, ["pose", "person"])
    assert list(found) == ["pose", "person"]
    assert found.to_numpy().tolist() == [["left", "007"], ["right", "bob"], ["left", ""]]


def test_a_column_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    dataset = Dataset.from_table(folder / "list.csv")
    with pytest.raises(InputError, match="dataset's table, got 'who': it has image, person, pose"):
        variation_columns(dataset, ["who"])


def test_a_folder_has_no_columns(folder: Path) -> None:
    with pytest.raises(InputError, match=r"columns must be of a dataset that is a CSV or Parquet table, got .*faces"):
        variation_columns(Dataset.from_folder(folder), ["person"])
