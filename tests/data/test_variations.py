"""Reading from images' names who they show and under which variation."""

from __future__ import annotations

from pathlib import Path

import pytest

from howfar.data import parse
from howfar.data.variations import variations
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
