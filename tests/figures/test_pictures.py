"""Sheets of small pictures: what is shown where, in which proportions, and boxes for files that cannot be read."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from figures import believable
from howfar.errors import InputError
from howfar.figures import registration
from howfar.figures.contact_sheets import (
    SIDE,
    contact_sheet,
    ends,
    grey,
    highest,
    middle,
    near_duplicates,
    shown_pairs,
    thumbnail,
    thumbnails,
    truth,
)
from howfar.figures.estimate_figures import OVERLAY, failures, lowest, overlay
from howfar.report import comparison_report
from howfar.report.comparison_report import NEAR_DUPLICATES
from howfar.results import Comparison, Failures, Pick, Provenance, Relation, Selection
from packed import tar_bytes

DAMAGED = b"\x89PNG\r\n\x1a\n"


def pictures(figure: Figure) -> dict[str, Any]:
    return {str(image.get_label()): image for image in figure.axes[0].images}


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


def test_shows_the_closest_left_and_the_farthest_right(six: Comparison) -> None:
    near, far = ends(six.images[six.images["dataset"] == "street photographs"], 3)
    places = [(str(image.get_label()), image.get_extent()[0]) for image in thumbnails(six, k=3).axes[0].images]
    assert set(near["image"]) <= {name for name, left in places if left < 3.3}
    assert set(far["image"]) <= {name for name, left in places if left > 3.3}
    near, far = ends(six.images[six.images["dataset"] == "tunnel linings $x$"], 5)
    assert (len(near), len(far)) == (5, 2)
    assert not set(near["image"]) & set(far["image"])


def test_counts_pictures_and_boxes_and_writes_distance_and_percentile(six: Comparison) -> None:
    (axes,) = thumbnails(six, k=5).axes
    # Of 10 images a row, 6 have files; of the 7 tunnel images 6 have, and there is one image in the last set.
    assert len(axes.images) == 4 * 6 + 6 + 1
    assert len(axes.patches) == 4 * 4 + 1 == sum("not found" in text.get_text() for text in axes.texts)
    row = six.images[six.images["dataset"] == "roads-dry"].iloc[0]
    assert f"{row['i_dist_mean']:#.3g} · {row['percentile']:.0f} %" in texts(thumbnails(six, k=1))
    bare = thumbnails(replace(six, images=six.images.assign(path="")), k=1)
    assert not bare.axes[0].images
    assert sum("no file" in text for text in texts(bare)) == 11
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        thumbnails(six, k=0)


def test_pictures_keep_their_proportions_and_stay_small(tmp_path: Path, six: Comparison) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (1200, 300), (10, 200, 30)).save(path)
    found = thumbnail(str(path))
    assert found.pixels is not None
    assert found.pixels.shape == (SIDE // 4, SIDE, 3)
    images = six.images[six.images["dataset"] == "one"].assign(path=str(path))
    (axes,) = thumbnails(replace(six, datasets=six.datasets[5:], images=images)).axes
    left, right, bottom, top = axes.images[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(4.0)
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array())[0, 0], [10, 200, 30])


def test_nearly_equal_pairs_of_p_are_shown_first(six: Comparison, tmp_path: Path) -> None:
    copied = believable.with_copies(six)
    assert NEAR_DUPLICATES.content(six, None) is None
    words = registration("near_duplicates", near_duplicates)
    assert words.shows(copied)
    assert not words.shows(six)
    assert shown_pairs(copied)["agreement"].tolist() == [0.9, 0.7]
    listed = [row[0].text for row in comparison_report.pairs(copied).rows if row[2].text.startswith("nearly")]
    assert shown_pairs(copied)["image"].tolist() == listed
    seen = "\n".join(texts(near_duplicates(copied, limit=1)))
    assert "90 %, mirrored" in seen
    assert "1 of 2 pairs are shown" in seen
    assert "p2.png" in words.caption(copied).alternative
    gone = replace(copied, near_duplicates=copied.near_duplicates.assign(path=str(tmp_path / "gone.png")))
    assert "not found" in texts(near_duplicates(gone))


@pytest.fixture
def nine(tmp_path: Path) -> Selection:
    """Nine picks: each a picture of one colour, 60 × 30 or 30 × 60, but for the fifth, whose file is gone."""
    picks = []
    for rank in range(1, 10):
        path = tmp_path / f"image {rank}.png"
        Image.new("RGB", (60, 30) if rank % 2 else (30, 60), (rank * 20, 0, 0)).save(path)
        picks.append(Pick(rank, f"below/image {rank}.png", str(path), rank / 10, "why"))
    Path(picks[4].path).unlink()
    return Selection("roads$x$", "a$b_{$", "far", True, 0, 1200, 0, tuple(picks), provenance=Provenance.now())


def test_chosen_images_stand_seven_a_row_in_the_order_of_choice(nine: Selection) -> None:
    shown, ranks = pictures(contact_sheet(nine)), (1, 2, 3, 4, 6, 7, 8, 9)
    assert list(shown) == [pick.image for pick in nine.picks if pick.rank != 5]
    middles = [np.mean(np.reshape(image.get_extent(), (2, 2)), axis=1) for image in shown.values()]
    np.testing.assert_allclose([middle[0] for middle in middles], [0.5 + 1.12 * ((rank - 1) % 7) for rank in ranks])
    np.testing.assert_allclose([middle[1] for middle in middles], [0.5] * 6 + [1.92] * 2)
    for image, rank in zip(shown.values(), ranks, strict=True):
        assert np.asarray(image.get_array())[0, 0].tolist() == [rank * 20, 0, 0]
        left, right, bottom, top = image.get_extent()
        assert (right - left) / (bottom - top) == pytest.approx(2.0 if rank % 2 else 0.5)


def test_a_sheet_has_place_distance_and_name_below_and_a_box_for_a_file_that_is_gone(nine: Selection) -> None:
    before = dict(matplotlib.rcParams)
    figure = nine.plot.contact_sheet()
    assert dict(matplotlib.rcParams) == before
    seen = "\n".join(texts(figure))
    for pick in nine.picks:
        assert f"{pick.rank} · {pick.distance:.2f}" in seen
        assert f"image {pick.rank}.png" in seen
    assert "9 of 1,200 images of a$b_{$, chosen by far" in seen
    assert "scaled distance from roads$x$" in seen
    assert "not found" in seen
    (box,) = figure.axes[0].patches
    assert box.get_label() == nine.picks[4].image
    assert box.get_xy() == (pytest.approx(4 * 1.12), 0.0)


def test_a_sheet_grows_with_the_picks_and_says_how_many_it_leaves_out(nine: Selection) -> None:
    heights = [contact_sheet(replace(nine, picks=nine.picks[:count])).get_size_inches()[1] for count in (1, 7, 8)]
    assert heights[0] == heights[1] < heights[2]
    two = contact_sheet(nine, limit=2)
    assert len(two.axes[0].images) == 2
    assert "The first 2 are shown." in two.get_suptitle()
    assert "are shown" not in contact_sheet(nine, limit=9).get_suptitle()
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        contact_sheet(nine, limit=0)


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
    found = lowest(related.images, "street photographs", 4)
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
