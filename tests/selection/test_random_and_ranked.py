"""Strategies that read one column: far, near, the least certain, shares of foreground, entropies, and random draws."""

import warnings
from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.protocols import Strategy
from howfar.selection import far
from howfar.selection.random_and_ranked import (
    FAR,
    FLIP_DISAGREEMENT,
    FOREGROUND,
    FOREGROUND_RANDOM,
    FOUND,
    NEAR,
    RANDOM,
    SHARE_QUANTILES,
    STRATIFIED,
    STRATIFIED_ENTROPY,
    UNCERTAINTY,
)

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
TEN = np.linspace(0.6, 1.0, 10)


def mask(count: int, *labelled: int) -> np.ndarray[Any, Any]:
    return np.isin(np.arange(count), labelled)


def band(count: int) -> np.ndarray[Any, Any]:
    """So many images in the band and three nearer ones, shuffled; the rank in the band is `ranks` of the position."""
    rng = np.random.default_rng(count)
    return np.concatenate([np.linspace(0.6, 1.0, count) if count > 1 else [1.0], [0.0, 0.3, 0.59]])[rng.permutation(count + 3)]


def ranks(distances: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any]) -> list[int]:
    order = np.argsort(distances)[(distances < 0.6).sum() :]
    return [int(np.flatnonzero(order == position)[0]) for position in chosen]


def test_ranks_by_bit_reversal_and_the_nearest_free_one_where_they_meet() -> None:
    # ⌊10 u⌋ of 1/2, 1/4, 3/4, 1/8, 5/8, 3/8, 7/8, 1/16; then 9/16 and 5/16 fall on 5 and 3, which are taken.
    wanted = [5, 2, 7, 1, 6, 3, 8, 0, 4, 9]
    for k in range(1, 11):
        assert far(TEN, k).tolist() == wanted[:k]


