"""Absurd values in a few cells, and datasets that lie absurdly far apart, change no distance between the other rows."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from howfar.errors import InputError
from howfar.projection import Projector, gram_and_moments, project

SIZES = [1e3, 1e6, 1e9, 1e12]


def near(*sets: NDArray[Any], z: int = 8) -> float:
    """The relative error of a distance that float64 leaves: NumPy's singular values are known to 1e-16 of the largest."""
    rows = np.concatenate(sets)
    values = np.linalg.svd((rows - rows.mean(axis=0)).astype(np.float64), compute_uv=False)
    return float(1e-9 + 40 * np.finfo(np.float64).eps * values[0] / values[z - 1] * np.sqrt(len(rows)))


def by_singular_values(p: NDArray[Any], s: NDArray[Any], z: int, fitted: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The scores of P and S by NumPy's own float64 SVD of the rows that the components are fitted on."""
    mean = fitted.astype(np.longdouble).mean(axis=0)
    centred = [(rows.astype(np.longdouble) - mean).astype(np.float64) for rows in (fitted, p, s)]
    axes = np.linalg.svd(centred[0], full_matrices=False)[2][:z].T
    return centred[1] @ axes, centred[2] @ axes


def with_cell(size: float, kind: type, n: int, m: int, q: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(7)
    p, s = rng.normal(size=(n, q)).astype(kind), (rng.normal(size=(m, q)) + 0.5).astype(kind)
    s[3, 5] = -size
    return p, s


@pytest.fixture(params=["float64 products", "float32 products"])
def floor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Products as few are computed, and as many of float32 values are; the relative error that they may leave."""
    if request.param == "float32 products":
        monkeypatch.setattr(gram_and_moments, "GRAM_LARGE", 0)
        monkeypatch.setattr(gram_and_moments, "MOMENTS_LARGE", 0)
        return 1e-4
    return 0.0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(120, 40, 30), (60, 30, 900)], ids=["covariance", "gram"])
def test_one_absurd_cell_changes_no_other_row(floor: float, size: float, kind: type, shape: tuple[int, int, int]) -> None:
    p, s = with_cell(size, kind, *shape)
    (found,) = project(p, [s], 8)
    own, other = by_singular_values(p, s, 8, np.concatenate([p, s]))
    rest = np.arange(len(s)) != 3
    error = max(near(p, s), floor if size == 1e3 else 0.0)
    np.testing.assert_allclose(cdist(found.secondary[rest], found.primary), cdist(other[rest], own), rtol=error)
    np.testing.assert_allclose(cdist(found.secondary[3:4], found.primary), cdist(other[3:4], own), rtol=max(1e-9, floor))
    inside = np.triu_indices(len(p), 1)
    np.testing.assert_allclose(cdist(found.primary, found.primary)[inside], cdist(own, own)[inside], rtol=error)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(120, 40, 30), (60, 30, 900)], ids=["covariance", "gram"])
@pytest.mark.parametrize("scale", ["none", "layers"])
@pytest.mark.usefixtures("floor")
def test_datasets_far_apart_keep_the_distances_within_each(size: float, shape: tuple[int, int, int], scale: Any) -> None:
    rng = np.random.default_rng(3)
    p, s = (rng.normal(size=(rows, shape[2])) for rows in shape[:2])
    s = s + size
    layers = (10, shape[2] - 10) if scale == "layers" else None
    (found,) = project(p, [s], 8, scale=scale, layers=layers)
    together = np.concatenate([p, s])
    weights = np.ones(shape[2])
    if layers is not None:
        variances = [part.var(axis=0, ddof=1).sum() for part in np.split(together, [10], axis=1)]
        weights = np.repeat(1 / np.sqrt(variances), layers)
    own, _ = by_singular_values(p * weights, s * weights, 8, together * weights)
    error = near(p * weights, s * weights)
    inside = np.triu_indices(len(p), 1)
    np.testing.assert_allclose(cdist(found.primary, found.primary)[inside], cdist(own, own)[inside], rtol=error)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(120, 40, 30), (60, 30, 900)], ids=["covariance", "gram"])
@pytest.mark.usefixtures("floor")
def test_an_absurd_cell_of_the_primary_dataset(size: float, shape: tuple[int, int, int]) -> None:
    s, p = with_cell(size, np.float64, shape[1], shape[0], shape[2])
    projector = Projector(p, 8)
    (found,) = projector.project([s], "primary")
    own, other = by_singular_values(p, s, 8, p)
    rest = np.arange(len(p)) != 3
    inside = np.triu_indices(rest.sum(), 1)
    wanted = cdist(own[rest], own[rest])[inside]
    for scores in (projector.own(), found.primary, projector.basis().scores(p)):
        np.testing.assert_allclose(cdist(scores[rest], scores[rest])[inside], wanted, rtol=near(p, s))
    for scores in (found.secondary, projector.basis().scores(s)):
        np.testing.assert_allclose(cdist(scores, found.primary[rest]), cdist(other, own[rest]), rtol=near(p, s))


@pytest.mark.parametrize("shape", [(120, 40, 30), (60, 30, 900)], ids=["covariance", "gram"])
@pytest.mark.parametrize("whole", [False, True], ids=["cell", "row"])
def test_a_value_that_leaves_other_rows_no_digit_is_refused_by_row_and_column(shape: tuple[int, int, int], whole: bool) -> None:
    p, s = with_cell(1e40, np.float64, *shape)
    if whole:
        s[3] = -1e39
        s[3, 5] = -1e40
    line = r"^features must differ by less than 1e13 times .*, got '-1e\+40 in row 3, column 5 of the secondary dataset': drop"
    with pytest.raises(InputError, match=line):
        list(project(p, [s], 8))
    with pytest.raises(InputError, match="column 5 of the primary dataset"):
        Projector(s, 8).basis()
