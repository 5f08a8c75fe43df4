"""Probability maps: how one is read, and which belongs to which image."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data import Dataset, Item
from howfar.data.predictions import MatchedMaps, match_maps, read_prediction
from howfar.errors import ImageError, InputError, MissingPathError


def rows(*values: float, dtype: type = np.uint8) -> np.ndarray:
    return np.array([values] * 4, dtype)


def first_row(tmp_path: Path, image: Image.Image, name: str = "p.png", **options: object) -> list[float]:
    """The first row of a map, after a round trip through a file."""
    image.save(tmp_path / name, **options)
    return read_prediction(tmp_path / name).values[0].tolist()


def refusal(tmp_path: Path, content: Image.Image | np.ndarray, name: str = "p.png", **options: object) -> str:
    if isinstance(content, Image.Image):
        content.save(tmp_path / name, **options)
    else:
        name = "p.npy"
        np.save(tmp_path / name, content)
    with pytest.raises(ImageError) as caught:
        read_prediction(tmp_path / name)
    return str(caught.value)


def of_array(tmp_path: Path, array: np.ndarray) -> np.ndarray:
    np.save(tmp_path / "p.npy", array)
    return read_prediction(tmp_path / "p.npy").values


@pytest.mark.parametrize("name", ["p.png", "p.tif", "p.bmp", "p.pgm", "p.webp"])
def test_eight_bit_grey_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    lossless = {"lossless": True} if name == "p.webp" else {}
    assert first_row(tmp_path, Image.fromarray(rows(0, 3, 127, 255)), name, **lossless) == [0, 3, 127, 255]
    assert read_prediction(tmp_path / name).values.dtype == np.uint8


def test_colour_with_equal_channels_is_grey(tmp_path: Path) -> None:
    grey = Image.fromarray(rows(0, 3, 127, 255))
    for mode in ("RGB", "RGBA", "LA"):
        assert first_row(tmp_path, grey.convert(mode)) == [0, 3, 127, 255]
    palette = Image.fromarray(rows(0, 1, 2, 3)).convert("P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 200, 200, 200, 255, 255, 255])
    assert first_row(tmp_path, palette) == [0, 9, 200, 255]


def test_colours_are_refused(tmp_path: Path) -> None:
    heat = Image.fromarray(np.array([[(0, 0, 128), (0, 200, 0), (255, 0, 0), (9, 9, 9)]] * 4, np.uint8))
    assert refusal(tmp_path, heat) == "a colour picture, not a probability map: save one grey value for each pixel, p × 255"


def test_transparency_is_refused(tmp_path: Path) -> None:
    grey = Image.fromarray(rows(0, 30, 200, 255))
    wide = Image.fromarray(rows(0, 300, 40000, 65535, dtype=np.uint16))
    for image, options in (
        (Image.new("LA", (4, 4), (200, 100)), {}),
        (grey, {"transparency": 30}),
        (wide, {"transparency": 300}),
    ):
        assert "transparent pixels" in refusal(tmp_path, image, **options)
    assert first_row(tmp_path, grey, transparency=31) == [0, 30, 200, 255]
    assert first_row(tmp_path, wide, transparency=301) == [0, 300 / 65535, 40000 / 65535, 1]


def test_one_bit_is_zero_and_one(tmp_path: Path) -> None:
    assert first_row(tmp_path, Image.fromarray(rows(0, 1, 0, 1).astype(bool))) == [0, 255, 0, 255]


def test_a_map_of_one_255th_at_most_is_read_and_called_faint(tmp_path: Path) -> None:
    for place, (values, faint) in enumerate(
        (
            (rows(0, 1, 0, 1), True),
            (rows(0, 1, 0, 2), False),
            (rows(0, 0, 0, 0), False),
            (rows(0, 1, 0, 1, dtype=np.float32), False),
        )
    ):
        file = tmp_path / f"{place}.npy"
        np.save(file, values)
        found = read_prediction(file)
        assert (found.values[0].tolist(), found.faint) == (values[0].tolist(), faint)
    Image.fromarray(rows(0, 1, 0, 1)).save(tmp_path / "faint.png")
    assert read_prediction(tmp_path / "faint.png").faint
    assert not read_prediction(tmp_path / "faint.png").lossy


def test_blank_maps_are_maps(tmp_path: Path) -> None:
    assert first_row(tmp_path, Image.new("L", (4, 4))) == [0] * 4
    assert first_row(tmp_path, Image.new("I;16", (4, 4))) == [0] * 4


def test_sixteen_bit_keeps_its_precision(tmp_path: Path) -> None:
    found = first_row(tmp_path, Image.fromarray(rows(0, 1, 28180, 65535, dtype=np.uint16)))
    assert found == [0, 1 / 65535, 28180 / 65535, 1]
    assert of_array(tmp_path, rows(0, 1, 28180, 65535, dtype=np.uint16))[0].tolist() == found


def test_sixteen_bit_maps_of_at_most_255_are_faint_too(tmp_path: Path) -> None:
    for top, faint in ((255, True), (256, False)):
        Image.fromarray(rows(0, 1, 100, top, dtype=np.uint16)).save(tmp_path / "one.png")
        found = read_prediction(tmp_path / "one.png")
        assert (found.values[0].tolist(), found.faint) == ([0, 1 / 65535, 100 / 65535, top / 65535], faint)


def test_floats_are_probabilities(tmp_path: Path) -> None:
    wanted = np.array([0.0, 0.25, 0.43, 1.0], np.float32)
    assert first_row(tmp_path, Image.fromarray(np.stack([wanted] * 4)), "p.tif") == wanted.tolist()
    for dtype in (np.float16, np.float32, np.float64):
        array = rows(0.0, 0.25, 0.43, 1.0, dtype=dtype)
        found = of_array(tmp_path, array)
        assert found.dtype == dtype
        assert found[0].tolist() == array[0].tolist()


def test_arrays_of_bytes_and_booleans(tmp_path: Path) -> None:
    assert of_array(tmp_path, rows(0, 1, 2, 255))[0].tolist() == [0, 1, 2, 255]
    assert of_array(tmp_path, rows(0, 1, 0, 1).astype(bool))[0].tolist() == [0, 255, 0, 255]


def test_an_axis_of_one_is_dropped(tmp_path: Path) -> None:
    array = rows(0.0, 0.25, 0.5, 1.0, dtype=float)
    for shaped in (array[None], array[..., None], array[None, None]):
        assert of_array(tmp_path, shaped).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 4, 4)), "an array of shape (2, 4, 4): a map has two axes"),
        (np.zeros(4), "an array of shape (4,)"),
        (np.zeros((0, 4)), "an array of shape (0, 4)"),
        (rows(0, 1, 2, 3, dtype=np.int64), "an array of int64"),
        (rows(0.0, np.nan, 0.5, 1.0, dtype=float), "NaN or infinity"),
        (rows(-3.5, 0.2, 0.5, 7.25, dtype=float), "values from -3.5 to 7.25: probabilities lie within 0-1: save the sigmoid"),
        (rows(0.0, 0.2, 0.5, 255, dtype=float), "values from 0 to 255: probabilities lie within 0-1: divide them by 255"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    assert refusal(tmp_path, array).startswith(words)


def test_an_npz_of_one_array_is_a_map(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "1.npz", np.full((3, 4), 0.25))
    assert read_prediction(tmp_path / "1.npz").values.tolist() == [[0.25] * 4] * 3
    np.savez(tmp_path / "2.npz", a=np.zeros((3, 4)), b=np.zeros((3, 4)))
    (tmp_path / "3.npz").write_bytes((tmp_path / "1.npz").read_bytes()[:-30])
    for name, words in (
        ("2", r"no \.npz of one array: it holds 2 arrays \(a\.npy, b\.npy\)"),
        ("3", "no .npz of one array: it is"),
    ):
        with pytest.raises(ImageError, match=words):
            read_prediction(tmp_path / f"{name}.npz")


def test_unreadable_maps_carry_the_reason(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("text")
    (tmp_path / "p.npy").write_text("text")
    np.save(tmp_path / "o.npy", np.array([{}], object))
    np.savez(tmp_path / "z.npz", rows(0, 1, 2, 3))
    (tmp_path / "z.npz").rename(tmp_path / "z.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "z.npy").read_bytes()[:60])
    for name, words in {
        "p.png": "not an image",
        "p.npy": "not a .npy array",
        "o.npy": "not a .npy",
        "z.npy": "an archive of arrays",
        "cut.npy": "not a .npy",
        "q.png": "no such file",
    }.items():
        with pytest.raises(ImageError, match=words):
            read_prediction(tmp_path / name)


def test_only_lossy_formats_are_lossy(tmp_path: Path) -> None:
    grey = Image.new("L", (8, 8), 99)
    grey.save(tmp_path / "p.jpg")
    grey.save(tmp_path / "p.png")
    assert read_prediction(tmp_path / "p.jpg").lossy
    assert not read_prediction(tmp_path / "p.png").lossy


def roads(*names: str) -> Dataset:
    return Dataset("roads", tuple(Item(name, Path(name)) for name in names))


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"map")
    return folder


def below(maps: MatchedMaps) -> dict[str, str]:
    return {image: file.relative_to(maps.folder).as_posix() for image, file in maps.files.items()}


def test_maps_are_matched_without_their_endings(tmp_path: Path) -> None:
    maps = match_maps(roads("1.jpg", "a/2.v2.jpg", "b/2.v2.jpg"), write(tmp_path, "1.png", "a/2.v2.npy", "b/2.v2.tif"))
    assert below(maps) == {"1.jpg": "1.png", "a/2.v2.jpg": "a/2.v2.npy", "b/2.v2.jpg": "b/2.v2.tif"}
    assert (maps.missing, maps.extra, maps.doubled) == ({}, (), ())


def test_folders_that_all_images_share_may_be_left_out(tmp_path: Path) -> None:
    names = ("../sets/images/a/1.jpg", "../sets/images/b/1.jpg")
    assert below(match_maps(roads(*names), write(tmp_path / "p", "a/1.png", "b/1.png"))) == {
        names[0]: "a/1.png",
        names[1]: "b/1.png",
    }
    assert below(match_maps(roads("images/1.jpg", "images/2.jpg"), write(tmp_path / "q", "images/1.png", "1.png"))) == {
        "images/1.jpg": "images/1.png"
    }


def test_missing_and_extra_maps_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path, "1.png", "10.png", "9.png", ".hidden.png", ".cache/3.npy", "notes.txt", "4.heic")
    (tmp_path / "2.png").symlink_to(tmp_path / "nowhere.png")
    maps = match_maps(roads("1.jpg", "2.jpg", "3.jpg", "4.jpg"), folder)
    assert maps.extra == ("9.png", "10.png")
    assert maps.missing == {
        "2.jpg": f"{tmp_path / '2.png'}: broken link",
        "3.jpg": f"no map 3.* below {tmp_path}",
        "4.jpg": f"{tmp_path / '4.heic'}: the format .heic is not read: convert it to PNG or JPEG",
    }


def test_of_two_maps_the_png_is_taken(tmp_path: Path) -> None:
    maps = match_maps(roads("1.jpg", "2.jpg"), write(tmp_path, "1.jpg", "1.npy", "1.png", "2.png"))
    assert below(maps)["1.jpg"] == "1.png"
    assert maps.doubled == ("1.jpg",)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "no map below {root}: predictions are 8-bit grey images"),
        (("x_pred.png",), "the first image is 1.jpg, the first map x_pred.png: name them after the images"),
        (("fold/1.png",), "the first image is 1.jpg, the first map fold/1.png: pass {root}/fold"),
        (("a/1.png", "b/1.png"), "name them after the images"),
    ],
)
def test_where_nothing_matches_the_line_says_how_names_are_compared(tmp_path: Path, files: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words.format(root=tmp_path))) as caught:
        match_maps(roads("1.jpg"), write(tmp_path, *files))
    assert not files or "matches an image of roads: their paths must be the same but for the ending" in str(caught.value)


def test_the_folder_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="no folder of predictions at"):
        match_maps(roads("1.jpg"), tmp_path / "none")
    with pytest.raises(InputError, match="must be a folder of probability maps"):
        match_maps(roads("1.jpg"), write(tmp_path, "1.png") / "1.png")