@QUICK
@given(st.integers(1, 200), st.integers(1, 6))
def test_one_three_seven_and_so_on_are_exactly_even(count: int, level: int) -> None:
    k = 2**level - 1
    if k <= count:
        distances = band(count)
        found = sorted(ranks(distances, far(distances, k)))
        assert found == [j * count // 2**level for j in range(1, 2**level)]
        assert np.ptp(np.diff(found)) <= 1 if k > 1 else True


@QUICK
@given(st.lists(st.integers(0, 20).map(lambda x: x / 20), min_size=1, max_size=40), st.data())
def test_labels_that_were_chosen_are_gone_on_from(distances: list[float], data: st.DataObject) -> None:
    """The first picks, then as many more with these labelled, are the picks of both at once."""
    whole = np.array(distances)
    both = data.draw(st.integers(1, len(whole)))
    first = data.draw(st.integers(0, both - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = far(whole, both)
        already = wanted[:first]
        np.testing.assert_array_equal(far(whole, both - first, labelled=mask(len(whole), *already)), wanted[first:])


def test_a_label_close_by_spends_a_rank_and_one_far_off_does_not() -> None:
    # The half of the band around its middle is what 1/2 stands for: the labelled rank 4 lies in it, 9 does not.
    assert far(TEN, 2, labelled=mask(10, 5)).tolist() == [2, 7]
    assert far(TEN, 2, labelled=mask(10, 4)).tolist() == [2, 7]
    assert far(TEN, 2, labelled=mask(10, 9)).tolist() == [5, 2]
    # One label spends one rank: the next turn in its reach is a pick.
    assert far(TEN, 3, labelled=mask(10, 2)).tolist() == [5, 7, 1]
    assert far(TEN, 2, labelled=mask(10, 4, 5)).tolist() == [2, 7]
    # 1 of 4 stands for the middle, so 1/4 is to be replaced by 0 or 2: by the farther.
    assert far(np.linspace(0.6, 1.0, 4), 3, labelled=mask(4, 1)).tolist() == [2, 3, 0]


def test_both_ends_belong_to_the_band_and_the_band_can_be_another() -> None:
    assert far([0.6, 0.599999, 0.0], 1).tolist() == [0]
    assert far([0.1, 0.2, 0.3, 0.4, 1.0], 3, low=0.2, high=0.4).tolist() == [2, 1, 3]


def test_too_few_in_the_band_gives_the_farthest_with_a_warning() -> None:
    distances = [0.1, 0.59, 0.7, 0.3, 1.0]
    with pytest.warns(UserWarning, match=r"images without labels at a scaled distance of 0.6 to 1: 2, fewer than the 4"):
        assert far(distances, 4).tolist() == [4, 2, 1, 3]
    with pytest.warns(UserWarning, match=r": 1, fewer than the 2"):
        assert far(distances, 2, labelled=mask(5, 4)).tolist() == [2, 1]
    with pytest.warns(UserWarning, match=r": 0, fewer than the 2"):
        assert far([0.0, 0.0, 0.0], 2).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("distances", "options", "message"),
    [
        ([0.0, 12.5], {}, "distance must be scaled to 0-1.*12.5"),
        ([-0.1, 1.0], {}, "distance must be scaled to 0-1.*-0.1"),
        ([0.5, 1.0], {"low": 0.9, "high": 0.6}, r"low and high must be a band within 0-1, got \(0.9, 0.6\)"),
        ([0.5, 1.0], {"low": -0.1}, "low and high"),
        ([0.5, 1.0], {"high": 1.1}, "low and high"),
        ([0.5, 1.0], {"low": float("nan")}, "low and high"),
        ([[0.5], [1.0]], {}, "column distance must have shape"),
        (["near", "far"], {}, "column distance must be numeric"),
    ],
)
def test_what_is_refused(distances: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        far(distances, 1, **options)
    assert "\n" not in str(caught.value)


def test_rounding_of_a_scaled_distance_is_forgiven() -> None:
    assert far([1.0 + 1e-12, -1e-12], 1).tolist() == [0]


def test_the_strategy_is_the_function_and_says_why() -> None:
    columns = {"distance": band(20)}
    np.testing.assert_array_equal(FAR.pick(columns, 7, np.random.default_rng(0)), far(columns["distance"], 7))
    assert "at an even rank of those from 0.6 to 1" in FAR.reason({"distance": 0.6})
    assert "too few images lie at 0.6 to 1" in FAR.reason({"distance": 0.59})


def picks(strategy: Strategy, values: Any, k: int, labelled: tuple[int, ...] = (), seed: int = 0) -> list[int]:
    name = strategy.needs[0] if strategy.needs else "name"
    mask = np.isin(np.arange(len(values)), labelled)
    return strategy.pick({name: values}, k, np.random.default_rng(seed), mask).tolist()


@pytest.mark.parametrize(
    ("strategy", "wanted"), [(NEAR, [3, 0, 4, 2, 1]), (FLIP_DISAGREEMENT, [3, 0, 4, 2, 1]), (UNCERTAINTY, [1, 2, 0, 4, 3])]
)
def test_the_lowest_or_the_highest_first_and_ties_by_position(strategy: Strategy, wanted: list[int]) -> None:
    values = [0.2, 0.9, 0.4, 0.1, 0.2]
    assert picks(strategy, values, 5) == wanted
    assert picks(strategy, values, 2) == wanted[:2]
    assert picks(strategy, values, 2, labelled=(wanted[0],)) == wanted[1:3]


def test_ties_go_by_name_where_there_are_names() -> None:
    columns = {"distance": [0.5, 0.5, 0.5], "name": ["c", "a", "b"]}
    assert NEAR.pick(columns, 3, np.random.default_rng(0)).tolist() == [1, 2, 0]


def test_foreground_random_draws_alike_among_images_with_foreground() -> None:
    shares = np.array([0.0, 0.0005, FOUND, 0.3, 0.9])
    firsts = [FOREGROUND_RANDOM.pick({"predicted_foreground": shares}, 1, np.random.default_rng(s))[0] for s in range(600)]
    counts = np.bincount(firsts, minlength=5)
    assert counts[:2].tolist() == [0, 0]
    assert counts[2:].min() > 150
    with pytest.warns(UserWarning, match="predicted in 3 of the images without labels, fewer than the 4 asked for"):
        picks = FOREGROUND_RANDOM.pick({"predicted_foreground": shares}, 4, np.random.default_rng(0))
    assert set(picks[:3].tolist()) == {2, 3, 4}


def test_share_quantiles_are_at_even_ranks_of_the_shares() -> None:
    shares = np.random.default_rng(0).permutation(np.linspace(0.0, 0.7, 16))
    picks = SHARE_QUANTILES.pick({"predicted_foreground": shares}, 3, np.random.default_rng(0))
    assert np.argsort(np.argsort(shares))[picks].tolist() == [8, 4, 12]


def test_entropies_are_drawn_from_in_turn_and_in_proportion() -> None:
    columns = {"foreground_entropy": [0.3, 0.1, 0.0, 0.0], "background_entropy": [0.0, 0.0, 0.4, 0.2]}
    picks = np.array([STRATIFIED_ENTROPY.pick(columns, 4, np.random.default_rng(s)) for s in range(2000)])
    assert set(picks[:, 0].tolist()) == {0, 1}
    assert set(picks[:, 1].tolist()) == {2, 3}
    # The chance is the share of the entropy: 3/4 and 2/3; four standard errors are 0.04.
    assert np.mean(picks[:, 0] == 0) == pytest.approx(0.75, abs=0.04)
    assert np.mean(picks[:, 1] == 2) == pytest.approx(2 / 3, abs=0.042)


DRAWS = 6000


def test_random_is_uniform_over_ordered_picks() -> None:
    names = list("abcd")
    found = Counter(tuple(picks(RANDOM, names, 2, labelled=(2,), seed=seed)) for seed in range(DRAWS))
    assert set(found) == set(permutations([0, 1, 3], 2))
    np.testing.assert_allclose([count / DRAWS for count in found.values()], 1 / 6, atol=0.02)


def test_stratified_draws_one_of_each_part() -> None:
    distances = np.linspace(0.0, 1.0, 10)[::-1]
    drawn = [picks(STRATIFIED, distances, 2, seed=seed) for seed in range(300)]
    assert {near for near, _ in drawn} == {5, 6, 7, 8, 9}
    assert {far for _, far in drawn} == {0, 1, 2, 3, 4}
    # Parts that do not come out even: the first are the larger, as np.array_split makes them.
    assert {picks(STRATIFIED, [0.1, 0.2, 0.3], 2, seed=seed)[1] for seed in range(50)} == {2}


def test_foreground_draws_in_proportion_and_without_replacement() -> None:
    shares = np.array([0.1, 0.3, 0.0, 0.2, 0.4])
    found = Counter(tuple(picks(FOREGROUND, shares, 2, labelled=(4,), seed=seed)) for seed in range(DRAWS))
    weights = {0: 1 / 6, 1: 3 / 6, 3: 2 / 6}
    assert set(found) == set(permutations(weights, 2))
    for (first, second), count in found.items():
        assert count / DRAWS == pytest.approx(weights[first] * weights[second] / (1 - weights[first]), abs=0.02)


def test_foreground_takes_blank_images_last_and_says_so() -> None:
    shares = [0.0, 0.01, 0.0, 0.0]
    with pytest.warns(UserWarning, match=r"predicted in 1 of the images without labels, fewer than the 3 asked for"):
        chosen = picks(FOREGROUND, shares, 3)
    assert chosen[0] == 1
    with pytest.warns(UserWarning, match="predicted in 0"):
        blank = [tuple(picks(FOREGROUND, [0.0] * 4, 2, seed=seed)) for seed in range(200)]
    assert set(blank) == set(permutations(range(4), 2))
