from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from howfar.distances import knn


@pytest.mark.parametrize("k", [1, 5, 46, 47])
@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_as_sklearn(rng: np.random.Generator, k: int, offset: float) -> None:
    s, p = rng.normal(size=(31, 25)) + offset, rng.normal(size=(47, 25)) + offset
    distances, _ = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(p).kneighbors(s)
    np.testing.assert_allclose(knn(s, p, k), distances.mean(axis=1), rtol=1e-10)
    np.testing.assert_allclose(knn(s, p, k, statistic="kth"), distances[:, -1], rtol=1e-10)


def test_copies_are_at_0_where_scikit_learn_s_quick_search_loses_them(rng: np.random.Generator) -> None:
    """Its search by matrix products: at 10,000 from the origin copies lie apart, and others are wrong in the seventh digit."""
    p = rng.normal(size=(400, 25)) + 1e4
    s = np.concatenate([p[:50], rng.normal(size=(50, 25)) + 1e4])
    theirs, _ = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(p).kneighbors(s)
    exact = np.sqrt(((s[:, None] - p) ** 2).sum(axis=2)).min(axis=1)
    np.testing.assert_allclose(knn(s, p, 1), exact, rtol=1e-10)
    assert knn(s, p, 1)[:50].max() == 0.0
    assert theirs[:50].max() > 1e-4
    assert np.abs(theirs[50:, 0] / exact[50:] - 1).max() > 1e-8


def by_sklearn(s: np.ndarray, p: np.ndarray, k: int) -> np.ndarray:
    return NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(p).kneighbors(s)[0]


def test_neighbours_much_nearer_than_the_set_is_wide(rng: np.random.Generator) -> None:
    """A cluster of a billionth of the set's width: what float64 itself loses about the centre is more than by differences."""
    cluster = 0.7 + 1e-9 * rng.normal(size=(300, 5))
    p = np.concatenate([cluster, rng.normal(size=(900, 5))])
    np.testing.assert_allclose(knn(cluster, p, 5), by_sklearn(cluster, p, 5).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_any_scale_and_one_row_far_beyond_all_others(rng: np.random.Generator, scale: float) -> None:
    s, p = scale * rng.normal(size=(50, 5)), scale * rng.normal(size=(60, 5))
    s[3] *= 1e25
    np.testing.assert_allclose(knn(s, p, 5), by_sklearn(s, p, 5).mean(axis=1), rtol=1e-9)


def test_single_precision_is_measured_in_double(rng: np.random.Generator) -> None:
    s, p = (rng.normal(1e3, 1.0, size=(k, 5)).astype(np.float32) for k in (50, 60))
    np.testing.assert_allclose(knn(s, p), by_sklearn(s.astype(float), p.astype(float), 5).mean(axis=1), rtol=1e-12)
