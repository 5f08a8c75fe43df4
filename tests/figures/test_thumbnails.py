from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from PIL import Image

from howfar.errors import InputError
from howfar.figures.pictures import SIDE, ends, thumbnail, thumbnails
from howfar.results import Comparison
from packed import tar_bytes


def axes_of(comparison: Comparison, **options: int) -> Axes:
    (axes,) = thumbnails(comparison, **options).axes
    return axes


def pictures(axes: Axes) -> list[AxesImage]:
    return [image for image in axes.images if isinstance(image, AxesImage)]


def test_shows_the_closest_left_and_the_farthest_right(six: Comparison) -> None:
    axes = axes_of(six, k=3)
    # roads-dry is the second row: its pictures lie between those of its neighbours.
    near, far = ends(six.images[six.images["dataset"] == "street photographs"], 3)
    wanted = [*near["image"], *far["image"]]
    line = [image for image in pictures(axes) if str(image.get_label()) in wanted]
    left = [str(image.get_label()) for image in line if image.get_extent()[0] < 3.3]
    right = [str(image.get_label()) for image in line if image.get_extent()[0] > 3.3]
    assert set(near["image"]) <= set(left)
    assert set(far["image"]) <= set(right)


def test_counts_pictures_and_boxes(six: Comparison) -> None:
    axes = axes_of(six, k=5)
    # Of 10 images a row, 6 have files; of the 7 tunnel images 6 have, and there is one image in the last set.
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(pictures(axes)) == 4 * 6 + 6 + 1
    assert len(boxes) == 4 * 4 + 1
    assert sum("not found" in text.get_text() for text in axes.texts) == len(boxes)


def test_pictures_come_out_of_containers_and_from_urls(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 150), (200, 10, 10)).save(buffer, "png")
    (tmp_path / "s.tar").write_bytes(tar_bytes([("1.png", buffer.getvalue()), ("2.png", b"damaged")]))
    fsspec.filesystem("memory").pipe("/thumbnails/1.png", buffer.getvalue())
    for path in (f"{tmp_path}/s.tar/1.png", "memory://thumbnails/1.png"):
        found = thumbnail(path)
        assert found.pixels is not None
        assert found.pixels.shape == (SIDE // 2, SIDE, 3)
    reasons = {"2.png": "unreadable", "3.png": "not found"}
    assert {name: thumbnail(f"{tmp_path}/s.tar/{name}").reason for name in reasons} == reasons


def test_no_image_twice_in_a_small_set(six: Comparison) -> None:
    near, far = ends(six.images[six.images["dataset"] == "tunnel linings $x$"], 5)
    assert (len(near), len(far)) == (5, 2)
    assert not set(near["image"]) & set(far["image"])


def test_distance_and_percentile_under_each(six: Comparison) -> None:
    texts = [text.get_text() for text in axes_of(six, k=1).texts]
    first = six.images[six.images["dataset"] == "roads-dry"].iloc[0]
    assert f"{first['i_dist_mean']:#.3g} · {first['percentile']:.0f} %" in texts


def test_pictures_keep_their_proportions_and_stay_small(tmp_path: Path, six: Comparison) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (1200, 300), (10, 200, 30)).save(path)
    found = thumbnail(str(path))
    assert found.pixels is not None
    assert found.pixels.shape == (SIDE // 4, SIDE, 3)
    images = six.images[six.images["dataset"] == "one"].assign(path=str(path))
    axes = axes_of(replace(six, datasets=six.datasets[5:], images=images))
    left, right, bottom, top = pictures(axes)[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(4.0)
    np.testing.assert_array_equal(np.asarray(pictures(axes)[0].get_array())[0, 0], [10, 200, 30])


def test_unreadable_files_are_boxes(tmp_path: Path, six: Comparison) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert thumbnail(str(path)).reason == "unreadable"
    assert thumbnail(str(tmp_path)).reason == "not found"
    images = six.images.assign(path="")
    axes = axes_of(replace(six, images=images), k=1)
    assert not pictures(axes)
    assert sum("no file" in text.get_text() for text in axes.texts) == 11


def test_refuses_k_below_one(six: Comparison) -> None:
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        thumbnails(six, k=0)
