import numpy as np
import pytest

from howfar.arrays import as_features, significant
from howfar.errors import InputError


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, 2.0], "two axes"),
        (np.empty((0, 3)), "at least one row"),
        (np.empty((3, 0)), "at least one row"),
        ([[1.0], [float("nan")]], "NaN or infinity in row 1"),
        ([[float("inf")]], "NaN or infinity in row 0"),
        ([["a"]], "numeric"),
        ([[1.0], [1.0, 2.0]], "one length"),
        ([[1e101]], "do not overflow"),
        ([[-1e101]], "do not overflow"),
    ],
)
def test_what_is_no_features_is_one_line(x, message):
    with pytest.raises(InputError, match=message) as caught:
        as_features(x, "p")
    assert str(caught.value).startswith("p must")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("given", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i4", "f8"), ("?", "f8")])
def test_dtypes(given, kept):
    assert as_features(np.ones((2, 2), dtype=given), "p").dtype == kept


def test_numbers_of_any_size_are_rounded_to_significant_digits():
    given = [1e-300, -5e-324, 0.0, np.nan, np.inf, 1.2345e-289, -9.9996, 1.7345e308]
    expected = [1e-300, -5e-324, 0.0, np.nan, np.inf, 1.234e-289, -10.0, 1.734e308]
    np.testing.assert_allclose(significant(given, 4), expected, rtol=1e-15)
