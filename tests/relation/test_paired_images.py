"""Resamples of images that are the same before and after a change."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.relation.rank_stability import agreements, interval_of, mean_change, paired_means

rng = np.random.default_rng(5)


def test_a_constant_change_has_no_spread_and_the_mean_change_is_over_datasets() -> None:
    before = {"a": rng.random(9), "b": rng.random(30)}
    after = {"a": before["a"] + 1, "b": before["b"] + 3}
    change, (low, high) = mean_change(before, after, draws=50)
    assert (change, low, high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_interval_of_a_change_is_that_of_the_images_differences() -> None:
    """One dataset: the spread of the mean of m independent differences is their deviation over √m."""
    before = {"a": rng.normal(10, 5, 400)}
    after = {"a": before["a"] + rng.normal(1, 0.5, 400)}
    change, (low, high) = mean_change(before, after, draws=4000, level=0.95)
    assert high - low == pytest.approx(2 * 1.96 * np.std(after["a"] - before["a"]) / 20, rel=0.06)
    assert low < change < high


def test_two_calls_with_sets_of_the_same_sizes_draw_the_same_images() -> None:
    first = {"a": rng.random(12), "b": rng.random(8)}
    means = paired_means(first, first, draws=20, seed=3)
    other = paired_means({name: 2 * values for name, values in first.items()}, first, draws=20, seed=3)
    np.testing.assert_allclose(other[:, 0], 2 * means[:, 0])
    np.testing.assert_array_equal(other[:, 1], means[:, 1])
    assert not np.array_equal(paired_means(first, first, draws=20, seed=4), means)


def test_agreements_begin_with_the_measured_ones_and_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {name: rng.normal(place, 2, 15) for place, name in enumerate("abcdef")}
    after = {name: values + rng.normal(0, 2, 15) for name, values in sets.items()}
    whole = agreements(sets, after, 2, draws=40)
    assert whole.shape == (41, 2)
    np.testing.assert_array_equal(whole[0], agreements(sets, after, 2, draws=0)[0])
    monkeypatch.setattr("howfar.relation.rank_stability._NUMBERS", 1)
    np.testing.assert_array_equal(agreements(sets, after, 2, draws=40), whole)


def test_without_resamples_an_interval_is_undefined() -> None:
    assert np.isnan(interval_of([0.5])).all()
    assert np.isnan(mean_change({"a": np.ones(2)}, {"a": np.ones(2)}, draws=0)[1]).all()


def test_datasets_that_disagree_are_named() -> None:
    with pytest.raises(InputError, match=r"after must hold the same datasets as before, got \['b'\]"):
        paired_means({"a": np.ones(2)}, {"a": np.ones(2), "b": np.ones(2)}, draws=1)
    with pytest.raises(InputError, match=r"after\['a'\] must hold 2 images, as before, got 3"):
        mean_change({"a": np.ones(2)}, {"a": np.ones(3)})
