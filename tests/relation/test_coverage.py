"""What intervals and failure lists promise, measured over many planted repeats in which the promise's premise holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.failure_list import failures
from howfar.relation.performance_estimators import FLIP_AGREEMENT


def images(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Images whose flip agreement tells of their performance, with errors that are wider for some than for others."""
    signal = rng.random(n)
    noise = rng.normal(size=n) * (0.05 + 0.15 * rng.random(n))
    return {"flip_agreement": signal}, np.clip(0.1 + 0.7 * signal + noise + shift, 0, 1)


@pytest.mark.parametrize("sets", [["a"] * 60, ["a"] * 10 + ["b"] * 20 + ["c"] * 30])
def test_image_intervals_hold_at_their_level_for_exchangeable_images(sets: list[str]) -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(500):
        calibrated = calibrate(FLIP_AGREEMENT, *images(rng, 60), sets, level=0.9)
        columns, truth = images(rng, 30)
        _, low, high = calibrated.predict(columns)
        covered.append(np.mean((low <= truth) & (truth <= high)))
    assert 0.87 <= np.mean(covered) <= 0.93


def test_image_intervals_need_not_hold_for_another_dataset() -> None:
    rng = np.random.default_rng(1)
    calibrated = calibrate(FLIP_AGREEMENT, *images(rng, 60), ["a"] * 60, level=0.9)
    columns, truth = images(rng, 200, shift=0.4)
    _, low, high = calibrated.predict(columns)
    assert np.mean((low <= truth) & (truth <= high)) < 0.6


@pytest.mark.parametrize("sets", [9, 4])
def test_set_intervals_hold_at_their_level_for_exchangeable_sets(sets: int) -> None:
    rng, names = np.random.default_rng(2), np.repeat(np.arange(sets), 6)
    levels = {0.9: min(0.9, sets / (sets + 1)), 0.6: 0.6}
    covered: dict[float, list[bool]] = {asked: [] for asked in levels}
    for _ in range(600):
        made = [images(rng, 6, shift) for shift in 0.1 * rng.normal(size=sets + 1)]
        known = {"flip_agreement": np.concatenate([columns["flip_agreement"] for columns, _ in made[:-1]])}
        calibrated = calibrate(FLIP_AGREEMENT, known, np.concatenate([truth for _, truth in made[:-1]]), names)
        for asked, level in levels.items():
            one = replace(calibrated, level=asked).predict_set(made[-1][0], "new")
            assert one.level == pytest.approx(level)
            covered[asked].append(one.low <= made[-1][1].mean() <= one.high)
    # Leave-one-out errors of a few sets are not quite those of a further set: a little more or less is covered.
    for asked, level in levels.items():
        assert level - 0.04 <= np.mean(covered[asked]) <= level + 0.1


def test_the_failure_list_errs_at_most_as_often_as_stated() -> None:
    rng, sets = np.random.default_rng(3), ["a"] * 30 + ["b"] * 40 + ["c"] * 50
    errors: dict[float, list[float]] = {0.1: [], 0.3: []}
    found: dict[float, list[float]] = {0.1: [], 0.3: []}
    for _ in range(300):
        calibrated = calibrate(FLIP_AGREEMENT, *images(rng, 120), sets)
        columns, truth = images(rng, 60)
        estimate = calibrated.predict(columns)[0]
        for rate in errors:
            record, _, _ = failures(calibrated, estimate, "new", tau=0.4, error_rate=rate, performance=truth)
            assert record.failing
            errors[rate].append(record.measured_error or 0.0)
            found[rate].append((record.found or 0) / record.failing)
    for rate, measured in errors.items():
        assert np.mean(measured) <= rate + 0.01
        # It lists something, and errs about as often as it may: the promise is not kept by silence.
        assert np.mean(measured) > 0.4 * rate
        assert np.mean(found[rate]) > 0.3
