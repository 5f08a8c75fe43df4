"""Edge preference against scipy's own rank correlation and a gradient by convolution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import convolve2d
from scipy.stats import spearmanr

from howfar.errors import InputError
from howfar.metrics.image_structure import edge_preference, gradient_magnitude

rng = np.random.default_rng(0)
PICTURE = rng.integers(0, 256, (24, 31, 3), dtype=np.uint8)


def test_the_gradient_is_sobels() -> None:
    grey = np.pad(PICTURE @ np.array([0.299, 0.587, 0.114]), 1, mode="edge")
    across = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    expected = np.hypot(convolve2d(grey, across, "valid"), convolve2d(grey, across.T, "valid"))
    np.testing.assert_allclose(gradient_magnitude(PICTURE), expected)


def test_it_is_scipys_rank_correlation_with_ties() -> None:
    p = rng.integers(0, 5, PICTURE.shape[:2], dtype=np.uint8)
    expected = spearmanr(p.ravel(), gradient_magnitude(PICTURE).ravel()).statistic
    assert edge_preference(p, PICTURE) == pytest.approx(expected, abs=1e-9)


def test_ranks_alone_count() -> None:
    strength = gradient_magnitude(PICTURE)
    assert edge_preference(np.log1p(strength), PICTURE) == 1.0
    assert edge_preference(-strength, PICTURE) == -1.0


def test_what_has_no_ranks_has_no_value() -> None:
    assert edge_preference(np.full(PICTURE.shape[:2], 0.3), PICTURE) is None
    assert edge_preference(rng.random((8, 8)), np.zeros((8, 8))) is None


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"probabilities must be of the picture's size, \(24, 31\)"):
        edge_preference(np.zeros((24, 30)), PICTURE)
    with pytest.raises(InputError, match="picture must be"):
        gradient_magnitude(np.zeros((4, 4, 2)))
