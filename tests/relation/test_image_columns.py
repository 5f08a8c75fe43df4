"""What is known of each image: columns with gaps, histograms as shares, and labelled images cut into folds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.relation.image_columns import LabelledImages, available, column


def test_an_image_lacks_what_is_absent_or_not_finite() -> None:
    columns = {"i_dist": [1.0, np.nan, np.inf, 4.0], "knn": [1.0, 2.0, 3.0, np.nan]}
    assert available(columns, ("i_dist",)).tolist() == [True, False, False, True]
    assert available(columns, ("i_dist", "knn")).tolist() == [True, False, False, False]
    assert available(columns, ("mahalanobis",)).tolist() == [False] * 4
    assert available(columns, ()).tolist() == [True] * 4
    np.testing.assert_array_equal(column(columns, "i_dist"), [1.0, np.nan, np.nan, 4.0])


def test_histograms_become_shares_and_an_empty_one_is_lacking() -> None:
    counts = np.zeros((3, 256), dtype=np.int64)
    counts[0, [0, 255]] = 3, 1
    counts[1, 7] = 5
    shares = column({"histogram": counts}, "histogram")
    assert shares[0, [0, 255]].tolist() == [0.75, 0.25]
    assert shares[1].sum() == 1.0
    assert np.isnan(shares[2]).all()
    assert available({"histogram": counts}, ("histogram",)).tolist() == [True, True, False]
    assert counts[0, 0] == 3


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({}, "columns must hold at least one column"),
        ({"i_dist": [1.0], "knn": [1.0, 2.0]}, "columns must all have one row an image"),
        ({"i_dist": [[1.0, 2.0]]}, "column i_dist must have shape"),
        ({"i_dist": ["far"]}, "column i_dist must be numeric"),
        ({"histogram": np.ones((2, 100))}, "column histogram must have shape"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        column(columns, next(iter(columns), "i_dist"))


def labelled(sets: list[str], groups: list[str] | None = None) -> LabelledImages:
    n = len(sets)
    return LabelledImages.of({"i_dist": np.arange(float(n))}, np.linspace(0, 1, n), sets, groups)


def test_a_single_set_falls_into_ten_runs_of_its_images() -> None:
    folds = labelled(["a"] * 25).folds()
    assert np.bincount(folds).tolist() == [3, 2, 3, 2, 3, 2, 3, 2, 3, 2]
    assert (np.diff(folds) >= 0).all()
    assert labelled(["a"] * 3).folds().tolist() == [0, 1, 2]
    assert labelled(["a"] * 4, ["photo"] * 4).folds().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("performance", "sets", "groups", "line"),
    [
        ([0.5], ["a", "a"], None, "performance must have 2 values"),
        ([0.5, np.nan], ["a", "a"], None, "performance must lie between 0 and 1, got 'nan at position 1'"),
        ([0.5, 1.2], ["a", "a"], None, "performance must lie between 0 and 1"),
        ([0.5, 0.6], ["a"], None, "sets must be one row of 2 values"),
        ([0.5, 0.6], ["a", "a"], ["x"], "groups must be one row of 2 values"),
    ],
)
def test_wrong_labels_are_refused(performance: list[float], sets: list[str], groups: list[str] | None, line: str) -> None:
    with pytest.raises(InputError, match=line):
        LabelledImages.of({"i_dist": [1.0, 2.0]}, performance, sets, groups)
    with pytest.raises(InputError, match="at least one labelled image"):
        LabelledImages.of({"i_dist": []}, [], [])
