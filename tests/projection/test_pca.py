from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from howfar.errors import InputError
from howfar.projection import Projection, Projector, joint_pca, project

Exact = Literal["gram", "covariance"]
ROUTES: tuple[Exact, ...] = ("gram", "covariance")
# (n, m, q): fewer features than images, and more.
SIZES = [(60, 40, 30), (24, 16, 700)]


def features(sizes: tuple[int, int, int], offset: float, dtype: type, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """P and S with a falling spectrum, S moved and wider, both at `offset` from the origin."""
    n, m, q = sizes
    rng = np.random.default_rng(seed)
    spread = 4.0 * np.arange(1, q + 1) ** -0.4
    p, s = rng.normal(size=(n, q)) * spread, 1.5 * rng.normal(size=(m, q)) * spread + 0.5
    return (p + offset).astype(dtype), (s + offset).astype(dtype)


def distances(found: Projection) -> np.ndarray:
    rows = np.concatenate([found.primary, found.secondary])
    return cdist(rows, rows)


def reference(p: np.ndarray, s: np.ndarray, z: int) -> tuple[np.ndarray, np.ndarray]:
    """All distances, and explained shares, by scikit-learn's exact solver in double precision."""
    fitted = PCA(n_components=z, svd_solver="full")
    rows = fitted.fit_transform(np.concatenate([p, s]).astype(np.float64))
    return cdist(rows, rows), fitted.explained_variance_ratio_


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("z", [1, 5, 25])
def test_every_distance_as_sklearn(route: Exact, sizes: tuple[int, int, int], offset: float, dtype: type, z: int) -> None:
    p, s = features(sizes, offset, dtype)
    found = joint_pca(p, s, z, route=route)
    wanted, shares = reference(p, s, z)
    off = ~np.eye(len(wanted), dtype=bool)
    np.testing.assert_allclose(distances(found)[off], wanted[off], rtol=1e-6, atol=0)
    np.testing.assert_allclose(found.explained_variance_ratio, shares, rtol=1e-6)
    assert found.explained_variance == pytest.approx(float(shares.sum()), rel=1e-6)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_both_routes_give_the_same_scores(sizes: tuple[int, int, int], offset: float) -> None:
    p, s = features(sizes, offset, np.float64)
    gram, covariance = (joint_pca(p, s, route=route) for route in ROUTES)
    scale = np.abs(covariance.primary).max()
    np.testing.assert_allclose(gram.primary, covariance.primary, atol=1e-8 * scale)
    np.testing.assert_allclose(gram.secondary, covariance.secondary, atol=1e-8 * scale)


@pytest.mark.parametrize("sizes", SIZES)
def test_auto_takes_one_of_the_two_routes(sizes: tuple[int, int, int]) -> None:
    p, s = features(sizes, 0.0, np.float64)
    cheaper = "gram" if sizes[2] > sizes[0] + sizes[1] else "covariance"
    np.testing.assert_array_equal(joint_pca(p, s).primary, joint_pca(p, s, route=cheaper).primary)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("block", [1, 7, 64, 100_000])
def test_the_block_changes_nothing(route: Exact, sizes: tuple[int, int, int], offset: float, block: int) -> None:
    p, s = features(sizes, offset, np.float32)
    whole, pieces = joint_pca(p, s, route=route), joint_pca(p, s, route=route, block=block)
    scale = np.abs(whole.primary).max()
    np.testing.assert_allclose(distances(pieces), distances(whole), rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(pieces.secondary, whole.secondary, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("route", [*ROUTES, "auto"])
@pytest.mark.parametrize("sizes", SIZES)
def test_two_runs_agree_bit_for_bit(route: Exact, sizes: tuple[int, int, int]) -> None:
    p, s = features(sizes, 100.0, np.float32)
    one, two = joint_pca(p, s, route=route), joint_pca(p.copy(), s.copy(), route=route)
    for name in ("primary", "secondary", "explained_variance_ratio"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
def test_shape_type_and_centre(route: Exact, sizes: tuple[int, int, int]) -> None:
    n, m, _ = sizes
    found = joint_pca(*features(sizes, 100.0, np.float32), 10, route=route)
    assert (found.primary.shape, found.secondary.shape) == ((n, 10), (m, 10))
    assert found.explained_variance_ratio.shape == (10,)
    assert {x.dtype for x in (found.primary, found.secondary, found.explained_variance_ratio)} == {np.dtype(np.float64)}
    assert found.components == 10
    rows = np.concatenate([found.primary, found.secondary])
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-8 * np.abs(rows).max())
    spread = rows.T @ rows
    np.testing.assert_allclose(spread, np.diag(np.diag(spread)), atol=1e-8 * spread.max())
    assert (np.diff(found.explained_variance_ratio) <= 0.0).all()


@pytest.mark.parametrize("route", ROUTES)
def test_all_components_keep_every_distance(route: Exact) -> None:
    p, s = features((12, 8, 10), 100.0, np.float64)
    rows = np.concatenate([p, s])
    found = joint_pca(p, s, 10, route=route)
    np.testing.assert_allclose(distances(found), cdist(rows, rows), rtol=1e-8, atol=1e-10)
    assert found.explained_variance == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("sizes", "most"), [((6, 4, 300), 9), ((60, 40, 7), 7)])
def test_too_many_components_are_clamped_with_a_warning(route: Exact, sizes: tuple[int, int, int], most: int) -> None:
    p, s = features(sizes, 0.0, np.float64)
    with pytest.warns(UserWarning, match=rf"\b{most}\b"):
        found = joint_pca(p, s, 25, route=route)
    assert found.components == most
    wanted, _ = reference(p, s, most)
    np.testing.assert_allclose(distances(found), wanted, rtol=1e-6, atol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joint_pca(p, s, most, route=route)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_features_of_low_rank(route: Exact, sizes: tuple[int, int, int], offset: float) -> None:
    n, m, q = sizes
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(n + m, 4)) @ rng.normal(size=(4, q)) + offset
    found = joint_pca(rows[:n], rows[n:], 10, route=route)
    np.testing.assert_allclose(distances(found), cdist(rows, rows), rtol=1e-6, atol=1e-9 * np.abs(rows).max())
    np.testing.assert_allclose(found.explained_variance_ratio[4:], 0.0, atol=1e-12)
    assert np.abs(found.primary[:, 4:]).max() < 1e-6


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("level", [0.0, 0.1, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features(route: Exact, sizes: tuple[int, int, int], level: float, dtype: type) -> None:
    n, m, q = sizes
    found = joint_pca(np.full((n, q), level, dtype), np.full((m, q), level, dtype), 5, route=route)
    assert (found.primary.shape, found.secondary.shape) == ((n, 5), (m, 5))
    np.testing.assert_allclose(np.concatenate([found.primary, found.secondary]), 0.0, atol=1e-9)
    assert np.isfinite(found.explained_variance_ratio).all()
    assert 0.0 <= found.explained_variance <= 1.0


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("q", [3, 300])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_single_images(route: Exact, q: int, offset: float) -> None:
    p, s = features((1, 1, q), offset, np.float64)
    found = joint_pca(p, s, 1, route=route)
    assert abs(found.primary[0, 0] - found.secondary[0, 0]) == pytest.approx(float(np.linalg.norm(p - s)), rel=1e-9)
    assert found.explained_variance == pytest.approx(1.0)
    many, _ = features((9, 1, q), offset, np.float64)
    for one, two in ((p, many), (many, p)):
        wanted, _ = reference(one, two, 2)
        np.testing.assert_allclose(distances(joint_pca(one, two, 2, route=route)), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("route", ROUTES)
def test_repeated_images_stay_together(route: Exact) -> None:
    p, s = features((24, 16, 700), 100.0, np.float32)
    found = joint_pca(p, np.concatenate([p[:5], s]), route=route)
    np.testing.assert_allclose(found.secondary[:5], found.primary[:5], atol=1e-9)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
def test_swapping_p_and_s_changes_no_distance(route: Exact, sizes: tuple[int, int, int]) -> None:
    p, s = features(sizes, 100.0, np.float64)
    ours = cdist(*(getattr(joint_pca(p, s, route=route), name) for name in ("primary", "secondary")))
    theirs = cdist(*(getattr(joint_pca(s, p, route=route), name) for name in ("secondary", "primary")))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_never_nan_and_never_longer_than_the_features(data: st.DataObject) -> None:
    q = data.draw(st.integers(1, 6))
    n, m = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    numbers = st.integers(-50, 50).map(lambda k: k / 8)
    p, s = (data.draw(arrays(np.float64, (k, q), elements=numbers)) for k in (n, m))
    order = data.draw(st.permutations(range(n)))
    z = data.draw(st.integers(1, max(1, min(n + m - 1, q))))
    full = cdist(np.concatenate([p, s]), np.concatenate([p, s]))
    for route in ROUTES:
        found = joint_pca(p, s, z, route=route)
        assert (distances(found) <= full + 1e-6).all()
        shuffled = joint_pca(p[order], s, z, route=route)
        # Equal eigenvalues leave the axes open, so only their total is sure to be the same.
        assert shuffled.explained_variance == pytest.approx(found.explained_variance, abs=1e-9)
        total = float(np.square(found.primary).sum() + np.square(found.secondary).sum())
        assert total == pytest.approx(found.explained_variance * np.square(full).sum() / (2 * (n + m)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_components": 0}, "n_components must be"),
        ({"route": "svd"}, "route must be"),
        ({"block": 0}, "block must be"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        joint_pca(np.eye(3), np.eye(3), **({"n_components": 2} | options))  # type: ignore[arg-type] - the point of the test


def test_wrong_features_are_refused() -> None:
    with pytest.raises(InputError):
        joint_pca(np.eye(3), np.ones((3, 4)), 2)
    for bad in ([[np.nan, 1.0, 2.0]], [1.0, 2.0, 3.0], np.empty((0, 3))):
        for p, s in ((bad, np.eye(3)), (np.eye(3), bad)):
            with pytest.raises(InputError):
                joint_pca(p, s, 2)


def three_sets(sizes: tuple[int, int, int], offset: float) -> tuple[np.ndarray, list[np.ndarray]]:
    p, s = features(sizes, offset, np.float32)
    _, other = features((sizes[0], sizes[1] // 2, sizes[2]), offset, np.float32, seed=4)
    return p, [s, other + 2.0]


def assert_same_distances(found: Projection, p: np.ndarray, s: np.ndarray) -> None:
    rows = np.concatenate([p, s])
    np.testing.assert_allclose(distances(found), cdist(rows, rows), rtol=1e-6, atol=1e-9 * np.abs(rows).max())


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
class TestModes:
    def test_pair_is_joint_pca_for_each(self, route: Exact, sizes: tuple[int, int, int], offset: float) -> None:
        p, secondaries = three_sets(sizes, offset)
        for s, found in zip(secondaries, project(p, secondaries, 10, route=route), strict=True):
            alone = joint_pca(p, s, 10, route=route)
            np.testing.assert_array_equal(found.primary, alone.primary)
            np.testing.assert_array_equal(found.secondary, alone.secondary)

    def test_primary_is_fitted_on_p_only(self, route: Exact, sizes: tuple[int, int, int], offset: float) -> None:
        p, secondaries = three_sets(sizes, offset)
        fitted = PCA(n_components=10, svd_solver="full").fit(p.astype(np.float64))
        for s, found in zip(secondaries, project(p, secondaries, 10, mode="primary", route=route), strict=True):
            assert_same_distances(found, *(fitted.transform(x.astype(np.float64)) for x in (p, s)))
            np.testing.assert_allclose(found.explained_variance_ratio, fitted.explained_variance_ratio_, rtol=1e-6)

    def test_joint_is_fitted_on_all(self, route: Exact, sizes: tuple[int, int, int], offset: float) -> None:
        p, secondaries = three_sets(sizes, offset)
        fitted = PCA(n_components=10, svd_solver="full").fit(np.concatenate([p, *secondaries]).astype(np.float64))
        for s, found in zip(secondaries, project(p, secondaries, 10, mode="joint", route=route), strict=True):
            assert_same_distances(found, *(fitted.transform(x.astype(np.float64)) for x in (p, s)))
            np.testing.assert_allclose(found.explained_variance_ratio, fitted.explained_variance_ratio_, rtol=1e-6)

    def test_none_keeps_every_distance(self, route: Exact, sizes: tuple[int, int, int], offset: float) -> None:
        p, secondaries = three_sets(sizes, offset)
        for s, found in zip(secondaries, project(p, secondaries, mode="none", route=route), strict=True):
            assert_same_distances(found, p.astype(np.float64), s.astype(np.float64))
            assert found.explained_variance == pytest.approx(1.0)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("sizes", "layers"), [((60, 40, 30), (3, 20, 7)), ((24, 16, 700), (600, 1, 99)), ((24, 16, 700), (700,))]
)
@pytest.mark.parametrize("mode", ["pair", "primary", "joint", "none"])
def test_layers_are_divided_by_the_root_of_their_total_variance(
    route: Exact, sizes: tuple[int, int, int], layers: tuple[int, ...], mode: Literal["pair", "primary", "joint", "none"]
) -> None:
    p, s = (x.astype(np.float64) * np.repeat([9.0, 0.2, 1.0][: len(layers)], layers) for x in features(sizes, 10.0, np.float32))
    fitted_on = p if mode == "primary" else np.concatenate([p, s])
    bounds = np.cumsum((0, *layers[:-1]))
    roots = np.sqrt(np.add.reduceat(fitted_on.var(axis=0, ddof=1), bounds))
    a, b, fit = (x / np.repeat(roots, layers) for x in (p, s, fitted_on))
    z = min(10, *fit.shape)
    if mode != "none":
        fitted = PCA(n_components=z, svd_solver="full").fit(fit)
        a, b = fitted.transform(a), fitted.transform(b)
    for block in (None, 50):
        found = next(iter(project(p, [s], z, mode=mode, route=route, scale="layers", layers=layers, block=block)))
        assert_same_distances(found, a, b)


@pytest.mark.parametrize("route", ROUTES)
def test_a_constant_layer_counts_for_nothing(route: Exact) -> None:
    p, s = features((24, 16, 20), 10.0, np.float64)
    p[:, 5:8], s[:, 5:8] = 3.0, 3.0
    found = joint_pca(p, s, 5, route=route, scale="layers", layers=(5, 3, 12))
    kept = np.r_[0:5, 8:20]
    without = joint_pca(p[:, kept], s[:, kept], 5, route=route, scale="layers", layers=(5, 12))
    np.testing.assert_allclose(distances(found), distances(without), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("layers", [None, (10, 9), (21, -1), (20, 0)])
def test_wrong_layers_are_refused(layers: tuple[int, ...] | None) -> None:
    with pytest.raises(InputError, match="layers must"):
        joint_pca(*features((24, 16, 20), 0.0, np.float64), scale="layers", layers=layers)


@pytest.mark.parametrize("sizes", [(60, 20, 40), (12, 20, 40)])
def test_a_primary_projection_has_no_direction_in_which_p_does_not_vary(sizes: tuple[int, int, int]) -> None:
    n, m, q = sizes
    rng = np.random.default_rng(0)
    p = rng.normal(size=(n, 5)) @ rng.normal(size=(5, q))
    s = 3.0 * rng.normal(size=(m, q))
    by_route = [next(project(p, [s], 25 if n > 25 else 11, mode="primary", route=route)) for route in ROUTES]
    reference = PCA(5, svd_solver="full").fit(p)
    wanted = cdist(reference.transform(s), reference.transform(p))
    for found in by_route:
        np.testing.assert_allclose(cdist(found.secondary, found.primary), wanted, rtol=1e-6)


@pytest.mark.parametrize("route", ROUTES)
def test_images_that_do_not_differ_span_nothing(route: Exact) -> None:
    p = np.full((8, 6), 0.1)
    found = next(project(p, [np.random.default_rng(0).normal(size=(4, 6))], 3, mode="primary", route=route))
    assert not found.secondary.any()
    assert found.explained_variance == 0.0


@pytest.mark.parametrize("route", ROUTES)
def test_a_constant_layer_has_no_weight(route: Exact) -> None:
    rng = np.random.default_rng(0)
    p, s = rng.normal(size=(33, 8)), rng.normal(size=(50, 8))
    with_constant = [np.concatenate([x, np.full((len(x), 7), 0.1)], axis=1) for x in (p, s)]
    plain = joint_pca(p, s, 4, scale="layers", layers=(8,), route=route)
    found = joint_pca(*with_constant, 4, scale="layers", layers=(8, 7), route=route)
    np.testing.assert_allclose(cdist(found.secondary, found.primary), cdist(plain.secondary, plain.primary), rtol=1e-9)


@pytest.mark.parametrize("route", ROUTES)
def test_without_projection_the_first_components_are_the_principal_ones(route: Exact) -> None:
    rng = np.random.default_rng(0)
    p, s = rng.normal(size=(30, 6)) * np.linspace(0.1, 3, 6), rng.normal(size=(20, 6))
    found = next(project(p, [s], mode="none", route=route))
    pooled = np.concatenate([found.primary, found.secondary])
    assert np.all(np.diff(pooled.var(axis=0)) <= 1e-9)
    np.testing.assert_allclose(cdist(found.secondary, found.primary), cdist(s, p))


def test_p_alone_is_in_the_subspace_of_the_primary_mode() -> None:
    rng = np.random.default_rng(0)
    p = rng.normal(size=(20, 50))
    for route in ROUTES:
        projector = Projector(p, 5, route=route)
        np.testing.assert_allclose(projector.own(), next(projector.project([p[:3]], "primary")).primary, atol=1e-9)


def test_fewer_components_than_asked_for_are_told_unless_the_caller_tells_it_otherwise(rng: np.random.Generator) -> None:
    p, s = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    with pytest.warns(UserWarning, match="n_components = 9 is more than"):
        told = next(Projector(p, 9).project([s]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = next(Projector(p, 9, warns=False).project([s]))
    assert quiet.components == told.components == 3
