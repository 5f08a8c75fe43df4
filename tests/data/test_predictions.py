"""Predictions: how maps and tables of classes are read, which belong to which image, and where maps go."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from howfar.data import Dataset, Item
from howfar.data.class_names_and_predictions import ClassPredictions, read_classes
from howfar.data.name_matching import match_names, no_match
from howfar.data.prediction_maps import MatchedMaps, map_paths, match_maps, read_prediction, signature_of, write_map
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
    Image.new("L", (8, 8), 99).save(tmp_path / "p.jpg")
    assert [read_prediction(tmp_path / file).lossy for file in (name, "p.jpg")] == [name == "p.webp", True]


GREY = Image.fromarray(rows(0, 3, 127, 255))
WIDE = Image.fromarray(rows(0, 300, 40000, 65535, dtype=np.uint16))


def test_grey_in_other_modes(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA", "LA"):
        assert first_row(tmp_path, GREY.convert(mode)) == [0, 3, 127, 255]
    palette = Image.fromarray(rows(0, 1, 2, 3)).convert("P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 200, 200, 200, 255, 255, 255])
    assert first_row(tmp_path, palette) == [0, 9, 200, 255]
    assert first_row(tmp_path, Image.fromarray(rows(0, 1, 0, 1).astype(bool))) == [0, 255, 0, 255]
    for mode in ("L", "I;16"):
        assert first_row(tmp_path, Image.new(mode, (4, 4))) == [0] * 4
    assert first_row(tmp_path, GREY, transparency=31) == [0, 3, 127, 255]
    assert first_row(tmp_path, WIDE, transparency=301) == [0, 300 / 65535, 40000 / 65535, 1]


def test_colours_and_transparency_are_refused(tmp_path: Path) -> None:
    heat = Image.fromarray(np.array([[(0, 0, 128), (0, 200, 0), (255, 0, 0), (9, 9, 9)]] * 4, np.uint8))
    assert refusal(tmp_path, heat) == "a colour picture, not a probability map: save one grey value for each pixel, p × 255"
    assert "transparent pixels" in refusal(tmp_path, Image.new("LA", (4, 4), (200, 100)))
    assert "transparent pixels" in refusal(tmp_path, GREY, transparency=3)
    assert "transparent pixels" in refusal(tmp_path, WIDE, transparency=300)


@pytest.mark.parametrize(
    ("values", "faint"),
    [
        (rows(0, 1, 0, 1), True),
        (rows(0, 1, 0, 2), False),
        (rows(0, 0, 0, 0), False),
        (rows(0, 1, 0, 1, dtype=np.float32), False),
        (rows(0, 1, 100, 255, dtype=np.uint16), True),
        (rows(0, 1, 100, 256, dtype=np.uint16), False),
        (rows(0, 1, 28180, 65535, dtype=np.uint16), False),
    ],
)
def test_wide_maps_keep_their_precision_and_maps_of_one_255th_at_most_are_faint(tmp_path, values, faint):
    wanted = values / 65535 if values.dtype == np.uint16 else values
    np.save(tmp_path / "p.npy", values)
    Image.fromarray(values).save(tmp_path / "p.tif")
    for name in ("p.npy", "p.tif"):
        found = read_prediction(tmp_path / name)
        assert (found.values.tolist(), found.faint) == (wanted.tolist(), faint)


def test_arrays_of_floats_bytes_booleans_and_a_further_axis_of_one(tmp_path: Path) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        array = rows(0.0, 0.25, 0.43, 1.0, dtype=dtype)
        for shaped in (array, array[None], array[..., None], array[None, None]):
            found = of_array(tmp_path, shaped)
            assert (found.dtype, found.tolist()) == (dtype, array.tolist())
    assert of_array(tmp_path, rows(0, 1, 2, 255))[0].tolist() == [0, 1, 2, 255]
    assert of_array(tmp_path, rows(0, 1, 0, 1).astype(bool))[0].tolist() == [0, 255, 0, 255]
    np.savez_compressed(tmp_path / "1.npz", np.full((3, 4), 0.25))
    assert read_prediction(tmp_path / "1.npz").values.tolist() == [[0.25] * 4] * 3


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


def test_unreadable_maps_carry_the_reason(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("text")
    (tmp_path / "p.npy").write_text("text")
    np.save(tmp_path / "o.npy", np.array([{}], object))
    np.savez(tmp_path / "z.npz", rows(0, 1, 2, 3))
    np.savez(tmp_path / "two.npz", a=np.zeros((3, 4)), b=np.zeros((3, 4)))
    whole = (tmp_path / "z.npz").read_bytes()
    for name, data in (("z.npy", whole), ("cut.npy", whole[:60]), ("cut.npz", whole[:-30])):
        (tmp_path / name).write_bytes(data)
    for name, words in {
        "p.png": "not an image",
        "p.npy": "not a .npy array",
        "o.npy": "not a .npy",
        "z.npy": "an archive of arrays",
        "cut.npy": "not a .npy",
        "cut.npz": "no .npz of one array: it is",
        "two.npz": r"no \.npz of one array: it holds 2 arrays \(a\.npy, b\.npy\)",
        "q.png": "no such file",
    }.items():
        with pytest.raises(ImageError, match=words):
            read_prediction(tmp_path / name)


def roads(*names: str) -> Dataset:
    return Dataset("roads", tuple(Item(name, Path(name)) for name in names))


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"map")
    return folder


def below(maps: MatchedMaps) -> dict[str, str]:
    return {image: file.relative_to(maps.folder).as_posix() for image, file in maps.files.items()}


def test_maps_are_matched_without_their_endings_the_png_first(tmp_path: Path) -> None:
    folder = write(tmp_path, "1.jpg", "1.npy", "1.png", "a/2.v2.npy", "b/2.v2.tif")
    maps = match_maps(roads("1.jpg", "a/2.v2.jpg", "b/2.v2.jpg"), folder)
    assert below(maps) == {"1.jpg": "1.png", "a/2.v2.jpg": "a/2.v2.npy", "b/2.v2.jpg": "b/2.v2.tif"}
    assert (maps.missing, maps.extra, maps.doubled) == ({}, (), ("1.jpg",))


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


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "no map below {root}: predictions are 8-bit grey images"),
        (("x_pred.png",), "the first image is 1.jpg, the first map x_pred.png: name them after the images"),
        (("fold/1.png",), "the first image is 1.jpg, the first map fold/1.png: pass {root}/fold"),
        (("a/b/1.png", "c.png"), "the first map a/b/1.png: pass {root}/a/b"),
        (("a/1.png", "b/1.png"), "name them after the images"),
        (("images/2.jpg", "masks/2.png"), "the first map images/2.jpg: {root} is a dataset, name the folder"),
    ],
)
def test_where_nothing_matches_the_line_says_how_names_are_compared(tmp_path: Path, files: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words.format(root=tmp_path))) as caught:
        match_maps(roads("1.jpg"), write(tmp_path, *files))
    assert not files or "matches an image of roads: their paths must be the same but for the ending" in str(caught.value)
    with pytest.raises(MissingPathError, match="no folder of predictions at"):
        match_maps(roads("1.jpg"), tmp_path / "none")
    with pytest.raises(InputError, match="must be a folder of probability maps"):
        match_maps(roads("1.jpg"), write(tmp_path, "1.png") / "1.png")


NAMES = st.lists(st.text("ab1", min_size=1, max_size=3), min_size=1, max_size=5, unique=True)


@given(NAMES)
def test_every_image_finds_its_own_name_below_any_shared_folder(names: list[str]) -> None:
    dataset = roads(*(f"sets/images/{name}.jpg" for name in names))
    assert list(match_names(dataset, set(names)).values()) == names
    whole = [f"sets/images/{name}" for name in names]
    assert list(match_names(dataset, set(whole)).values()) == whole


@pytest.mark.parametrize(
    ("names", "paths", "keys"),
    [
        # Only what all images share is left out,
        (("a/x/1.jpg", "a/y/1.jpg"), {"x/1", "y/1"}, ("x/1", "y/1")),
        (("a/x/1.jpg", "a/y/1.jpg"), {"1"}, ("a/x/1", "a/y/1")),
        # or a part of it where that finds predictions; whole names and names without all shared folders count before that.
        (("/data/site/a/1.jpg", "/data/site/a/2.jpg"), {"a/1", "a/2", "other/3"}, ("a/1", "a/2")),
        (("/data/site/a/1.jpg", "/data/site/a/2.jpg"), {"1", "a/1", "a/2"}, ("1", "2")),
        (("/data/site/a/1.jpg",), {"site/a/1"}, ("site/a/1",)),
    ],
)
def test_which_folders_are_left_out(names: tuple[str, ...], paths: set[str], keys: tuple[str, ...]) -> None:
    assert match_names(roads(*names), paths) == dict(zip(names, keys, strict=True))
    assert no_match(roads(*names), "map", "maps", []).endswith("it holds none: name what the model's maps are in")


@pytest.mark.parametrize(
    ("names", "below"),
    [
        (["1.jpg", "a/1.jpg", "a/b.v2.JPEG", "ü x.tif"], ["1.png", "a/1.png", "a/b.v2.png", "ü x.png"]),
        (["/data/a/1.jpg", "/data/b/1.jpg"], ["a/1.png", "b/1.png"]),
        (["/data/a/1.jpg"], ["1.png"]),
        (["../site/1.jpg", "../site/2.jpg"], ["1.png", "2.png"]),
        (["images/1.jpg", "images/2.jpg"], ["images/1.png", "images/2.png"]),
    ],
)
def test_maps_go_by_the_images_names_but_those_that_lead_out_lose_shared_folders(names: list[str], below: list[str]) -> None:
    found = map_paths("/maps", roads(*names))
    assert [path.relative_to("/maps").as_posix() for path in found] == below
    assert [item.name for item in found.values()] == names


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["a/1.jpg", "b/1.jpg", "a/1.png"], r"must give each map a name of its own, got 'a/1.png': rename one"),
        (["../a/1.jpg", "b/1.jpg"], "must have its images below one folder"),
        (["/a/1.jpg", "b/1.jpg"], "must have its images below one folder"),
        (["a/../../1.jpg", "a/b/1.jpg"], "must have its images below one folder"),
    ],
)
def test_names_that_meet_or_still_lead_out_are_refused(names: list[str], line: str) -> None:
    with pytest.raises(InputError, match=f"dataset roads {line}"):
        map_paths("/maps", roads(*names))


@pytest.mark.parametrize("signature", ["model a", '{"a": [1, 2], "näme": "röads"}', "x" * 5000])
def test_a_map_and_its_signature_are_read_as_they_were_written(signature: str, tmp_path: Path) -> None:
    file, values = tmp_path / "a" / "1.png", np.arange(200, dtype=np.uint8).reshape(10, 20)
    write_map(file, values, signature)
    assert signature_of(file) == signature
    found = read_prediction(file).values
    assert (found.dtype, found.tolist()) == (np.uint8, values.tolist())
    write_map(file, np.zeros((4, 4), np.uint8), "another")
    assert signature_of(file) == "another"
    assert [one.name for one in file.parent.iterdir()] == ["1.png"]


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


def test_a_folder_or_a_file_at_a_maps_place_is_one_line(tmp_path: Path) -> None:
    file, map_of_zeros = tmp_path / "1.png", np.zeros((4, 4), np.uint8)
    file.mkdir()
    line = r"the place of a map must hold no folder, got '.*1\.png': choose another folder, or"
    with pytest.raises(InputError, match=line):
        signature_of(file)
    with pytest.raises(InputError, match=line):
        write_map(file, map_of_zeros)
    (tmp_path / "a").write_text("mine")
    for place in ("a/1.png", "a/b/1.png"):
        assert signature_of(tmp_path / place) is None
        with pytest.raises(InputError, match=r"the place of a map must be below folders only, got '.*1\.png': choose another"):
            write_map(tmp_path / place, map_of_zeros)
    assert (tmp_path / "a").read_text() == "mine"


def classes_in(tmp_path: Path, text: str) -> ClassPredictions:
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    return read_classes(tmp_path / "p.csv")


def test_probabilities(tmp_path: Path) -> None:
    found = classes_in(tmp_path, "\ufeffimage, label ,NA\n1.jpg,0.9,0.1\n2.jpg,0.2,0.8\n3.jpg,,0.8\n")
    assert (found.images, found.classes) == (("1.jpg", "2.jpg", "3.jpg"), ("label", "NA"))
    assert found.predicted == ("label", "NA", "")
    assert np.array_equal(found.confidence, [0.9, 0.8, np.nan], equal_nan=True)
    assert np.array_equal(found.probabilities, [[0.9, 0.1], [0.2, 0.8], [np.nan, 0.8]], equal_nan=True)


def test_predicted_classes_with_and_without_confidence(tmp_path: Path) -> None:
    found = classes_in(tmp_path, "image,predicted,confidence,other\nNA,null,0.5,x\n2.jpg,,,y\n")
    assert (found.images, found.classes, found.predicted) == (("NA", "2.jpg"), ("null",), ("null", ""))
    assert found.probabilities is None
    assert np.array_equal(found.confidence, [0.5, np.nan], equal_nan=True)
    assert np.isnan(classes_in(tmp_path, "image,predicted\n1.jpg,wet\n").confidence).all()
    pd.DataFrame({"image": ["1.jpg"], "0": [0.25], "1": [0.75]}).to_parquet(tmp_path / "p.parquet")
    found = read_classes(tmp_path / "p.parquet")
    assert (found.classes, found.predicted, found.confidence.tolist()) == (("0", "1"), ("1",), [0.75])
    (tmp_path / "p.parquet").write_text("text")
    with pytest.raises(InputError, match="cannot be read"):
        read_classes(tmp_path / "p.parquet")
    with pytest.raises(MissingPathError, match="nothing at"):
        read_classes(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,dry,wet\n1.jpg,0.5,0.5\n", "has 1 rows and the columns name, dry, wet: it needs rows with the column image"),
        ("image\n1.jpg\n", "name others by --columns image=NAME,label=NAME"),
        ("image,dry,wet\n", "has 0 rows"),
        ("image,dry,wet\n1.jpg,0.5,0.5\n,1,0\n", "row 2 has no image"),
        ("image,dry,wet\n1.jpg,0.5,0.5\n ./1.jpg,1,0\n", "image 1.jpg is there twice"),
        ("image,dry\n1.jpg,0.5\n", "has probabilities of one class only (dry)"),
        ("image,dry,wet\n1.jpg,high,low\n", "column dry must hold numbers"),
        ("image,predicted,confidence\n1.jpg,dry,97\n", "column confidence must lie in 0-1"),
        ("image,label\n1.jpg,wet,\n2.jpg,dry,\n", "its rows have more cells than its header"),
    ],
)
def test_what_is_no_such_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        classes_in(tmp_path, text)
    assert words in str(caught.value)
