"""The ridge filter: lines of either sign answer, spots and plain ground do not, and its values are those of eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from howfar.errors import InputError
from howfar.metrics.image_structure import ridge_response, ridge_strength


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


def test_a_line_on_plain_ground_answers_more_than_noise_of_the_same_spread() -> None:
    crack = line(2, 0.2, 0.8)
    noise = 0.5 + crack.std() * np.random.default_rng(0).standard_normal((64, 64))
    assert ridge_response(crack) > ridge_response(noise) > 1e-6 > ridge_response(np.full((64, 64), 0.3))


def test_what_is_no_picture_or_no_scale_is_refused() -> None:
    with pytest.raises(InputError, match="picture must be"):
        ridge_strength(np.zeros((4, 4, 2)))
    for scales in ((), (0.0,)):
        with pytest.raises(InputError, match="scales must be"):
            ridge_strength(np.zeros((4, 4)), scales)
