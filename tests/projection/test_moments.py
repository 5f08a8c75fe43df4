"""Moments by blocks of rows: what float32 products lose, what they must not, and where float64 stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from howfar.arrays import as_rows
from howfar.projection import Projection, Projector, joint_pca, moments, project
from howfar.projection.moments import add_products, merge, mirror, product


def features(n: int, m: int, q: int, offset: float, apart: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    spread = 4.0 * np.arange(1, q + 1) ** -0.4
    p, s = rng.normal(size=(n, q)) * spread, 1.5 * rng.normal(size=(m, q)) * spread + apart
    return (p + offset).astype(np.float32), (s + offset).astype(np.float32)


def distances(found: Projection) -> NDArray[np.float64]:
    rows = np.concatenate([found.primary, found.secondary])
    return cdist(rows, rows)


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product of float32 features in float32, however few."""
    monkeypatch.setattr(moments, "SINGLE_FROM", 0)


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("apart", [0.5, 50.0])
@pytest.mark.parametrize("mode", ["pair", "primary", "joint", "none"])
def test_float32_products_give_distances_to_a_millionth(offset: float, apart: float, mode: Any) -> None:
    p, s = features(900, 700, 40, offset, apart)
    (found,) = project(p, [s], 20, mode=mode)
    (wanted,) = project(p.astype(np.float64), [s.astype(np.float64)], 20, mode=mode)
    moved = np.abs(distances(found) - distances(wanted)).max() / distances(wanted).mean()
    # What is fitted on P alone is float64 always, and a rotation to all axes keeps every distance.
    assert moved < 1e-12 if mode in ("primary", "none") else 0 < moved < 1e-6
    np.testing.assert_allclose(found.explained_variance_ratio, wanted.explained_variance_ratio, atol=1e-6)


@pytest.mark.usefixtures("single")
def test_a_cluster_far_from_the_origin_keeps_its_axes() -> None:
    """At an offset of 10,000 widths the usual shortcut in float32 leaves nothing of them."""
    p, s = features(400, 300, 20, 40_000.0, 0.5)
    found, wanted = joint_pca(p, s, 10), joint_pca(p.astype(np.float64), s.astype(np.float64), 10)
    np.testing.assert_allclose(distances(found), distances(wanted), atol=1e-6 * distances(wanted).mean())


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("block", [1, 7, 64, None])
def test_blocks_that_lie_apart_are_merged(block: int | None) -> None:
    p, s = features(100, 60, 20, 100.0, 300.0)
    rows = np.concatenate([p, s])
    found = moments.moments(as_rows(rows, "x"), block)
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    assert found.single
    np.testing.assert_allclose(found.mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(found.scatter, centred.T @ centred, rtol=1e-5)
    np.testing.assert_array_equal(found.scatter, found.scatter.T)


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_what_rounding_leaves_is_no_component(offset: float) -> None:
    rng = np.random.default_rng(3)
    rows = (rng.normal(size=(400, 4)) @ rng.normal(size=(4, 60)) + offset).astype(np.float32)
    if offset:
        # What rounding the rows themselves leaves is theirs: of a spread of 2 at 100, about 4e-6.
        rows = np.round(rows * 64) / np.float32(64)
        rows[:, 4:] = np.float32(offset)
    found = joint_pca(rows[:240], rows[240:], 10, route="covariance")
    assert (found.explained_variance_ratio[:4] > 1e-3).all()
    assert not found.explained_variance_ratio[4:].any()
    assert not found.secondary[:, 4:].any()


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("size", [1e-25, 1e18, 1e30])
def test_what_float32_products_cannot_hold_is_float64(size: float) -> None:
    x = as_rows((features(90, 10, 8, 3.0, 0.5)[0] * size).astype(np.float32), "x")
    found = moments.moments(x)
    assert not found.single
    np.testing.assert_array_equal(found.scatter, moments.moments(x, double=True).scatter)
    assert np.isfinite(found.scatter).all()
    assert (np.diag(found.scatter) > 0).all()


def test_few_products_are_float64_and_many_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    p = as_rows(features(90, 10, 8, 0.0, 0.5)[0], "p")
    assert not moments.moments(p).single
    monkeypatch.setattr(moments, "SINGLE_FROM", 90 * 8 * 8)
    assert moments.moments(p).single
    assert not moments.moments(p, double=True).single
    assert not moments.moments(as_rows(p.rows(0, 90).astype(np.float64), "p")).single
    assert merge(moments.moments(p), moments.moments(p, double=True)).single
    monkeypatch.setattr(moments, "SINGLE_FROM", 90 * 8 * 8 + 1)
    assert not moments.moments(p).single


@pytest.mark.usefixtures("single")
def test_what_is_fitted_on_p_alone_is_float64_always() -> None:
    p, s = features(90, 60, 8, 100.0, 0.5)
    projector = Projector(p, 5)
    next(projector.project([s]))
    wanted = Projector(p.astype(np.float64), 5)
    np.testing.assert_allclose(projector.own(), wanted.own(), atol=1e-10)
    np.testing.assert_allclose(projector.basis().matrix, wanted.basis().matrix, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("q", [1, 3, 300])
def test_products_as_numpy(dtype: Any, q: int) -> None:
    rng = np.random.default_rng(0)
    x, matrix = rng.integers(-8, 8, size=(50, q)).astype(dtype), np.asfortranarray(rng.integers(-8, 8, size=(q, 4)) * 1.0)
    total = np.ones((q, q), order="F")
    add_products(total, x)
    mirror(total)
    np.testing.assert_array_equal(total, 1.0 + x.T.astype(np.float64) @ x)
    np.testing.assert_array_equal(product(x.astype(np.float64), matrix), x.astype(np.float64) @ matrix)
    assert product(x.astype(np.float64), matrix).flags.c_contiguous
