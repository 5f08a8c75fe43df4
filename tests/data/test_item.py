"""Columns of images, texts and hashes equal tuples of the same values, in a tenth of the memory."""

import pickle
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howfar.data import Dataset, Item, compact_item_table
from howfar.data.compact_item_table import HashColumn, ItemTable, TextColumn, first_repeat, sorted_texts
from howfar.data.image_and_mask_folders import natural_key
from howfar.io.file_location import Url
from howfar.io.url_guard import CellUrl, Place

TEXT = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=6)

PLACES = st.one_of(
    st.builds(Path, TEXT),
    TEXT,
    st.builds(lambda text: Url(f"s3://bucket/{text}"), TEXT),
    st.builds(lambda text: Path("/roads") / f"{text}.png", TEXT),
)

ITEMS = st.builds(
    Item,
    TEXT,
    PLACES,
    st.none() | PLACES,
    st.none() | TEXT,
    st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    st.none() | TEXT,
)


def same(found: Item, wanted: Item) -> bool:
    return found == wanted and (type(found.path), type(found.mask)) == (type(wanted.path), type(wanted.mask))


@given(st.lists(ITEMS, max_size=8))
def test_each_image_comes_back_as_it_was(items: list[Item]) -> None:
    table = ItemTable.of(items)
    assert len(table) == len(items)
    assert all(map(same, table, items))
    assert all(map(same, pickle.loads(pickle.dumps(table)), items))
    assert table.names == tuple(item.name for item in items)
    assert table.paths() == tuple(str(item.path) for item in items)
    assert table.masks == sum(item.mask is not None for item in items)


def test_a_dataset_lists_the_group_of_each_image() -> None:
    items = [Item("1.png", "/1.png", group="scene a"), Item("2.png", "/2.png", label="dry"), Item("3.png", "/3.png", group="b")]
    assert Dataset("roads", items).groups == ["scene a", None, "b"]


def test_urls_of_cells_keep_their_rules() -> None:
    home = Place("https", "b.org:443")
    rules = [(frozenset({"a.org"}), home), (frozenset[str](), home), (frozenset[str](), None)]
    items = [Item(f"{k}.png", CellUrl(f"https://b.org/{k}.png", *rules[k % 3])) for k in range(6)]
    found = [item.path for item in ItemTable.of(items)]
    assert found == [item.path for item in items]
    assert [(type(path), path.hosts, path.home) for path in found if isinstance(path, CellUrl)] == [
        (CellUrl, *rules[k % 3]) for k in range(6)
    ]


def test_an_image_takes_a_tenth_of_its_objects() -> None:
    def listed() -> Iterator[Item]:
        for k in range(3000):
            yield Item(f"{k:06d}.png", Path(f"/roads/images/{k:06d}.png"), Path(f"/roads/masks/{k:06d}.png"))

    def held(make: Callable[[Iterator[Item]], object]) -> int:
        before = tracemalloc.get_traced_memory()[0]
        kept = make(listed())
        assert kept
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        held(ItemTable.of)
        # What other threads of the process allocate meanwhile counts too.
        assert min(held(ItemTable.of) for _ in range(3)) < min(held(list) / 10, 3000 * 50)
    finally:
        tracemalloc.stop()


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
    assert column + column == 2 * column == column * 2 == same + same
    assert (column + ("b",), ("a",) + column) == (same + ("b",), ("a",) + same)  # noqa: RUF005  # it is what users write
    assert (column == list(same)) == (same == list(same))
    for wrong in (len(same), -len(same) - 1):
        with pytest.raises(IndexError):
            column[wrong]
    with pytest.raises(TypeError):
        column + list(same)


def test_texts_take_their_bytes_and_eight_and_hashes_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    # The buffers grow by an eighth at a time.
    assert len(pickle.dumps(TextColumn(f"{k:09d}.jpg" for k in range(20_000)))) < 20_000 * (13 + 8) * 1.02
    hashes = [f"{k:032x}" for k in range(1000)]
    column = HashColumn(hashes)
    assert column == tuple(hashes)
    assert len(pickle.dumps(column)) < 1000 * 16 + 500
    column.replace(7, "f" * 32)
    column.append("")
    assert (column[7], column[8], column[1000]) == ("f" * 32, hashes[8], "0" * 32)
    with pytest.raises(ValueError, match="32 hexadecimal digits, got 'abcd'"):
        column.append("abcd")
    monkeypatch.setattr(compact_item_table, "hash", lambda text: 7, raising=False)
    assert (first_repeat(["a", "b", "c"]), first_repeat(["a", "b", "b"])) == (None, (1, 2))


@pytest.mark.parametrize("run", [1, 3, 1000])
def test_texts_are_sorted_run_by_run(run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact_item_table, "_RUN", run)
    names = [f"{letter}{number}.png" for letter in "ab" for number in range(20)]
    random.Random(0).shuffle(names)
    assert list(sorted_texts(names, key=natural_key)) == sorted(names, key=natural_key)
