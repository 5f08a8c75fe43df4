"""The float32 tiles of many images: as the float64 ones, far from the origin and beside far rows too."""

from importlib import import_module

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.distances import energy, kid, mmd, pairwise_distances
from howfar.distances.mmd_and_kid import SquaredDistances
from howfar.distances.pairwise_distances import bilinear_forms, both_sums, in_units, quadratic_forms, row_sums, squared_tiles


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the way of many images for few of them, in tiles that do not divide them."""
    monkeypatch.setattr(pairwise_distances, "TILE", 30)
    monkeypatch.setattr(pairwise_distances, "_DOUBLES", 200)
    monkeypatch.setattr(pairwise_distances, "SINGLE_FROM", 1)


@pytest.fixture
def sets(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(0.3, 1.2, size=(71, 40)).astype(np.float32), rng.normal(size=(97, 40)).astype(np.float32)


def test_a_tight_cluster_beside_far_images_keeps_its_digits(rng: np.random.Generator) -> None:
    # Most pairs are near, beside how far the rows are from the centre: the tile is computed in float64.
    p = np.concatenate([rng.normal(size=(60, 40)), 1e3 + rng.normal(size=(50, 40))])
    np.testing.assert_allclose(row_sums(p, p), cdist(p, p).sum(axis=1), rtol=1e-6)
    ((_, _, squares),) = squared_tiles(*(2 * [(1e3 + p[:20]).astype(np.float32)]), same=True)
    np.testing.assert_allclose(np.sqrt(squares), cdist(p[:20], p[:20]), rtol=1e-3)


@pytest.mark.parametrize("offset", [0.0, 10.0, 1e3])
def test_kernels_of_many_images_as_in_float64(sets, offset, monkeypatch):
    s, p = (x + np.float32(offset) for x in sets)
    many = [energy(s, p), kid(s, p), mmd(s, p), mmd(s, p, 7.0, unbiased=True)]
    monkeypatch.setattr(pairwise_distances, "SINGLE_FROM", 1 << 40)
    few = [energy(s, p), kid(s, p), mmd(s, p), mmd(s, p, 7.0, unbiased=True)]
    np.testing.assert_allclose(many, few, rtol=1e-5)


def test_the_median_is_found_whatever_the_sample_says(sets, monkeypatch):
    s, p = sets
    squared = SquaredDistances(s, p)
    pooled = np.concatenate([s, p]).astype(np.float64)
    pairs = np.sort(cdist(pooled, pooled)[np.triu_indices(len(pooled), 1)])
    wanted = pairs[(len(pairs) - 1) // 2]
    assert squared.unit * np.sqrt(squared.median()) == pytest.approx(wanted, rel=1e-6)
    right = mmd(s, p)
    monkeypatch.setattr(SquaredDistances, "_bracket", lambda self: (np.float32(0), np.float32(1e-9)))
    assert squared.median() is None
    assert mmd(s, p) == pytest.approx(right, rel=1e-5)


def test_distances_that_are_too_many_to_keep_are_computed_again(sets, monkeypatch):
    kept = mmd(*sets)
    monkeypatch.setattr(import_module("howfar.distances.mmd_and_kid"), "KEPT", 0)
    assert mmd(*sets) == kept


def two_sets(m: int, n: int, z: int, offset: float = 0.0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return scale * (rng.normal(size=(m, z)) + offset), scale * (rng.normal(size=(n, z)) + offset)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 2), (31, 60, 25), (91, 40, 7)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_any_shape_offset_and_scale(shape: tuple[int, int, int], offset: float, scale: float) -> None:
    s, p = two_sets(*shape, offset, scale)
    wanted = cdist(s, p)
    of_s, of_p = both_sums(s, p)
    np.testing.assert_allclose(of_s, wanted.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(of_p, wanted.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(row_sums(s, p), wanted.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(row_sums(s, s), cdist(s, s).sum(axis=1), rtol=1e-5, atol=1e-12 * scale)
    a, b, unit = in_units(s, p)
    for rows, columns, squares in squared_tiles(a, b):
        np.testing.assert_allclose(unit * np.sqrt(squares.astype(np.float64)), wanted[rows, columns], rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-60, 1.0, 1e60])
@pytest.mark.parametrize("kinds", [(2, 2), (1, 3)])
def test_forms_of_each_weight_with_each(kinds: tuple[int, int], scale: float) -> None:
    """As far as float32 holds the distances, however large the weights are."""
    s, p = two_sets(70, 90, 25, 3.0)
    rng = np.random.default_rng(1)
    u, v = scale * rng.uniform(0.5, 1.0, (kinds[0], 70)), scale * rng.uniform(0.5, 1.0, (kinds[1], 90))
    np.testing.assert_allclose(bilinear_forms(s, p, u, v), u @ cdist(s, p) @ v.T, rtol=1e-6)
    np.testing.assert_allclose(bilinear_forms(s, s, u, u), u @ cdist(s, s) @ u.T, rtol=1e-6)


@pytest.mark.parametrize("tile", [1, 500, 1 << 20])
@pytest.mark.parametrize("scale", [1.0, 1e20])
def test_forms_of_draws(tile: int, scale: float) -> None:
    s, p = two_sets(70, 90, 25, 3.0, scale)
    rng = np.random.default_rng(1)
    u, v = (rng.multinomial(k, np.full(k, 1 / k), size=6).T / k for k in (70, 90))
    np.testing.assert_allclose(quadratic_forms(s, p, u, v, tile), np.einsum("ik,ij,jk->k", u, cdist(s, p), v), rtol=1e-6)
    within = np.einsum("ik,ij,jk->k", v, cdist(p, p), v)
    np.testing.assert_allclose(quadratic_forms(p, p, v, v, tile), within, rtol=1e-6)
    np.testing.assert_allclose(quadratic_forms(p, p.copy(), v, v, tile), within, rtol=1e-6)
    # With two weights of one set, half of the pairs would not do.
    u, v = rng.normal(size=(90, 3)), rng.normal(size=(90, 3))
    np.testing.assert_allclose(quadratic_forms(p, p, u, v, tile), np.einsum("ik,ij,jk->k", u, cdist(p, p), v), rtol=1e-4)


@pytest.mark.parametrize("far", [1e6, 1e12, 1e19, 1e25, 1e60])
def test_one_row_far_beyond_all_others(far: float) -> None:
    """It sets the scale, beside which the others' distances are nothing to float32; the mean of P would lie far from them."""
    s, p = two_sets(40, 50, 25)
    s[7] *= far
    of_s, of_p = both_sums(s, p)
    for sums, wanted in (
        (of_s, cdist(s, p)),
        (of_p, cdist(p, s)),
        (row_sums(p, s), cdist(p, s)),
        (row_sums(s, s), cdist(s, s)),
    ):
        np.testing.assert_allclose(sums, wanted.sum(axis=1), rtol=1e-6)
    exact = np.concatenate([d for _, _, d in pairwise_distances.distance_blocks(s, s)])
    np.testing.assert_allclose(exact, cdist(s, s), rtol=1e-9, atol=0)
    u, v = (np.random.default_rng(1).multinomial(k, np.full(k, 1 / k), size=30).T.astype(np.uint8) for k in (40, 50))
    assert (u[7] == 0).any()
    for one, other, a, b in ((s, p, u, v), (p, s, v, u), (s, s, u, u)):
        wanted = np.einsum("ik,ij,jk->k", a.astype(float), cdist(one, other), b.astype(float))
        np.testing.assert_allclose(quadratic_forms(one, other, a, b), wanted, rtol=1e-6)
