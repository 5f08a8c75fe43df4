"""MMD and KID against scikit-learn's kernels, and the median distance against all pairs in order."""

import warnings
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

from howfar.distances import kid, mmd
from howfar.distances.mmd_and_kid import median_distance

module = import_module("howfar.distances.mmd_and_kid")  # the package has a function of that name


def biased(ss: np.ndarray, pp: np.ndarray, sp: np.ndarray) -> float:
    return float(ss.mean() + pp.mean() - 2 * sp.mean())


def unbiased(ss: np.ndarray, pp: np.ndarray, sp: np.ndarray) -> float:
    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (ss, pp)]
    return float(own[0] + own[1] - 2 * sp.mean())


def kernels(kernel, s: np.ndarray, p: np.ndarray, **options: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def] - sklearn's are untyped
    return kernel(s, s, **options), kernel(p, p, **options), kernel(s, p, **options)


@pytest.fixture
def sets(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(0.3, 1.2, size=(31, 25)), rng.normal(size=(47, 25))


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("width", [1.0, 6.0, 40.0])
def test_gaussian_kernel_as_sklearn(sets: tuple[np.ndarray, np.ndarray], width: float, offset: float) -> None:
    s, p = sets
    wanted = kernels(rbf_kernel, s, p, gamma=0.5 / width**2)
    assert mmd(s + offset, p + offset, width) == pytest.approx(biased(*wanted), rel=1e-8)
    assert mmd(s + offset, p + offset, width, unbiased=True) == pytest.approx(unbiased(*wanted), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_cubic_kernel_as_sklearn(sets: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    s, p = (scale * x for x in sets)
    wanted = kernels(polynomial_kernel, s, p, degree=3, gamma=1 / 25, coef0=1.0)
    assert kid(s, p) == pytest.approx(unbiased(*wanted), rel=1e-8, abs=1e-12)


def test_unbiased_estimates_are_0_on_average(rng: np.random.Generator) -> None:
    draws = np.array(
        [[f(rng.normal(size=(20, 3)), rng.normal(size=(30, 3))) for _ in range(300)] for f in (kid, _unbiased_mmd)]
    )
    off = draws.mean(axis=1) / (draws.std(axis=1) / np.sqrt(300))
    assert np.abs(off).max() < 3.5, off
    always_positive = np.mean([mmd(rng.normal(size=(20, 3)), rng.normal(size=(30, 3)), 1.0) for _ in range(50)])
    assert always_positive > 0.03


def _unbiased_mmd(s: np.ndarray, p: np.ndarray) -> float:
    return mmd(s, p, 1.0, unbiased=True)


@pytest.mark.parametrize("count", [3, 5000])
def test_a_kid_beyond_float64_is_infinite(count: int) -> None:
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kid(rng.normal(size=(count, 2)) * 1e90, rng.normal(size=(count, 2)) * 1e90) == np.inf


def lower_median(x: np.ndarray) -> float:
    return float(np.quantile(pdist(x), 0.5, method="lower"))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 50, 301])
@pytest.mark.parametrize("collect", [0, 10, 1 << 20])
def test_as_sorting_all_pairs(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, n: int, collect: int) -> None:
    monkeypatch.setattr(module, "_COLLECT", collect)
    x = rng.normal(size=(n, 4)) * rng.choice([1e-3, 1.0, 50.0], size=(n, 1))
    assert median_distance(x) == pytest.approx(lower_median(x), rel=1e-12)


@pytest.mark.parametrize("collect", [0, 1 << 20])
def test_ties_of_distances(monkeypatch: pytest.MonkeyPatch, collect: int) -> None:
    monkeypatch.setattr(module, "_COLLECT", collect)
    x = np.repeat(np.arange(3.0), [2, 2, 9])[:, None]
    assert median_distance(x) == pytest.approx(lower_median(x), rel=1e-12) == 1.0
    assert median_distance(np.repeat([[0.0], [1.0]], [2, 9], axis=0)) == 0.0
    assert median_distance(np.full((6, 2), 0.3)) == 0.0


@given(st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=40), st.data())
def test_any_rank_of_any_values(values: list[float], data: st.DataObject) -> None:
    rank, most = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(1, 50))
    tiles = np.array_split(np.array(values, np.float32), 7)
    assert module.ranked_value(lambda: iter(tiles), rank, 0.0, np.inf, most) == sorted(values)[rank]
    assert module.ranked_value(lambda: iter(tiles), rank, -2.0, -1.0, most) is None
