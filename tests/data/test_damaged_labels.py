"""Exports of labelling tools that are damaged are refused: none hangs, crashes or counts as blank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.data import Dataset, Item
from howfar.data.label_exports import read_labels
from howfar.data.masks import compressed, from_columns
from howfar.errors import InputError

ROADS = Dataset("roads", (Item("1.jpg", Path("1.jpg")), Item("2.jpg", Path("2.jpg"))))


def read(folder: Path, text: str, ending: str = ".json") -> Any:
    file = folder / f"labels{ending}"
    file.write_text(text, encoding="utf-8")
    return read_labels(ROADS, file).by_image


def coco(segmentation: Any = None, width: Any = 4, height: Any = 4, ids: tuple[int, ...] = (1,)) -> str:
    images = [{"id": one, "file_name": f"{place}.jpg", "width": width, "height": height} for place, one in enumerate(ids, 1)]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    return json.dumps({"images": images, "annotations": [] if segmentation is None else [annotation]})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e9, 1e30])
def test_endless_outlines_are_refused_before_they_hang_or_crash(tmp_path: Path, number: float) -> None:
    with pytest.raises(InputError, match="corner of a shape"):
        read(tmp_path, coco([[number, 0, 3, 0, 3, 3]]))


@pytest.mark.parametrize(
    "outline", [[[]], [[0, 0, 1, 1]], [[0, 0, 3, 0, 3, 3, 1]], [["a"] * 6], [[0, 0, 3, 0, 3, 3], [0, 0, 4, 4]]]
)
def test_outlines_have_three_corners_of_two_numbers(tmp_path: Path, outline: Any) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, coco(outline))


@pytest.mark.parametrize("side", [-4, 0, 10**6, 10**12, "4", 4.5, None, True])
def test_sizes_that_no_image_has_are_refused(tmp_path: Path, side: Any) -> None:
    with pytest.raises(InputError, match="size of an image"):
        read(tmp_path, coco(width=side, height=side))


@pytest.mark.parametrize(
    "segmentation",
    [
        {"counts": [2**62] * 4 + [16]},
        {"counts": [8.7, 8.2]},
        {"counts": ["8", "8"]},
        {"counts": "o" * 100_000},
        {"counts": [8, 8], "size": [2, 8]},
    ],
)
def test_run_lengths_that_are_not_the_images_are_refused(tmp_path: Path, segmentation: Any) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, coco(segmentation))


def test_run_lengths_alone() -> None:
    with pytest.raises(InputError, match="add up"):
        from_columns([2**62] * 4 + [16], 4, 4)
    with pytest.raises(InputError, match="compressed"):
        compressed("é")


def test_two_images_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two of its images have the id 1: number them anew"):
        read(tmp_path, coco(ids=(1, 1)))


def test_nested_brackets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, "[" * 200_000)


def cvat(shape: str, width: str = "4") -> str:
    return f'<annotations><image name="1.jpg" width="{width}" height="4">{shape}</image></annotations>'


@pytest.mark.parametrize("tag", ["polyline", "points", "ellipse", "cuboid", "skeleton"])
def test_shapes_that_are_no_area_do_not_count_as_nothing(tmp_path: Path, tag: str) -> None:
    with pytest.raises(InputError, match=f"{tag} of 1.jpg is no area"):
        read(tmp_path, cvat(f'<{tag} points="0,0;3,3"/>'), ".xml")


@pytest.mark.parametrize(
    "shape",
    [
        '<polygon points="nan,0;3,0;3,3"/>',
        '<polygon points="1e30,0;3,0;3,3"/>',
        '<box xtl="nan" ytl="0" xbr="2" ybr="2"/>',
        '<box xtl="inf" ytl="0" xbr="2" ybr="2"/>',
        '<mask rle="0,4" left="-2" top="0" width="2" height="2"/>',
        '<mask rle="0,4" left="50" top="50" width="2" height="2"/>',
        '<mask rle="0,4" left="0" top="0" width="-2" height="-2"/>',
    ],
)
def test_shapes_of_cvat_lie_in_their_image(tmp_path: Path, shape: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, cvat(shape), ".xml")


def test_a_box_of_cvat_is_turned_about_its_centre(tmp_path: Path) -> None:
    mask = read(tmp_path, cvat('<box xtl="1" ytl="18" xbr="39" ybr="22" rotation="90"/>', "40").replace('"4"', '"40"'), ".xml")
    rows, columns = np.nonzero(mask["1.jpg"])
    np.testing.assert_allclose((rows.min(), rows.max(), columns.min(), columns.max()), (1, 39, 18, 22), atol=1)


def studio(value: dict[str, Any], side: int = 40) -> str:
    result = {"original_width": side, "original_height": side, "value": value}
    return json.dumps([{"data": {"image": "/data/1.jpg"}, "annotations": [{"result": [result]}]}])


def test_a_rectangle_of_label_studio_is_turned_about_its_corner(tmp_path: Path) -> None:
    mask = read(tmp_path, studio({"x": 50, "y": 10, "width": 40, "height": 10, "rotation": 90}))["1.jpg"]
    rows, columns = np.nonzero(mask)
    # 16 pixels down from 4, and 4 to the left from 20: those whose centres lie inside.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 19, 16, 19)


@pytest.mark.parametrize("side", [-4, 0, 10**6])
def test_a_brush_of_no_image_is_refused(tmp_path: Path, side: int) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, studio({"rle": [0]}, side))
