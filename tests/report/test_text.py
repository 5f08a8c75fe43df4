from __future__ import annotations

import pytest

from howfar.report.section import listing, plural, ranks, sentence_case


@pytest.mark.parametrize(
    ("names", "most", "expected"),
    [("a", 4, "a"), ("abc", 4, "a, b and c"), ("abcd", 2, "a, b and 2 others"), ("abc", 2, "a, b and c")],
)
def test_names_stand_in_a_row_and_many_are_counted(names: str, most: int, expected: str) -> None:
    assert listing(list(names), most) == expected


def test_endings_go_with_the_count() -> None:
    assert (plural(1), plural(2), plural(1, "has", "have")) == ("", "s", "has")


def test_a_sentence_begins_with_a_capital_and_nothing_stays_nothing() -> None:
    assert (sentence_case("roads are near"), sentence_case("")) == ("Roads are near.", "")


def test_equal_values_share_their_rank() -> None:
    assert ranks([0.3, 0.1, 0.3]) == [2.5, 1.0, 2.5]
