"""Maps of images to be scored: found by name, turned into the signals that estimators learnt from, or missed in words."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from howfar.data import Dataset
from howfar.data.compact_item_table import Item
from howfar.data.prediction_maps import write_map
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.metrics import flip_overlap, foreground_shape, signals, soft_dice, soft_f
from howfar.metrics.label_free_signals import foreground_dice
from howfar.relation.labelled_images import CONFIDENCES, SHAPES
from howfar.tasks.map_scores_and_signals import ImageMaps, MapFolders

SIDE = 12
MAIN = (*CONFIDENCES, "soft_f", "histogram", *SHAPES)


def draw(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(SIDE, SIDE + 2), dtype=np.uint8)


def save(folder: Path, name: str, values: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(folder / name)
    return folder / name


@pytest.fixture
def place(tmp_path) -> Path:
    """Folders of maps of 1 and 2: main/, flips/ (flipped), tiles/ (predicted by tiles), b/ and c/; and the images."""
    for k in (1, 2):
        save(tmp_path / "images", f"{k}.jpg", draw(k))
        save(tmp_path / "main", f"{k}.png", draw(k))
        save(tmp_path / "flips", f"{k}.png", np.roll(draw(k), 1, axis=0)[:, ::-1])
        save(tmp_path / "tiles", f"{k}.png", np.roll(draw(k), 1, axis=0))
        save(tmp_path / "b", f"{k}.png", 255 - draw(k))
        save(tmp_path / "c", f"{k}.png", draw(k + 10))
    return tmp_path


def folders(place: Path, flipped: bool = False, ensemble: tuple[str, ...] = (), tiled: bool = False) -> MapFolders:
    members = [place / name for name in ensemble]
    return MapFolders.of(place / "main", place / "flips" if flipped else None, members, place / "tiles" if tiled else None)


def read(of: MapFolders, image: Path, threshold: float = 0.5) -> tuple[dict[str, Any], str]:
    return of.beside(image).read(threshold)


def files(of: ImageMaps) -> tuple[Path | None, ...]:
    return tuple(file for places in of.places.values() for file, _ in places)


def test_signals_are_those_of_the_map(place):
    for threshold in (0.3, 0.7):
        found, words = read(folders(place), place / "images/1.jpg", threshold)
        histogram = np.bincount(draw(1).ravel(), minlength=256)
        assert words == ""
        assert found.pop("histogram").tolist() == histogram.tolist()
        expected = {
            **signals(histogram, threshold),
            "soft_f": soft_f(histogram, threshold),
            **foreground_shape(draw(1), threshold),
        }
        assert found == expected


def test_agreement_is_with_the_flipped_map_and_with_each_member_of_the_ensemble(place):
    m, b, c = draw(2), 255 - draw(2), draw(12)
    pairs = {"b": [soft_dice(m, b)], "bc": [soft_dice(m, b), soft_dice(m, c), soft_dice(b, c)]}
    for flipped in (False, True):
        for members in ("", "b", "bc"):
            found, words = read(folders(place, flipped, tuple(members)), place / "images/2.jpg")
            assert words == ""
            assert ("flip_agreement" in found, "ensemble_agreement" in found) == (flipped, bool(members))
            if flipped:
                assert found["flip_agreement"] == soft_dice(m, np.roll(m, 1, axis=0))
                assert found["flip_overlap"] == flip_overlap(m, np.roll(m, 1, axis=0)[:, ::-1], 0.5)
            if members:
                assert found["ensemble_agreement"] == pytest.approx(np.mean(pairs[members]), abs=1e-15)


def test_agreement_with_the_map_by_tiles_is_of_the_foreground_alone(place):
    for members in ((), ("b", "c")):
        found, words = read(folders(place, True, members, tiled=True), place / "images/2.jpg", 0.3)
        assert words == ""
        assert found["tile_agreement"] == foreground_dice(draw(2), np.roll(draw(2), 1, axis=0), 0.3)
        assert found["flip_agreement"] == soft_dice(draw(2), np.roll(draw(2), 1, axis=0))
        assert ("ensemble_agreement" in found) == bool(members)


def test_the_columns_are_those_of_the_folders_given(place):
    assert MapFolders().columns == ()
    assert folders(place).columns == MAIN
    assert folders(place, flipped=True).columns == (*MAIN, "flip_agreement", "flip_overlap")
    assert folders(place, ensemble=("b",)).columns == (*MAIN, "ensemble_agreement")
    every = folders(place, True, ("b", "c"), tiled=True)
    assert every.columns == (*MAIN, "flip_agreement", "flip_overlap", "ensemble_agreement", "tile_agreement")
    assert set(read(every, place / "images/1.jpg")[0]) == set(every.columns)


def test_a_missing_map_is_told_and_what_others_show_kept(place):
    every = folders(place, True, ("b", "c"))
    assert read(every, place / "images/2.jpg")[1] == ""
    (place / "c/1.png").unlink()
    found, words = read(every, place / "images/1.jpg")
    assert words == f"no map of it below {place}/c"
    assert set(found) == {*MAIN, "flip_agreement", "flip_overlap"}
    (place / "flips/2.png").unlink()
    found, words = read(every, place / "images/2.jpg")
    assert words == f"no map of it below {place}/flips"
    assert set(found) == {*MAIN, "ensemble_agreement"}
    (place / "main/1.png").unlink()
    assert read(every, place / "images/1.jpg") == ({}, f"no map of it below {place}/main")


def test_a_map_that_cannot_be_read_or_does_not_fit_is_told(place):
    (place / "main/1.png").write_text("a text")
    assert read(folders(place), place / "images/1.jpg") == (
        {},
        f"its map {place}/main/1.png: not an image that Pillow can read",
    )
    save(place / "flips", "2.png", np.zeros((4, 4), np.uint8))
    found, words = read(folders(place, flipped=True), place / "images/2.jpg")
    assert "must have one shape" in words or "shape" in words
    assert set(found) == set(MAIN)


def test_of_maps_of_one_name_the_png_is_taken_and_arrays_are_maps_too(place):
    np.save(place / "main/3.npy", draw(3) / 255.0)
    save(place / "main", "1.bmp", draw(9))
    assert files(folders(place).beside(place / "images/1.jpg")) == (place / "main/1.png",)
    assert files(folders(place).beside(place / "images/3.tif")) == (place / "main/3.npy",)
    assert (
        read(folders(place), place / "images/3.tif")[0]["histogram"].tolist()
        == np.bincount(draw(3).ravel(), minlength=256).tolist()
    )
    (place / "main/1.png").unlink()
    (place / "main/1.png").mkdir()
    assert files(folders(place).beside(place / "images/1.jpg")) == (place / "main/1.bmp",)
    assert files(folders(place).beside(place / "images/x.jpg")) == (None,)


def test_folders_that_are_not_there_or_of_no_use_are_one_line(place):
    main, text = place / "main", place / "main/1.png"
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((place / "x", None, ()), f"no folder of predictions at {place}/x: check the path"),
        ((main, None, [main, place / "x"]), f"no folder of predictions at {place}/x: check the path"),
        ((text, None, ()), f"predictions must be a folder of probability maps, got '{text}'"),
        ((main, text, ()), f"flipped must be a folder of probability maps, got '{text}'"),
        ((main, None, (), text), f"tiles must be a folder of probability maps, got '{text}'"),
        (
            (None, main, ()),
            "predictions must be given where flipped, ensemble or tiles is: they are compared with the model's own maps",
        ),
    ]
    for given, words in cases:
        with pytest.raises(HowfarError) as caught:
            MapFolders.of(*given)
        assert str(caught.value).startswith(words)
        assert isinstance(caught.value, MissingPathError if "/x" in words else InputError)
    assert MapFolders.of(None, None, ()) == MapFolders()


def test_maps_of_another_network_or_otherwise_fed_or_mirrored_are_refused(tmp_path):
    network = "maps of another network': predict them with the profile's checkpoint, not adapted"
    known = {"weights": "w", "size": 8, "tiled": False, "mean": [0.0], "std": [1.0]}
    picture, maps = tmp_path / "1.jpg", tmp_path / "maps"
    roads = Dataset("roads", (Item("1.jpg", picture),))
    fed = "another mean': predict them with --size 8 --mean 0.0"
    for other, got in ({"mean": [0.5]}, fed), ({"weights": "v", "size": 4}, network), ({}, ""):
        write_map(maps / "1.png", np.zeros((8, 8), np.uint8), json.dumps({**known, **other, "flipped": False}))
        folders = MapFolders.of(maps, None, ())
        with pytest.raises(InputError, match=f"got '{got}") if got else nullcontext():
            folders.check_network(known, folders.matched(roads), "P")
    with pytest.raises(InputError, match="flipped must hold maps of mirrored images"):
        MapFolders.of(maps, maps, ()).matched(roads)
