from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.distances import energy, kid, mmd, pairwise, products
from howfar.distances.mmd import SquaredDistances
from howfar.distances.products import ProductKernel, squared_tiles


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the way of many images for few of them, in tiles that do not divide them."""
    monkeypatch.setattr(products, "TILE", 30)
    monkeypatch.setattr(pairwise, "COMPILED_FROM", 1)
    monkeypatch.setattr(pairwise, "LONG", 1)


@pytest.fixture
def sets(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(0.3, 1.2, size=(71, 40)).astype(np.float32), rng.normal(size=(97, 40)).astype(np.float32)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_sums_and_distances_as_scipy(sets: tuple[np.ndarray, np.ndarray], offset: float) -> None:
    s, p = (x + np.float32(offset) for x in sets)
    wanted = cdist(s.astype(np.float64), p.astype(np.float64))
    kernel = ProductKernel(s, p)
    np.testing.assert_allclose(kernel.sums(), wanted.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(kernel.distances(5, 50, 3) * kernel.unit, wanted[5:50, 3:], rtol=1e-5)
    assert kernel.reach * kernel.unit >= wanted.max()
    own = cdist(p.astype(np.float64), p.astype(np.float64))
    np.testing.assert_allclose(ProductKernel(p, p).sums(), own.sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(ProductKernel(p, p.copy()).sums(), ProductKernel(p, p).sums())


def test_near_rows_and_copies_are_measured_by_differences(rng: np.random.Generator) -> None:
    p = 10 * rng.normal(size=(64, 40))
    s = np.concatenate([p[:3], p[3:6] + 1e-4])
    d = ProductKernel(s, p).distances(0, 6, 0) * ProductKernel(s, p).unit
    assert (d[[0, 1, 2], [0, 1, 2]] == 0).all()
    np.testing.assert_allclose(d[[3, 4, 5], [3, 4, 5]], 1e-4 * np.sqrt(40), rtol=2e-2)


def test_a_tight_cluster_beside_far_images_keeps_its_digits(rng: np.random.Generator) -> None:
    # Most pairs are near, beside how far the rows are from the centre: the tile is computed in float64.
    p = np.concatenate([rng.normal(size=(60, 40)), 1e3 + rng.normal(size=(50, 40))])
    np.testing.assert_allclose(ProductKernel(p, p).sums(), cdist(p, p).sum(axis=1), rtol=1e-6)
    tile = next(iter(squared_tiles(*(2 * [(1e3 + p[:20]).astype(np.float32)]), same=True)))
    np.testing.assert_allclose(np.sqrt(tile.values), cdist(p[:20], p[:20]), rtol=1e-3)


@pytest.mark.parametrize("offset", [0.0, 10.0, 1e3])
def test_kernels_of_many_images_as_in_float64(
    sets: tuple[np.ndarray, np.ndarray], offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    s, p = (x + np.float32(offset) for x in sets)
    many = [energy(s, p), kid(s, p), mmd(s, p), mmd(s, p, 7.0, unbiased=True)]
    monkeypatch.setattr(pairwise, "COMPILED_FROM", 1 << 40)
    few = [energy(s, p), kid(s, p), mmd(s, p), mmd(s, p, 7.0, unbiased=True)]
    np.testing.assert_allclose(many, few, rtol=1e-5)


def test_of_a_set_and_its_copy_the_distances_are_0(sets: tuple[np.ndarray, np.ndarray]) -> None:
    p = sets[1]
    assert energy(p, p.copy()) == 0.0
    assert mmd(p, p.copy()) == 0.0


def test_a_kernel_far_from_the_origin_is_left_to_float64(sets: tuple[np.ndarray, np.ndarray]) -> None:
    s, p = (x + np.float32(1e5) for x in sets)
    from howfar.distances.mmd import cubic_discrepancy

    assert cubic_discrepancy(s, p) is None
    assert np.isfinite(kid(s, p))


def test_the_median_is_found_whatever_the_sample_says(
    sets: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_distances_that_are_too_many_to_keep_are_computed_again(
    sets: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = mmd(*sets)
    monkeypatch.setattr(import_module("howfar.distances.mmd"), "KEPT", 0)
    assert mmd(*sets) == kept
