"""Numbers of the picture and of the predicted foreground, against scipy's and values worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from scipy.signal import convolve2d
from scipy.stats import spearmanr

from howfar.errors import InputError
from howfar.metrics.image_structure import (
    FEATURES,
    edge_preference,
    foreground_regions,
    foreground_shape,
    gradient_magnitude,
    ridge_response,
    ridge_strength,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)


def test_the_gradient_is_sobels() -> None:
    grey = np.pad(PICTURE @ np.array([0.299, 0.587, 0.114]), 1, mode="edge")
    across = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    expected = np.hypot(convolve2d(grey, across, "valid"), convolve2d(grey, across.T, "valid"))
    np.testing.assert_allclose(gradient_magnitude(PICTURE), expected)


def test_it_is_scipys_rank_correlation_with_ties(rng: np.random.Generator) -> None:
    p = rng.integers(0, 5, PICTURE.shape[:2], dtype=np.uint8)
    expected = spearmanr(p.ravel(), gradient_magnitude(PICTURE).ravel()).statistic
    assert edge_preference(p, PICTURE) == pytest.approx(expected, abs=1e-9)


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


def line(width: int, dark: float, ground: float) -> np.ndarray:
    picture = np.full((64, 64), ground)
    picture[32 : 32 + width] = dark
    return picture


def test_it_is_the_difference_of_the_eigenvalues_of_the_hessian() -> None:
    picture = np.random.default_rng(0).uniform(size=(30, 40))
    parts = {order: gaussian_filter(picture, 2.0, order, mode="nearest", truncate=6.0) for order in ((2, 0), (0, 2), (1, 1))}
    hessian = np.stack([np.stack([parts[2, 0], parts[1, 1]], -1), np.stack([parts[1, 1], parts[0, 2]], -1)], -1)
    sizes = np.sort(np.abs(np.linalg.eigvalsh(hessian)), axis=-1)
    np.testing.assert_allclose(ridge_strength(picture, [2.0]), 4.0 * (sizes[..., 1] - sizes[..., 0]), atol=1e-12)
    both = np.maximum(ridge_strength(picture, [1.0]), ridge_strength(picture, [2.0]))
    np.testing.assert_array_equal(ridge_strength(picture, [1.0, 2.0]), both)


def test_a_line_answers_most_at_half_its_width_whatever_its_sign() -> None:
    strengths = {scale: ridge_strength(line(8, 0.2, 0.8), [scale])[36, 32] for scale in (1.0, 2.0, 4.0, 8.0)}
    assert max(strengths, key=strengths.__getitem__) == 4.0
    assert ridge_response(line(3, 0.2, 0.8)) == pytest.approx(ridge_response(line(3, 0.8, 0.2)), abs=1e-6)
    rows, columns = np.ogrid[:65, :65]
    spot = np.exp(-((rows - 32.0) ** 2 + (columns - 32.0) ** 2) / 18.0)
    assert ridge_strength(spot, [3.0])[32, 32] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: edge_preference(np.zeros((24, 30)), PICTURE), r"probabilities must be of the picture's size, \(24, 31\)"),
        (lambda: gradient_magnitude(np.zeros((4, 4, 2))), "picture must be"),
        (lambda: foreground_regions(np.zeros((4, 5)), np.zeros((5, 4)), 0.5), "one size"),
        (lambda: foreground_regions(np.zeros((4, 5)), np.zeros((4, 5, 2)), 0.5), "picture must be"),
        (lambda: ridge_strength(np.zeros((4, 4, 2))), "picture must be"),
        (lambda: ridge_strength(np.zeros((4, 4)), ()), "scales must be"),
        (lambda: ridge_strength(np.zeros((4, 4)), (0.0,)), "scales must be"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()


@pytest.mark.parametrize("at_once", [1 << 20, 50])
@pytest.mark.parametrize("size", [(7, 30), (1, 40), (90, 70)])
def test_the_foreground_is_as_wide_as_scipy_says_also_in_pieces(at_once, size, monkeypatch):
    monkeypatch.setattr("howfar.metrics.probability_maps._AT_ONCE", at_once)
    p = np.random.default_rng(0).random(size)
    found, foreground = foreground_shape(p, 0.4), p > 0.4
    assert found["foreground_width"] == pytest.approx(distance_transform_edt(foreground)[foreground].mean(), rel=1e-12)
    assert found["foreground_components"] == label(foreground, np.ones((3, 3)))[1]
