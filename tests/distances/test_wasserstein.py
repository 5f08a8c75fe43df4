from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.stats import wasserstein_distance

from howfar.distances import mind, sliced_wasserstein, wasserstein


def lines(seed: int, count: int, z: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, z)).T
    return drawn / np.linalg.norm(drawn, axis=0)


@pytest.mark.parametrize("sizes", [(40, 40), (31, 47), (20, 60), (60, 20), (1, 13), (13, 1), (1, 1)])
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_as_pot(rng: np.random.Generator, sizes: tuple[int, int], offset: float) -> None:
    s, p = rng.normal(0.3, 2.0, size=(sizes[0], 25)), rng.normal(size=(sizes[1], 25))
    wanted = ot.sliced_wasserstein_distance(s, p, projections=lines(3, 256, 25), p=2)
    assert sliced_wasserstein(s + offset, p + offset, seed=3) == pytest.approx(float(wanted), rel=1e-9)


@pytest.mark.parametrize("sizes", [(12, 12), (9, 14)])
def test_one_dimension_as_exact_transport(rng: np.random.Generator, sizes: tuple[int, int]) -> None:
    s, p = rng.normal(size=(sizes[0], 1)), rng.normal(1.0, 3.0, size=(sizes[1], 1))
    wanted = ot.emd2([], [], ot.dist(s, p, metric="sqeuclidean"))
    assert sliced_wasserstein(s, p, projections=4) == pytest.approx(float(np.sqrt(wanted)), rel=1e-9)


def test_the_coupling_carries_all_the_mass_and_never_crosses() -> None:
    for m, n in ((6, 4), (5, 7), (1, 9), (12, 12), (3, 9)):
        at_s, at_p, share = wasserstein._coupling(m, n)
        np.testing.assert_allclose(np.bincount(at_s, share, minlength=m), 1 / m)
        np.testing.assert_allclose(np.bincount(at_p, share, minlength=n), 1 / n)
        assert (np.diff(at_s) >= 0).all()
        assert (np.diff(at_p) >= 0).all()
        x, y = np.sort(np.random.default_rng(m).normal(size=m)), np.sort(np.random.default_rng(n).normal(size=n))
        assert share @ np.abs(x[at_s] - y[at_p]) == pytest.approx(wasserstein_distance(x, y))


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_a_set_is_exactly_at_0_from_itself(rng: np.random.Generator, offset: float) -> None:
    p = rng.normal(size=(47, 25)) + offset
    assert sliced_wasserstein(p, p) == 0.0
    assert sliced_wasserstein(p, rng.permutation(p)) < 1e-9
    assert sliced_wasserstein(np.repeat(p, 3, axis=0), p) < 1e-9


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_the_number_of_lines_at_once_changes_nothing(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    s, p = rng.normal(0.3, 2.0, size=(31, 25)), rng.normal(size=(47, 25))
    wanted = sliced_wasserstein(s, p, projections=50)
    monkeypatch.setattr(wasserstein, "_VALUES", at_once * 78)
    assert sliced_wasserstein(s, p, projections=50) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("sizes", [(40, 40), (31, 47)])
def test_mind_as_defined(rng: np.random.Generator, sizes: tuple[int, int]) -> None:
    s, p = rng.normal(0.3, 2.0, size=(sizes[0], 25)), rng.normal(size=(sizes[1], 25))
    wanted = ot.sliced_wasserstein_distance(s, p, projections=lines(3, 1000, 25), p=2) ** 2
    assert mind(s, p, seed=3) == pytest.approx(3 * 25 * float(wanted), rel=1e-9)


def test_many_numbers_in_single_precision_as_in_double(rng: np.random.Generator) -> None:
    s, p = (rng.normal(mean, 1.0, size=(5000, 450)).astype(np.float32) for mean in (1e3, 1e3 + 0.1))
    wanted = sliced_wasserstein(s.astype(np.float64), p.astype(np.float64), 20)
    assert sliced_wasserstein(s, p, 20) == pytest.approx(wanted, rel=1e-5)
    assert sliced_wasserstein(s, p, 20) != wanted
