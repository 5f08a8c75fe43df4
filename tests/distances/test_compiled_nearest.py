"""Compiled nearest neighbours: as by sorting all distances in float64, also where float32 cannot tell them apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from howfar.distances import compiled_euclidean, pairwise
from howfar.distances.compiled_euclidean import EXTRA, MOST_NEIGHBOURS, TILE, nearest_distances
from howfar.distances.knn import knn, leave_one_out_knn


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwise, "COMPILED_FROM", 0)


def by_sklearn(s: np.ndarray, p: np.ndarray, k: int) -> np.ndarray:
    return NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(p).kneighbors(s)[0]


@pytest.mark.parametrize(("m", "n", "z"), [(1, 9, 1), (2, 30, 2), (7, TILE + 1, 6), (300, 2 * TILE + 3, 25)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("k", [1, 5])
def test_as_sklearn(m: int, n: int, z: int, offset: float, scale: float, k: int) -> None:
    rng = np.random.default_rng(0)
    s, p = scale * (rng.normal(size=(m, z)) + offset), scale * (rng.normal(size=(n, z)) + offset)
    np.testing.assert_allclose(knn(s, p, k), by_sklearn(s, p, k).mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(leave_one_out_knn(p, k), by_sklearn(p, p, k + 1)[:, 1:].mean(axis=1), rtol=1e-9)


def test_few_rows_are_doubtful() -> None:
    rng = np.random.default_rng(0)
    s, p = rng.normal(size=(500, 25)), rng.normal(size=(900, 25))
    found, _, doubtful = nearest_distances(s, p, 5)
    np.testing.assert_allclose(found, by_sklearn(s, p, 5), rtol=1e-12)
    assert len(doubtful) <= 2


@pytest.mark.parametrize("copies", [2, 7, 40])
def test_copies_are_each_others_neighbours(copies: int) -> None:
    rng = np.random.default_rng(0)
    p = np.repeat(rng.normal(size=(20, 5)), copies, axis=0)
    np.testing.assert_array_equal(leave_one_out_knn(p, 1), 0.0)
    np.testing.assert_allclose(leave_one_out_knn(p, 9), by_sklearn(p, p, 10)[:, 1:].mean(axis=1), rtol=1e-9)


def test_neighbours_that_float32_cannot_tell_apart() -> None:
    """A cluster of a millionth of the set's width, whose nearest ones are lost among its other rows when they are rounded."""
    rng = np.random.default_rng(0)
    cluster = 0.7 + 1e-9 * rng.normal(size=(300, 5))
    p = np.concatenate([cluster, rng.normal(size=(900, 5))])
    found, _, doubtful = nearest_distances(cluster, p, 5)
    assert np.abs(found[:, 1:] / by_sklearn(cluster, p, 5)[:, 1:] - 1).max() > 0.1
    assert len(doubtful) == 300
    # What float64 itself loses about the centre is more than it loses in differences.
    np.testing.assert_allclose(knn(cluster, p, 5), by_sklearn(cluster, p, 5).mean(axis=1), rtol=1e-6)


def test_one_row_far_beyond_all_others() -> None:
    rng = np.random.default_rng(0)
    s, p = rng.normal(size=(50, 5)), rng.normal(size=(60, 5))
    s[3] = 1e25
    np.testing.assert_allclose(knn(s, p, 5), by_sklearn(s, p, 5).mean(axis=1), rtol=1e-9)


@pytest.mark.parametrize(
    ("n", "k"), [(9, 9), (9, 9 - EXTRA), (9, 10 - EXTRA), (200, MOST_NEIGHBOURS), (200, MOST_NEIGHBOURS + 1)]
)
def test_any_number_of_neighbours(n: int, k: int) -> None:
    rng = np.random.default_rng(0)
    s, p = rng.normal(size=(30, 5)), rng.normal(size=(n, 5))
    np.testing.assert_allclose(knn(s, p, k), by_sklearn(s, p, k).mean(axis=1), rtol=1e-9)


def test_threads_that_share_the_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    s, p = rng.normal(size=(301, 5)), rng.normal(size=(200, 5))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    wanted = knn(s, p)
    monkeypatch.setattr(compiled_euclidean, "numeric_threads", lambda: 3)
    np.testing.assert_array_equal(knn(s, p), wanted)


def test_single_precision_is_measured_in_double() -> None:
    rng = np.random.default_rng(0)
    s, p = (rng.normal(1e3, 1.0, size=(k, 5)).astype(np.float32) for k in (50, 60))
    np.testing.assert_allclose(knn(s, p), by_sklearn(s.astype(float), p.astype(float), 5).mean(axis=1), rtol=1e-12)
