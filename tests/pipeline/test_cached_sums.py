import os
from collections.abc import Iterator

import numpy as np
import pytest

from howfar.arrays import ArrayRows
from howfar.projection import joint_pca, pca_cache
from howfar.projection.gram_and_moments import Gram, Moments, moments, own_gram
from howfar.projection.pca_cache import CachedRows, with_sums
from howfar.runners import LocalRunner, RayRunner

CONTENTS = [f"{k:032x}" for k in range(300)]


@pytest.fixture
def rows(rng, monkeypatch) -> ArrayRows:
    monkeypatch.setattr(pca_cache, "MOMENTS_LARGE", 1000)
    monkeypatch.setattr(pca_cache, "SPAN", 700)
    return ArrayRows(rng.normal(5, 1, (300, 7)).astype(np.float32))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    if os.environ.get("RAY_USAGE_STATS_ENABLED"):
        import ray

        ray.shutdown()


def test_moments_are_kept_beside_the_features_and_read_from_there(rows, tmp_path):
    found = with_sums(rows, CONTENTS, tmp_path, LocalRunner(2))
    assert not found.knows(Moments)
    first = joint_pca(found, rows.rows(0, 50), 3)
    assert found.knows(Moments)

    class Unread(ArrayRows):
        def rows(self, start: int, stop: int) -> np.ndarray:
            raise AssertionError("the rows were read again")

    again = with_sums(Unread(rows.rows(0, 300)), CONTENTS, tmp_path, LocalRunner(2))
    np.testing.assert_array_equal(again.moments().scatter, moments(rows).scatter)
    assert first.components == 3


def test_a_cluster_computes_them_in_spans(rows, tmp_path):
    pytest.importorskip("ray", reason="needs howfar[ray]")
    found = with_sums(rows, CONTENTS, tmp_path, RayRunner(workers=2))
    assert found.knows(Moments)
    known, plain = found.moments(), moments(rows)
    np.testing.assert_allclose(known.mean, plain.mean, rtol=1e-12)
    np.testing.assert_allclose(known.scatter, plain.scatter, rtol=1e-12)


def test_other_images_have_sums_of_their_own(rows, tmp_path):
    one = with_sums(rows, CONTENTS, tmp_path, LocalRunner(1))
    other = with_sums(ArrayRows(rows.rows(0, 300) * 2), CONTENTS[::-1], tmp_path, LocalRunner(1))
    np.testing.assert_allclose(other.moments().scatter, 4 * one.moments().scatter, rtol=1e-6)


def test_a_cluster_computes_inner_products_in_runs_of_columns(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs howfar[ray]")
    monkeypatch.setattr(pca_cache, "GRAM_LARGE", 1000)
    monkeypatch.setattr(pca_cache, "SPAN", 700)
    wide = ArrayRows(np.random.default_rng(1).normal(5, 1, (7, 300)).astype(np.float32))
    found = with_sums(wide, CONTENTS[:7], tmp_path, RayRunner(workers=2))
    assert found.knows(Gram)
    known, plain = found.gram(), own_gram(wide)
    np.testing.assert_allclose(known.mean, plain.mean, rtol=1e-12)
    np.testing.assert_array_equal(known.centre, plain.centre)
    np.testing.assert_allclose(known.inner, plain.inner, rtol=1e-12, atol=1e-9)
    assert isinstance(with_sums(wide, CONTENTS[:7], tmp_path, LocalRunner(1)), CachedRows)
    assert with_sums(wide, CONTENTS[1:8], tmp_path, LocalRunner(1)) is wide
    projected = joint_pca(found, wide.rows(0, 3) + 1, 3)
    np.testing.assert_allclose(projected.primary, joint_pca(wide, wide.rows(0, 3) + 1, 3).primary, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(300, 7), (5, 400)])
def test_small_and_wide_datasets_are_left_as_they_are(shape, tmp_path):
    plain = ArrayRows(np.zeros(shape, np.float32))
    assert with_sums(plain, CONTENTS[: shape[0]], tmp_path, LocalRunner(1)) is plain
    assert list(tmp_path.iterdir()) == []


def test_a_store_behind_a_url_keeps_none(rows):
    assert with_sums(rows, CONTENTS, "memory://shelf", LocalRunner(1)) is rows
