"""Random, stratified and foreground."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.protocols import Strategy
from howfar.selection.random_draws import FOREGROUND, RANDOM, STRATIFIED

DRAWS = 6000


def picks(strategy: Strategy, values: Any, k: int, labelled: tuple[int, ...] = (), seed: int = 0) -> list[int]:
    name = strategy.needs[0] if strategy.needs else "name"
    mask = np.isin(np.arange(len(values)), labelled)
    return strategy.pick({name: values}, k, np.random.default_rng(seed), mask).tolist()


def test_random_is_uniform_over_ordered_picks() -> None:
    names = list("abcd")
    found = Counter(tuple(picks(RANDOM, names, 2, labelled=(2,), seed=seed)) for seed in range(DRAWS))
    assert set(found) == set(permutations([0, 1, 3], 2))
    np.testing.assert_allclose([count / DRAWS for count in found.values()], 1 / 6, atol=0.02)


def test_random_goes_on_where_it_was() -> None:
    names = [str(number) for number in range(20)]
    whole = picks(RANDOM, names, 9)
    assert picks(RANDOM, names, 5, labelled=tuple(whole[:4])) == whole[4:]


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


@pytest.mark.parametrize("share", [-0.01, 1.5])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=f"predicted_foreground must lie between 0 and 1, got {share}"):
        picks(FOREGROUND, [0.1, share], 1)


def test_reasons_hold_the_number() -> None:
    assert FOREGROUND.reason({"predicted_foreground": 0.0123}).endswith("predicted foreground, 1.23 %")
    assert STRATIFIED.reason({"distance": 0.25}) == "scaled distance 0.250, drawn from its stratum of distance"
