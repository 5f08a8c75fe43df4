"""A table of images gives back each image as it was given, in a tenth of the memory."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howfar.data import Dataset, Item, item
from howfar.data.image_bytes import MemoryImages
from howfar.data.item import ItemTable, PathTexts
from howfar.io.cell_urls import CellUrl, Place
from howfar.io.location import Url

TEXT = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=6)
PLACES = st.one_of(
    st.builds(Path, TEXT),
    TEXT,
    st.builds(lambda text: Url(f"s3://bucket/{text}"), TEXT),
    st.builds(lambda text: Path("/roads") / f"{text}.png", TEXT),
)
ITEMS = st.builds(
    Item, TEXT, PLACES, st.none() | PLACES, st.none() | TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
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
    assert PathTexts(table) == tuple(str(item.path) for item in items)
    assert table.masks == sum(item.mask is not None for item in items)


@pytest.mark.parametrize("label", [np.int64(3), b"wet", ("a", "b"), Path("wet")])
def test_what_is_no_text_stays_what_it_is(label: Any) -> None:
    items = [Item("1.png", "/1.png", label=label), Item("2.png", "/2.png", further=(("camera", label),))]
    table = ItemTable.of(items)
    assert table == tuple(items)
    assert (table.labelled, table.columns) == (1, ("camera",))


def test_a_location_that_fits_no_frame_is_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item, "_MOST", 2)
    items = [Item(f"{k}.png", Path(f"/folder-{k}/{k}.png"), f"mask {k * 7}") for k in range(6)]
    table = ItemTable.of(items)
    assert all(map(same, table, items))
    assert PathTexts(table, [4, 1]) == (str(items[4].path), str(items[1].path))


def test_urls_of_cells_keep_their_rules() -> None:
    home = Place("https", "b.org:443")
    rules = [(frozenset({"a.org"}), home), (frozenset[str](), home), (frozenset[str](), None)]
    items = [Item(f"{k}.png", CellUrl(f"https://b.org/{k}.png", *rules[k % 3])) for k in range(6)]
    found = [item.path for item in ItemTable.of(items)]
    assert found == [item.path for item in items]
    assert [(type(path), path.hosts, path.home) for path in found if isinstance(path, CellUrl)] == [
        (CellUrl, *rules[k % 3]) for k in range(6)
    ]


def test_images_in_memory_are_held_as_long_as_the_table() -> None:
    images = MemoryImages(lambda part, number: b"picture", 1)
    dataset = Dataset("made", (Item("0", images.path(0)),))
    del images
    (item,) = dataset.items
    assert item.path.images.read("image", 0) == b"picture"  # type: ignore[union-attr]


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
        assert held(ItemTable.of) < min(held(list) / 10, 3000 * 50)
    finally:
        tracemalloc.stop()
