"""Mask files to foreground."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from howfar.data import content_hash, read_mask
from howfar.data.binary_masks import Mask, mask_content, resize_mask
from howfar.data.image_bytes import exists, is_member
from howfar.errors import ImageError, InputError
from howfar.image_reading_options import by_colour, colour_of, reading_by


def foreground(tmp_path: Path, image: Image.Image, name: str = "m.png", **options: object) -> list[bool]:
    """The first row of a mask, after a round trip through a file."""
    image.save(tmp_path / name, **options)
    mask = read_mask(tmp_path / name)
    assert mask.dtype == np.bool_
    assert mask.shape == (image.height, image.width)
    return mask[0].tolist()


def rows(*values: float, dtype: type = np.uint8) -> np.ndarray:
    return np.array([values] * 4, dtype)


@pytest.mark.parametrize(
    "values",
    [
        rows(0, 127, 128, 255),
        rows(0, 0, 1, 1, dtype=bool),
        rows(0, 32767, 32768, 65535, dtype=np.uint16),
        rows(0, 127, 128, 255, dtype=np.uint16),
        rows(0.0, 0.4, 0.6, 1.0, dtype=np.float32),
    ],
    ids=["8 bits", "1 bit", "16 bits", "8 bits in 16", "floating"],
)
def test_foreground_is_above_half_of_the_range(tmp_path: Path, values: np.ndarray) -> None:
    name = "m.tif" if values.dtype == np.float32 else "m.png"
    assert foreground(tmp_path, Image.fromarray(values), name) == [False, False, True, True]


def test_palette_goes_by_colour_and_not_by_index(tmp_path: Path) -> None:
    for ground, own in (((255, 255, 255), (0, 0, 0)), ((128, 0, 0), (100, 100, 100))):
        image = Image.fromarray(rows(0, 1, 0, 1)).convert("P")
        image.putpalette([*ground, *own])
        assert foreground(tmp_path, image) == [True, False, True, False]


@pytest.mark.parametrize(
    "colours",
    [
        ((0, 0, 0), (0, 0, 255)),
        ((90, 90, 90), (255, 0, 0)),
        ((0, 0, 99), (200, 200, 0)),
        ((0, 0, 0, 255), (255, 0, 0, 255)),
        ((255, 0, 0, 0), (255, 0, 0, 255)),
    ],
)
def test_colour_counts_by_its_brightest_channel_and_transparent_is_background(tmp_path: Path, colours: Any) -> None:
    image = Image.fromarray(np.array([colours * 2] * 4, np.uint8))
    assert foreground(tmp_path, image) == [False, True, False, True]


def test_blank_masks_full_masks_and_dark_jpegs(tmp_path: Path) -> None:
    assert foreground(tmp_path, Image.new("L", (4, 4))) == [False] * 4
    assert foreground(tmp_path, Image.new("L", (8, 8), 90), "m.jpg") == [False] * 8
    for value in (255, 128, (0, 0, 255)):
        assert foreground(tmp_path, areas(value)) == [True] * 48
    turned = Image.Exif()
    turned[0x0112] = 3
    assert foreground(tmp_path, Image.fromarray(rows(0, 0, 255, 255)), exif=turned) == [True, True, False, False]


def areas(*values: int | tuple[int, ...], side: int = 48) -> Image.Image:
    """One upright stripe after another, of a few pixels each."""
    return Image.fromarray(np.repeat(np.array([values] * side, np.uint8), side // len(values), axis=1))


NAMED = r"it must have two, background up to 127 and foreground above; name the one that is foreground, as --foreground "


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize(
    "colours",
    [
        ((0, 0, 255), (255, 0, 0)),
        ((0, 0, 0), (255, 0, 0), (0, 255, 0)),
        ((0, 0, 0), (255, 255, 255), (0, 200, 0)),
        ((68, 1, 84), (253, 231, 37), (33, 145, 140)),
    ],
)
def test_a_mask_of_colours_of_which_none_is_background_is_refused(tmp_path: Path, colours: Any, ending: str) -> None:
    with pytest.raises(ImageError, match=r"^a mask of the colours (#\w{6}|\d+), .*: " + NAMED):
        foreground(tmp_path, areas(*colours), f"m.{ending}", **({"quality": 75} if ending == "jpg" else {}))


@pytest.mark.parametrize("values", [(0, 128, 255), (0, 1, 255), (0, 1, 2, 200), (128, 255), (140, 200, 250), (0, 60, 120, 180)])
def test_a_mask_of_grey_classes_is_refused(tmp_path: Path, values: tuple[int, ...]) -> None:
    shown = ", ".join(map(str, values))
    with pytest.raises(ImageError, match=f"^a mask of the values {shown}: {NAMED}{values[-1]}$"):
        foreground(tmp_path, areas(*values))
    if values in ((0, 128, 255), (128, 255)):
        with pytest.raises(ImageError, match=r"^a mask of the values .*: it must have two"):
            foreground(tmp_path, areas(*values), "m.jpg", quality=75)


def soft(mode: str) -> Image.Image:
    """Blurred lines, which have all grey levels at their edges."""
    shape = Image.new("L", (64, 64))
    for line in range(0, 64, 21):
        shape.paste(255, (line, 0, line + 2, 64))
    blurred = shape.filter(ImageFilter.GaussianBlur(1.5)).resize((96, 96), Image.Resampling.BICUBIC)
    return blurred if mode == "L" else Image.merge("RGB", (blurred, *[Image.new("L", blurred.size)] * 2))


def smaller(reduced: int) -> Image.Image:
    """A thin line and an area, reduced."""
    mask = np.zeros((96, 96), np.uint8)
    mask[np.arange(96), np.arange(96) // 2] = 255
    mask[60:93, 3:50] = 255
    return Image.fromarray(mask).reduce(reduced)


@pytest.mark.parametrize(
    ("image", "qualities"), [*((smaller(by), ()) for by in (2, 3, 4)), *((soft(mode), (10, 75)) for mode in ("L", "RGB"))]
)
def test_masks_with_soft_edges_are_masks(tmp_path: Path, image: Image.Image, qualities: tuple[int, ...]) -> None:
    assert len(np.unique(np.asarray(image))) > 3
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), np.asarray(image.convert("RGB")).max(axis=2) > 127)
    for quality in qualities:
        image.save(tmp_path / "m.jpg", quality=quality)
        assert 0 < read_mask(tmp_path / "m.jpg").mean() < 0.5


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_of_a_mask_is_a_mask_and_so_is_its_png(tmp_path: Path, quality: int, mode: str) -> None:
    rng = np.random.default_rng(2)
    blobs = Image.fromarray((rng.random((8, 8)) > 0.7).astype(np.uint8) * 255).resize((96, 96), Image.Resampling.BICUBIC)
    blobs.point(lambda value: 255 if value > 127 else 0).convert(mode).save(tmp_path / "m.jpg", quality=quality)
    with Image.open(tmp_path / "m.jpg") as image:
        image.save(tmp_path / "m.png")
        wanted = np.asarray(image.convert("RGB")).max(axis=2) > 127
    for ending in ("jpg", "png"):
        assert np.array_equal(read_mask(tmp_path / f"m.{ending}"), wanted)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("#ff0000", 1), ("255,0,0", 1), ((255, 0, 0), 1), ("0,0,255", 0), ("200", 2), (200, 2), ("#C8C8C8", 2), ("7", None)],
)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_foreground_is_the_colour_that_is_named(tmp_path: Path, written: object, wanted: int | None, ending: str) -> None:
    areas((0, 0, 255), (255, 0, 0), (200, 200, 200)).save(
        tmp_path / f"m.{ending}", **({"quality": 95} if ending == "jpg" else {})
    )
    with reading_by(written):
        mask = by_colour(tmp_path / f"m.{ending}")
    middles = read_mask(mask)[24, [8, 24, 40]].tolist()
    assert middles == [place == wanted for place in range(3)]
    assert exists(mask)
    assert not is_member(mask)


def test_the_colour_is_part_of_a_mask_s_content(tmp_path: Path) -> None:
    areas(0, 128, 255).save(tmp_path / "m.png")
    contents = []
    for colour in ("255", "128", None):
        with reading_by(colour):
            mask = by_colour(tmp_path / "m.png")
        contents.append(mask_content(mask))
        if colour is not None:
            assert Mask.read(mask).content == contents[-1]
    assert len(set(contents)) == 3
    assert contents[2] == content_hash((tmp_path / "m.png").read_bytes())


@pytest.mark.parametrize("wrong", ["red", "256", "1,2", "#ff00", "-1", "", "1,2,3,4", "12345678"])
def test_what_is_no_colour_is_refused(wrong: str) -> None:
    with pytest.raises(
        InputError, match=r"^foreground must be a colour of the masks, got .*: write 255, '#ff0000' or 255,0,0$"
    ):
        colour_of(wrong)


@pytest.mark.parametrize("top", [1, 2, 20, 127])
def test_a_mask_that_would_be_read_as_empty_is_refused(tmp_path: Path, top: int) -> None:
    line = f"a mask whose brightest value is {top}: foreground is above 127, so write it as 255"
    if top == 1:
        line = "a mask of 0 and 1: foreground is above 127, so multiply it by 255"
    grey = [Image.fromarray(rows(0, 1, 0, top, dtype=kind)) for kind in (np.uint8, np.uint16)]
    for image in (*grey, Image.new("RGB", (4, 4), (0, top, 1))):
        with pytest.raises(ImageError, match=line):
            foreground(tmp_path, image)
    for image in grey:
        image.save(tmp_path / "m.png")
        with reading_by(1):
            assert read_mask(by_colour(tmp_path / "m.png"))[0].tolist() == [False, True, False, top == 1]
    # A little noise of JPEG is not 0 and 1.
    assert foreground(tmp_path, Image.new("L", (8, 8), 1), "m.jpg", quality=100) == [False] * 8


@pytest.mark.parametrize(
    ("values", "grey"),
    [((0, 0, 255, 255), False), ((0, 200, 0, 200), False), ((0, 90, 255, 180), True), ((9, 128, 0, 99), True)],
)
def test_grey_levels_are_told_but_those_of_jpeg_are_its_noise(tmp_path: Path, values: tuple[int, ...], grey: bool) -> None:
    Image.fromarray(rows(*values)).save(tmp_path / "m.png")
    assert Mask.read(tmp_path / "m.png").grey is grey
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(tmp_path / "m.jpg")
    assert not Mask.read(tmp_path / "m.jpg").grey


SIDES = st.integers(1, 24)


@st.composite
def masks_and_sides(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    height, width = draw(SIDES), draw(SIDES)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    mask = rng.random((height, width)) < draw(st.sampled_from([0.02, 0.2, 0.7]))
    return mask, draw(SIDES), draw(SIDES)


def sources(place: int, own: int, count: int) -> list[int]:
    """Which pixels of an axis one pixel of the resized axis is made of, by exact fractions."""
    if count >= own:
        return [math.floor(Fraction(2 * place + 1, 2) * Fraction(own, count))]
    start, end = Fraction(place * own, count), Fraction((place + 1) * own, count)
    return [pixel for pixel in range(own) if pixel < end and pixel + 1 > start]


@given(masks_and_sides())
def test_an_axis_shrinks_by_any_covered_and_grows_by_nearest(case: tuple[np.ndarray, int, int]) -> None:
    mask, height, width = case
    found = resize_mask(mask, height, width)
    assert (found.shape, found.dtype) == ((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            rows, columns = sources(y, mask.shape[0], height), sources(x, mask.shape[1], width)
            assert found[y, x] == mask[np.ix_(rows, columns)].any()


def photograph(rng: np.random.Generator, channels: int) -> Image.Image:
    """Grey or coloured noise over a gradient, as asphalt is."""
    shade = np.linspace(80, 150, 64)[:, None, None] + rng.normal(0, 20, (64, 64, channels))
    return Image.fromarray(shade.clip(0, 255).astype(np.uint8).squeeze())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_photograph_is_no_mask(tmp_path: Path, channels: int, ending: str) -> None:
    with pytest.raises(ImageError, match=r"^a picture and no mask: \d+% of it is near neither black nor white, on \d+ levels"):
        foreground(tmp_path, photograph(np.random.default_rng(0), channels), f"m.{ending}")
