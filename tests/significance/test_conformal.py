from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import percentileofscore

from howfar.distances import image_to_dataset, leave_one_out
from howfar.errors import InputError
from howfar.significance import p_values, percentiles

few = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(scores=few, calibration=few)
def test_as_counting(scores: list[float], calibration: list[float]) -> None:
    n = len(calibration)
    np.testing.assert_allclose(
        p_values(scores, calibration), [(1 + sum(c >= s for c in calibration)) / (n + 1) for s in scores]
    )
    np.testing.assert_allclose(
        percentiles(scores, calibration), [percentileofscore(calibration, s, kind="mean") for s in scores], atol=1e-12
    )


def test_by_hand() -> None:
    assert p_values([5.0, 2.0, -1.0], [1.0, 2.0, 2.0, 4.0]).tolist() == [0.2, 0.8, 1.0]
    assert percentiles([5.0, 2.0, -1.0, 3.0], [1.0, 2.0, 2.0, 4.0]).tolist() == [100.0, 50.0, 0.0, 75.0]


def test_the_calibration_need_not_be_sorted_and_stays_as_it_is(rng: np.random.Generator) -> None:
    scores, calibration = rng.normal(size=20), rng.normal(size=50)
    kept = calibration.copy()
    for function in (p_values, percentiles):
        np.testing.assert_array_equal(function(scores, calibration), function(scores, np.sort(calibration)[::-1]))
        assert function(scores, calibration).dtype == np.float64
    np.testing.assert_array_equal(calibration, kept)


def test_percentiles_of_the_calibration_itself_average_to_50(rng: np.random.Generator) -> None:
    calibration = rng.integers(0, 9, size=40)
    assert percentiles(calibration, calibration).mean() == pytest.approx(50.0)


def test_valid_for_exchangeable_scores(rng: np.random.Generator) -> None:
    found = np.concatenate([p_values(rng.exponential(size=5), rng.exponential(size=19)) for _ in range(4000)])
    for level in (0.05, 0.1, 0.25, 0.5, 1.0):
        assert np.mean(found <= level + 1e-12) == pytest.approx(level, abs=0.01)


def test_valid_with_many_ties(rng: np.random.Generator) -> None:
    found = np.concatenate([p_values(rng.integers(0, 4, size=5), rng.integers(0, 4, size=19)) for _ in range(2000)])
    for level in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(found <= level + 1e-12) <= level + 0.01


def test_leave_one_out_distances_calibrate_new_images_of_the_same_kind() -> None:
    rng, found = np.random.default_rng(3), []
    for _ in range(60):
        p, s = rng.normal(size=(60, 25)), rng.normal(size=(20, 25))
        found.append(p_values(image_to_dataset(s, p), leave_one_out(p)))
    share = np.mean(np.concatenate(found) <= 0.05)
    # 1200 dependent p-values; a new image is measured against 60 images, an image of P against 59.
    assert 0.02 <= share <= 0.08
    p = rng.normal(size=(60, 25))
    assert p_values(image_to_dataset(p[:20] + 3.0, p), leave_one_out(p)).max() < 0.05


@pytest.mark.parametrize("wrong", [[], [np.nan], [np.inf, 1.0], [[1.0]], 3.0, ["a"]])
def test_wrong_numbers_are_refused(wrong: list[float]) -> None:
    for function in (p_values, percentiles):
        with pytest.raises(InputError, match="scores must"):
            function(wrong, [1.0])
        with pytest.raises(InputError, match="calibration must"):
            function([1.0], wrong)
