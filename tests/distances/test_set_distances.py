"""Fréchet and sliced Wasserstein distances against the usual formulas and POT."""

import numpy as np
import ot
import pytest
from scipy.linalg import sqrtm

from howfar.distances import frechet, mind, sliced_wasserstein


def fid(s: np.ndarray, p: np.ndarray) -> float:
    """The usual formula, by the square root of the product of the covariances."""
    cov_s, cov_p = np.cov(s.T), np.cov(p.T)
    root = sqrtm(cov_s @ cov_p)
    return float(np.sum((s.mean(0) - p.mean(0)) ** 2) + np.trace(cov_s) + np.trace(cov_p) - 2 * np.trace(root).real)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_as_the_usual_formula(rng: np.random.Generator, offset: float) -> None:
    s = rng.normal(size=(80, 25)) @ rng.normal(size=(25, 25)) + offset
    p = rng.normal(size=(120, 25)) * np.geomspace(0.1, 10, 25) + offset + 1.0
    assert frechet(s, p) == pytest.approx(fid(s, p), rel=1e-7)


def test_diagonal_covariances_in_closed_form(rng: np.random.Generator) -> None:
    base = rng.normal(size=(60, 25))
    base = np.linalg.qr(base - base.mean(axis=0))[0] * np.sqrt(59.0)
    of_s, of_p = rng.uniform(0.1, 5.0, size=(2, 25))
    wanted = 25 * 0.3**2 + np.sum((of_s - of_p) ** 2)
    assert frechet(base * of_s + 0.3, base * of_p) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("sizes", [(5, 5), (5, 8), (8, 60), (60, 8), (25, 25), (1, 40), (40, 1), (1, 1)])
def test_singular_covariances_against_low_rank_algebra(rng: np.random.Generator, sizes: tuple[int, int]) -> None:
    s, p = rng.normal(size=(sizes[0], 25)), 2.0 * rng.normal(size=(sizes[1], 25)) + 0.5
    a, b = ((x - x.mean(axis=0)) / np.sqrt(max(len(x) - 1, 1)) for x in (s, p))
    wanted = np.sum((s.mean(0) - p.mean(0)) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * np.linalg.norm(a @ b.T, "nuc")
    assert frechet(s, p) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 10, 25, 26, 200])
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_a_set_is_at_0_from_itself(rng: np.random.Generator, n: int, offset: float) -> None:
    p = rng.normal(size=(n, 25)) + offset
    assert 0.0 <= frechet(p, p) < 1e-24 * max(1.0, offset**2)
    assert 0.0 <= frechet(p, rng.permutation(p)) < 1e-18
    assert frechet(np.repeat(p, 3, axis=0), p) >= 0.0


def test_a_small_difference_is_not_lost_in_large_variances(rng: np.random.Generator) -> None:
    p = 1e3 * rng.normal(size=(100, 25))
    s = p.copy()
    s[:, 0] = s[:, 0].mean() + (s[:, 0] - s[:, 0].mean()) * (1 + 1e-9)
    # Only one deviation differs, by a billionth; other columns are nearly uncorrelated with it.
    assert 1e-14 < frechet(s, p) < 2e-12


def lines(seed: int, count: int, z: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, z)).T
    return drawn / np.linalg.norm(drawn, axis=0)


@pytest.mark.parametrize("sizes", [(40, 40), (31, 47), (20, 60), (60, 20), (1, 13), (13, 1), (1, 1)])
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_as_pot(rng: np.random.Generator, sizes: tuple[int, int], offset: float) -> None:
    s, p = rng.normal(0.3, 2.0, size=(sizes[0], 25)), rng.normal(size=(sizes[1], 25))
    wanted = ot.sliced_wasserstein_distance(s, p, projections=lines(3, 256, 25), p=2)
    assert sliced_wasserstein(s + offset, p + offset, seed=3) == pytest.approx(float(wanted), rel=1e-9)


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
