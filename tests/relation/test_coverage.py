"""What intervals and failure lists promise, measured over many planted repeats in which the promise's premise holds."""

import numpy as np
import pytest
from scipy import stats

from howfar.relation.calibrated_estimator import PRIOR_ERROR, Calibrated, calibrate
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


def labelled_sites(seed: int, sites: int) -> tuple[Calibrated, dict[str, np.ndarray], float]:
    """Fit to some sites and the primary's own kind; return a further set and its mean performance.

    Each set's mean is off the signal's line by its own draw, normal with the prior's scale.
    """
    rng = np.random.default_rng([2, seed])
    sets = [images(rng, 12, shift) for shift in PRIOR_ERROR * rng.normal(size=10)]
    (columns, truth), known = sets[0], sets[1 : sites + 2]
    labelled = {"flip_agreement": np.concatenate([known[k][0]["flip_agreement"] for k in range(sites + 1)])}
    names = np.repeat(["own", *(f"site {k}" for k in range(sites))], 12)
    performance = np.concatenate([performance for _, performance in known])
    return calibrate(FLIP_AGREEMENT, labelled, performance, names, home="own"), columns, float(truth.mean())


@pytest.mark.parametrize("sites", [3, 5, 8])
def test_a_sets_interval_holds_about_at_its_level_for_a_further_set(sites: int) -> None:
    held = []
    for seed in range(500):
        calibrated, columns, truth = labelled_sites(seed, sites)
        held.append(calibrated.predict_set(columns, "new", truth).held)
    assert 0.87 <= np.mean(held) <= 0.97, np.mean(held)


def test_every_further_site_makes_a_sets_interval_narrower() -> None:
    widths = [np.mean([labelled_sites(seed, sites)[0].set_half_width() for seed in range(200)]) for sites in range(9)]
    assert widths[0] == pytest.approx(stats.t.ppf(0.95, 2) * PRIOR_ERROR)
    assert (np.diff(widths) < 0).all(), widths


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
