"""Which photograph an image is a tile of."""

from __future__ import annotations

import pytest

from howfar.data.photographs import look_tiled, pattern_of, photographs_of, tiles
from howfar.errors import InputError

TILE = r"(.+)-[0-9]+"


def test_each_image_is_its_own_photograph_where_nothing_else_is_said() -> None:
    assert photographs_of(["a-1.png", "b/a-1.jpg", ".hidden", "plain"], None) == ["a-1", "b/a-1", ".hidden", "plain"]
    assert photographs_of([], TILE) == []


def test_the_expression_names_the_photograph() -> None:
    names = ["a-1.png", "a-2.jpg", "x/a-1.png", "b.png", "a-1-2.png"]
    assert photographs_of(names, TILE) == ["a", "a", "x/a", "b", "a-1"]


def test_only_the_last_ending_is_left_out_and_a_folders_dot_is_none() -> None:
    assert photographs_of(["v1.2/a.b.png", "v1.2/plain"], None) == ["v1.2/a.b", "v1.2/plain"]


def test_an_empty_or_absent_group_leaves_the_image_alone() -> None:
    assert photographs_of(["x1.png", "1.png"], r"([a-z]*)\d") == ["x", "1"]
    assert photographs_of(["x1.png", "1.png"], r"([a-z]+)?\d") == ["x", "1"]


@pytest.mark.parametrize(
    ("group", "line"),
    [
        ("(a", "group must be a regular expression (missing ), unterminated subpattern at position 0), got '(a'"),
        ("a", r"group must have a group in brackets that names the photograph, got 'a': write (.+)-\d+"),
        ("(?:a)", "group must have a group in brackets"),
    ],
)
def test_an_expression_that_names_nothing(group: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        pattern_of(group)
    assert str(caught.value).startswith(line)


def test_an_expression_that_matches_nothing() -> None:
    with pytest.raises(
        InputError, match=r"group must match the names of images, such as 'a-1', got '\(z\)': leave out the ending"
    ):
        photographs_of(["a-1.png", "b.png"], "(z)")


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
def test_tiles_are_guessed_where_most_images_are_of_fewer_photographs(
    names: list[str], counts: tuple[int, int], tiled: bool
) -> None:
    assert tiles(names) == counts
    assert look_tiled(len(names), *tiles(names)) is tiled
