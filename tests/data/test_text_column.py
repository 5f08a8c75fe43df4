"""Columns of texts and hashes equal tuples of the same values."""

from __future__ import annotations

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howfar.data import item
from howfar.data.folder import natural_key
from howfar.data.item import HashColumn, TextColumn, first_repeat, sorted_texts

TEXTS = st.lists(st.text(st.characters(codec=None), max_size=8), max_size=12)


@given(TEXTS)
def test_a_column_of_texts_is_a_tuple_of_them(texts: list[str]) -> None:
    column, same = TextColumn(texts), tuple(texts)
    assert tuple(column) == same
    assert column == same
    assert same == column
    assert hash(column) == hash(same)
    assert column[1:-1] == same[1:-1]
    assert [column[-k] for k in range(1, len(same) + 1)] == [same[-k] for k in range(1, len(same) + 1)]
    assert pickle.loads(pickle.dumps(column)) == same
    assert column != (*same, "")
    assert column + column == same + same
    assert (column + ("b",), ("a",) + column) == (same + ("b",), ("a",) + same)  # noqa: RUF005  # it is what users write
    assert (column == list(same)) == (same == list(same))


def test_columns_are_added_and_repeated_as_tuples_are() -> None:
    column = TextColumn(["a", "b"])
    assert column + column == ("a", "b", "a", "b")
    one = ("c",)
    assert column + one == ("a", "b", "c")
    assert one + column == ("c", "a", "b")
    assert 2 * column == column * 2 == ("a", "b", "a", "b")
    with pytest.raises(TypeError):
        column + list(one)


def test_names_that_are_not_utf8_are_kept() -> None:
    assert TextColumn(["bad\udcff.jpg"])[0] == "bad\udcff.jpg"


def test_positions_outside_are_refused() -> None:
    for column in (TextColumn(["a"]), HashColumn(["00" * 16])):
        with pytest.raises(IndexError):
            column[1]
        with pytest.raises(IndexError):
            column[-2]


def test_a_text_takes_its_bytes_and_eight() -> None:
    column = TextColumn(f"{k:09d}.jpg" for k in range(20_000))
    # The buffers grow by an eighth at a time.
    assert len(pickle.dumps(column)) < 20_000 * (13 + 8) * 1.02
    assert column[12_345] == "000012345.jpg"


def test_hashes_take_sixteen_bytes_and_are_replaced() -> None:
    hashes = [f"{k:032x}" for k in range(1000)]
    column = HashColumn(hashes)
    assert column == tuple(hashes)
    assert len(pickle.dumps(column)) < 1000 * 16 + 500
    column.replace(7, "f" * 32)
    column.append("")
    assert (column[7], column[8], column[1000]) == ("f" * 32, hashes[8], "0" * 32)
    with pytest.raises(ValueError, match="32 hexadecimal digits, got 'abcd'"):
        column.append("abcd")


@given(TEXTS)
def test_the_first_repeat_is_found(texts: list[str]) -> None:
    seen: dict[str, int] = {}
    expected = None
    for position, text in enumerate(texts):
        if text in seen:
            expected = (seen[text], position)
            break
        seen[text] = position
    assert first_repeat(TextColumn(texts)) == expected


def test_texts_of_one_hash_are_no_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item, "hash", lambda text: 7, raising=False)
    assert first_repeat(["a", "b", "c"]) is None
    assert first_repeat(["a", "b", "b"]) == (1, 2)


@pytest.mark.parametrize("run", [1, 3, 1000])
def test_texts_are_sorted_run_by_run(run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item, "_RUN", run)
    names = [f"{letter}{number}.png" for letter in "ab" for number in range(20)]
    random.Random(0).shuffle(names)
    assert list(sorted_texts(names, key=natural_key)) == sorted(names, key=natural_key)
