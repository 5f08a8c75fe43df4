from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.relation.performance_by_distance import curve, moving_average


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=60),
    st.integers(1, 80),
)
def test_as_pandas_centred_rolling_mean(values: list[float], window: int) -> None:
    # pandas takes running sums, whose rounding is that of the largest value.
    expected = pd.Series(values).rolling(window, center=True, min_periods=1).mean().to_numpy()
    np.testing.assert_allclose(moving_average(values, window), expected, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize(("m", "window"), [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (39, 3), (40, 4), (57, 5)])
def test_the_window_is_a_tenth(m: int, window: int) -> None:
    values = np.random.default_rng(m).random(m)
    np.testing.assert_array_equal(moving_average(values), moving_average(values, window))
    if m > 1:
        assert (moving_average(values) != moving_average(values, window + 1)).any()


def test_by_hand() -> None:
    # Three: ends (8 + 2) / 2 and (6 + 1) / 2, between them (8 + 2 + 6) / 3 and (2 + 6 + 1) / 3.
    assert moving_average([8.0, 2.0, 6.0, 1.0], 3).tolist() == [5.0, 16 / 3, 3.0, 3.5]
    # Four: two before and one after: (8 + 2) / 2, (8 + 2 + 6) / 3, (8 + 2 + 6 + 1) / 4, (2 + 6 + 1) / 3.
    assert moving_average([8.0, 2.0, 6.0, 1.0], 4).tolist() == [5.0, 16 / 3, 17 / 4, 3.0]
    # Undefined values are left out of the means, and a window of them alone is undefined.
    np.testing.assert_array_equal(moving_average([np.nan, np.nan, 6.0, 1.0], 3), [np.nan, 6.0, 3.5, 3.5])


def test_a_constant_stays_exactly_and_a_far_value_leaves_nothing_behind() -> None:
    np.testing.assert_array_equal(moving_average(np.full(50, 0.75), 7), 0.75)
    values = np.full(50, 0.5)
    values[3] = 1e15
    np.testing.assert_array_equal(moving_average(values, 3)[5:], 0.5)


def test_one_row_or_none() -> None:
    assert moving_average([]).tolist() == []
    for bad, message in ((0, "window must be at least 1, got 0"), (-2, "window")):
        with pytest.raises(InputError, match=message):
            moving_average([1.0, 2.0], bad)
    with pytest.raises(InputError, match="values must be finite"):
        moving_average([1.0, np.inf])


def test_a_curve_leaves_out_images_without_performance() -> None:
    distances = np.array([0.3, 0.0, 1.0, 0.3, 0.6])
    order, x, y = curve(distances, ["b", "e", "a", "a", "c"], [0.5, 0.9, 0.1, 0.7, np.nan], window=2)
    assert order.tolist() == [1, 3, 0, 2]
    assert x.tolist() == [0.0, 0.3, 0.3, 1.0]
    # One before and the image itself: 0.9, (0.9 + 0.7) / 2, (0.7 + 0.5) / 2, (0.5 + 0.1) / 2.
    np.testing.assert_allclose(y, [0.9, 0.8, 0.6, 0.3], rtol=1e-12)


def test_the_window_of_a_curve_counts_scored_images() -> None:
    rng = np.random.default_rng(0)
    distances, performance = rng.random(25), rng.random(25)
    performance[:6] = np.nan
    _, _, smoothed = curve(distances, [str(i) for i in range(25)], performance)
    kept = np.argsort(distances[6:]) + 6
    np.testing.assert_array_equal(smoothed, performance[kept])  # 19 scored images: a window of one


def test_curve_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="performance must have 2 values"):
        curve([0.0, 1.0], ["a", "b"], [0.5])
    with pytest.raises(InputError, match="names must have 2 values"):
        curve([0.0, 1.0], ["a"], [0.5, 0.5])
    order, x, y = curve([0.0, 1.0], ["a", "b"], [np.nan, np.nan])
    assert (len(order), len(x), len(y)) == (0, 0, 0)
