from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from skactiveml.pool import CoreSet

from howfar.selection.diversity import KCENTER

LINE = [[0.0], [1.0], [2.0], [10.0], [11.0]]


def picks(features: Any, k: int, labelled: tuple[int, ...] = ()) -> list[int]:
    mask = np.isin(np.arange(len(features)), labelled)
    return KCENTER.pick({"features": features}, k, np.random.default_rng(0), mask).tolist()


def test_by_hand() -> None:
    # The mean is 4.8 and 2 is nearest to it; 11 is 9 from that; 0 is 2 from 2; then 1 and 10 are both 1 from a centre.
    assert picks(LINE, 5) == [2, 4, 0, 1, 3]
    # 11 is a centre: 0 is 11 from it; then 2 is 2 from 0.
    assert picks(LINE, 2, labelled=(4,)) == [0, 2]


def test_an_image_at_a_centre_comes_last() -> None:
    assert picks([[0.0], [0.0], [5.0], [6.0]], 3, labelled=(0,)) == [3, 2, 1]


def test_as_scikit_activeml() -> None:
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(60, 5))
        first = picks(x, 1)[0]
        for labelled in ((first,), (3, 17, 40)):
            y = np.full(60, np.nan)
            y[list(labelled)] = 0
            wanted = CoreSet(random_state=0).query(x, y, batch_size=12)
            assert picks(x, 12, labelled) == wanted.tolist()
        assert picks(x, 13) == [first, *picks(x, 12, (first,))]


def test_the_radius_is_at_most_twice_the_best() -> None:
    """What the greedy choice is known for (Gonzalez 1985), against all choices of three."""
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(15, 2))
        apart = cdist(x, x)
        best = min(apart[:, list(chosen)].min(axis=1).max() for chosen in combinations(range(15), 3))
        assert apart[:, picks(x, 3)].min(axis=1).max() <= 2 * best


def test_where_the_origin_lies_does_not_count() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    assert picks(x + 1000.0, 8) == picks(x, 8)
