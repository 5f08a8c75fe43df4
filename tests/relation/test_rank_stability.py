"""How firmly an order or a rank stands: paired resamples of images, agreement of orders, ranks of models."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from howfar.errors import InputError
from howfar.relation.rank_stability import agreements, mean_change, order_stability, paired_means, ranking, ranks_of


def test_an_unchanged_order_agrees_wholly_and_a_reversed_one_not_at_all() -> None:
    rng = np.random.default_rng(0)
    sets = {name: 10.0 * place + rng.random(30) for place, name in enumerate("abcdefg")}
    same = order_stability(sets, {name: values + 1 for name, values in sets.items()}, k=3)
    assert (same.kendall, same.kendall_interval, same.overlap, same.overlap_interval) == (1.0, (1.0, 1.0), 1.0, (1.0, 1.0))
    reverse = order_stability(sets, {name: 100 - values for name, values in sets.items()}, k=3)
    assert (reverse.kendall, reverse.overlap) == (-1.0, 0.0)


def test_the_interval_is_the_spread_of_resampled_orders() -> None:
    """Two datasets as near as their noise: τ jumps between −1 and 1, in the share that a binomial model says."""
    rng = np.random.default_rng(1)
    close = {"a": rng.normal(5.0, 1, 40), "b": rng.normal(5.1, 1, 40), "c": rng.normal(20, 1, 40)}
    after = {name: values + rng.normal(0, 1, 40) for name, values in close.items()}
    found = order_stability(close, after, k=1, draws=400)
    assert found.kendall_interval[0] < found.kendall_interval[1] == 1.0
    expected = stats.kendalltau(*([v.mean() for v in d.values()] for d in (close, after))).statistic
    assert found.kendall == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_a_change_is_that_of_the_images_differences(rng: np.random.Generator) -> None:
    """One dataset: the spread of the mean of m independent differences is their deviation over √m."""
    before = {"a": rng.normal(10, 5, 400)}
    after = {"a": before["a"] + rng.normal(1, 0.5, 400)}
    change, (low, high) = mean_change(before, after, draws=4000, level=0.95)
    assert high - low == pytest.approx(2 * 1.96 * np.std(after["a"] - before["a"]) / 20, rel=0.06)
    assert low < change < high


def test_two_calls_with_sets_of_the_same_sizes_draw_the_same_images(rng: np.random.Generator) -> None:
    first = {"a": rng.random(12), "b": rng.random(8)}
    means = paired_means(first, first, draws=20, seed=3)
    other = paired_means({name: 2 * values for name, values in first.items()}, first, draws=20, seed=3)
    np.testing.assert_allclose(other[:, 0], 2 * means[:, 0])
    np.testing.assert_array_equal(other[:, 1], means[:, 1])
    assert not np.array_equal(paired_means(first, first, draws=20, seed=4), means)


def test_agreements_begin_with_the_measured_ones_and_block_size_changes_nothing(rng, monkeypatch):
    sets = {name: rng.normal(place, 2, 15) for place, name in enumerate("abcdef")}
    after = {name: values + rng.normal(0, 2, 15) for name, values in sets.items()}
    whole = agreements(sets, after, 2, draws=40)
    assert whole.shape == (41, 2)
    np.testing.assert_array_equal(whole[0], agreements(sets, after, 2, draws=0)[0])
    monkeypatch.setattr("howfar.relation.rank_stability._NUMBERS", 1)
    np.testing.assert_array_equal(agreements(sets, after, 2, draws=40), whole)


SCORES = arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 30)), elements=st.floats(-1, 1, width=16))


@given(SCORES)
def test_a_rank_is_one_more_than_the_models_that_are_better(scores: np.ndarray) -> None:
    expected = 1 + (scores[None] > scores[:, None]).sum(axis=1)
    assert np.array_equal(ranks_of(scores), expected)


def test_paired_draws_tell_models_apart_that_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.1, 2000)
    paired = np.stack([0.52 + shared, 0.5 + shared])
    apart = np.stack([0.52 + shared, 0.5 + rng.normal(0, 0.1, 2000)])
    assert ranking([0.52, 0.5], paired).first[0] == 1.0
    assert ranking([0.52, 0.5], apart).first[0] < 0.7


A, B = np.ones(3), np.ones(4)
DRAWS = [
    (lambda draws=draws: ranking([0.1, 0.2], draws), "draws must have shape")
    for draws in (np.zeros((3, 4)), np.zeros(2), np.zeros((2, 0)))
]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: order_stability({"a": A, "b": B}, {"a": A, "c": B}), "must hold the same two or more datasets"),
        (lambda: order_stability({"a": A, "b": B}, {"a": A, "b": A}), r"after\['b'\] must hold 4 images, as before, got 3"),
        (lambda: order_stability({"a": A, "b": B}, {"a": A, "b": B}), "k must lie between 1 and the number of datasets, 2"),
        (lambda: paired_means({"a": A}, {"a": A, "b": A}, 1), r"after must hold the same datasets as before, got \['b'\]"),
        (lambda: mean_change({"a": A}, {"a": B}), r"after\['a'\] must hold 3 images, as before, got 4"),
        *DRAWS,
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
