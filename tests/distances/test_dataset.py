"""Distances of images and of datasets as scipy's and scikit-learn's, at any offset, and the margin of identity."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance
from sklearn.neighbors import NearestNeighbors

from howfar.distances import dataset_to_dataset, energy, image_to_dataset, knn, leave_one_out, self_distance
from howfar.distances.mean_distances import IdentityMargin, identity_margin


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_as_scipy(rng: np.random.Generator, offset: float) -> None:
    s, p = rng.normal(size=(31, 25)) + offset, 2.0 * rng.normal(size=(47, 25)) + offset
    between, within_p, within_s = cdist(s, p), cdist(p, p), cdist(s, s)
    np.testing.assert_allclose(image_to_dataset(s, p), between.mean(axis=1), rtol=1e-10)
    assert dataset_to_dataset(s, p) == pytest.approx(between.mean(), rel=1e-10)
    np.testing.assert_allclose(leave_one_out(p), within_p.sum(axis=1) / 46, rtol=1e-10)
    assert self_distance(p) == pytest.approx(within_p.sum() / (46 * 47), rel=1e-10)
    assert energy(s, p) == pytest.approx(2 * between.mean() - within_p.mean() - within_s.mean(), rel=1e-8)


def test_energy_in_one_dimension_as_scipy(rng: np.random.Generator) -> None:
    s, p = rng.normal(size=31), rng.normal(1.0, 2.0, size=47)
    assert energy(s[:, None], p[:, None]) == pytest.approx(energy_distance(s, p) ** 2, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_energy_of_a_set_and_itself_is_exactly_0(rng: np.random.Generator, offset: float, dtype: type) -> None:
    p = (rng.normal(size=(47, 25)) + offset).astype(dtype)
    assert energy(p, p) == 0.0
    assert energy(p, rng.permutation(p)) == pytest.approx(0.0, abs=1e-12)
    assert dataset_to_dataset(p, p) == pytest.approx(46 / 47 * self_distance(p), rel=1e-12)


def test_the_margin_counts_pairs_as_a_loop_does() -> None:
    rng = np.random.default_rng(3)
    own, others = rng.random(7) + 0.5, rng.random(11) + 0.8
    found = identity_margin(own.tolist(), others.tolist())
    assert found.pairs == 77
    assert found.violated == pytest.approx(sum(b <= a for a, b in itertools.product(own, others)) / 77)
    assert (found.margin > 0) == (others.min() > own.max())
    assert identity_margin([1.0], [1.0]).violated == 1.0


def test_equal_images_are_at_distance_0_and_leave_a_margin_undefined_where_all_own_ones_are() -> None:
    assert identity_margin([0.0, 1.0], [0.0, 2.0]) == IdentityMargin(margin=-1.0, violated=0.5, pairs=4)
    alike = identity_margin([0.0, 0.0], [1.0])
    assert (np.isnan(alike.margin), alike.violated) == (True, 0.0)


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
