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


def world(rng: np.random.Generator, shifts: np.ndarray, per_set: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Sets whose performance lies above or below what the signal tells, by one shift a set."""
    made = [images(rng, per_set, shift) for shift in shifts]
    columns = {"flip_agreement": np.concatenate([columns["flip_agreement"] for columns, _ in made])}
    return columns, np.concatenate([truth for _, truth in made])


@pytest.mark.parametrize("sets", [3, 8])
def test_image_intervals_hold_about_at_their_level_for_images_of_a_further_set(sets: int) -> None:
    rng, covered, names = np.random.default_rng(0), [], np.repeat(np.arange(sets), 20)
    for _ in range(300):
        shifts = 0.1 * rng.normal(size=sets + 1)
        calibrated = calibrate(FLIP_AGREEMENT, *world(rng, shifts[:-1], 20), names, level=0.9)
        columns, truth = images(rng, 30, shifts[-1])
        _, low, high = calibrated.predict(columns)
        covered.append(np.mean((low <= truth) & (truth <= high)))
    assert 0.87 <= np.mean(covered) <= 0.98


def test_image_intervals_need_not_hold_for_a_set_unlike_the_labelled_ones() -> None:
    rng, names = np.random.default_rng(1), np.repeat(np.arange(6), 20)
    calibrated = calibrate(FLIP_AGREEMENT, *world(rng, np.zeros(6), 20), names, level=0.9)
    columns, truth = images(rng, 200, shift=0.4)
    _, low, high = calibrated.predict(columns)
    assert np.mean((low <= truth) & (truth <= high)) < 0.6


@pytest.mark.parametrize("sets", [2, 4, 9])
def test_set_intervals_hold_at_their_level_for_a_further_set(sets: int) -> None:
    rng, names = np.random.default_rng(2), np.repeat(np.arange(sets), 6)
    covered: dict[float, list[bool]] = {0.9: [], 0.6: []}
    for _ in range(600):
        shifts = 0.1 * rng.normal(size=sets + 1)
        calibrated = calibrate(FLIP_AGREEMENT, *world(rng, shifts[:-1], 6), names)
        columns, truth = images(rng, 6, shifts[-1])
        for level, held in covered.items():
            estimate = replace(calibrated, level=level).predict_set(columns, "new")
            held.append(estimate.low <= truth.mean() <= estimate.high)
    # Each error is of a fit to one set fewer, so that a little more is covered.
    for level, held in covered.items():
        assert level - 0.05 <= np.mean(held) <= level + 0.1


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
