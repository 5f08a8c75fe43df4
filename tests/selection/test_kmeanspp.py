from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.cluster import kmeans_plusplus

from howfar.selection.diversity import KMEANSPP, seeds

DRAWS = 6000
LINE = np.array([[0.0], [1.0], [3.0], [7.0]])


def drawn(k: int, *labelled: int) -> Counter[tuple[int, ...]]:
    mask = np.isin(np.arange(4), labelled)
    found = (KMEANSPP.pick({"features": LINE}, k, np.random.default_rng(seed), mask) for seed in range(DRAWS))
    return Counter(tuple(one.tolist()) for one in found)


def test_the_first_is_drawn_evenly_and_the_second_by_squared_distance() -> None:
    found = drawn(2)
    for i in range(4):
        squares = (LINE[:, 0] - LINE[i, 0]) ** 2
        for j in range(4):
            assert found[i, j] / DRAWS == pytest.approx(squares[j] / squares.sum() / 4, abs=0.02)


def test_labelled_images_are_centres() -> None:
    found = drawn(1, 0, 3)
    # From the nearer of 0 and 7 the others are 1 and 3 away.
    assert set(found) == {(1,), (2,)}
    assert found[2,] / DRAWS == pytest.approx(9 / 10, abs=0.02)


def test_a_copy_of_any_centre_is_not_drawn_while_others_are_left() -> None:
    x, covered = np.array([[0.0], [0.0], [5.0], [7.0]]), np.array([True, False, False, False])
    for seed in range(200):
        assert set(seeds(x, 2, np.random.default_rng(seed), covered)) == {2, 3}


def test_images_that_all_lie_on_centres_are_drawn_evenly() -> None:
    covered = np.array([True, False, False])
    found = Counter(seeds(np.zeros((3, 2)), 1, np.random.default_rng(seed), covered)[0] for seed in range(2000))
    assert set(found) == {1, 2}
    assert found[1] / 2000 == pytest.approx(0.5, abs=0.05)


def test_scikit_learn_s_seeding_draws_a_row_twice_where_rows_are_equal() -> None:
    """So does it while others are left, once all rows are covered; and it has no way to say which images are labelled."""
    x = np.array([[0.0], [0.0], [1.0], [1.0]])
    drawn_twice = [len(set(kmeans_plusplus(x, 4, random_state=seed)[1])) < 4 for seed in range(10)]
    assert any(drawn_twice)
    for seed in range(10):
        assert sorted(seeds(x, 4, np.random.default_rng(seed), np.zeros(4, dtype=bool))) == [0, 1, 2, 3]


def test_a_draw_at_the_very_end_is_of_an_image_that_can_be_drawn() -> None:
    class Last(np.random.Generator):
        def random(self) -> float:
            return float(np.nextafter(1.0, 0.0))

    rng = Last(np.random.PCG64(0))
    assert KMEANSPP.pick({"features": LINE[[0, 1, 3, 0]]}, 1, rng, np.array([True, False, False, False])).tolist() == [2]
    assert KMEANSPP.pick({"features": np.zeros((3, 1))}, 1, rng).tolist() == [2]
