"""Mahalanobis distances against scikit-learn's and scipy's, and residuals off a subspace against refitting."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import pinvh
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis
from sklearn.covariance import EmpiricalCovariance, LedoitWolf, ledoit_wolf_shrinkage

from howfar.arrays import ArrayRows
from howfar.distances import mahalanobis
from howfar.distances.mahalanobis import _ledoit_wolf, leave_one_out_residual, subspace_residual
from howfar.projection import Projector


def skewed(rng: np.random.Generator, n: int, z: int = 25) -> np.ndarray:
    return rng.normal(size=(n, z)) * np.geomspace(20.0, 0.5, z) @ np.linalg.qr(rng.normal(size=(z, z)))[0] + 3.0


@pytest.mark.parametrize("n", [4, 12, 25, 26, 60, 400])
def test_ledoit_wolf_as_sklearn(rng: np.random.Generator, n: int) -> None:
    s, p = skewed(rng, 31), skewed(rng, n)
    reference = LedoitWolf().fit(p)
    assert _ledoit_wolf(p - p.mean(axis=0)) == pytest.approx(reference.shrinkage_, rel=1e-8)
    np.testing.assert_allclose(mahalanobis(s, p), np.sqrt(reference.mahalanobis(s)), rtol=1e-8)


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_wide_features_take_no_square_matrix(rng: np.random.Generator) -> None:
    """20 images of 1,500 features: scikit-learn holds 1,500 × 1,500 numbers, howfar a few times 20 × 1,500."""
    p = rng.normal(size=(20, 1500))
    square = 8 * 1500**2
    assert peak(lambda: LedoitWolf(store_precision=False).fit(p)) > square
    assert peak(lambda: mahalanobis(p, p)) < square / 8
    assert _ledoit_wolf(p - p.mean(axis=0)) == pytest.approx(ledoit_wolf_shrinkage(p), rel=1e-10)


@pytest.mark.parametrize("scale", [1e-160, 1e-100, 1e95])
def test_squares_that_overflow_or_vanish_do_not_count(rng: np.random.Generator, scale: float) -> None:
    """Scikit-learn's shrinkage squares squares: it is 0 below 1e-81 and NaN above 1e77."""
    s, p = skewed(rng, 31), skewed(rng, 60)
    np.testing.assert_allclose(mahalanobis(scale * s, scale * p), mahalanobis(s, p), rtol=1e-9)
    with np.errstate(all="ignore"):
        assert not np.isclose(ledoit_wolf_shrinkage(scale * p), ledoit_wolf_shrinkage(p), rtol=0.1)


@pytest.mark.parametrize("n", [60, 400])
def test_unshrunk_as_sklearn_and_scipy(rng: np.random.Generator, n: int) -> None:
    s, p = skewed(rng, 31), skewed(rng, n)
    found = mahalanobis(s, p, shrinkage=0.0)
    np.testing.assert_allclose(found, np.sqrt(EmpiricalCovariance().fit(p).mahalanobis(s)), rtol=1e-8)
    inverse = np.linalg.inv(np.cov(p.T, bias=True))
    np.testing.assert_allclose(found, [scipy_mahalanobis(row, p.mean(axis=0), inverse) for row in s], rtol=1e-8)


@pytest.mark.parametrize("n", [8, 25])
def test_singular_as_the_pseudo_inverse(rng: np.random.Generator, n: int) -> None:
    s, p = skewed(rng, 31), skewed(rng, n)
    offsets = s - p.mean(axis=0)
    wanted = np.einsum("ij,jk,ik->i", offsets, pinvh(np.cov(p.T, bias=True)), offsets)
    np.testing.assert_allclose(mahalanobis(s, p, shrinkage=0.0), np.sqrt(wanted), rtol=1e-6)


RNG = np.random.default_rng(0)
P = RNG.normal(size=(80, 30)) * np.linspace(3, 0.3, 30)


def test_residual_and_scores_make_up_the_whole_distance() -> None:
    basis, s = Projector(P, 5).basis(), RNG.normal(1.0, 2.0, size=(40, 30))
    residual = subspace_residual(s, basis.mean, basis.scores(s))
    expected = s - basis.mean - basis.scores(s) @ basis.matrix.T
    np.testing.assert_allclose(residual, np.linalg.norm(expected, axis=1), rtol=1e-10)
    np.testing.assert_array_equal(residual, subspace_residual(ArrayRows(s), basis.mean, basis.scores(s)))


def test_leaving_one_out_is_near_to_refitting() -> None:
    projector = Projector(P, 5)
    plain = subspace_residual(P, projector.basis().mean, projector.own())
    found = leave_one_out_residual(plain, projector.own())
    refitted = []
    for row in range(len(P)):
        basis = Projector(np.delete(P, row, axis=0), 5).basis()
        refitted.append(subspace_residual(P[row : row + 1], basis.mean, basis.scores(P[row : row + 1]))[0])
    wrong, uncorrected = (abs(one.mean() / np.mean(refitted) - 1) for one in (found, plain))
    assert wrong < 0.05
    assert uncorrected > 2 * wrong
    assert np.corrcoef(found, refitted)[0, 1] > 0.9
