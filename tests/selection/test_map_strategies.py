"""Strategies that read what a model predicts, or a ridge filter sees: who is chosen, how often, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.selection.by_column import RIDGE_RESPONSE, SHARE_QUANTILES
from howfar.selection.random_draws import FOREGROUND_RANDOM, FOUND, RANDOM, STRATIFIED_ENTROPY


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
    for strategy in (SHARE_QUANTILES, FOREGROUND_RANDOM):
        with pytest.raises(InputError, match=r"column predicted_foreground must lie between 0 and 1, got -0\.1"):
            strategy.pick({"predicted_foreground": [-0.1, 0.2]}, 1, np.random.default_rng(0))


def test_entropies_are_drawn_from_in_turn_and_in_proportion() -> None:
    columns = {"foreground_entropy": [0.3, 0.1, 0.0, 0.0], "background_entropy": [0.0, 0.0, 0.4, 0.2]}
    picks = np.array([STRATIFIED_ENTROPY.pick(columns, 4, np.random.default_rng(s)) for s in range(2000)])
    assert set(picks[:, 0].tolist()) == {0, 1}
    assert set(picks[:, 1].tolist()) == {2, 3}
    # The chance is the share of the entropy: 3/4 and 2/3; four standard errors are 0.04.
    assert np.mean(picks[:, 0] == 0) == pytest.approx(0.75, abs=0.04)
    assert np.mean(picks[:, 1] == 2) == pytest.approx(2 / 3, abs=0.042)
    with pytest.raises(InputError, match="column foreground_entropy must be at least 0"):
        STRATIFIED_ENTROPY.pick({**columns, "foreground_entropy": [-1.0, 0, 0, 0]}, 1, np.random.default_rng(0))


def test_the_strongest_ridges_are_chosen() -> None:
    picks = RIDGE_RESPONSE.pick({"ridge_response": [0.1, 0.4, np.nan, 0.2]}, 2, np.random.default_rng(0))
    assert picks.tolist() == [1, 3]
