"""What significance is given is checked: every refusal is one line that names the argument."""

from collections.abc import Callable

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.significance import assignments, holm, interval, p_value, p_values, percentiles, resample_weights, unbiased_mean
from howfar.significance.hypothesis_tests import quantile, select
from howfar.significance.sequential_alarm import BoundedBet, LabelledBatch, SpreadBet, first_alarm

NAN, RNG = float("nan"), np.random.default_rng(0)
NO_SCORES = ([], [NAN], [np.inf, 1.0], [[1.0]], 3.0, ["a"])
NO_LEVELS = (0.0, 1.0, 95, NAN)


@pytest.mark.parametrize("wrong", NO_SCORES)
def test_what_is_no_row_of_finite_numbers(wrong: list[float]) -> None:
    for call, name in (
        (lambda: p_values(wrong, [1.0]), "scores"),
        (lambda: p_values([1.0], wrong), "calibration"),
        (lambda: percentiles(wrong, [1.0]), "scores"),
        (lambda: percentiles([1.0], wrong), "calibration"),
        (lambda: p_value(1.0, wrong), "null"),
    ):
        with pytest.raises(InputError, match=f"{name} must"):
            call()


@pytest.mark.parametrize("level", NO_LEVELS)
def test_what_is_no_level(level: float) -> None:
    for call, name in (
        (lambda: interval([1.0, 2.0], level), "level"),
        (lambda: quantile([0.1], level), "level"),
        (lambda: select([0.1], level), "error_rate"),
    ):
        with pytest.raises(InputError, match=f"{name} must lie between 0 and 1"):
            call()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: resample_weights(0, 5, RNG), "n must be at least 1"),
        (lambda: resample_weights(5, 0, RNG), "draws must be at least 1"),
        (lambda: unbiased_mean([1.0] * 4, np.ones((3, 5))), r"weights must have shape \(n, 4\)"),
        (lambda: interval([NAN, NAN]), "draws must hold at least one finite number"),
        (lambda: quantile([-0.1], 0.9), "residuals must be at least 0"),
        (lambda: quantile([[0.1]], 0.9), "residuals must be one row"),
        (lambda: select([1.1], 0.9), r"p_values\[0\] must lie between 0 and 1"),
        (lambda: select([[0.1]], 0.9), "p_values must be one row"),
        (lambda: assignments(0, 3, 5, RNG), "m must be at least 1"),
        (lambda: assignments(3, 3, 0, RNG), "draws must be at least 1"),
        (lambda: p_value(NAN, [1.0]), "observed must"),
        (lambda: holm([0.1, 1.2]), r"p_values\[1\] must lie between 0 and 1"),
        (lambda: holm([-0.01]), r"p_values\[0\] must lie between 0 and 1"),
        (lambda: BoundedBet.of(1.0), "level must lie between 0 and 1, got 1"),
        (lambda: SpreadBet.of(0.5, [0.1, 0.2, 0.3]), "at least 30 labelled images, got 3"),
        (lambda: SpreadBet(0.5, 1.0, 0.1, 0.0).log_factor(LabelledBatch(np.array([0.5]))), "needs the predicted performance"),
        (lambda: first_alarm(np.zeros(1), rate=1.0), "rate must lie between 0 and 1"),
    ],
)
def test_refused(call: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        call()
