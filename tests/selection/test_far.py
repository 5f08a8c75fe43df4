from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.selection import far
from howfar.selection.by_column import FAR

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
TEN = np.linspace(0.6, 1.0, 10)


def mask(count: int, *labelled: int) -> np.ndarray[Any, Any]:
    return np.isin(np.arange(count), labelled)


def band(count: int) -> np.ndarray[Any, Any]:
    """So many images in the band and three nearer ones, shuffled; the rank in the band is `ranks` of the position."""
    rng = np.random.default_rng(count)
    return np.concatenate([np.linspace(0.6, 1.0, count) if count > 1 else [1.0], [0.0, 0.3, 0.59]])[rng.permutation(count + 3)]


def ranks(distances: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any]) -> list[int]:
    order = np.argsort(distances)[(distances < 0.6).sum() :]
    return [int(np.flatnonzero(order == position)[0]) for position in chosen]


def test_ranks_by_bit_reversal_and_the_nearest_free_one_where_they_meet() -> None:
    # ⌊10 u⌋ of 1/2, 1/4, 3/4, 1/8, 5/8, 3/8, 7/8, 1/16; then 9/16 and 5/16 fall on 5 and 3, which are taken.
    wanted = [5, 2, 7, 1, 6, 3, 8, 0, 4, 9]
    for k in range(1, 11):
        assert far(TEN, k).tolist() == wanted[:k]


@QUICK
@given(st.integers(1, 200), st.integers(1, 6))
def test_one_three_seven_and_so_on_are_exactly_even(count: int, level: int) -> None:
    k = 2**level - 1
    if k <= count:
        distances = band(count)
        found = sorted(ranks(distances, far(distances, k)))
        assert found == [j * count // 2**level for j in range(1, 2**level)]
        assert np.ptp(np.diff(found)) <= 1 if k > 1 else True


@QUICK
@given(st.lists(st.integers(0, 20).map(lambda x: x / 20), min_size=1, max_size=40), st.data())
def test_labels_that_were_chosen_are_gone_on_from(distances: list[float], data: st.DataObject) -> None:
    """The first picks, then as many more with these labelled, are the picks of both at once."""
    whole = np.array(distances)
    both = data.draw(st.integers(1, len(whole)))
    first = data.draw(st.integers(0, both - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = far(whole, both)
        already = wanted[:first]
        np.testing.assert_array_equal(far(whole, both - first, labelled=mask(len(whole), *already)), wanted[first:])


def test_a_label_close_by_spends_a_rank_and_one_far_off_does_not() -> None:
    # The half of the band around its middle is what 1/2 stands for: the labelled rank 4 lies in it, 9 does not.
    assert far(TEN, 2, labelled=mask(10, 5)).tolist() == [2, 7]
    assert far(TEN, 2, labelled=mask(10, 4)).tolist() == [2, 7]
    assert far(TEN, 2, labelled=mask(10, 9)).tolist() == [5, 2]
    # One label spends one rank: the next turn in its reach is a pick.
    assert far(TEN, 3, labelled=mask(10, 2)).tolist() == [5, 7, 1]
    assert far(TEN, 2, labelled=mask(10, 4, 5)).tolist() == [2, 7]
    # 1 of 4 stands for the middle, so 1/4 is to be replaced by 0 or 2: by the farther.
    assert far(np.linspace(0.6, 1.0, 4), 3, labelled=mask(4, 1)).tolist() == [2, 3, 0]


def test_ties_go_by_position() -> None:
    assert far([0.8] * 7, 3).tolist() == [3, 1, 5]


def test_both_ends_belong_to_the_band_and_the_band_can_be_another() -> None:
    assert far([0.6, 0.599999, 0.0], 1).tolist() == [0]
    assert far([0.1, 0.2, 0.3, 0.4, 1.0], 3, low=0.2, high=0.4).tolist() == [2, 1, 3]


def test_too_few_in_the_band_gives_the_farthest_with_a_warning() -> None:
    distances = [0.1, 0.59, 0.7, 0.3, 1.0]
    with pytest.warns(UserWarning, match=r"images without labels at a scaled distance of 0.6 to 1: 2, fewer than the 4"):
        assert far(distances, 4).tolist() == [4, 2, 1, 3]
    with pytest.warns(UserWarning, match=r": 1, fewer than the 2"):
        assert far(distances, 2, labelled=mask(5, 4)).tolist() == [2, 1]
    with pytest.warns(UserWarning, match=r": 0, fewer than the 2"):
        assert far([0.0, 0.0, 0.0], 2).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("distances", "options", "message"),
    [
        ([0.0, 12.5], {}, "distance must be scaled to 0-1.*12.5"),
        ([-0.1, 1.0], {}, "distance must be scaled to 0-1.*-0.1"),
        ([0.5, 1.0], {"low": 0.9, "high": 0.6}, r"low and high must be a band within 0-1, got \(0.9, 0.6\)"),
        ([0.5, 1.0], {"low": -0.1}, "low and high"),
        ([0.5, 1.0], {"high": 1.1}, "low and high"),
        ([0.5, 1.0], {"low": float("nan")}, "low and high"),
        ([[0.5], [1.0]], {}, "column distance must have shape"),
        (["near", "far"], {}, "column distance must be numeric"),
    ],
)
def test_what_is_refused(distances: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        far(distances, 1, **options)
    assert "\n" not in str(caught.value)


def test_rounding_of_a_scaled_distance_is_forgiven() -> None:
    assert far([1.0 + 1e-12, -1e-12], 1).tolist() == [0]


def test_the_strategy_is_the_function_and_says_why() -> None:
    columns = {"distance": band(20)}
    np.testing.assert_array_equal(FAR.pick(columns, 7, np.random.default_rng(0)), far(columns["distance"], 7))
    assert "at an even rank of those from 0.6 to 1" in FAR.reason({"distance": 0.6})
    assert "too few images lie at 0.6 to 1" in FAR.reason({"distance": 0.59})
