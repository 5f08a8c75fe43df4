"""What names of images and columns of tables say: the variations that an image shows, and the photograph it is a tile of."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from howfar.data import Dataset
from howfar.data.image_groups_and_variations import look_tiled, pattern_of, photographs_of, tiles, variation_columns, variations
from howfar.demo import write_dataset
from howfar.errors import InputError


@pytest.mark.parametrize(
    ("names", "pattern", "rows"),
    [
        # Text stays text, and numbers count as numbers only where all are.
        (["ann_7.jpg", "bob_x.jpg"], r"(?P<person>[a-z]+)_(?P<pose>\w+)", [["ann", "7"], ["bob", "x"]]),
        # An optional group that has nothing is empty text.
        (["a", "b_2"], r"(?P<who>[a-z])(_(?P<pose>\d))?", [["a", ""], ["b", "2"]]),
        # A pattern may ask for folders, and a dot within a name is no ending.
        (["x/s1/v1.5.png", "y/s2/v2.0"], r"(?P<set>\w)/s(?P<person>\d)/v(?P<value>[\d.]+)", [["x", 1, "1.5"], ["y", 2, "2.0"]]),
    ],
)
def test_what_a_pattern_reads(names: list[str], pattern: str, rows: list[list[object]]) -> None:
    assert variations(names, pattern).to_numpy().tolist() == rows
    assert variations([], pattern).to_numpy().tolist() == []


@pytest.mark.parametrize("name", ["b.jpg", "0001_c01_w01_l01_p01_x.jpg", "x0001_c01_w01_l01_p01.jpg", "0001_c01_w01_l01.jpg"])
def test_the_first_name_that_does_not_match_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"^pattern must match the name of every image, and does not match '{name}', got"):
        variations(["0001_c01_w01_l01_p01.jpg", name, "later.jpg"])


@pytest.mark.parametrize(
    ("read", "pattern", "line"),
    [
        (partial(variations, ["1_c2.jpg"]), r"(?P<person>\d", "pattern must be a regular expression (missing ), unterminated"),
        (partial(variations, ["1_c2.jpg"]), r"(\d+)_c(\d+)", "pattern must have a named group for what varies, got"),
        (pattern_of, "(a", "group must be a regular expression (missing ), unterminated subpattern at position 0), got '(a'"),
        (pattern_of, "a", r"group must have a group in brackets that names the photograph, got 'a': write (.+)-\d+"),
        (pattern_of, "(?:a)", "group must have a group in brackets"),
        (partial(photographs_of, ["a-1.png"]), "(z)", "group must match the names of images, such as 'a-1', got '(z)': leave"),
    ],
)
def test_a_pattern_that_names_nothing_is_refused(read: Callable[[str], object], pattern: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        read(pattern)
    assert str(caught.value).startswith(line)


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
    dataset = Dataset.from_table(folder / table)
    found = variation_columns(dataset, ["pose", "person"])
    assert list(found) == ["pose", "person"]
    assert found.to_numpy().tolist() == [["left", "007"], ["right", "bob"], ["left", ""]]
    with pytest.raises(InputError, match="dataset's table, got 'who': it has person, pose"):
        variation_columns(dataset, ["who"])
    with pytest.raises(InputError, match=r"that is a CSV or Parquet table with further columns, got .*faces"):
        variation_columns(Dataset.from_folder(folder), ["person"])


TILE = r"(.+)-[0-9]+"


@pytest.mark.parametrize(
    ("names", "group", "photographs"),
    [
        (["a-1.png", "b/a-1.jpg", ".hidden", "plain"], None, ["a-1", "b/a-1", ".hidden", "plain"]),
        (["v1.2/a.b.png", "v1.2/plain"], None, ["v1.2/a.b", "v1.2/plain"]),
        ([], TILE, []),
        (["a-1.png", "a-2.jpg", "x/a-1.png", "b.png", "a-1-2.png"], TILE, ["a", "a", "x/a", "b", "a-1"]),
        (["x1.png", "1.png"], r"([a-z]*)\d", ["x", "1"]),
        (["x1.png", "1.png"], r"([a-z]+)?\d", ["x", "1"]),
    ],
)
def test_the_expression_names_the_photograph_or_each_image_is_its_own(names, group, photographs):
    assert photographs_of(names, group) == photographs


@pytest.mark.parametrize(
    ("names", "counts", "tiled"),
    [
        (["a-1.png", "a-2.png", "b-1.png", "b-2.png"], (2, 4), True),
        (["IMG-1.png", "IMG-2.png", "IMG-3.png"], (0, 0), False),
        (["a-1.png", "b-1.png", "c-1.png"], (3, 3), False),
        (["a-1.png", "a-2.png", "b-1.png", "c.png", "d.png", "e.png"], (2, 3), False),
        (["a-1.png", "a-2.png", "b-1.png", "c.png", "d.png"], (2, 3), True),
        (["x/a-1.png", "x/a-2.png", "y/a-1.png", "y/a-2.png"], (2, 4), True),
        (["a.png"], (0, 0), False),
        ([], (0, 0), False),
    ],
)
def test_tiles_are_guessed_where_most_images_are_of_fewer_photographs(names, counts, tiled):
    assert tiles(names) == counts
    assert look_tiled(len(names), *tiles(names)) is tiled
