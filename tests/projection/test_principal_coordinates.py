"""Turning features to all of their principal axes, which leaves distances and principal components as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from howfar.projection import joint_pca
from howfar.projection.projector import principal_coordinates


@pytest.mark.parametrize(("n", "q", "wide"), [(7, 300, 6), (7, 3, 3), (1, 5, 1), (2, 1, 1)])
def test_there_are_as_many_coordinates_as_the_images_need(n: int, q: int, wide: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, q)) + 100
    turned = principal_coordinates(x)
    assert turned.shape == (n, wide)
    if n > 1:
        np.testing.assert_allclose(pdist(turned), pdist(x), rtol=1e-9)


def test_parts_of_the_images_have_the_principal_components_of_their_features() -> None:
    x = np.random.default_rng(1).normal(size=(20, 500)).astype(np.float32) * np.linspace(0, 3, 500, dtype=np.float32)
    turned = principal_coordinates(x)
    for p, s in ((slice(0, 6), slice(6, 20)), (slice(3, 5), slice(11, 12))):
        plain, short = joint_pca(x[p], x[s], 2), joint_pca(turned[p], turned[s], 2)
        np.testing.assert_allclose(short.explained_variance_ratio, plain.explained_variance_ratio, rtol=1e-5)
        np.testing.assert_allclose(cdist(short.secondary, short.primary), cdist(plain.secondary, plain.primary), rtol=1e-5)


def test_equal_images_stay_equal() -> None:
    x = np.random.default_rng(2).normal(size=(5, 40))
    turned = principal_coordinates(np.concatenate([x, x[:1]]))
    np.testing.assert_allclose(turned[5], turned[0], atol=1e-9)
