from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

from howfar.selection.diversity import blocks, to_nearest, to_neighbours, to_point


@pytest.mark.parametrize("pairs", [1, 7, 1000])
def test_blocks_are_the_whole_in_pieces(pairs: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(23, 4)), rng.normal(size=(9, 4))
    pieces = list(blocks(x, y, pairs))
    assert max(piece.size for _, piece in pieces) <= max(pairs, 9)
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), cdist(x, y))
    assert [rows.start for rows, _ in pieces] == [0, *(rows.stop for rows, _ in pieces)][:-1]


def test_distances() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(23, 4)), rng.normal(size=(9, 4))
    np.testing.assert_allclose(to_nearest(x, y), cdist(x, y).min(axis=1))
    np.testing.assert_allclose(to_point(x, y[0]), cdist(x, y[:1])[:, 0])
    assert np.isinf(to_nearest(x, y[:0])).all()
    assert to_point(x + 1e8, x[3] + 1e8)[3] == 0.0


def test_equal_rows_are_at_0_where_scikit_learn_loses_them() -> None:
    """Scikit-learn multiplies matrices, ‖x‖² + ‖y‖² − 2 x·y: at 10,000 from the origin copies of a row lie apart."""
    x = np.random.default_rng(0).normal(size=(300, 25)) + 1e4
    copies = x[:50].copy()
    assert to_nearest(copies, x).max() == 0.0
    assert pairwise_distances_argmin_min(copies, x)[1].max() > 1e-4


@pytest.mark.parametrize("k", [1, 5, 22, 40])
def test_neighbours_as_scikit_learn(k: int) -> None:
    x = np.random.default_rng(2).normal(size=(23, 4))
    wanted = NearestNeighbors(n_neighbors=min(k, 22)).fit(x).kneighbors()[0].mean(axis=1)
    np.testing.assert_allclose(to_neighbours(x, k), wanted)
    assert to_neighbours(x[:1], k).tolist() == [0.0]


def test_copies_are_neighbours() -> None:
    x = np.repeat(np.random.default_rng(3).normal(size=(3, 4)), 30, axis=0) + 1e4
    np.testing.assert_array_equal(to_neighbours(x, 20), 0.0)
