"""Signals of a detector's boxes, against every pairing tried one by one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.metrics.detection import box_consistency, box_signals, box_stability, mirrored, overlaps


def drawn(count: int, seed: int) -> np.ndarray:
    corners = np.random.default_rng(seed).uniform(0, 10, size=(count, 2, 2))
    return np.sort(corners, axis=1).reshape(count, 4)


@pytest.mark.parametrize(("k", "t"), [(1, 1), (3, 4), (4, 3), (5, 5)])
def test_stability_is_of_the_best_pairing(k: int, t: int) -> None:
    boxes, others = drawn(k, 1), drawn(t, 2)
    shared = overlaps(boxes, others) if k <= t else overlaps(others, boxes)
    rows = range(len(shared))
    best = max(
        sum(shared[i, j] for i, j in zip(rows, chosen, strict=True)) for chosen in permutations(range(max(k, t)), len(shared))
    )
    assert box_stability(boxes, others) == pytest.approx(best / max(k, t))
    assert box_stability(others, boxes) == pytest.approx(best / max(k, t))
    assert box_stability(boxes, boxes) == 1.0


def test_consistency_pairs_boxes_of_one_class() -> None:
    boxes = [[0, 0, 10, 10], [20, 20, 30, 30]]
    assert box_consistency(boxes, [0, 1], boxes, [0, 1]) == 1.0
    assert box_consistency(boxes, [0, 1], boxes, [1, 1]) == 0.5
    assert box_consistency(boxes, [0, 1], [[0, 0, 10, 4]], [0]) == 0.0
    assert box_consistency(boxes, [0, 1], [[0, 0, 10, 4]], [0], iou=0.4) == pytest.approx(2 / 3)


def test_nothing_predicted_is_neither_stable_nor_consistent() -> None:
    assert box_stability([], []) == box_stability([[0, 0, 1, 1]], []) == 0.0
    assert box_consistency([], [], [], []) == 0.0
    assert set(box_signals([]).values()) == {0.0}


def test_scores_that_are_no_probabilities_have_no_entropy() -> None:
    assert np.isnan(box_signals([2.0, 0.5])["box_entropy"])
    assert box_signals([0.0, 1.0])["box_entropy"] == 0.0
    with pytest.raises(InputError, match="scores must be one row of finite numbers"):
        box_signals([np.nan])
    with pytest.raises(InputError, match="labels must be one a box"):
        box_consistency([[0, 0, 1, 1]], [], [], [])


def test_mirroring_twice_changes_nothing() -> None:
    boxes = drawn(5, 3)
    np.testing.assert_allclose(mirrored(mirrored(boxes, 10), 10), boxes)
