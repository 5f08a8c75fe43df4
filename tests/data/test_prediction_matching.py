"""Names of predictions against names of images."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from howfar.data import Dataset, Item
from howfar.data.dataset import examples, match_names, no_match, stem

NAMES = st.lists(st.text("ab1", min_size=1, max_size=3), min_size=1, max_size=5, unique=True)


def roads(*names: str) -> Dataset:
    return Dataset("roads", tuple(Item(name, Path(name)) for name in names))


@given(NAMES)
def test_every_image_finds_its_own_name_below_any_shared_folder(names: list[str]) -> None:
    dataset = roads(*(f"sets/images/{name}.jpg" for name in names))
    assert list(match_names(dataset, set(names)).values()) == names
    whole = [f"sets/images/{name}" for name in names]
    assert list(match_names(dataset, set(whole)).values()) == whole


def test_only_what_all_images_share_is_left_out() -> None:
    names = ("a/x/1.jpg", "a/y/1.jpg")
    assert match_names(roads(*names), {"x/1", "y/1"}) == dict(zip(names, ("x/1", "y/1"), strict=True))
    assert match_names(roads(*names), {"1"}) == dict(zip(names, ("a/x/1", "a/y/1"), strict=True))


def test_a_part_of_the_shared_folders_is_left_out_where_that_finds_predictions() -> None:
    names = ("/data/site/below/1.jpg", "/data/site/below/2.jpg")
    found = match_names(roads(*names), {"below/1", "below/2", "other/3"})
    assert found == dict(zip(names, ("below/1", "below/2"), strict=True))
    assert match_names(roads(*names[:1]), {"site/below/1"}) == {names[0]: "site/below/1"}
    # Whole names and names without all of the folders count before that.
    assert match_names(roads(*names), {"1", "below/1", "below/2"}) == dict(zip(names, ("1", "2"), strict=True))


def test_a_stem_keeps_all_but_the_last_ending() -> None:
    assert [stem(name) for name in ("1.tar.gz", "a.b/1", ".hidden", "1")] == ["1.tar", "a.b/1", ".hidden", "1"]


def test_the_remedy_is_the_one_folder_in_which_names_match() -> None:
    assert no_match(roads("1.jpg"), "map", "maps", ["a/b/1.png", "c.png"]).endswith("the first map a/b/1.png: pass maps/a/b")
    assert no_match(roads("1.jpg"), "map", "maps", ["a/1.png", "b/1.png"]).endswith("name them after the images")


def test_examples() -> None:
    assert examples(["1", "2", "3"]) == "1, 2, 3"
    assert examples(["1", "2", "3", "4"]) == "1, 2, 3 …"


def test_a_dataset_in_the_place_of_maps_is_told() -> None:
    line = no_match(roads("1.jpg", "2.jpg"), "map", "site", ["images/1.jpg", "masks/1.png"])
    assert line.endswith("the first map images/1.jpg: site is a dataset, name the folder of the model's maps")


def test_no_predictions_at_all_are_told() -> None:
    assert no_match(roads("1.jpg"), "map", "maps", []).endswith("it holds none: name what the model's maps are in")
