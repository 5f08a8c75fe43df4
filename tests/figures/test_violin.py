from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.collections import Collection

from howfar.arrays import Float64Array
from howfar.figures.distances import shape, violin
from howfar.results import Comparison


def corners(one: Collection) -> Float64Array:
    return np.asarray(one.get_paths()[0].vertices, dtype=np.float64)


def test_nearly_equal_values_keep_a_finite_shape(six: Comparison) -> None:
    images = six.images.copy()
    images["i_dist_mean"] = 5.0
    images.loc[images.groupby("dataset").head(1).index, "i_dist_mean"] = 5.0 + 1e-12
    (axes,) = violin(replace(six, images=images)).axes
    for one in axes.collections:
        assert np.isfinite(corners(one)).all()


def test_density_is_scipys() -> None:
    from scipy.stats import gaussian_kde

    values = np.random.default_rng(0).gamma(3.0, size=70)
    at, height = shape(values)
    expected = gaussian_kde(values)(at)
    np.testing.assert_allclose(height, expected / expected.max(), rtol=1e-9)
