"""The point that rows are taken about: amid P, whatever lies far out, and cheap however many or long the rows are."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.distances import products
from howfar.distances.products import centre_of, in_units


@pytest.mark.parametrize(("n", "z"), [(1, 1), (2, 3), (1001, 2), (1002, 2), (5000, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_amid_the_rows(n: int, z: int, dtype: type) -> None:
    p = np.random.default_rng(0).normal(1e3, 1.0, size=(n, z)).astype(dtype)
    found = centre_of(p)
    assert (found.shape, found.dtype) == ((z,), np.float64)
    np.testing.assert_allclose(found, np.median(p.astype(np.float64), axis=0), atol=0.2)


def test_one_far_row_does_not_move_it() -> None:
    p = np.random.default_rng(0).normal(size=(40, 3))
    p[0] = 1e90
    assert np.abs(centre_of(p)).max() < 1.0


@pytest.mark.parametrize(("n", "z", "most"), [(5000, 2, 1001), (5000, 10, 100), (5000, 1000, 15), (7, 1000, 7)])
def test_of_no_more_rows_than_are_needed(n: int, z: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, median = [], np.median
    monkeypatch.setattr(products, "_VALUES", 1000 if z > 2 else 1 << 22)
    monkeypatch.setattr(np, "median", lambda some, axis: looked_at.append(len(some)) or median(some, axis=axis))
    centre_of(np.zeros((n, z)))
    assert most / 2 < looked_at[0] <= most


@pytest.mark.parametrize("scale", [1e-90, 1.0, 1e90])
def test_a_unit_that_moves_no_digit(scale: float) -> None:
    s, p = (scale * np.random.default_rng(k).normal(size=(20, 3)) for k in (0, 1))
    a, b, unit = in_units(s, p)
    assert np.log2(unit) == np.rint(np.log2(unit))
    assert 0.5 <= max(np.abs(a).max(), np.abs(b).max()) <= 1.0
    np.testing.assert_array_equal(a, ((s - centre_of(p)) / unit).astype(np.float32))
    np.testing.assert_allclose(unit * a.astype(float) + centre_of(p), s, atol=unit * 1e-7)
