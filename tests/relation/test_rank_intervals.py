"""Ranks of models over paired draws: what is best is first, what is equal shares, and order of models changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from howfar.errors import InputError
from howfar.relation.rank_stability import ranking, ranks_of

SCORES = arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 30)), elements=st.floats(-1, 1, width=16))


@given(SCORES)
def test_a_rank_is_one_more_than_the_models_that_are_better(scores: np.ndarray) -> None:
    expected = 1 + (scores[None] > scores[:, None]).sum(axis=1)
    assert np.array_equal(ranks_of(scores), expected)


@given(SCORES)
def test_the_order_of_models_does_not_matter(scores: np.ndarray) -> None:
    order = np.random.default_rng(len(scores)).permutation(len(scores))
    one, other = ranking(scores[:, 0], scores), ranking(scores[order, 0], scores[order])
    for name in ("rank", "low", "high", "first"):
        assert np.allclose(getattr(one, name)[order], getattr(other, name))


@given(SCORES)
def test_first_places_sum_to_one_and_intervals_are_ranks_in_order(scores: np.ndarray) -> None:
    found = ranking(scores[:, 0], scores)
    assert found.first.sum() == pytest.approx(1)
    assert (found.low <= found.high).all()
    assert set(found.low) | set(found.high) <= set(range(1, len(scores) + 1))


def test_an_undefined_score_is_last() -> None:
    assert ranks_of([[np.nan], [-5.0]]).tolist() == [[2.0], [1.0]]


def test_paired_draws_tell_models_apart_that_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.1, 2000)
    paired = np.stack([0.52 + shared, 0.5 + shared])
    apart = np.stack([0.52 + shared, 0.5 + rng.normal(0, 0.1, 2000)])
    assert ranking([0.52, 0.5], paired).first[0] == 1.0
    assert ranking([0.52, 0.5], apart).first[0] < 0.7


@pytest.mark.parametrize("draws", [np.zeros((3, 4)), np.zeros(2), np.zeros((2, 0))])
def test_draws_that_do_not_fit_are_refused(draws: np.ndarray) -> None:
    with pytest.raises(InputError, match="draws must have shape"):
        ranking([0.1, 0.2], draws)
