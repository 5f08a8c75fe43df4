from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from howfar.arrays import ArrayRows
from howfar.errors import InputError
from howfar.projection import Basis, Projector

Exact = Literal["gram", "covariance"]
ROUTES: tuple[Exact, ...] = ("gram", "covariance")
# (n, m, q): fewer features than images, and more.
SIZES = [(60, 40, 30), (24, 16, 700)]


def features(sizes: tuple[int, int, int], offset: float, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    n, m, q = sizes
    rng = np.random.default_rng(3)
    spread = 4.0 * np.arange(1, q + 1) ** -0.4
    p, s = rng.normal(size=(n, q)) * spread, 1.5 * rng.normal(size=(m, q)) * spread + 0.5
    return (p + offset).astype(dtype), (s + offset).astype(dtype)


def options(scale: str, q: int) -> dict[str, Any]:
    return {"scale": scale, "layers": (q // 3, q - q // 3)}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("scale", ["none", "layers"])
def test_new_rows_land_where_the_primary_projection_puts_them(route: Exact, sizes: Any, offset: float, scale: str) -> None:
    p, s = features(sizes, offset)
    projector = Projector(p, 20, route=route, **options(scale, sizes[2]))
    pair = next(projector.project([s], "primary"))
    basis = projector.basis()
    size = np.abs(pair.secondary).max()
    np.testing.assert_allclose(basis.scores(s), pair.secondary, rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(basis.scores(p), projector.own(), rtol=0, atol=1e-12 * size)
    np.testing.assert_array_equal(basis.explained_variance_ratio, pair.explained_variance_ratio)
    assert basis.components == pair.components == 20
    assert basis.explained_variance == pair.explained_variance


@pytest.mark.parametrize("route", ROUTES)
def test_one_row_at_a_time_lands_where_all_do(route: Exact) -> None:
    p, s = features(SIZES[1], 100.0)
    basis = Projector(p, route=route).basis()
    together = basis.scores(s)
    one_by_one = np.concatenate([basis.scores(row[None]) for row in s])
    np.testing.assert_allclose(one_by_one, together, rtol=0, atol=1e-12 * np.abs(together).max())
    np.testing.assert_allclose(basis.scores(ArrayRows(s), block=5), together, rtol=0, atol=1e-12 * np.abs(together).max())


@pytest.mark.parametrize("block", [1, 13, 10_000])
def test_the_block_of_columns_changes_nothing(block: int) -> None:
    p, _ = features(SIZES[1], 100.0)
    whole, pieces = Projector(p, 10).basis(), Projector(p, 10, block=block).basis()
    np.testing.assert_allclose(pieces.matrix, whole.matrix, rtol=0, atol=1e-12 * np.abs(whole.matrix).max())


def test_axes_are_orthonormal_without_scaling() -> None:
    for route in ROUTES:
        matrix = Projector(features(SIZES[1], 0.0)[0], 10, route=route).basis().matrix
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(10), atol=1e-10)


@pytest.mark.parametrize("route", ROUTES)
def test_directions_that_the_primary_lacks_count_for_nothing(route: Exact) -> None:
    p = np.repeat([[1.0, 2.0, 3.0]], 4, axis=0)
    basis = Projector(p, 2, route=route).basis()
    np.testing.assert_array_equal(basis.scores([[9.0, 9.0, 9.0]]), [[0.0, 0.0]])
    assert basis.explained_variance == 0.0


def test_a_large_basis_is_kept_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    p, s = features((30, 20, 9000), 100.0)
    projector = Projector(p, 10)
    exact, own = projector.basis().scores(s), projector.own()
    monkeypatch.setattr("howfar.projection.basis.DOUBLE_BYTES", 8 * 9000 * 10 - 1)
    single = projector.basis()
    assert single.matrix.dtype == np.float32
    scores = single.scores(s)
    assert scores.dtype == np.float64
    assert 0 < np.abs(scores - exact).max() < 1e-5 * np.abs(exact).max()
    np.testing.assert_allclose(cdist(scores, own).mean(axis=1), cdist(exact, own).mean(axis=1), rtol=1e-6)
    monkeypatch.setattr("howfar.projection.basis.DOUBLE_BYTES", 8 * 9000 * 10)
    assert projector.basis().matrix.dtype == np.float64


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_far_from_the_origin_keep_their_scores(offset: float, dtype: type, rng: np.random.Generator) -> None:
    """The mean is taken from the rows before they are multiplied, so that no digits are lost."""
    x = rng.integers(-64, 64, size=(50, 30)) / 8.0
    matrix = np.linalg.qr(rng.normal(size=(30, 5)))[0]
    found = Basis(x.mean(axis=0) + offset, matrix, np.ones(5)).scores((x + offset).astype(dtype))
    np.testing.assert_allclose(found, (x - x.mean(axis=0)) @ matrix, rtol=0, atol=1e-14 * max(offset, 10.0))


def test_another_width_is_refused() -> None:
    basis = Basis(np.zeros(3), np.ones((3, 1)), np.ones(1))
    with pytest.raises(InputError, match=r"x must have 3 columns, got \(1, 2\)"):
        basis.scores([[1.0, 2.0]])
