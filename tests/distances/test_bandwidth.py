from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from howfar.distances.mmd import median_distance
from howfar.errors import InputError

mmd = import_module("howfar.distances.mmd")  # the package has a function of that name


def lower_median(x: np.ndarray) -> float:
    return float(np.quantile(pdist(x), 0.5, method="lower"))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 50, 301])
@pytest.mark.parametrize("collect", [0, 10, 1 << 20])
def test_as_sorting_all_pairs(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, n: int, collect: int) -> None:
    monkeypatch.setattr(mmd, "_COLLECT", collect)
    x = rng.normal(size=(n, 4)) * rng.choice([1e-3, 1.0, 50.0], size=(n, 1))
    assert median_distance(x) == pytest.approx(lower_median(x), rel=1e-12)


@pytest.mark.parametrize("collect", [0, 1 << 20])
def test_ties(monkeypatch: pytest.MonkeyPatch, collect: int) -> None:
    monkeypatch.setattr(mmd, "_COLLECT", collect)
    x = np.repeat(np.arange(3.0), [2, 2, 9])[:, None]
    assert median_distance(x) == pytest.approx(lower_median(x), rel=1e-12) == 1.0
    assert median_distance(np.repeat([[0.0], [1.0]], [2, 9], axis=0)) == 0.0
    assert median_distance(np.full((6, 2), 0.3)) == 0.0


def test_more_pairs_than_are_collected(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1300, 3))
    assert x.shape[0] ** 2 > mmd._COLLECT
    assert median_distance(x) == pytest.approx(lower_median(x), rel=1e-12)


def test_neither_tile_nor_order_counts(rng: np.random.Generator) -> None:
    x = rng.normal(size=(60, 4)) + 1e2
    assert median_distance(x, pairs_per_tile=61) == pytest.approx(median_distance(x), rel=1e-12)
    assert median_distance(rng.permutation(x)) == pytest.approx(median_distance(x), rel=1e-12)


def test_one_row_is_refused() -> None:
    with pytest.raises(InputError, match="at least two rows"):
        median_distance([[1.0]])
