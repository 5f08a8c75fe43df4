from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from howfar.selection import geometry
from howfar.selection import kmeans as module
from howfar.selection.kmeans import kmeans, lloyd


def test_lloyd_as_scikit_learn_from_the_same_centres() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(200, 4)) + 3.0 * rng.integers(0, 4, size=(200, 1))
        start = x[rng.choice(200, 6, replace=False)]
        found, wanted = lloyd(x, start), KMeans(6, init=start, n_init=1, algorithm="lloyd", tol=0.0).fit(x)
        np.testing.assert_array_equal(found.labels, wanted.labels_)
        np.testing.assert_allclose(found.centres, wanted.cluster_centers_)
        np.testing.assert_allclose(found.inertia, wanted.inertia_)


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
        np.testing.assert_allclose(found.centres[label], x[found.labels == label].mean(axis=0))
    gaps = ((x - found.centres[found.labels]) ** 2).sum()
    np.testing.assert_allclose(found.inertia, gaps, atol=1e-9)


def test_a_centre_that_loses_its_rows_moves_to_the_farthest_row() -> None:
    # All rows are nearer to 0 than to 100; 9 is farthest from where they go.
    found = lloyd(np.array([[0.0], [1.0], [9.0]]), np.array([[0.0], [100.0]]))
    assert found.labels.tolist() == [0, 0, 1]
    assert found.centres.ravel().tolist() == [0.5, 9.0]


def test_blocks_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    whole = kmeans(x, 5, np.random.default_rng(1))
    monkeypatch.setattr(module, "blocks", lambda rows, others: geometry.blocks(rows, others, pairs=7))
    np.testing.assert_array_equal(kmeans(x, 5, np.random.default_rng(1)).labels, whole.labels)
