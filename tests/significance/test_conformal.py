import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, percentileofscore

from howfar.distances import image_to_dataset, leave_one_out
from howfar.significance import p_values, percentiles
from howfar.significance.conformal import quantile, select

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


def test_valid_for_exchangeable_scores_and_with_many_ties(rng: np.random.Generator) -> None:
    found = np.concatenate([p_values(rng.exponential(size=5), rng.exponential(size=19)) for _ in range(4000)])
    tied = np.concatenate([p_values(rng.integers(0, 4, size=5), rng.integers(0, 4, size=19)) for _ in range(2000)])
    for level in (0.05, 0.1, 0.25, 0.5, 1.0):
        assert np.mean(found <= level + 1e-12) == pytest.approx(level, abs=0.01)
        assert np.mean(tied <= level + 1e-12) <= level + 0.01


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


@settings(max_examples=60, deadline=None, derandomize=True)
@given(residuals=st.lists(st.integers(0, 9).map(float), max_size=25), level=st.integers(1, 19).map(lambda k: k / 20))
def test_quantile_is_the_ranked_residual(residuals: list[float], level: float) -> None:
    n = len(residuals)
    rank = -(-(n + 1) * round(level * 20) // 20)
    assert quantile(residuals, level) == (sorted(residuals)[rank - 1] if rank <= n else np.inf)


def test_k_residuals_allow_the_level_k_in_k_plus_one() -> None:
    for k in range(1, 200):
        assert quantile(np.arange(float(k)), k / (k + 1)) == k - 1
        assert quantile(np.arange(float(k)), (k + 0.01) / (k + 1)) == np.inf
    assert quantile([], 0.5) == np.inf


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 40).map(lambda k: k / 40), min_size=1, max_size=20), st.sampled_from([0.05, 0.1, 0.3, 0.9]))
def test_select_as_scipy(found: list[float], error_rate: float) -> None:
    adjusted = false_discovery_control(found, method="bh")
    assert select(found, error_rate).tolist() == (adjusted <= error_rate + 1e-9).tolist()


def test_select_takes_all_up_to_the_largest_that_passes_and_does_not_count_what_is_undefined() -> None:
    assert select([0.09, 0.2, 0.11, 0.9], 0.2).tolist() == [False] * 4
    assert select([0.09, 0.1, 0.11, 0.9], 0.2).tolist() == [True, True, True, False]
    assert select([0.3], 0.3).tolist() == [True]
    assert select([], 0.3).tolist() == []
    assert select([0.04, np.nan, np.nan], 0.05).tolist() == [True, False, False]
    assert select([np.nan, np.nan], 0.9).tolist() == [False, False]


def test_roundings_do_not_move_what_is_exact_on_paper() -> None:
    # 100 · 0.55 is 55.00000000000001 in floats, and 0.3 / 3 is less than 0.1.
    assert quantile(np.arange(99.0), 0.55) == 54.0
    assert select([0.1, 0.9, 0.9], 0.3).tolist() == [True, False, False]


def test_each_group_counts_once() -> None:
    calibration, groups = [1.0, 2.0, 3.0, 9.0], ["a", "a", "a", "b"]
    assert p_values([0.0, 2.0, 4.0, 10.0], calibration, groups) == pytest.approx([1, (1 + 2 / 3 + 1) / 3, 2 / 3, 1 / 3])
    alone = np.arange(4)
    assert p_values([0.0, 2.0, 4.0], calibration, alone) == pytest.approx(p_values([0.0, 2.0, 4.0], calibration))
