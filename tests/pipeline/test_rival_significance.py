import re
import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from types import ModuleType

import numpy as np
import pytest

from howfar import compare, registry
from howfar.distances import frechet, kid, mmd, sliced_wasserstein
from howfar.distances.frechet import Gaussian, between, frechet_of_draws
from howfar.distances.mmd_and_kid import median_bandwidth
from howfar.distances.sliced_wasserstein import Slices
from howfar.errors import InputError
from howfar.pipeline.pair_measurement import measure
from howfar.pipeline.rival_distances import rival_intervals, rival_null, rival_p_values
from howfar.projection import Projection, joint_pca
from howfar.significance import relabellings, resample_counts

NAMES = ("frechet", "kid", "mmd", "sliced_wasserstein", "mind")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def drawn(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.repeat(x, counts, axis=0)


@pytest.fixture(params=[(23, 23), (17, 30)])
def sets(rng, request) -> tuple[np.ndarray, np.ndarray]:
    m, n = request.param
    return rng.normal(0.4, 1.3, size=(m, 5)) + 3, rng.normal(size=(n, 5)) + 3


def pair(s: np.ndarray, p: np.ndarray) -> Projection:
    return joint_pca(p, s, n_components=5)


def test_each_relabelling_is_the_distance_of_its_sets(sets, rng):
    s, p = sets
    pooled, labels = np.concatenate([s, p]), relabellings(len(s), len(p), 7, rng)
    null = rival_null(s, p, NAMES, labels)
    width = median_bandwidth(s, p)
    for draw, label in enumerate(labels.T.astype(bool)):
        one, other = pooled[label], pooled[~label]
        assert null["frechet"][draw] == pytest.approx(frechet(one, other), rel=1e-6)
        assert null["kid"][draw] == pytest.approx(kid(one, other), rel=1e-9)
        assert null["mmd"][draw] == pytest.approx(mmd(one, other, width), rel=1e-9)
        assert null["mind"][draw] == pytest.approx(sliced_wasserstein(one, other, Slices.LINES) ** 2, rel=1e-9)


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e6, 1e30])
def test_float32_holds_kernels_of_features_of_any_size(size, sets, rng, monkeypatch):
    s, p = (x * size for x in sets)
    of_s, of_p = resample_counts(len(s), 40, rng), resample_counts(len(p), 40, rng)
    values = dict.fromkeys(("kid", "mmd"), 0.0)
    double = rival_intervals(s, p, values, of_s, of_p)
    monkeypatch.setattr(import_module("howfar.distances.mmd_and_kid"), "SINGLE_FROM", 0)
    single = rival_intervals(s, p, values, of_s, of_p)
    for name, (low, high) in double.items():
        assert low < high
        assert single[name] == pytest.approx((low, high), abs=1e-3 * (high - low))


def test_one_row_far_from_all_others_takes_no_digits_from_the_rest(rng, monkeypatch):
    s, p = rng.normal(0.2, 1, size=(140, 8)), rng.normal(size=(150, 8))
    p[0] *= 1000.0
    of_s, of_p = resample_counts(len(s), 100, rng), resample_counts(len(p), 100, rng)
    double = rival_intervals(s, p, {"kid": 0.0}, of_s, of_p)["kid"]
    monkeypatch.setattr(import_module("howfar.distances.mmd_and_kid"), "SINGLE_FROM", 0)
    assert rival_intervals(s, p, {"kid": 0.0}, of_s, of_p)["kid"] == pytest.approx(double, abs=1e-4 * (double[1] - double[0]))
    # Of draws without that row.
    rest = of_p[:, of_p[0] == 0], of_s[:, of_p[0] == 0]
    of_rest = rival_intervals(s, p[1:], {"kid": 0.0}, rest[1], rest[0][1:])["kid"]
    assert rival_intervals(s, p, {"kid": 0.0}, rest[1], rest[0])["kid"] == pytest.approx(of_rest, abs=0.05)


def test_each_resample_is_the_distance_of_its_images(sets, rng):
    s, p = sets
    of_s, of_p = resample_counts(len(s), 6, rng), resample_counts(len(p), 6, rng)
    squares = Slices(s, p).resampled(of_s, of_p)
    gaussians = frechet_of_draws(s, p, of_s, of_p, (len(s) - 1, len(p) - 1))
    for draw in range(6):
        one, other = drawn(s, of_s[:, draw]), drawn(p, of_p[:, draw])
        assert squares[draw] == pytest.approx(sliced_wasserstein(one, other, Slices.LINES) ** 2, rel=1e-9)
        assert gaussians[draw] == pytest.approx(frechet(one, other), rel=1e-6)


def test_a_draw_of_every_image_once_is_the_distance_itself(sets):
    s, p = sets
    once = np.ones((len(s), 3), np.uint8), np.ones((len(p), 3), np.uint8)
    values = {"frechet": frechet(s, p), "kid": kid(s, p), "mmd": mmd(s, p), "sliced_wasserstein": sliced_wasserstein(s, p)}
    for name, (low, high) in rival_intervals(s, p, values, *once).items():
        assert (low, high) == pytest.approx((values[name],) * 2, rel=1e-6), name


