"""Regions of a predicted foreground: their features against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics.image_structure import FEATURES, MOST, foreground_regions


def test_two_regions_the_larger_first() -> None:
    p, picture = np.zeros((40, 60), np.uint8), np.full((40, 60, 3), 200, np.uint8)
    p[5:9, 5:45], picture[5:9, 5:45] = 204, 40  # a bar of 4 × 40
    p[20:30, 20:30] = 255  # a square of 100 pixels
    p[35, 50:53] = 255  # 3 pixels are noise
    found = foreground_regions(p, picture, 0.5)
    bar, square = (dict(zip(FEATURES, row, strict=True)) for row in found)
    assert len(found) == 2
    assert (bar["area"], square["area"]) == (160 / 2400, 100 / 2400)
    assert bar["extent"] == pytest.approx(np.hypot(4, 40) / np.hypot(40, 60))
    # The variance of n even pixels in a row, each as wide as a pixel, is n²/12.
    assert (bar["elongation"], square["elongation"]) == pytest.approx((1 - 4 / 40, 0.0))
    assert (bar["probability_mean"], bar["probability_std"]) == pytest.approx((0.8, 0.0), abs=1e-12)
    assert (bar["grey_mean"], bar["rim_mean"]) == pytest.approx((40 / 255, 200 / 255))
    assert (square["grey_mean"], square["rim_mean"]) == pytest.approx((200 / 255, 200 / 255))


def test_the_rim_is_no_foreground_and_no_region_has_its_own_values_instead() -> None:
    p, picture = np.zeros((20, 20)), np.zeros((20, 20))
    p[:, 8:10], p[:, 11:13] = 0.9, 0.9
    picture[:, 11:13], picture[:, 10] = 255.0, 51.0
    left, right = foreground_regions(p, picture, 0.5)
    # Of the pixels within 2 of the left bar, columns 6, 7 and 10 are no foreground; 11 is the other bar's.
    assert left[FEATURES.index("rim_mean")] == pytest.approx(0.2 / 3)
    assert right[FEATURES.index("grey_mean")] == 1.0
    (whole,) = foreground_regions(np.ones((20, 20)), picture, 0.5)
    assert whole[FEATURES.index("rim_mean")] == whole[FEATURES.index("grey_mean")]


def test_at_most_the_largest_and_none_where_nothing_is_predicted() -> None:
    p = np.zeros((100, 100))
    for number in range(20):
        row, column = divmod(number, 5)
        p[20 * row : 20 * row + 2, 20 * column : 20 * column + 5 + (number % 7)] = 1.0
    found = foreground_regions(p, np.zeros((100, 100)), 0.5)
    assert found.shape == (MOST, len(FEATURES))
    assert (np.diff(found[:, 0]) <= 0).all()
    assert foreground_regions(p, np.zeros((100, 100)), 1.0).shape == (0, len(FEATURES))


def test_sizes_that_differ_and_pictures_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="one size"):
        foreground_regions(np.zeros((4, 5)), np.zeros((5, 4)), 0.5)
    with pytest.raises(InputError, match="picture must be"):
        foreground_regions(np.zeros((4, 5)), np.zeros((4, 5, 2)), 0.5)
