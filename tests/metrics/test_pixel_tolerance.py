from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, maximum_filter

from howfar.errors import InputError
from howfar.metrics.threshold_counts import as_tolerance, disc_maximum


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.0, 1.4, 2**0.5, 1.5, 2.0, 5**0.5, 3.0, 5.0, 7.3, 40.0, 1e6])
@pytest.mark.parametrize("shape", [(23, 31), (1, 40), (40, 1), (1, 1), (2, 9)])
def test_a_mask_grows_by_the_distance(radius: float, shape: tuple[int, int], rng: np.random.Generator) -> None:
    for density in (0.01, 0.1, 1.0):
        mask = rng.random(shape) < density
        mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
        np.testing.assert_array_equal(disc_maximum(mask, radius), distance_transform_edt(~mask) <= radius)


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.7, 10.0])
def test_grey_values_as_a_filter_over_the_disc(radius: float, rng: np.random.Generator) -> None:
    reach = int(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for shape in ((23, 31), (3, 50)):
        values = rng.integers(0, 256, shape).astype(np.uint8)
        wanted = maximum_filter(values, footprint=np.hypot(dx, dy) <= radius, mode="constant", cval=0)
        np.testing.assert_array_equal(disc_maximum(values, radius), wanted)


def test_an_empty_mask_stays_empty_and_the_argument_as_it_is(rng: np.random.Generator) -> None:
    assert not disc_maximum(np.zeros((5, 5), dtype=bool), 3.0).any()
    values = rng.integers(0, 256, (9, 9)).astype(np.uint8)
    kept = values.copy()
    values.setflags(write=False)
    disc_maximum(values, 2.0)
    np.testing.assert_array_equal(values, kept)


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), "two", None])
def test_what_is_no_tolerance_is_refused(tolerance: Any) -> None:
    with pytest.raises(InputError, match=r"^tolerance must be a "):
        as_tolerance(tolerance)
