"""The photographs that images are tiles of: by the caller's expression, and by a guess that would rather be silent."""

from __future__ import annotations

import pandas as pd
import pytest

from howfar.data.photographs import pattern_of
from howfar.errors import InputError
from howfar.studies.performance.image_performance import groups_of, tiled_photographs


def images(**sets: list[str]) -> pd.DataFrame:
    return pd.DataFrame([(dataset, image) for dataset, names in sets.items() for image in names], columns=["dataset", "image"])


def tiles(stem: str, count: int) -> list[str]:
    return [f"{stem}-{k}.png" for k in range(count)]


def test_without_an_expression_each_image_is_its_own_photograph() -> None:
    assert groups_of(images(a=["x-1.png", "x-2.png"], b=["x-1.png"]), None) == ["a/x-1.png", "a/x-2.png", "b/x-1.png"]


def test_the_first_group_of_the_expression_names_the_photograph() -> None:
    names = images(a=["x-1.png", "x-2.png", "y_7-10.jpg"], b=["x-1.png"])
    assert groups_of(names, r"(.+)-\d+") == ["a/x", "a/x", "a/y_7", "b/x"]
    assert groups_of(names, r"([a-z])(_7)?") == ["a/x", "a/x", "a/y", "b/x"]


def test_the_expression_is_matched_from_the_start_and_without_the_ending() -> None:
    assert groups_of(images(a=["x-1.png", "y-2.tif"]), r"(.+)-\d+$") == ["a/x", "a/y"]
    assert groups_of(images(a=["x-1.png", "9x-1.png"]), r"([a-z])") == ["a/x", "a/9x-1"]


def test_folders_belong_to_a_name_and_their_dots_are_no_endings() -> None:
    names = images(a=["v1.2/x-1.png", "v1.2/x-2.png", "v1.2/plain", ".hidden", "a.b.png"])
    assert groups_of(names, r"(.+)-\d+") == ["a/v1.2/x", "a/v1.2/x", "a/v1.2/plain", "a/.hidden", "a/a.b"]


def test_an_image_of_which_the_expression_says_nothing_is_its_own_photograph() -> None:
    assert groups_of(images(a=["x-1.png", "x-2.png", "plain.png"]), r"(.+)-\d+") == ["a/x", "a/x", "a/plain"]
    # Matched, but the group is empty or took no part.
    assert groups_of(images(a=["-1.png", "x-1.png"]), r"(.*)-\d+") == ["a/-1", "a/x"]
    assert groups_of(images(a=["12.png", "x-1.png"]), r"\d+|(.+)-\d+") == ["a/12", "a/x"]


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("(", "group must be a regular expression (missing ), unterminated subpattern at position 0), got '('"),
        (".+", r"group must have a group in brackets that names the photograph, got '.+': write (.+)-\d+"),
        ("(?:.+)-1", "group must have a group in brackets"),
        (r"(.+)\.png", r"group must match the names of images, such as 'x-1', got '(.+)\\.png': leave out the ending"),
    ],
)
def test_an_expression_that_cannot_be_meant_is_one_line(group: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        groups_of(images(a=["x-1.png"]), group)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_pattern_of_gives_the_expression_itself() -> None:
    hit = pattern_of(r"(.+)-(\d+)").match("a-b-3")
    assert hit is not None
    assert hit.groups() == ("a-b", "3")


def test_tiles_are_guessed_from_names_that_end_in_a_number() -> None:
    assert tiled_photographs(images(a=tiles("p", 4) + tiles("q", 4))) == 2
    assert tiled_photographs(images(a=tiles("d/p", 4) + tiles("d-e/q-7", 4), b=tiles("p", 2) + tiles("r", 2))) == 4


def test_names_that_only_number_their_photographs_are_no_tiles() -> None:
    assert tiled_photographs(images(a=tiles("IMG", 20))) is None
    assert tiled_photographs(images(a=tiles("IMG", 20), b=tiles("DSC", 20))) is None
    assert tiled_photographs(images(a=[f"{k:04d}.png" for k in range(20)])) is None
    assert tiled_photographs(images(a=[f"{k}-0.png" for k in range(20)])) is None


def test_tiles_must_be_most_of_the_images() -> None:
    of_two = tiles("p", 5) + tiles("q", 5)
    assert tiled_photographs(images(a=of_two, b=[f"x{k}.png" for k in range(9)])) == 2
    assert tiled_photographs(images(a=of_two, b=[f"x{k}.png" for k in range(10)])) is None
    # A set that numbers its photographs counts among the others.
    assert tiled_photographs(images(a=of_two, b=tiles("IMG", 10))) is None


def test_photographs_of_hardly_more_than_one_tile_are_not_worth_a_word() -> None:
    single = [f"s{k}-0.png" for k in range(17)]
    assert tiled_photographs(images(a=[*single, *tiles("p", 3)])) is None  # 18 photographs of 20 tiles
    assert tiled_photographs(images(a=[*single[:-1], *tiles("p", 4)])) == 17
