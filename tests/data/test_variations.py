"""Names of images and columns of tables say who an image shows and under which variation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from howfar.data import Dataset, parse
from howfar.data.variations import variation_columns, variations
from howfar.demo import write_dataset
from howfar.errors import InputError
from people import write_people


def test_the_names_of_rendered_people_say_what_was_rendered(tmp_path: Path) -> None:
    root = write_people(tmp_path / "people", (1, 12), views=(1, 36), weathers=(7,), lights=(2,), scenes=(3, 9))
    table = variations([item.name for item in parse(root).items])
    assert list(table) == ["person", "view", "weather", "light", "scene"]
    assert table.to_numpy().tolist() == [[1, 1, 7, 2, 3], [1, 36, 7, 2, 9], [12, 1, 7, 2, 3], [12, 36, 7, 2, 9]]
    assert {str(kind) for kind in table.dtypes} == {"int64"}


def test_text_stays_text_and_numbers_count_as_numbers_only_where_all_are() -> None:
    table = variations(["ann_7.jpg", "bob_x.jpg"], r"(?P<person>[a-z]+)_(?P<pose>\w+)")
    assert table["person"].tolist() == ["ann", "bob"]
    assert table["pose"].tolist() == ["7", "x"]


def test_an_optional_group_that_has_nothing_is_empty_text() -> None:
    assert variations(["a", "b_2"], r"(?P<who>[a-z])(_(?P<pose>\d))?")["pose"].tolist() == ["", "2"]


def test_a_pattern_may_ask_for_folders_and_a_dot_within_a_name_is_no_ending() -> None:
    table = variations(["x/s1/v1.5.png", "y/s2/v2.0"], r"(?P<set>\w)/s(?P<person>\d)/v(?P<value>[\d.]+)")
    assert table.to_numpy().tolist() == [["x", 1, "1.5"], ["y", 2, "2.0"]]


def test_no_images_give_an_empty_table_with_the_columns() -> None:
    assert list(variations([])) == ["person", "view", "weather", "light", "scene"]
    assert len(variations([])) == 0


@pytest.mark.parametrize("name", ["b.jpg", "0001_c01_w01_l01_p01_x.jpg", "x0001_c01_w01_l01_p01.jpg", "0001_c01_w01_l01.jpg"])
def test_the_first_name_that_does_not_match_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"^pattern must match the name of every image, and does not match '{name}', got"):
        variations(["0001_c01_w01_l01_p01.jpg", name, "later.jpg"])


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"(?P<person>\d", "pattern must be a regular expression (missing ), unterminated subpattern"),
        (r"(\d+)_c(\d+)", "pattern must have a named group for what varies, got"),
    ],
)
def test_a_pattern_that_names_nothing_is_refused(pattern: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        variations(["1_c2.jpg"], pattern)
    assert str(caught.value).startswith(line)


# Reading from a dataset's own table who its images show and under which variation

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
