"""Scores on joint principal components against scikit-learn's, by both routes, in every mode, and of rows that come later."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from howfar.errors import InputError
from howfar.projection import Basis, Projection, Projector, joint_pca, project
from howfar.projection.pca_basis import plateau
from howfar.projection.projector import principal_coordinates

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
        assert next(Projector(p, 25, warns=False).project([s])).components == most


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

    @pytest.mark.parametrize("mode", ["primary", "joint"])
    def test_primary_is_fitted_on_p_only_and_joint_on_all(self, route, sizes, offset, mode) -> None:
        p, secondaries = three_sets(sizes, offset)
        learnt_from = np.concatenate([p, *secondaries]) if mode == "joint" else p
        fitted = PCA(n_components=10, svd_solver="full").fit(learnt_from.astype(np.float64))
        for s, found in zip(secondaries, project(p, secondaries, 10, mode=mode, route=route), strict=True):
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
def test_layers_are_divided_by_the_root_of_their_total_variance(route, sizes, layers, mode):
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


def options(scale: str, q: int) -> dict[str, Any]:
    return {"scale": scale, "layers": (q // 3, q - q // 3)}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("scale", ["none", "layers"])
def test_new_rows_land_where_the_primary_projection_puts_them(route: Exact, sizes: Any, offset: float, scale: str) -> None:
    p, s = features(sizes, offset, np.float32)
    projector = Projector(p, 20, route=route, **options(scale, sizes[2]))
    pair = next(projector.project([s], "primary"))
    basis = projector.basis()
    size = np.abs(pair.secondary).max()
    np.testing.assert_allclose(basis.scores(s), pair.secondary, rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(basis.scores(p), projector.own(), rtol=0, atol=1e-12 * size)
    np.testing.assert_array_equal(basis.explained_variance_ratio, pair.explained_variance_ratio)
    assert basis.components == pair.components == 20
    assert basis.explained_variance == pair.explained_variance


def test_a_large_basis_is_kept_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    p, s = features((30, 20, 9000), 100.0, np.float32)
    projector = Projector(p, 10)
    exact, own = projector.basis().scores(s), projector.own()
    monkeypatch.setattr("howfar.projection.pca_basis.DOUBLE_BYTES", 8 * 9000 * 10 - 1)
    single = projector.basis()
    assert single.matrix.dtype == np.float32
    scores = single.scores(s)
    assert scores.dtype == np.float64
    assert 0 < np.abs(scores - exact).max() < 1e-5 * np.abs(exact).max()
    np.testing.assert_allclose(cdist(scores, own).mean(axis=1), cdist(exact, own).mean(axis=1), rtol=1e-6)
    monkeypatch.setattr("howfar.projection.pca_basis.DOUBLE_BYTES", 8 * 9000 * 10)
    assert projector.basis().matrix.dtype == np.float64


def test_parts_of_the_images_have_the_principal_components_of_their_features() -> None:
    x = np.random.default_rng(1).normal(size=(20, 500)).astype(np.float32) * np.linspace(0, 3, 500, dtype=np.float32)
    turned = principal_coordinates(x)
    for p, s in ((slice(0, 6), slice(6, 20)), (slice(3, 5), slice(11, 12))):
        plain, short = joint_pca(x[p], x[s], 2), joint_pca(turned[p], turned[s], 2)
        np.testing.assert_allclose(short.explained_variance_ratio, plain.explained_variance_ratio, rtol=1e-5)
        np.testing.assert_allclose(cdist(short.secondary, short.primary), cdist(plain.secondary, plain.primary), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: joint_pca(np.eye(3), np.eye(3), 0), "n_components must be"),
        (lambda: joint_pca(np.eye(3), np.eye(3), 2, route="svd"), "route must be"),
        (lambda: joint_pca(np.eye(3), np.ones((3, 4)), 2), "must have as many columns as p"),
        (lambda: joint_pca([[np.nan, 1.0, 2.0]], np.eye(3), 2), "p must be finite"),
        (lambda: joint_pca(np.ones((4, 20)), np.ones((4, 20)), scale="layers"), "layers must be given"),
        (lambda: joint_pca(np.ones((4, 20)), np.ones((4, 20)), scale="layers", layers=(10, 9)), "layers must be positive"),
        (lambda: Basis(np.zeros(3), np.ones((3, 1)), np.ones(1)).scores([[1.0, 2.0]]), r"x must have 3 columns, got \(1, 2\)"),
    ],
)
def test_wrong_options_and_features_are_refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        call()


TABLE_6 = {
    5: (0.078, 0.097, 0.087, 0.073, 0.453, 0.214),
    10: (0.068, 0.084, 0.077, 0.065, 0.486, 0.220),
    15: (0.063, 0.077, 0.071, 0.061, 0.491, 0.237),
    20: (0.057, 0.071, 0.064, 0.055, 0.466, 0.287),
    25: (0.056, 0.069, 0.063, 0.054, 0.465, 0.293),
}


@pytest.mark.parametrize(("share", "wanted"), [(0.005, None), (0.03, 20), (0.3, 15), (0.34, 10), (0.4, 5)])
def test_the_papers_table_6_has_its_plateau_where_the_share_puts_it(share: float, wanted: int | None) -> None:
    assert plateau(list(TABLE_6), list(TABLE_6.values()), share) == wanted


def test_a_plateau_needs_the_order_to_hold_to_the_end() -> None:
    rows = [[1.00, 1.01], [1.00, 1.01], [1.01, 1.00]]
    assert plateau([1, 2, 3], rows, 0.5) is None
    assert plateau([1, 2, 3, 4], [*rows, rows[-1]], 0.5) == 3


@pytest.mark.parametrize(
    ("components", "rows", "share", "line"),
    [
        ([5], [[1.0]], 0.1, "components must be two or more ascending numbers"),
        ([5, 9], [[1.0], [0.0]], 0.1, "distances must be 2 rows of positive numbers"),
        ([5, 9], [[1.0], [1.0]], 0.0, "share must be above 0"),
    ],
)
def test_what_is_no_table_is_one_line(components: list[int], rows: list[list[float]], share: float, line: str) -> None:
    with pytest.raises(InputError, match=line):
        plateau(components, rows, share)
