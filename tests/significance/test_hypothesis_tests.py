"""Permutation and conformal p-values keep their level, and Holm's and Benjamini-Hochberg's corrections are those of scipy."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, kstest, percentileofscore

from howfar.distances import energy, image_to_dataset, leave_one_out
from howfar.distances.pairwise_distances import quadratic_forms
from howfar.significance import assignments, holm, p_value, p_values, percentiles
from howfar.significance.hypothesis_tests import FEWEST, quantile, select, slice_means


def energies(pooled: np.ndarray, u: np.ndarray) -> np.ndarray:
    return -quadratic_forms(pooled, pooled, u, u)


def labelled(m: int, n: int) -> np.ndarray:
    return np.repeat([1 / m, -1 / n], [m, n])[:, None]


def test_every_draw_labels_m_images_s_and_n_images_p_each_labelling_as_likely(rng: np.random.Generator) -> None:
    u = assignments(4, 7, 200, rng)
    assert (u.shape, u.dtype) == ((11, 200), np.float64)
    assert ((u == 0.25).sum(axis=0) == 4).all()
    assert ((u == -1 / 7).sum(axis=0) == 7).all()
    np.testing.assert_allclose(u.sum(axis=0), 0.0, atol=1e-12)
    u = assignments(2, 3, 20_000, rng)
    _, counts = np.unique((u > 0).T, axis=0, return_counts=True)
    assert len(counts) == 10
    np.testing.assert_allclose(counts / 20_000, 0.1, atol=0.01)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_forms_of_the_labels_are_energy_distances(rng: np.random.Generator, offset: float) -> None:
    s, p = rng.normal(size=(12, 25)) + offset, rng.normal(0.3, 1.5, size=(20, 25)) + offset
    pooled = np.concatenate([s, p])
    assert energies(pooled, labelled(12, 20))[0] == pytest.approx(energy(s, p), rel=1e-8)
    u = assignments(12, 20, 100, rng)
    found = energies(pooled, u)
    assert np.isfinite(found).all()
    for k in range(0, 100, 20):
        assert found[k] == pytest.approx(energy(pooled[u[:, k] > 0], pooled[u[:, k] < 0]), rel=1e-8)


def test_ties_within_rounding_count() -> None:
    assert p_value(1.0, [1.0 - 1e-13, 0.5, 0.2]) == 0.5
    assert p_value(1.0, [1.0 - 1e-6, 0.5, 0.2]) == 0.25
    assert p_value(1e-17, [0.0, 3.0, 0.0]) == 1.0
    assert p_value(0.0, [0.0, 0.0]) == 1.0


def test_p_value_as_counting_all_labellings(rng: np.random.Generator) -> None:
    pooled = np.concatenate([rng.normal(0.8, 1.0, size=(4, 2)), rng.normal(size=(5, 2))])
    observed = energy(pooled[:4], pooled[4:])
    labellings = [list(chosen) for chosen in combinations(range(9), 4)]
    exact = np.mean([energy(pooled[c], np.delete(pooled, c, axis=0)) >= observed - 1e-12 for c in labellings])
    found = p_value(observed, energies(pooled, assignments(4, 5, 20_000, rng)))
    assert 0.02 < exact < 0.6
    assert found == pytest.approx(exact, abs=0.015)


def p_values_over_trials(shift: float, trials: int, draws: int = 99) -> np.ndarray:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(trials):
        pooled = np.concatenate([rng.normal(shift, 1.0, size=(15, 3)), rng.normal(size=(20, 3))])
        u = np.concatenate([labelled(15, 20), assignments(15, 20, draws, rng)], axis=1)
        values = energies(pooled, u)
        found.append(p_value(float(values[0]), values[1:]))
    return np.array(found)


def test_p_values_are_uniform_where_the_datasets_are_alike() -> None:
    found = p_values_over_trials(shift=0.0, trials=200)
    assert found.min() >= 0.01
    # Between hundredths and the uniform line lies at most one hundredth.
    assert kstest(found, "uniform").statistic < 0.01 + 1.36 / np.sqrt(200)
    assert 0.015 <= np.mean(found <= 0.05) <= 0.095
    assert found.mean() == pytest.approx(0.5, abs=0.06)


def test_p_values_are_small_where_they_differ() -> None:
    found = p_values_over_trials(shift=1.0, trials=40)
    assert np.mean(found <= 0.05) > 0.9
    assert found.min() == 0.01


def test_holm_by_hand_leaving_out_what_is_undefined() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06] * 3)
    assert holm([None, 0.01, float("nan"), 0.04]) == [None, 0.02, None, 0.04]
    assert holm([None, None]) == [None, None]


def test_holm_keeps_order_and_never_lowers(rng: np.random.Generator) -> None:
    raw = rng.uniform(size=30) ** 3
    adjusted = np.array(holm(raw), dtype=float)
    assert (adjusted >= raw).all()
    assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()
    # Step-down by its definition: rejected up to the first that fails.
    for level in (0.01, 0.05, 0.2):
        ordered = np.sort(raw)
        passed = ordered <= level / np.arange(30, 0, -1)
        rejected = int(np.argmin(passed)) if not passed.all() else 30
        assert np.count_nonzero(adjusted <= level) == rejected


def test_equal_slices_are_rarely_called_different_and_intervals_cover() -> None:
    rng = np.random.default_rng(0)
    rejected, covered = [], []
    for _ in range(120):
        values, slices = rng.normal(size=60), np.repeat([0, 1, 2], 20)
        found = slice_means(values, slices, bootstrap=200, permutations=99, rng=rng)
        rejected += [each.p_value is not None and each.p_value <= 0.05 for each in found.values()]
        covered += [each.ci is not None and each.ci[0] <= 0 <= each.ci[1] for each in found.values()]
    assert np.mean(rejected) < 0.1
    assert 0.86 < np.mean(covered) < 0.99


def test_tiles_of_one_photograph_count_as_one() -> None:
    rng = np.random.default_rng(1)
    rejected: list[bool] = []
    apart: list[bool] = []
    for _ in range(60):
        values = np.repeat(rng.normal(size=24), 10) + 0.1 * rng.normal(size=240)
        slices, photographs = np.repeat([0, 1], 120), np.repeat(np.arange(24), 10)
        together = slice_means(values, slices, photographs, bootstrap=0, permutations=99, rng=rng)[0].p_value
        alone = slice_means(values, slices, bootstrap=0, permutations=99, rng=rng)[0].p_value
        assert together is not None
        assert alone is not None
        rejected.append(together <= 0.05)
        apart.append(alone <= 0.05)
    assert np.mean(rejected) < 0.17
    # What would be said without the photographs: the test below has something to lose.
    assert np.mean(apart) > 0.3


def test_a_slice_of_fewer_photographs_has_neither_interval_nor_test() -> None:
    values = np.arange(60.0)
    photographs = np.r_[np.arange(40), np.repeat([40, 41], 10)]
    found = slice_means(values, np.r_[np.zeros(40, int), np.ones(20, int)], photographs, rng=np.random.default_rng(0))
    assert (found[1].n, found[1].photographs) == (20, 2)
    assert found[1].mean == pytest.approx(49.5)
    assert found[1][3:] == (None, None, None)
    assert found[0].p_value is not None
    assert FEWEST == 10


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
