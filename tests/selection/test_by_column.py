"""Strategies that read one column: the nearest, the least certain, shares of foreground, entropies, and random draws."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from howfar.protocols import Strategy
from howfar.selection.by_column import FLIP_DISAGREEMENT, NEAR, RIDGE_RESPONSE, SHARE_QUANTILES, UNCERTAINTY
from howfar.selection.random_draws import FOREGROUND, FOREGROUND_RANDOM, FOUND, RANDOM, STRATIFIED, STRATIFIED_ENTROPY


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


def test_reasons_hold_the_number() -> None:
    assert UNCERTAINTY.reason({"uncertainty": 0.12345}) == "mean entropy 0.1235, among the highest"
    assert FLIP_DISAGREEMENT.reason({"flip_agreement": 0.9}) == "flip agreement 0.9000, among the lowest"
    assert FOREGROUND.reason({"predicted_foreground": 0.0123}).endswith("predicted foreground, 1.23 %")
    assert STRATIFIED.reason({"distance": 0.25}) == "scaled distance 0.250, drawn from its stratum of distance"


def test_foreground_random_draws_alike_among_images_with_foreground() -> None:
    shares = np.array([0.0, 0.0005, FOUND, 0.3, 0.9])
    firsts = [FOREGROUND_RANDOM.pick({"predicted_foreground": shares}, 1, np.random.default_rng(s))[0] for s in range(600)]
    counts = np.bincount(firsts, minlength=5)
    assert counts[:2].tolist() == [0, 0]
    assert counts[2:].min() > 150
    with pytest.warns(UserWarning, match="predicted in 3 of the images without labels, fewer than the 4 asked for"):
        picks = FOREGROUND_RANDOM.pick({"predicted_foreground": shares}, 4, np.random.default_rng(0))
    assert set(picks[:3].tolist()) == {2, 3, 4}


def test_foreground_random_is_random_where_all_have_foreground() -> None:
    columns = {"predicted_foreground": np.full(20, 0.1)}
    first = FOREGROUND_RANDOM.pick(columns, 7, np.random.default_rng(3))
    np.testing.assert_array_equal(first, RANDOM.pick(columns, 7, np.random.default_rng(3)))


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


def test_the_strongest_ridges_are_chosen() -> None:
    picks = RIDGE_RESPONSE.pick({"ridge_response": [0.1, 0.4, np.nan, 0.2]}, 2, np.random.default_rng(0))
    assert picks.tolist() == [1, 3]


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


def test_strata_with_labels_are_covered() -> None:
    distances = np.linspace(0.0, 1.0, 9)
    drawn = [picks(STRATIFIED, distances, 2, labelled=(1,), seed=seed) for seed in range(300)]
    assert {near for near, _ in drawn} == {3, 4, 5}
    assert {far for _, far in drawn} == {6, 7, 8}
    # Two labels in one of three strata leave two for one pick.
    assert {picks(STRATIFIED, distances, 1, labelled=(0, 1), seed=seed)[0] for seed in range(300)} == {6, 7, 8}


def test_stratified_is_not_nested() -> None:
    distances = np.linspace(0.0, 1.0, 12)
    assert not STRATIFIED.nested
    assert any(
        picks(STRATIFIED, distances, 2, seed=seed) != picks(STRATIFIED, distances, 3, seed=seed)[:2] for seed in range(9)
    )


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
