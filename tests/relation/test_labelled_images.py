from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.relation.image_columns import LabelledImages


def labelled(sets: list[str], groups: list[str] | None = None) -> LabelledImages:
    n = len(sets)
    return LabelledImages.of({"i_dist": np.arange(float(n))}, np.linspace(0, 1, n), sets, groups)


def test_sets_weigh_alike() -> None:
    np.testing.assert_allclose(labelled(["a", "b", "b", "b"]).weights(), [1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_folds_are_the_sets_where_there_are_two() -> None:
    assert labelled(["b", "a", "b"], ["x", "y", "z"]).folds().tolist() == [1, 0, 1]


def test_a_single_set_falls_into_ten_runs_of_its_images() -> None:
    folds = labelled(["a"] * 25).folds()
    assert np.bincount(folds).tolist() == [3, 2, 3, 2, 3, 2, 3, 2, 3, 2]
    assert (np.diff(folds) >= 0).all()
    assert labelled(["a"] * 3).folds().tolist() == [0, 1, 2]


def test_groups_stay_whole_in_a_single_set() -> None:
    groups = [f"photo{k % 17:02d}" for k in range(60)]
    folds = labelled(["a"] * 60, groups).folds()
    assert len(np.unique(folds)) == 10
    for group in set(groups):
        assert len({int(fold) for fold, one in zip(folds, groups, strict=True) if one == group}) == 1


def test_a_single_group_is_split_by_position() -> None:
    assert labelled(["a"] * 4, ["photo"] * 4).folds().tolist() == [0, 1, 2, 3]


def test_splits_are_disjoint_and_cover_all() -> None:
    whole = labelled(["a", "b", "c", "a", "b"])
    seen = np.zeros(5, dtype=int)
    for rest, inside in whole.splits():
        seen += inside
        assert set(rest.performance.tolist()).isdisjoint(whole.performance[inside].tolist())
        assert len(rest.performance) + inside.sum() == 5
    assert seen.tolist() == [1] * 5
    assert list(labelled(["a"]).splits()) == []


def test_numbers_for_names_change_nothing() -> None:
    whole = labelled(["b", "a", "b", "c"], ["z", "y", "x", "x"])
    np.testing.assert_array_equal(whole.coded().folds(), whole.folds())
    np.testing.assert_array_equal(whole.coded().weights(), whole.weights())


@pytest.mark.parametrize(
    ("performance", "sets", "groups", "line"),
    [
        ([0.5], ["a", "a"], None, "performance must be one row of 2 values"),
        ([0.5, np.nan], ["a", "a"], None, "performance must lie between 0 and 1, got 'nan at position 1'"),
        ([0.5, 1.2], ["a", "a"], None, "performance must lie between 0 and 1"),
        ([0.5, 0.6], ["a"], None, "sets must be one row of 2 values"),
        ([0.5, 0.6], ["a", "a"], ["x"], "groups must be one row of 2 values"),
    ],
)
def test_wrong_labels_are_refused(performance: list[float], sets: list[str], groups: list[str] | None, line: str) -> None:
    with pytest.raises(InputError, match=line):
        LabelledImages.of({"i_dist": [1.0, 2.0]}, performance, sets, groups)


def test_no_images_are_refused() -> None:
    with pytest.raises(InputError, match="at least one labelled image"):
        LabelledImages.of({"i_dist": []}, [], [])
