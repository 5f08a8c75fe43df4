"""Sheets of small pictures: what is shown where, in which proportions, and boxes for files that cannot be read."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from howfar.errors import InputError
from howfar.figures.contact_sheets import SIDE, grey, highest, middle, thumbnail, truth
from howfar.figures.estimated_performance import OVERLAY, failures, overlay
from howfar.results import Failures, Relation
from packed import tar_bytes

DAMAGED = b"\x89PNG\r\n\x1a\n"


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


@pytest.mark.parametrize(("f", "image"), [([0.9, 0.1, 0.5], "r"), ([0.9, 0.1, 0.5, 0.6], "r"), ([0.5, 0.5, 0.5], "q")])
def test_the_middle_is_the_lower_of_an_even_number_and_ties_go_by_name(f: list[float], image: str) -> None:
    assert middle(pd.DataFrame({"image": list("pqrs")[: len(f)], "f": f}), "f") == image


def test_a_map_is_grey_and_white_where_it_is_certain_and_thin_lines_stay() -> None:
    pixels = grey(lambda: np.eye(2)).pixels
    assert pixels is not None
    assert pixels[:, :, 0].tolist() == [[255, 0], [0, 255]]
    line = np.zeros((400, 600), dtype=np.uint8)
    line[200] = 200
    pixels = grey(lambda: line).pixels
    assert pixels is not None
    assert pixels.shape == (96, 144, 3)
    assert np.flatnonzero(pixels.any(axis=(1, 2))).tolist() == [48]
    assert pixels[48, 0].tolist() == [200, 200, 200]


def test_highest_is_the_maximum_of_what_a_pixel_covers_and_the_nearest_where_enlarged() -> None:
    values = np.random.default_rng(0).random((12, 9))
    np.testing.assert_array_equal(highest(values, 4, 3), values.reshape(4, 3, 3, 3).max(axis=(1, 3)))
    np.testing.assert_array_equal(highest(values, 12, 9), values)
    np.testing.assert_array_equal(highest(values, 24, 9)[::2], values)
    assert highest(np.array([[0.5]]), 2, 2).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_pictures_come_out_of_containers_and_from_urls_and_others_have_a_reason(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 150), (200, 10, 10)).save(buffer, "png")
    (tmp_path / "s.tar").write_bytes(tar_bytes([("1.png", buffer.getvalue()), ("2.png", b"damaged")]))
    (tmp_path / "cut.png").write_bytes(DAMAGED)
    fsspec.filesystem("memory").pipe("/thumbnails/1.png", buffer.getvalue())
    for path in (f"{tmp_path}/s.tar/1.png", "memory://thumbnails/1.png"):
        found = thumbnail(path)
        assert found.pixels is not None
        assert found.pixels.shape == (SIDE // 2, SIDE, 3)
    reasons = {"s.tar/2.png": "unreadable", "s.tar/3.png": "not found", "cut.png": "unreadable", "gone.png": "not found"}
    assert {name: thumbnail(f"{tmp_path}/{name}").reason for name in reasons} == reasons
    assert thumbnail(str(tmp_path)).reason == "not found"
    assert [thumbnail("").reason, truth("").reason, truth("gone.png").reason] == ["no file", "none", "not found"]


@pytest.fixture
def crack(tmp_path: Path, sized: Callable[..., Relation]) -> Relation:
    """One listed image of known pixels with its map."""
    relation = sized(("roads", 20), ("lanes", 20))
    images = relation.images.assign(listed=False, path="", prediction="").astype({"prediction": object})
    photo, prediction = tmp_path / "photo.png", tmp_path / "map.png"
    Image.new("RGB", (40, 20), (100, 100, 100)).save(photo)
    values = np.zeros((20, 40), dtype=np.uint8)
    values[10] = 255
    Image.fromarray(values).save(prediction)
    place = images.index[3]
    images.loc[place, ["path", "prediction"]] = [str(photo), str(prediction)]
    images.loc[place, ["listed"]] = True
    images.loc[place, ["estimate", "estimate_low", "estimate_high", "performance"]] = [0.2, 0.05, 0.4, 0.31]
    one = Failures("roads", 0.5, 0.1, "signals", 20, 1, 0.0, 3, 1)
    return replace(relation, images=images, failures=(one, Failures("lanes", 0.5, 0.1, "signals", 20, 0)))


def test_a_probable_failure_stands_beside_its_prediction_with_its_numbers(crack: Relation) -> None:
    figure = failures(crack)
    photo, beside = figure.axes[0].images
    assert photo.get_extent()[1] <= 1.0 < beside.get_extent()[0]
    assert (np.asarray(photo.get_array()) == 100).all()
    drawn = np.asarray(beside.get_array())
    assert drawn[10, 20].tolist() == list(OVERLAY)
    assert drawn[2, 20].tolist() == [139, 139, 139]  # 255 − 0.75 · (255 − 100)
    assert {"0.20 [0.05, 0.40] · 0.31", "roads  (1 of 20 listed)"} <= set(texts(figure))
    assert not any("lanes" in text for text in texts(figure))
    unknown = replace(crack, images=crack.images.assign(performance=np.nan, estimate_low=np.nan))
    assert "0.20" in texts(failures(unknown))


def test_the_lowest_estimates_come_first_k_at_most(related: Relation) -> None:
    found = related.probable_failures("street photographs").head(4)
    listed = related.images[(related.images["dataset"] == "street photographs") & related.images["listed"]]
    assert found["estimate"].tolist() == sorted(listed["estimate"])[:4]
    assert found["listed"].all()
    assert sum("[" in text.get_text() for text in failures(related, k=2).axes[0].texts) == 2 + 2 + 1 + 2
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        failures(related, k=0)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("", "no prediction"), (None, "no prediction"), ("gone.png", "prediction\nnot found"), ("cut", "prediction\nunreadable")],
)
def test_missing_and_unreadable_maps_are_boxes(path: str | None, reason: str, crack: Relation, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(DAMAGED)
    images = crack.images.copy()
    images.loc[images["listed"], "prediction"] = str(tmp_path / "cut.png") if path == "cut" else path
    figure = failures(replace(crack, images=images))
    assert reason in texts(figure)
    assert len(figure.axes[0].images) == 1


def test_maps_may_be_arrays_of_another_size(tmp_path: Path) -> None:
    values = np.zeros((400, 600))
    values[200] = 0.5
    np.save(tmp_path / "map.npy", values)
    drawn = overlay(np.full((96, 144, 3), 255, dtype=np.uint8), str(tmp_path / "map.npy")).pixels
    assert drawn is not None
    assert drawn.shape == (96, 144, 3)
    # A line of one pixel in 400 is still there.
    assert np.flatnonzero((drawn != 255).any(axis=(1, 2))).tolist() == [48]
    assert drawn[48, 0].tolist() == [255, 160, 208]