def test_intervals_hold_the_distance_and_narrow_with_more_images(rng):
    widths = []
    for count in (40, 640):
        found = measure(pair(rng.normal(0.5, 1.0, size=(count, 8)), rng.normal(size=(count, 8)))).row
        assert set(found.rivals_ci) == set(found.rivals)
        for name, (low, high) in found.rivals_ci.items():
            assert low < found.rivals[name] < high, name
        widths.append({name: (high - low) / found.rivals[name] for name, (low, high) in found.rivals_ci.items()})
    assert all(widths[1][name] < 0.5 * widths[0][name] for name in widths[0])


def test_p_values_tell_sets_that_differ_from_sets_that_do_not(rng):
    p = rng.normal(size=(60, 8))
    names = dict.fromkeys(NAMES, 0.0)
    far = rival_p_values(pair(rng.normal(0.6, 1.0, size=(50, 8)), p), names, 99)
    assert far == dict.fromkeys(NAMES, 0.01)
    alike = [rival_p_values(pair(rng.normal(size=(50, 8)), rng.normal(size=(60, 8))), names, 99) for _ in range(20)]
    for name in NAMES:
        values = [found[name] for found in alike]
        assert min(values) > 0.01 or sum(value <= 0.05 for value in values) <= 4, name
        assert 0.25 < np.mean(values) < 0.75, name


def test_many_features_take_the_way_by_covariances(rng):
    from scipy.linalg import sqrtm

    s, p = rng.normal(0.1, 1.2, size=(150, 100)), rng.normal(size=(200, 100))
    of_s, of_p = np.cov(s.T), np.cov(p.T)
    wanted = np.sum((s.mean(0) - p.mean(0)) ** 2) + np.trace(of_s + of_p) - 2 * np.trace(sqrtm(of_s @ of_p)).real
    assert frechet(s, p) == pytest.approx(float(wanted), rel=1e-9)
    nearly = Gaussian(np.zeros(100), of_p * (1 + 1e-8))
    # Half of a hundred-millionth of each deviation, squared.
    assert between(nearly, Gaussian(np.zeros(100), of_p)) == pytest.approx(np.trace(of_p) * 0.25e-16, rel=1e-3)


def test_distances_of_resamples_of_huge_features_are_those_of_features_in_another_unit():
    rng = np.random.default_rng(5)
    s, p = rng.normal(size=(12, 4)), rng.normal(1.0, 1.0, size=(15, 4))
    of_s, of_p = (rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=6).T.astype(np.uint8) for x in (s, p))
    plain, huge = (frechet_of_draws(unit * s, unit * p, of_s, of_p, (11, 14)) / unit**2 for unit in (1.0, 1e90))
    np.testing.assert_allclose(huge, plain, rtol=1e-9)


def test_kid_of_features_small_beside_one_keeps_its_digits_and_its_interval():
    rng = np.random.default_rng(6)
    s, p = rng.normal(1.0, 1.0, size=(40, 6)), rng.normal(size=(50, 6))
    found = []
    for unit in (1e-7, 1e-20):
        run = compare(unit * p, {"s": unit * s}, bootstrap=100, permutations=99, progress=False)
        (one,) = run.datasets
        found.append([value / unit**2 for value in (one.rivals["kid"], *one.rivals_ci["kid"])])
        assert one.rivals_p["kid"] == pytest.approx(0.01)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    value, low, high = found[1]
    assert low < value < high


def test_a_distance_of_another_package_has_an_interval_and_a_p_value_too(rng, monkeypatch):
    def shift(s, p):
        """Distance between the means."""
        return np.linalg.norm(s.mean(axis=0) - p.mean(axis=0))

    module = ModuleType("elsewhere")
    module.shift = shift
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    point = EntryPoint("shift", "elsewhere:shift", "howfar.dataset_distances")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    p = rng.normal(size=(40, 6))
    run = compare(p, {"alike": rng.normal(size=(30, 6)), "far": rng.normal(1.0, 1.0, size=(30, 6))}, progress=False)
    alike, far = run.datasets
    assert all(each.rivals_ci["shift"][0] < each.rivals["shift"] < each.rivals_ci["shift"][1] for each in run.datasets)
    assert far.rivals_ci["shift"][0] > alike.rivals_ci["shift"][1]
    assert far.rivals_p["shift"] == pytest.approx(2 / 200)  # Holm of two datasets, 199 relabellings
    assert alike.rivals_p["shift"] > 0.05
    for found, received in ((None, "NoneType of shape ()"), (np.ones(3), "ndarray of shape (3,)"), ("0.5", "str of shape ()")):
        module.shift = lambda s, p, found=found: found
        with pytest.raises(InputError, match=rf"dataset_distances shift must return a number, got '{re.escape(received)}'"):
            compare(p, {"far": p + 1}, progress=False)
