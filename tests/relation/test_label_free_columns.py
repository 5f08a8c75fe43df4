from __future__ import annotations

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.relation.image_columns import available, column, narrow, rows, take


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


def test_narrow_keeps_what_is_needed_or_something_to_count() -> None:
    columns = {"i_dist": [1.0, 2.0], "knn": [3.0, 4.0]}
    assert list(narrow(columns, ("knn",))) == ["knn"]
    assert rows(narrow(columns, ())) == 2
    assert take(columns, [False, True])["knn"].tolist() == [4.0]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({}, "columns must hold at least one column"),
        ({"i_dist": [1.0], "knn": [1.0, 2.0]}, "columns must all have one row an image"),
        ({"i_dist": [[1.0, 2.0]]}, "column i_dist must have shape"),
        ({"i_dist": ["far"]}, "column i_dist must be numeric"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, list[float]], line: str) -> None:
    with pytest.raises(InputError, match=line):
        column(columns, "i_dist")


def test_a_histogram_has_256_values() -> None:
    with pytest.raises(InputError, match="column histogram must have shape"):
        column({"histogram": np.ones((2, 100))}, "histogram")
