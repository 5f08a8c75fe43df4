"""What is known of the paper's datasets is complete and consistent, and a folder is compared with it line by line."""

import os
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data.image_groups_and_variations import variations
from howfar.data.paper_datasets_and_checks import NOT_VERIFIED, CatalogueEntry, FolderCheck, catalogue, check_folder, entry
from howfar.errors import InputError, MissingPathError, UnknownNameError

ENTRIES = {candidate.name: candidate for candidate in catalogue()}


def test_the_papers_symbols_counts_and_categories() -> None:
    counts = {candidate.symbol: candidate.images for candidate in catalogue() if candidate.symbol}
    assert counts == {"P": 260, "S_1": 315, "S_2": 100, "S_3": 509, "S_4": 118, "S_5": 500, "S_6": 500}
    assert set(ENTRIES) >= {"rissbilder", "eugen_muller", "noncrack", "sun397", "places365", "finegpr"}
    assert len(set(entry("sun397").categories)) == 50
    assert {"field", "house", "bookstore", "kitchen", "toyshop"} <= set(entry("sun397").categories)
    assert list(entry("finegpr").variations) == list(variations([]))
    assert entry("rissbilder").terms == NOT_VERIFIED


@pytest.mark.parametrize("candidate", catalogue(), ids=lambda candidate: candidate.name)
def test_each_entry_says_what_a_reader_needs(candidate: CatalogueEntry) -> None:
    for text in (candidate.title, candidate.what, candidate.layout, candidate.citation):
        assert text.strip()
    assert candidate.masks in ("needed", "available", "none")
    assert candidate.where
    assert candidate.used_in
    assert all(address.startswith(("https://", "http://")) for address in candidate.where)
    assert all(place.startswith(("table", "figure")) for place in candidate.used_in)
    assert bool(candidate.licence) == bool(candidate.licence_source)
    assert all(len(size) == 2 and min(size) > 100 for size in candidate.sizes)
    if candidate.prefix:
        assert f"{candidate.prefix}*" in candidate.layout


def _copies(folder: Path, names: Iterable[str], size: tuple[int, int] = (8, 8)) -> Path:
    """Write one grey picture and link it under all names."""
    folder.mkdir(parents=True, exist_ok=True)
    first = folder.parent / f".{folder.name}.png"
    Image.new("L", size, 128).save(first)  # hidden, and beside the folder
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(first, folder / name)
    return folder


def _roads(folder: Path, count: int, size: tuple[int, int] = (512, 512)) -> Path:
    for part in ("images", "masks"):
        _copies(folder / part, (f"{number:03d}.png" for number in range(count)), size)
    return folder


def _lines(check: FolderCheck, agrees: bool) -> list[str]:
    return [finding.text for finding in check.findings if finding.agrees is agrees]


def test_the_papers_own_dataset_agrees(tmp_path: Path) -> None:
    check = check_folder("crkwh100", _roads(tmp_path / "roads", 100))
    assert check.agrees
    assert [finding.text for finding in check.findings] == [
        "100 images, as the paper's CRKWH100",
        "100 masks, one for each image",
        "all of 512×512 pixels",
    ]


def test_each_thing_that_is_off_has_its_line(tmp_path: Path) -> None:
    folder = _roads(tmp_path / "roads", 98)
    (folder / "masks" / "007.png").unlink()
    (folder / "images" / "000.png").unlink()
    (folder / "images" / "000.png").write_bytes(b"no picture")
    (folder / "images" / "001.png").unlink()
    Image.new("L", (448, 448)).save(folder / "images" / "001.png")
    (folder / "images" / "x.psd").write_bytes(b"?")
    check = check_folder("crkwh100", folder)
    assert not check.agrees
    assert _lines(check, True) == []
    lines = _lines(check, False)
    assert lines[:3] == [
        "98 images, the paper has 100",
        "97 masks for 98 images: 007.png has none of its stem in masks/",
        "1 image not of 512×512 pixels but 448×448",
    ]
    assert lines[3] == "1 image cannot be read, such as 000.png: not an image that Pillow can read"
    assert lines[4].startswith("1 file skipped, such as ")
    assert lines[4].endswith("x.psd: the format .psd is not read: convert it to PNG or JPEG")


COLLECTION = [f"GAPS384_{number}.png" for number in range(3)] + [f"CFD_{number}.png" for number in range(4)]


@pytest.mark.parametrize(
    ("name", "files", "agrees", "line"),
    [
        ("gaps384", COLLECTION, False, "7 images, the paper has 509; 3 of them are named GAPS384*: keep those alone"),
        ("rissbilder", ["Rissbilder_1.png"], True, "1 image; the paper gives no number"),
        ("bsds500", ["a.png", "b.png"], False, "4 images not of 481×321 or 321×481 pixels, most of them 448×448 (2)"),
        (
            "sun397",
            [f"c{k}/1.png" for k in range(7)],
            False,
            "7 folders of no category of the paper: c0, c1, c2, c3, c4 and 2 more",
        ),
        ("finegpr", ["1.png"], False, "pattern must match the name of every image, and does not match '1.png'"),
    ],
)
def test_one_thing_that_is_found(name: str, files: list[str], agrees: bool, line: str, tmp_path: Path) -> None:
    folder = _copies(tmp_path / "set", files, (448, 448))
    if name == "bsds500":
        for number, size in enumerate(((20, 30), (31, 20), (321, 481))):
            Image.new("L", size).save(folder / f"{number}.png")
    assert any(found.startswith(line) for found in _lines(check_folder(name, folder), agrees))


def test_all_fifty_scenes_in_the_layout_of_their_source(tmp_path: Path) -> None:
    kinds = {"field": ("f/field/wild", "f/field/cultivated"), "kitchen": ("k/kitchen",), "wind_farm": ("Wind farm/images",)}
    folders = [
        folder
        for category in entry("sun397").categories
        for folder in kinds.get(category, (f"{category[0]}/{category}/outdoor",))
    ]
    names = [f"{folder}/{number}.png" for folder in folders for number in range(100)]
    check = check_folder("sun397", _copies(tmp_path / "scenes", [*names, "e/elevator_shaft/1.png"]))
    assert check.agrees
    assert check.findings[1].text == "none of the 50 categories is missing"
    assert "fastfood_restaurant 100, field 200, fountain 100" in check.findings[2].text
    assert check.findings[3].text == "100 to 200 images in each category, as in the paper"


def test_the_papers_two_persons_agree_and_an_uneven_pair_does_not(tmp_path: Path) -> None:
    names = [
        f"{person:04d}/{person:04d}_c{view:02d}_w{weather:02d}_l{light:02d}_p{(view + weather) % 9 + 1:02d}.png"
        for person, view, weather, light in product((1, 3), range(1, 37), range(1, 8), range(1, 8))
    ]
    folder = _copies(tmp_path / "people", names)
    assert check_folder("finegpr", folder).agrees
    (folder / names[0]).rename(folder / "0001/0003_c01_w01_l01_p03.png")
    assert _lines(check_folder("finegpr", folder), False) == [
        "1 image of the same person and variations as another",
        "images: 1763 of person 1, 1765 of person 3; the paper has 1764 of each",
    ]


def test_what_cannot_be_checked_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.eye(3))
    (tmp_path / "empty").mkdir()
    for name, place, error in (
        ("crkwh100", "nowhere", MissingPathError),
        ("crkwh", ".", UnknownNameError),
        ("crkwh100", "rows.npy", InputError),
        ("crkwh100", "empty", InputError),
    ):
        with pytest.raises(error):
            check_folder(name, tmp_path / place)
