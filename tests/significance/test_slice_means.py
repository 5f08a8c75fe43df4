"""Slices' means have intervals that cover, tests that keep their level, and nothing where there is too little."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.significance.permutation import FEWEST, slice_means


def test_equal_slices_are_rarely_called_different_and_intervals_cover() -> None:
    rng = np.random.default_rng(0)
    rejected, covered = [], []
    for _ in range(120):
        values, slices = rng.normal(size=60), np.repeat([0, 1, 2], 20)
        found = slice_means(values, slices, bootstrap=200, permutations=99, rng=rng)
        rejected += [each.p_value is not None and each.p_value <= 0.05 for each in found.values()]
        covered += [each.ci is not None and each.ci[0] <= 0 <= each.ci[1] for each in found.values()]
    assert np.mean(rejected) < 0.1
    assert 0.86 < np.mean(covered) < 0.99


def test_tiles_of_one_photograph_count_as_one() -> None:
    rng = np.random.default_rng(1)
    rejected: list[bool] = []
    apart: list[bool] = []
    for _ in range(60):
        values = np.repeat(rng.normal(size=24), 10) + 0.1 * rng.normal(size=240)
        slices, photographs = np.repeat([0, 1], 120), np.repeat(np.arange(24), 10)
        together = slice_means(values, slices, photographs, bootstrap=0, permutations=99, rng=rng)[0].p_value
        alone = slice_means(values, slices, bootstrap=0, permutations=99, rng=rng)[0].p_value
        assert together is not None
        assert alone is not None
        rejected.append(together <= 0.05)
        apart.append(alone <= 0.05)
    assert np.mean(rejected) < 0.17
    # What would be said without the photographs: the test below has something to lose.
    assert np.mean(apart) > 0.3


def test_a_slice_of_fewer_photographs_has_neither_interval_nor_test() -> None:
    values = np.arange(60.0)
    photographs = np.r_[np.arange(40), np.repeat([40, 41], 10)]
    found = slice_means(values, np.r_[np.zeros(40, int), np.ones(20, int)], photographs, rng=np.random.default_rng(0))
    assert (found[1].n, found[1].photographs) == (20, 2)
    assert found[1].mean == pytest.approx(49.5)
    assert found[1][3:] == (None, None, None)
    assert found[0].p_value is not None
    assert FEWEST == 10


def test_undefined_values_are_left_out_and_a_whole_dataset_has_no_rest() -> None:
    values = np.r_[np.full(15, 2.0), np.full(5, np.nan)]
    found = slice_means(values, np.r_[np.zeros(15, int), np.ones(5, int)], rng=np.random.default_rng(0))
    assert found[0].mean == 2.0
    assert found[0].ci == (2.0, 2.0)
    assert (found[0].difference, found[0].p_value) == (None, None)
    assert found[1] == (0, 0, None, None, None, None)


def test_lengths_must_fit() -> None:
    with pytest.raises(InputError, match="slices must have one entry a value"):
        slice_means([1.0, 2.0], [0], rng=np.random.default_rng(0))
