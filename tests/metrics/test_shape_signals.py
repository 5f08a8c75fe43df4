"""Signals of the thresholded map: soft F, overlap with the flipped image's map, and the shape of the foreground."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import f1_score

from howfar.errors import InputError
from howfar.metrics import count, f_per_image, flip_overlap, foreground_shape, histogram, soft_f, threshold_index
from howfar.metrics.probability_maps import above

MAPS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(MAPS, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_soft_f_is_f_with_expected_counts(values: np.ndarray, hundredth: int) -> None:
    p = values / 255
    b = above(values, hundredth / 100)
    size = p.sum() + b.sum()
    expected = 2 * (p * b).sum() / size if size else 0.0
    assert soft_f(histogram(values), hundredth / 100) == pytest.approx(expected, abs=1e-12)


@given(arrays.arrays(np.bool_, (5, 7)), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_soft_f_of_a_sure_map_is_its_f_against_itself(mask: np.ndarray, hundredth: int) -> None:
    wanted = f_per_image(count(mask, mask))[0, threshold_index(hundredth / 100)] if mask.any() else 0.0
    assert soft_f(histogram(mask), hundredth / 100) == pytest.approx(wanted)


@given(MAPS, st.integers(0, 99), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_flip_overlap_is_dice_of_the_two_thresholded_maps(values: np.ndarray, hundredth: int, seed: int) -> None:
    other = np.random.default_rng(seed).permuted(values)
    b, mirrored = above(values, hundredth / 100), above(other, hundredth / 100)[:, ::-1]
    expected = f1_score(b.ravel(), mirrored.ravel(), zero_division=0.0) if b.any() or mirrored.any() else 0.0
    assert flip_overlap(values, other, hundredth / 100) == pytest.approx(expected)
    assert flip_overlap(values, values[:, ::-1], hundredth / 100) == (1.0 if b.any() else 0.0)


def test_a_threshold_means_the_same_of_bytes_and_floats() -> None:
    values = np.arange(256, dtype=np.uint8)[None]
    for hundredth in range(100):
        np.testing.assert_array_equal(above(values, hundredth / 100), 100 * values.astype(int) > 255 * hundredth)
        np.testing.assert_array_equal(
            above(values / 255.0, hundredth / 100), above((values / 255).astype(np.float32), hundredth / 100)
        )


def test_shape_of_a_drawn_foreground() -> None:
    image = np.zeros((60, 80))
    image[10:15, 5:65] = 0.9  # a bar of 5 × 60
    image[40:42, 70:72] = 0.9  # a dot
    image[12, 65] = 0.9  # touches the bar's end: one piece with it
    found = foreground_shape(image, 0.5)
    assert found["foreground_components"] == 2
    assert found["foreground_extent"] == pytest.approx(np.hypot(5, 61) / 100)
    # Rows of a long bar lie 1, 2, 3, 2, 1 pixels from the background.
    assert found["foreground_width"] == pytest.approx(1.8, abs=0.05)


def test_pieces_touch_at_corners_and_nothing_and_everything_have_a_shape() -> None:
    assert foreground_shape(np.eye(6), 0.5)["foreground_components"] == 1
    assert set(foreground_shape(np.zeros((4, 3)), 0.5).values()) == {0.0}
    assert foreground_shape(np.ones((3, 4)), 0.5) == {
        "foreground_extent": 1.0, "foreground_width": 5.0, "foreground_components": 1.0,
    }  # fmt: skip


def test_wrong_maps_and_thresholds_are_refused() -> None:
    for call in (lambda t: soft_f(histogram([[0.1]]), t), lambda t: flip_overlap([[0.1]], [[0.1]], t)):
        with pytest.raises(InputError, match=r"threshold must lie in \[0, 1\], got 1.5"):
            call(1.5)
    with pytest.raises(InputError, match=r"threshold must lie in \[0, 1\]"):
        foreground_shape([[0.1]], -0.1)
    with pytest.raises(InputError, match="must have one shape"):
        flip_overlap([[0.1]], [[0.1, 0.2]], 0.5)
    with pytest.raises(InputError, match="256 whole numbers"):
        soft_f([1, 2], 0.5)
