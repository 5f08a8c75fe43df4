"""Inner products and moments by blocks: what float32 loses, what it must not, and that P and S are each read once."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from howfar.arrays import as_rows
from howfar.projection import Projection, Projector, gram_and_moments, joint_pca, project
from howfar.projection.gram_and_moments import both_grams, cross_gram, joined, moments, own_gram


def features(
    n: int, m: int, q: int, offset: float, apart: float, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    spread = 4.0 * np.arange(1, q + 1) ** -0.4
    p, s = rng.normal(size=(n, q)) * spread, 1.5 * rng.normal(size=(m, q)) * spread + apart
    return (p + offset).astype(np.float32), (s + offset).astype(np.float32)


def distances(found: Projection) -> NDArray[np.float64]:
    rows = np.concatenate([found.primary, found.secondary])
    return cdist(rows, rows)


class Counted:
    """Rows that count how often each column is read."""

    def __init__(self, x: NDArray[np.float32]) -> None:
        self.x, self.shape, self.reads = x, x.shape, Counter[int]()

    def rows(self, start: int, stop: int) -> Any:
        raise AssertionError("the Gram route reads by columns")

    def columns(self, start: int, stop: int) -> Any:
        self.reads.update(range(start, stop))
        return self.x[:, start:stop]


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product of float32 features in float32, however few."""
    monkeypatch.setattr(gram_and_moments, "GRAM_LARGE", 0)
    monkeypatch.setattr(gram_and_moments, "MOMENTS_LARGE", 0)


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize(
    ("shape", "apart"), [((150, 100, 6000), 0.5), ((150, 100, 6000), 5.0), ((900, 700, 40), 0.5), ((900, 700, 40), 50.0)]
)
@pytest.mark.parametrize("mode", ["pair", "primary", "joint", "none"])
def test_float32_products_give_distances_to_about_a_millionth(shape: Any, apart: float, offset: float, mode: Any) -> None:
    p, s = features(*shape, offset, apart)
    (found,) = project(p, [s], 20, mode=mode)
    (wanted,) = project(p.astype(np.float64), [s.astype(np.float64)], 20, mode=mode)
    moved = np.abs(distances(found) - distances(wanted)).max() / distances(wanted).mean()
    # What is fitted on P alone is float64 always, and a rotation to all of few axes keeps every distance.
    assert moved < 1e-12 if mode == "primary" or (mode == "none" and shape[2] == 40) else 0 < moved < 1e-6
    np.testing.assert_allclose(found.explained_variance_ratio, wanted.explained_variance_ratio, atol=1e-6)


@pytest.mark.parametrize("block", [1, 7, 400, None])
def test_together_is_the_gram_of_the_stacked_rows(block: int | None) -> None:
    x, y = features(30, 20, 400, 5.0, 3.0)
    p, s, layers = as_rows(x, "p"), as_rows(y, "s"), (150, 250)
    own = own_gram(p, layers, block)
    cross, its = cross_gram(p, s, own.centre, layers, block)
    for layer, at in enumerate((slice(0, 150), slice(150, 400))):
        out = np.empty((50, 50))
        joined(own, cross, its, layer, out)
        rows = np.concatenate([x, y]).astype(np.float64)[:, at] - own.centre[at].astype(np.float64)
        np.testing.assert_allclose(out, rows @ rows.T, rtol=1e-9, atol=1e-9 * np.abs(out).max())
    np.testing.assert_allclose(own.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(its.mean, y.mean(axis=0, dtype=np.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("single")
def test_a_first_pair_reads_every_column_once_and_a_further_one_too() -> None:
    x, y = features(30, 20, 400, 5.0, 3.0)
    p, s = Counted(x), Counted(y)
    projector = Projector(p, 5, block=37)
    for _ in range(2):
        next(projector.project([s]))
        # The first column is looked at once more, for its type.
        assert [one.reads[at] for one in (p, s) for at in range(1, 400)] == [1] * 798
        p.reads.clear()
        s.reads.clear()


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("block", [1, 7, 400, None])
def test_one_product_of_all_rows_holds_the_three(block: int | None) -> None:
    x, y = features(30, 20, 400, 5.0, 3.0)
    p, s, layers = as_rows(x, "p"), as_rows(y, "s"), (150, 250)
    found = both_grams(p, s, layers, block)
    assert found is not None
    own = own_gram(p, layers, block)
    cross, its = cross_gram(p, s, own.centre, layers, block)
    for one, other in zip(found, (own, cross, its), strict=True):
        for name, value in vars(one).items():
            wanted = getattr(other, name)
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max(), err_msg=name)


def test_a_read_that_fails_is_raised() -> None:
    class Broken(Counted):
        def columns(self, start: int, stop: int) -> Any:
            if start > 50:
                raise OSError("the disk is gone")
            return super().columns(start, stop)

    with pytest.raises(OSError, match="the disk is gone"):
        own_gram(Broken(features(30, 20, 400, 5.0, 3.0)[0]), block=37)


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("fall", [0.5, 2.0])
def test_components_of_p_alone_that_fall_steeply(fall: float) -> None:
    """A far S has a share along P's smallest components, which float32 would lose."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(600, 40)))[0].T
    p = (rng.normal(size=(60, 40)) * np.exp(-np.arange(40) / fall / 4)) @ axes
    s = p[:30] + 20 * axes.sum(axis=0)
    (found,) = project(p.astype(np.float32), [s.astype(np.float32)], 12, mode="primary")
    (wanted,) = project(p.astype(np.float32).astype(np.float64), [s.astype(np.float32).astype(np.float64)], 12, mode="primary")
    np.testing.assert_allclose(found.secondary, wanted.secondary, atol=1e-9 * np.abs(wanted.secondary).max())
    basis = Projector(p.astype(np.float32), 12).basis()
    np.testing.assert_allclose(basis.scores(s.astype(np.float32)), found.secondary, atol=1e-5 * np.abs(found.secondary).max())


@pytest.mark.parametrize("scale", ["none", "layers"])
def test_equal_images_of_p_have_no_component(scale: Any) -> None:
    """Whatever the centre lacks of their mean."""
    p = np.repeat(np.random.default_rng(0).normal(7.3, 1.0, size=(1, 100)), 30, axis=0)
    projector = Projector(p, 5, scale=scale, layers=(40, 60))
    assert not projector.own().any()
    assert not projector.basis().scores(p + 1.0).any()
    (found,) = projector.project([p[:7] + 1.0], "primary")
    assert not found.secondary.any()


@pytest.mark.parametrize("size", [1e38, 1e60, 1e99])
def test_features_beyond_what_float32_holds(size: float) -> None:
    rng = np.random.default_rng(0)
    p, s = rng.normal(3.0, 1.0, size=(20, 100)), rng.normal(size=(15, 100))
    found, wanted = joint_pca(p * size, s * size, 5), joint_pca(p, s, 5)
    np.testing.assert_allclose(found.secondary / size, wanted.secondary, rtol=1e-6, atol=1e-9)


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
    found = moments(as_rows(rows, "x"), block)
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
    found = moments(x)
    assert not found.single
    np.testing.assert_array_equal(found.scatter, moments(x, double=True).scatter)
    assert np.isfinite(found.scatter).all()
    assert (np.diag(found.scatter) > 0).all()
