import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar import registry
from howfar.distances import pairwise_distances
from howfar.distances.knn import knn
from howfar.pipeline.pair_measurement import measure
from howfar.pipeline.permutation_tests import permutation_p_value
from howfar.projection import Projection
from howfar.significance import interval, resample_counts


def pair(seed: int, n: int, m: int, shift: float = 0.0) -> Projection:
    rng = np.random.default_rng(seed)
    return Projection(rng.normal(size=(n, 4)), rng.normal(shift, 1.0, size=(m, 4)), np.full(4, 0.25))


def by_resampling(one: Projection, draws: int, seed: int) -> dict[str, np.ndarray]:
    """The bootstrap the long way: images drawn by index, distances computed anew, no weights."""
    rng = np.random.default_rng(seed)
    p, s = one.primary, one.secondary
    found: dict[str, list[float]] = {"o_dist": [], "relative": [], "energy": []}
    for _ in range(draws):
        i, j = rng.integers(len(p), size=len(p)), rng.integers(len(s), size=len(s))
        between = cdist(s[j], p[i]).mean()
        own_p, own_s = (cdist(x[k], x[k])[k[:, None] != k].mean() for x, k in ((p, i), (s, j)))
        found["o_dist"].append(between)
        found["relative"].append(between / own_p)
        found["energy"].append(2 * between - (1 - 1 / len(p)) * own_p - (1 - 1 / len(s)) * own_s)
    return {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}


def test_intervals_are_those_of_a_bootstrap_by_index():
    one = pair(0, 40, 30, shift=1.0)
    measured, wanted = measure(one, bootstrap=4000).row, by_resampling(one, 4000, 1)
    for found, name in (("o_dist_mean_ci", "o_dist"), ("relative_ci", "relative"), ("energy_ci", "energy")):
        np.testing.assert_allclose(getattr(measured, found), wanted[name], rtol=0.02, atol=0.02)


def test_rivals_are_drawn_apart_from_the_distances():
    one = pair(2, 40, 30)
    of_rivals = measure(one, bootstrap=200, seed=(3, 4)).row.rivals_ci
    assert {"knn_mean", "mahalanobis_mean"} <= of_rivals.keys()
    of_s = resample_counts(30, 200, np.random.default_rng([3, 4, 1]))
    assert of_rivals["knn_mean"] == interval(knn(one.secondary, one.primary) @ of_s / 30)


def test_two_images_have_no_interval_of_zero_width():
    measured = measure(pair(2, 2, 1), bootstrap=200).row
    assert measured.relative_ci is None
    assert measured.energy_ci[0] < measured.energy_ci[1]


def test_the_test_keeps_its_level_and_its_p_values_are_no_smaller_than_permutations_allow():
    assert permutation_p_value(pair(3, 20, 20, shift=9.0), 49) == pytest.approx(1 / 50)
    rejected = sum(permutation_p_value(pair(seed, 15, 12), 99, (seed,)) <= 0.05 for seed in range(300))
    assert 3 <= rejected <= 28


def two_kinds(seed: int) -> Projection:
    """Images of two kinds and one other, so that many labellings have the same energy: all that counts is how many of each."""
    rng = np.random.default_rng(seed)
    pooled = np.repeat(rng.normal(size=(2, 7)), [70, 230], axis=0)[rng.permutation(300)]
    pooled[0] = rng.normal(size=7)
    return Projection(pooled[:180], pooled[180:], np.full(7, 1 / 7))


@pytest.mark.parametrize("make", [two_kinds, lambda seed: pair(seed, 180, 120, 0.02), lambda seed: pair(seed, 60, 240, 0.02)])
@pytest.mark.parametrize("threads", ["1", "3"])
def test_no_p_value_depends_on_rounding(make, threads, monkeypatch):
    pairs = [make(seed) for seed in range(12)]
    wanted = [permutation_p_value(each, 199, (seed,)) for seed, each in enumerate(pairs)]
    assert len(set(wanted)) > 6
    monkeypatch.setattr(pairwise_distances, "SINGLE_FROM", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert [permutation_p_value(each, 199, (seed,)) for seed, each in enumerate(pairs)] == wanted
    tile = 7 * len(pairs[0].primary)
    forms = pairwise_distances.quadratic_forms
    monkeypatch.setattr("howfar.pipeline.permutation_tests.quadratic_forms", lambda *given: forms(*given, tile))
    assert [permutation_p_value(each, 199, (seed,)) for seed, each in enumerate(pairs)] == wanted


def test_every_registered_distance_stands_among_the_rivals(monkeypatch):
    ours = dict(registry.OURS)
    ours["dataset_distances"] = {**ours["dataset_distances"], "ours": "howfar.distances.mean_distances:dataset_to_dataset"}
    ours["image_distances"] = {**ours["image_distances"], "theirs": "howfar.distances.mean_distances:image_to_dataset"}
    monkeypatch.setattr(registry, "OURS", ours)
    measured = measure(pair(4, 12, 9), bootstrap=0).row
    assert measured.rivals["ours"] == pytest.approx(measured.o_dist_mean)
    assert measured.rivals["theirs_mean"] == pytest.approx(measured.o_dist_mean)
    assert {"knn_mean", "mahalanobis_mean", "frechet", "kid", "mmd", "sliced_wasserstein"} <= set(measured.rivals)
    assert not {"energy", "o_dist", "knn", "i_dist_mean"} & set(measured.rivals)
