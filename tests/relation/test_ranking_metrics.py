from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from howfar.errors import InputError
from howfar.relation.ranking_metrics import aurc, auroc


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auroc_as_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = [float(score) for score, _ in pairs], [one for _, one in pairs]
    if len(set(positive)) < 2:
        assert auroc(scores, positive) is None
    else:
        assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


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
