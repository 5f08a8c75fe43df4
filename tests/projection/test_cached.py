"""Sums of a dataset that is in many pairs: taken once, kept, the same numbers; what is damaged is made anew."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.arrays import as_rows
from howfar.projection import Projector, pca_cache
from howfar.projection.gram_and_moments import moments, own_gram
from howfar.projection.pca_cache import CachedRows


def features(n: int, q: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(loc=3.0, size=(n, q)).astype(np.float32)


@pytest.fixture(params=[False, True], ids=["memory", "folder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "sums" if request.param else None


# By the covariance route and by the Gram route, which layers keep apart.
CASES: list[tuple[int, dict[str, Any]]] = [(6, {}), (300, {}), (300, {"scale": "layers", "layers": (100, 200)})]


@pytest.mark.parametrize(("q", "options"), CASES)
@pytest.mark.parametrize("mode", ["pair", "primary", "joint", "none"])
def test_projections_are_the_same_numbers(q: int, options: dict[str, Any], mode: Any, folder: Path | None) -> None:
    p, s = features(30, q, 0), features(20, q, 1)
    (wanted,) = Projector(p, 5, **options).project([s], mode)
    rows = [CachedRows(as_rows(x, "x"), folder and folder / str(i)) for i, x in enumerate((p, s))]
    for _ in range(2):
        (found,) = Projector(rows[0], 5, **options).project([rows[1]], mode)
        np.testing.assert_allclose(found.primary, wanted.primary, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found.secondary, wanted.secondary, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found.explained_variance_ratio, wanted.explained_variance_ratio, atol=1e-12)


def test_sums_are_taken_once(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    x = as_rows(features(30, 6, 0), "x")
    counts = {"moments": 0, "own_gram": 0}

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(pca_cache, "moments", counted("moments", moments))
    monkeypatch.setattr(pca_cache, "own_gram", counted("own_gram", own_gram))
    one = CachedRows(x, folder)
    for _ in range(3):
        np.testing.assert_array_equal(one.moments().scatter, moments(x).scatter)
        np.testing.assert_array_equal(one.gram().inner, own_gram(x).inner)
    assert counts == {"moments": 1, "own_gram": 1}
    one.gram((2, 4))
    assert counts == {"moments": 1, "own_gram": 2}
    if folder is not None:
        CachedRows(x, folder).moments()
        assert counts["moments"] == 1


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_file_is_made_anew(damage: bytes | None, tmp_path: Path) -> None:
    x = as_rows(features(30, 6, 0), "x")
    wanted = CachedRows(x, tmp_path).moments()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-40] if damage is None else damage)
    np.testing.assert_array_equal(CachedRows(x, tmp_path).moments().scatter, wanted.scatter)
    np.testing.assert_array_equal(CachedRows(x, tmp_path).moments().scatter, wanted.scatter)
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    x = as_rows(features(30, 6, 0), "x")
    (tmp_path / "file").write_text("no folder")
    np.testing.assert_array_equal(CachedRows(x, tmp_path / "file" / "sums").moments().scatter, moments(x).scatter)
