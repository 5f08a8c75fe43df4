from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from howfar.errors import InputError
from howfar.paper.promptable_networks import box_of, points_of

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)).filter(np.any)


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 3))
def test_points_lie_where_their_labels_say(mask: np.ndarray, foreground: int, background: int, seed: int) -> None:
    found = points_of(mask, foreground, background, np.random.default_rng(seed))
    for (x, y), label in zip(found.points, found.labels, strict=True):
        assert mask[int(y), int(x)] == bool(label)
    assert sum(found.labels) == min(foreground, mask.sum())
    assert len(found.labels) - sum(found.labels) == min(background, (~mask).sum())
    assert len(set(found.points)) == len(found.points)
    assert found == points_of(mask, foreground, background, np.random.default_rng(seed))


@given(MASKS)
def test_the_box_is_the_smallest(mask: np.ndarray) -> None:
    box = box_of(mask).box
    assert box is not None
    left, upper, right, lower = (int(value) for value in box)
    assert mask[upper:lower, left:right].sum() == mask.sum()
    assert mask[upper].any()
    assert mask[lower - 1].any()
    assert mask[:, left].any()
    assert mask[:, right - 1].any()


def test_what_cannot_be_is_one_line() -> None:
    blank = np.zeros((4, 4), dtype=bool)
    with pytest.raises(InputError, match="mask must have foreground to point at"):
        points_of(blank, 1, 1, np.random.default_rng(0))
    with pytest.raises(InputError, match="mask must have foreground for a box"):
        box_of(blank)
    with pytest.raises(InputError, match="background must be at least 0"):
        points_of(~blank, 1, -1, np.random.default_rng(0))
