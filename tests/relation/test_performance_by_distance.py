"""Images by distance: parts of equal size, a moving average, and a curve."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.relation.performance_by_distance import by_distance, curve, moving_average, parts, scale, split


def names(m: int) -> list[str]:
    return [f"{i:03d}" for i in range(m)]


@pytest.mark.parametrize(
    ("m", "count", "sizes"),
    [(2, 2, [1, 1]), (11, 2, [5, 6]), (10, 3, [4, 3, 3]), (11, 3, [4, 4, 3]), (10, 4, [3, 3, 2, 2]), (1, 2, []), (2, 3, [])],
)
def test_sizes(m: int, count: int, sizes: list[int]) -> None:
    assert [len(part) for part in split(np.arange(m), names(m), count)] == sizes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=30), st.integers(2, 3), st.randoms(use_true_random=False))
def test_parts_are_every_image_once_in_one_order_whatever_the_rows(values: list[int], count: int, random: Any) -> None:
    rows = list(range(len(values)))
    random.shuffle(rows)
    labels = names(len(values))
    found = [part.tolist() for part in split(values, labels, count)]
    shuffled = split([values[i] for i in rows], [labels[i] for i in rows], count)
    assert [[rows[i] for i in part] for part in shuffled] == found
    flat = [i for part in found for i in part]
    assert sorted(flat) == list(range(len(values)))
    assert [(values[i], labels[i]) for i in flat] == sorted(zip(values, labels, strict=True))


def test_equal_distances_go_by_name_as_text() -> None:
    assert by_distance([1.0, 1.0, 1.0, 0.0], ["9", "10", "B", "z"]).tolist() == [3, 1, 0, 2]


def test_scale_is_over_all_images_and_constant_is_zero() -> None:
    assert scale([3.0, 1.0, 2.0, 1.5]).tolist() == [1.0, 0.0, 0.5, 0.25]
    assert scale([0.1 + 0.2, 0.3]).tolist() == [0.0, 0.0]
    assert scale([5.0]).tolist() == [0.0]
    assert scale([]).tolist() == []
    assert scale([1e9, 1e9 + 1.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split([0.0, np.nan], "ab", 2), "distances must be finite, got 'nan at position 1'"),
        (lambda: split([[0.0]], "a", 2), "distances must be one row"),
        (lambda: split(["far"], "a", 2), "distances must be numbers"),
        (lambda: split([0.0, 1.0], "abc", 2), "names must have 2 values"),
        (lambda: split([0.0, 1.0], "ab", 1), "count must be at least 2, got 1"),
        (lambda: scale([0.0, np.inf]), "distances must be finite"),
        (lambda: moving_average([1.0, 2.0], 0), "window must be at least 1, got 0"),
        (lambda: moving_average([1.0, np.inf]), "values must be finite"),
        (lambda: curve([0.0, 1.0], ["a", "b"], [0.5]), "performance must have 2 values"),
        (lambda: curve([0.0, 1.0], ["a"], [0.5, 0.5]), "names must have 2 values"),
        (
            lambda: parts([0.0, 1.0], "ab", 2, retuned=lambda _: (0.5, 0.5), common=lambda _: 0.5, values=[0.5]),
            "values must have 2 values, one an image, got 1",
        ),
    ],
)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=60), st.integers(1, 80))
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


def test_a_constant_stays_exactly_and_a_far_value_leaves_nothing_behind() -> None:
    np.testing.assert_array_equal(moving_average(np.full(50, 0.75), 7), 0.75)
    values = np.full(50, 0.5)
    values[3] = 1e15
    np.testing.assert_array_equal(moving_average(values, 3)[5:], 0.5)


def test_a_curve_leaves_out_images_without_performance() -> None:
    distances = np.array([0.3, 0.0, 1.0, 0.3, 0.6])
    order, x, y = curve(distances, ["b", "e", "a", "a", "c"], [0.5, 0.9, 0.1, 0.7, np.nan], window=2)
    assert order.tolist() == [1, 3, 0, 2]
    assert x.tolist() == [0.0, 0.3, 0.3, 1.0]
    # One before and the image itself: 0.9, (0.9 + 0.7) / 2, (0.7 + 0.5) / 2, (0.5 + 0.1) / 2.
    np.testing.assert_allclose(y, [0.9, 0.8, 0.6, 0.3], rtol=1e-12)
