from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.relation.calibrated_estimator import Calibrated, calibrate
from howfar.relation.failure_list import failures, list_failures, trusted_below
from howfar.significance.hypothesis_tests import select

tenths = st.integers(0, 10).map(lambda k: k / 10)
pairs = st.lists(st.tuples(tenths, tenths), min_size=1, max_size=15)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pairs, st.lists(tenths, min_size=1, max_size=8), tenths)
def test_as_counting(calibration: list[tuple[float, float]], estimates: list[float], tau: float) -> None:
    guesses, truth = zip(*calibration, strict=True)
    p_values, listed = list_failures(guesses, truth, estimates, tau, 0.3)
    n = len(calibration)
    expected = [(1 + sum(y >= tau and g <= asked for g, y in calibration)) / (n + 1) for asked in estimates]
    np.testing.assert_allclose(p_values, expected)
    judged = [1.0 if asked >= tau else p for p, asked in zip(expected, estimates, strict=True)]
    np.testing.assert_array_equal(listed, select(judged, 0.3))


def test_where_nearly_all_fail_an_image_that_is_estimated_to_do_well_is_not_listed() -> None:
    truth = np.where(np.arange(100) < 95, 0.1, 0.9)
    p_values, listed = list_failures(truth, truth, [0.1, 0.5, 0.9], 0.5, 0.2)
    assert (p_values <= 0.2).all()
    assert listed.tolist() == [True, False, False]


def test_the_rate_holds_where_nearly_all_fail_and_estimates_are_poor() -> None:
    rng, wrong = np.random.default_rng(2), []
    for _ in range(400):
        truth = np.where(rng.random(300) < 0.85, rng.uniform(0, 0.5, 300), rng.uniform(0.5, 1, 300))
        guess = truth + rng.normal(0, 0.6, 300)
        _, listed = list_failures(guess[:200], truth[:200], guess[200:], 0.5, 0.1)
        wrong.append(np.mean(truth[200:][listed] >= 0.5) if listed.any() else 0.0)
    assert np.mean(wrong) <= 0.1


def test_without_calibration_nothing_is_listed() -> None:
    p_values, listed = list_failures([], [], [0.0, 0.5], 0.5, 0.9)
    assert (p_values.tolist(), listed.tolist()) == ([1.0, 1.0], [False, False])


def calibrated() -> Calibrated:
    values = np.linspace(0, 1, 41)
    return calibrate("flip_agreement", {"flip_agreement": values}, values, ["a"] * 20 + ["b"] * 21)


@pytest.mark.parametrize(
    ("estimates", "truth", "listed", "measured"),
    [
        ([0.02, 0.1, 0.3, 0.8, np.nan], None, [True, True, True, False, False], (None, None, None)),
        # A labelled set counts its labelled images alone.
        ([0.02, 0.1, 0.3, 0.8, np.nan], [0.6, 0.1, np.nan, 0.2, 0.3], [True, True, True, False, False], (0.5, 3, 1)),
        # Nothing is measured where nothing is listed, or labelled.
        ([0.8, 0.9], [0.1, 0.9], [False, False], (None, 1, 0)),
        ([0.1], [np.nan], [True], (None, None, None)),
        # An image at tau does not fail.
        ([0.01, 0.02], [0.5, 0.49], [True, True], (0.5, 1, 1)),
    ],
)
def test_the_record_of_a_set(estimates: list[float], truth: Any, listed: list[bool], measured: Any) -> None:
    one = calibrated()
    record, p_values, found = failures(one, estimates, "walls", tau=0.5, error_rate=0.2, performance=truth)
    np.testing.assert_array_equal(p_values, list_failures(one.estimates, one.performance, estimates, 0.5, 0.2)[0])
    assert found.tolist() == listed
    assert (record.dataset, record.estimator, record.n, record.listed) == ("walls", "flip_agreement", len(listed), sum(listed))
    assert (record.measured_error, record.failing, record.found) == measured


@pytest.mark.parametrize("seed", range(5))
def test_up_to_the_trusted_estimate_no_labelled_set_is_wrong_more_often_than_stated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = np.repeat(["a", "b", "c", "d"], 50)
    truth = rng.random(200)
    guess = truth + np.repeat(rng.normal(0, 0.15, 4), 50) + rng.normal(0, 0.1, 200)
    cut = trusted_below(guess, truth, sets, 0.5, 0.2)
    shares = [
        np.mean(truth[(sets == name) & (guess <= cut)] >= 0.5) for name in "abcd" if ((sets == name) & (guess <= cut)).any()
    ]
    assert max(shares) <= 0.2
    # A little higher, one set errs too often: the cut is as high as it may be.
    higher = guess > cut
    beyond = [np.cumsum(truth[sets == name][np.argsort(guess[sets == name])] >= 0.5) / np.arange(1, 51) for name in "abcd"]
    sorted_guess = [np.sort(guess[sets == name]) for name in "abcd"]
    assert higher.any()
    assert any((values[above > cut] > 0.2).all() for values, above in zip(beyond, sorted_guess, strict=True))


def test_of_many_sets_the_worst_share_may_err() -> None:
    sets = np.repeat([f"set {k:02}" for k in range(14)], 2)
    guess = np.tile([0.1, 0.4], 14) + np.repeat(np.arange(14), 2) / 1000
    truth = np.tile([0.0, 0.0], 14)
    truth[:4] = 0.9  # both images of two sets pass
    # Of 14 sets the third smallest counts, as ⌊15 · 0.2⌋ = 3.
    assert trusted_below(guess, truth, sets, 0.5, 0.2) == pytest.approx(0.402)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (([0.1], [0.1, 0.2], [0.1], 0.5, 0.2), "calibration_performance must have 1 values"),
        (([0.1, np.nan], [0.1, 0.2], [0.1], 0.5, 0.2), "must be finite"),
        (([0.1], [0.1], [[0.1]], 0.5, 0.2), "estimates must be one row"),
        (([0.1], [0.1], [0.1], np.nan, 0.2), "tau must be a finite number"),
        (([0.1], [0.1], [0.1], 0.5, 1.0), "error_rate must lie between 0 and 1"),
    ],
)
def test_wrong_input_is_refused(arguments: tuple[Any, ...], line: str) -> None:
    with pytest.raises(InputError, match=line):
        list_failures(*arguments)
    with pytest.raises(InputError, match="performance must be one row of 2 values"):
        failures(calibrated(), [0.1, 0.2], "walls", tau=0.5, error_rate=0.2, performance=[0.1])
