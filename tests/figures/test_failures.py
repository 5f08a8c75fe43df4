from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from PIL import Image

from howfar.errors import InputError
from howfar.figures.estimates import OVERLAY, failures, lowest, overlay
from howfar.figures.pictures import highest
from howfar.results import Failures, Relation


def sheet(relation: Relation, **options: int) -> Axes:
    (axes,) = failures(relation, **options).axes
    return axes


@pytest.fixture
def crack(tmp_path: Path, sized: Callable[..., Relation]) -> Relation:
    """One listed image of known pixels with its map."""
    relation = sized(("roads", 20), ("lanes", 20))
    images = relation.images.assign(listed=False, path="", prediction="")
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


def test_image_and_overlay_side_by_side_with_their_numbers(crack: Relation) -> None:
    axes = sheet(crack)
    photo, beside = (image for image in axes.images if isinstance(image, AxesImage))
    assert photo.get_extent()[1] <= 1.0 < beside.get_extent()[0]
    assert (np.asarray(photo.get_array()) == 100).all()
    drawn = np.asarray(beside.get_array())
    assert drawn[10, 20].tolist() == list(OVERLAY)
    assert drawn[2, 20].tolist() == [139, 139, 139]  # 255 − 0.75 · (255 − 100)
    written = [text.get_text() for text in axes.texts]
    assert "0.20 [0.05, 0.40] · 0.31" in written
    assert "roads  (1 of 20 listed)" in written


def test_only_datasets_with_listed_images_are_shown(crack: Relation) -> None:
    assert not any("lanes" in text.get_text() for text in sheet(crack).texts)


def test_unknown_performance_and_interval_are_left_out(crack: Relation) -> None:
    images = crack.images.assign(performance=np.nan, estimate_low=np.nan)
    assert "0.20" in [text.get_text() for text in sheet(replace(crack, images=images)).texts]


def test_the_lowest_estimates_come_first(related: Relation) -> None:
    found = lowest(related.images, "street photographs", 4)
    listed = related.images[(related.images["dataset"] == "street photographs") & related.images["listed"]]
    assert found["estimate"].tolist() == sorted(listed["estimate"])[:4]
    assert found["listed"].all()


@pytest.mark.parametrize(
    ("path", "reason"), [("", "no prediction"), ("gone.png", "prediction\nnot found"), (None, "no prediction")]
)
def test_missing_maps_are_boxes(path: str | None, reason: str, crack: Relation) -> None:
    images = crack.images.copy()
    images["prediction"] = images["prediction"].astype(object)
    images.loc[images["listed"], "prediction"] = path
    axes = sheet(replace(crack, images=images))
    assert reason in [text.get_text() for text in axes.texts]
    assert len(axes.images) == 1


def test_unreadable_maps_are_boxes(crack: Relation, tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "prediction\nunreadable" in [text.get_text() for text in sheet(crack).texts]


def test_maps_may_be_arrays_of_another_size(tmp_path: Path) -> None:
    values = np.zeros((400, 600))
    values[200] = 0.5
    np.save(tmp_path / "map.npy", values)
    drawn = overlay(np.full((96, 144, 3), 255, dtype=np.uint8), str(tmp_path / "map.npy")).pixels
    assert drawn is not None
    assert drawn.shape == (96, 144, 3)
    rows = np.flatnonzero((drawn != 255).any(axis=(1, 2)))
    assert rows.tolist() == [48]  # a line of one pixel in 400 is still there
    assert drawn[48, 0].tolist() == [255, 160, 208]


def test_highest_is_the_maximum_of_what_a_pixel_covers() -> None:
    values = np.random.default_rng(0).random((12, 9))
    np.testing.assert_array_equal(highest(values, 4, 3), values.reshape(4, 3, 3, 3).max(axis=(1, 3)))
    np.testing.assert_array_equal(highest(values, 12, 9), values)
    np.testing.assert_array_equal(highest(values, 24, 9)[::2], values)


def test_k_images_at_most(related: Relation) -> None:
    assert sum("[" in text.get_text() for text in sheet(related, k=2).texts) == 2 + 2 + 1 + 2
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        failures(related, k=0)
