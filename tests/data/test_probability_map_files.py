"""Where maps go, and how a map says what made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data import Dataset, Item, parse
from howfar.data.predictions import map_paths, match_maps, read_prediction, signature_of, write_map
from howfar.errors import InputError


def dataset(*names: str) -> Dataset:
    return Dataset("roads", tuple(Item(name, Path("/images", name)) for name in names))


def test_maps_go_by_the_images_names() -> None:
    names = ("1.jpg", "a/1.jpg", "a/b.v2.JPEG", "ü x.tif", "p-1.png")
    found = map_paths("maps", dataset(*names))
    assert [path.as_posix() for path in found] == [
        "maps/1.png",
        "maps/a/1.png",
        "maps/a/b.v2.png",
        "maps/ü x.png",
        "maps/p-1.png",
    ]
    assert [item.name for item in found.values()] == list(names)


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match=r"dataset roads must give each map a name of its own, got 'a/1.png': rename one"):
        map_paths("maps", dataset("a/1.jpg", "b/1.jpg", "a/1.png"))


def test_a_map_never_takes_the_place_of_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Dataset("roads", (Item("1.png", tmp_path / "1.png"),))
    with pytest.raises(InputError, match="folder must not be the images' own"):
        map_paths(tmp_path, own)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="folder must not be the images' own"):
        map_paths(".", own)
    map_paths(tmp_path / "maps", own)


@pytest.mark.parametrize(
    ("names", "below"),
    [
        (["/data/a/1.jpg", "/data/b/1.jpg"], ["a/1.png", "b/1.png"]),
        (["/data/a/1.jpg"], ["1.png"]),
        (["../site/1.jpg", "../site/2.jpg"], ["1.png", "2.png"]),
        (["images/1.jpg", "images/2.jpg"], ["images/1.png", "images/2.png"]),
    ],
)
def test_names_that_lead_out_lose_the_folders_that_they_share(names: list[str], below: list[str]) -> None:
    found = map_paths("/maps", dataset(*names))
    assert [path.relative_to("/maps").as_posix() for path in found] == below


@pytest.mark.parametrize("names", [["../a/1.jpg", "b/1.jpg"], ["/a/1.jpg", "b/1.jpg"], ["a/../../1.jpg", "a/b/1.jpg"]])
def test_names_that_still_lead_out_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="dataset roads must have its images below one folder"):
        map_paths("/maps", dataset(*names))


@pytest.mark.parametrize("absolute", [False, True])
def test_maps_of_a_table_lie_below_the_folder_and_are_found_again(absolute: bool, tmp_path: Path) -> None:
    for name in ("x/1", "y/1"):
        (tmp_path / "far" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "far" / f"{name}.png")
    root = f"{tmp_path}/far" if absolute else "../far"
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/t.csv").write_text(f"image\n{root}/x/1.png\n{root}/y/1.png\n")
    found = parse(tmp_path / "tables/t.csv")
    maps = map_paths(tmp_path / "maps", found)
    for path in maps:
        write_map(path, np.zeros((8, 8), np.uint8))
    assert sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.png")) == [
        "far/x/1.png", "far/y/1.png", "maps/x/1.png", "maps/y/1.png",
    ]  # fmt: skip
    matched = match_maps(found, tmp_path / "maps")
    assert matched.files == {item.name: path for path, item in maps.items()}
    assert not matched.missing


# Written and signed


def test_a_map_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = np.arange(200, dtype=np.uint8).reshape(10, 20)
    write_map(tmp_path / "a" / "1.png", values, "x")
    found = read_prediction(tmp_path / "a" / "1.png")
    assert np.array_equal(found.values, values)
    assert found.values.dtype == np.uint8
    with Image.open(tmp_path / "a" / "1.png") as image:
        assert (image.format, image.mode) == ("PNG", "L")


@pytest.mark.parametrize("signature", ["model a", '{"a": [1, 2], "näme": "röads"}', "x" * 5000])
def test_a_signature_is_read_back(signature: str, tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    write_map(file, np.zeros((4, 4), np.uint8), signature)
    assert signature_of(file) == signature
    write_map(file, np.zeros((4, 4), np.uint8), "another")
    assert signature_of(file) == "another"
    assert [one.name for one in tmp_path.iterdir()] == ["1.png"]


def test_what_howfar_did_not_write_has_no_signature(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    assert signature_of(file) is None
    Image.new("L", (4, 4)).save(file)
    assert signature_of(file) == ""
    write_map(file, np.zeros((4, 4), np.uint8))
    assert signature_of(file) == ""
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n"):
        file.write_bytes(content)
        assert signature_of(file) == ""
    Image.new("L", (4, 4)).save(file, format="jpeg")
    assert signature_of(file) == ""


def test_a_folder_at_a_maps_place_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.mkdir()
    for call in (lambda: signature_of(file), lambda: write_map(file, np.zeros((4, 4), np.uint8))):
        with pytest.raises(
            InputError, match=r"the place of a map must hold no folder, got '.*1\.png': choose another folder, or"
        ):
            call()
    assert [one.name for one in tmp_path.iterdir()] == ["1.png"]


def test_a_file_at_a_maps_folders_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    for place in ("a/1.png", "a/b/1.png"):
        assert signature_of(tmp_path / place) is None
        with pytest.raises(InputError, match=r"the place of a map must be below folders only, got '.*1\.png': choose another"):
            write_map(tmp_path / place, np.zeros((4, 4), np.uint8))
    assert (tmp_path / "a").read_text() == "mine"
