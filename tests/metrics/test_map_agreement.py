"""Dice of two maps' foreground: symmetric, 1 for equal maps, nothing to say of two empty ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from howfar.errors import InputError
from howfar.metrics.label_free_signals import foreground_dice

MAPS = arrays(np.uint8, (5, 7))


@given(MAPS, MAPS, st.floats(0.0, 0.99))
def test_it_is_the_dice_of_sets_of_pixels(p: np.ndarray, q: np.ndarray, threshold: float) -> None:
    first, second = (set(np.flatnonzero(values / 255 > threshold).tolist()) for values in (p, q))
    found = foreground_dice(p, q, threshold)
    assert np.array_equal(found, foreground_dice(q, p, threshold), equal_nan=True)
    if not first and not second:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(2 * len(first & second) / (len(first) + len(second)))


def test_equal_maps_agree_and_distinct_ones_do_not() -> None:
    p = np.eye(6)
    assert foreground_dice(p, p, 0.5) == 1.0
    assert foreground_dice(p, 1 - p, 0.5) == 0.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="one shape"):
        foreground_dice(np.eye(2), np.eye(3), 0.5)
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        foreground_dice(np.eye(2), np.eye(2), 2)
