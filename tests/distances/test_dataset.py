from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance

from howfar.distances import dataset_to_dataset, energy, image_to_dataset, leave_one_out, self_distance
from howfar.distances.dataset_distances import IdentityMargin, identity_margin


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
