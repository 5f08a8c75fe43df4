"""Distances of all pairs in tiles and in float32: as scipy's, exactly 0 for equal rows, at any scale and offset."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.distances.pairwise_distances import distance_blocks, quadratic_forms, row_sums


def all_pairs(s: np.ndarray, p: np.ndarray, **options: int) -> np.ndarray:
    blocks = list(distance_blocks(s, p, **options))
    edges = [0, *(stop for _, stop, _ in blocks)]
    assert [start for start, _, _ in blocks] == edges[:-1]
    assert edges[-1] == len(s)
    return np.concatenate([d for _, _, d in blocks])


@pytest.mark.parametrize("z", [1, 2, 25, 300])
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_as_scipy(rng: np.random.Generator, z: int, offset: float) -> None:
    s, p = rng.normal(size=(31, z)) + offset, rng.normal(size=(47, z)) + offset
    np.testing.assert_allclose(all_pairs(s, p), cdist(s, p), rtol=1e-9, atol=0)


def test_the_two_sets_far_apart(rng: np.random.Generator) -> None:
    s, p = rng.normal(size=(31, 25)) + 1e6, rng.normal(size=(47, 25))
    np.testing.assert_allclose(all_pairs(s, p), cdist(s, p), rtol=1e-12)
    # Centred on P only, so S's own small distances are the differences of large numbers.
    np.testing.assert_allclose(all_pairs(s, np.concatenate([p, s]))[:, 47:], cdist(s, s), rtol=1e-8, atol=0)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("gap", [1e-1, 1e-4, 1e-7])
def test_near_rows_keep_their_digits(rng: np.random.Generator, offset: float, gap: float) -> None:
    p = rng.normal(size=(40, 25)) + offset
    s = p + gap * rng.normal(size=(40, 25))
    wanted = np.linalg.norm(s - p, axis=1)
    # Centring rounds each number once more, by half a unit in its last place.
    np.testing.assert_allclose(np.diag(all_pairs(s, p)), wanted, rtol=1e-9, atol=20 * np.spacing(offset + 4.0))


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_of_tiles_are_exactly_at_0(rng: np.random.Generator, offset: float, dtype: type) -> None:
    p = (rng.normal(size=(60, 25)) + offset).astype(dtype)
    found = all_pairs(p[::-1].copy(), p)
    np.testing.assert_array_equal(np.diag(found[::-1]), 0.0)
    assert np.isfinite(found).all()
    assert np.count_nonzero(found == 0.0) == 60


@pytest.mark.parametrize("pairs_per_tile", [1, 46, 47, 100, 10**6])
def test_the_tile_changes_nothing(rng: np.random.Generator, pairs_per_tile: int) -> None:
    s, p = rng.normal(size=(31, 25)) + 1e2, rng.normal(size=(47, 25)) + 1e2
    u, v = rng.uniform(size=(31, 6)), rng.uniform(size=(47, 6))
    np.testing.assert_allclose(all_pairs(s, p, pairs_per_tile=pairs_per_tile), all_pairs(s, p), rtol=1e-9)
    np.testing.assert_allclose(row_sums(s, p, pairs_per_tile), row_sums(s, p), rtol=1e-12)
    np.testing.assert_allclose(quadratic_forms(s, p, u, v, pairs_per_tile), quadratic_forms(s, p, u, v), rtol=1e-12)
    tiles = [d.size for _, _, d in distance_blocks(s, p, pairs_per_tile)]
    assert max(tiles) <= max(pairs_per_tile, len(p))


def test_sums_and_forms_as_scipy(rng: np.random.Generator) -> None:
    s, p = rng.normal(size=(31, 25)), rng.normal(size=(47, 25))
    u, v = rng.normal(size=(31, 6)), rng.normal(size=(47, 6))
    np.testing.assert_allclose(row_sums(s, p), cdist(s, p).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(quadratic_forms(s, p, u, v), np.einsum("ik,ij,jk->k", u, cdist(s, p), v), rtol=1e-9)
