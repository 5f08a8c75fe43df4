from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from howfar.selection.diversity import kmeans, seeds


def blobs(seed: int, n: int = 200, z: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, z)) + 3.0 * rng.integers(0, 4, size=(n, 1))


def test_rounds_as_scipy_from_the_same_seeds() -> None:
    for seed in range(6):
        x = blobs(seed)
        start = x[seeds(x, 6, np.random.default_rng(seed), np.zeros(len(x), dtype=bool))]
        centres, labels = kmeans2(x, start, iter=300, minit="matrix")
        found = kmeans(x, 6, np.random.default_rng(seed), restarts=1)
        np.testing.assert_array_equal(found.labels, labels)
        np.testing.assert_allclose(found.centres, centres)
        np.testing.assert_allclose(found.inertia, ((x - centres[labels]) ** 2).sum())


def test_restarts_find_what_one_start_misses() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 2)) * 0.3 + np.repeat(rng.uniform(-10, 10, size=(12, 2)), 20, axis=0)
    many = [kmeans(x, 12, np.random.default_rng(seed)).inertia for seed in range(12)]
    once = [kmeans(x, 12, np.random.default_rng(seed), restarts=1).inertia for seed in range(12)]
    best = KMeans(12, n_init=50, random_state=0).fit(x).inertia_
    assert np.mean(many) < np.mean(once)
    assert min(many) <= best * (1 + 1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25), st.data())
def test_no_cluster_is_empty_that_need_not_be(points: list[tuple[int, int]], data: st.DataObject) -> None:
    x = np.array(points, dtype=np.float64)
    count = data.draw(st.integers(1, len(x)))
    found = kmeans(x, count, np.random.default_rng(0), restarts=2)
    assert len(np.unique(found.labels)) == min(count, len(np.unique(x, axis=0)))
    # Equal rows are together, and each centre is the mean of its rows.
    for label in np.unique(found.labels):
        np.testing.assert_allclose(found.centres[label], x[found.labels == label].mean(axis=0), atol=1e-12)
    gaps = ((x - found.centres[found.labels]) ** 2).sum()
    np.testing.assert_allclose(found.inertia, gaps, atol=1e-9)


def test_where_the_origin_lies_does_not_count() -> None:
    x = blobs(0)
    wanted = kmeans(x, 6, np.random.default_rng(1))
    for offset in (1e4, 1e6):
        np.testing.assert_array_equal(kmeans(x + offset, 6, np.random.default_rng(1)).labels, wanted.labels)


def test_a_centre_does_not_depend_on_other_clusters() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    for offset in (50.0, 1e3, 1e5):
        found = kmeans(np.concatenate([near, far + offset]), 2, np.random.default_rng(0))
        assert found.centres[found.labels[0]].tolist() == [np.bincount([0] * 20, column)[0] / 20 for column in near.T]


def test_more_clusters_than_different_rows() -> None:
    """Here scikit-learn, asked for seven clusters, makes four and gives a sum of squares that is not 0."""
    a, b, c, d = [2.0, 0.0], [2.0, 2.0], [1.0, 2.0], [0.0, 2.0]
    found = kmeans(np.array([a, a, b, c, d, c, b, a, b]), 7, np.random.default_rng(1), restarts=1)
    assert len(found.centres) == 4
    assert found.inertia == pytest.approx(0.0, abs=1e-12)


def test_rows_that_rounding_makes_equal_are_one_cluster() -> None:
    x = np.array([[0.0], [1e-200], [3e-200], [1.0]])
    found = kmeans(x, 4, np.random.default_rng(0))
    assert found.labels[3] not in found.labels[:3]
    assert found.inertia < 1e-30


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    x = blobs(0, n=2000)
    wanted = kmeans(x, 5, np.random.default_rng(1), restarts=2)
    with threadpool_limits(threads, user_api="openmp"):
        found = kmeans(x, 5, np.random.default_rng(1), restarts=2)
    np.testing.assert_array_equal(found.centres, wanted.centres)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    assert found.inertia == wanted.inertia
