from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from howfar.errors import InputError
from howfar.relation.leave_one_dataset_out import aurc, auroc


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = [float(score) for score, _ in pairs], [one for _, one in pairs]
    ones, zeros = ([score for score, one in zip(scores, positive, strict=True) if one is kind] for kind in (True, False))
    if not ones or not zeros:
        assert auroc(scores, positive) is None
    else:
        wins = [(a > b) + 0.5 * (a == b) for a, b in product(ones, zeros)]
        assert auroc(scores, positive) == pytest.approx(np.mean(wins), abs=1e-12)


def test_auroc_as_the_rank_sum_test_of_scipy() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.normal(size=5000).round(2), rng.random(5000) < 0.1
    u = mannwhitneyu(scores[positive], scores[~positive]).statistic
    assert auroc(scores, positive) == pytest.approx(u / (positive.sum() * (~positive).sum()), abs=1e-12)


def test_auroc_at_its_ends() -> None:
    assert auroc([3.0, 2.0, 1.0], [True, False, False]) == 1.0
    assert auroc([3.0, 2.0, 1.0], [False, False, True]) == 0.0
    assert auroc([1.0, 1.0, 1.0], [False, False, True]) == 0.5


def area(performance: list[float]) -> float:
    """Area under the curve of images in this very order."""
    return float(np.mean([np.mean([1 - p for p in performance[: k + 1]]) for k in range(len(performance))]))


def test_aurc_is_the_mean_over_all_orders_of_equal_estimates() -> None:
    estimates, performance = [0.9, 0.4, 0.4, 0.4, 0.1], [0.8, 0.9, 0.1, 0.3, 0.2]
    expected = np.mean([area([0.8, *middle, 0.2]) for middle in permutations(performance[1:4])])
    assert aurc(estimates, performance) == pytest.approx(expected, abs=1e-12)


def test_aurc_lies_between_the_best_and_the_worst_order() -> None:
    rng = np.random.default_rng(0)
    performance = rng.random(40)
    best, worst = area(sorted(performance, reverse=True)), area(sorted(performance))
    assert aurc(performance, performance) == pytest.approx(best, abs=1e-12)
    assert aurc(-performance, performance) == pytest.approx(worst, abs=1e-12)
    assert aurc(np.zeros(40), performance) == pytest.approx(1 - performance.mean(), abs=1e-12)
    assert best < aurc(rng.random(40), performance) < worst


@pytest.mark.parametrize(("first", "second"), [([0.1], [0.2, 0.3]), ([[0.1]], [[0.2]]), ([np.nan], [0.1]), ([0.1], [np.nan])])
def test_wrong_rows_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(InputError, match="must be"):
        aurc(first, second)
    with pytest.raises(InputError, match="must be"):
        auroc(first, second)


def test_no_image_has_no_area() -> None:
    with pytest.raises(InputError, match="at least one image"):
        aurc([], [])
