from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from skactiveml.pool import ProbCover

from howfar.selection import diversity
from howfar.selection.diversity import PROBCOVER, PURITY, kmeans, radius

LINE = [[0.0], [1.0], [2.0], [3.0], [10.0], [11.0]]


def picks(features: Any, k: int, labelled: tuple[int, ...] = (), seed: int = 0) -> list[int]:
    mask = np.isin(np.arange(len(features)), labelled)
    return PROBCOVER.pick({"features": features}, k, np.random.default_rng(seed), mask).tolist()


def test_by_hand() -> None:
    # Two clusters, 7 apart: balls of radius 7 hold four rows on the left, two on the right.
    assert picks(LINE, 2) == [0, 4]
    assert picks(LINE, 1, labelled=(2,)) == [4]
    assert picks(LINE, 1, labelled=(5,)) == [0]


def test_when_all_is_covered_the_farthest_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert picks([[0.0], [0.0], [0.0], [5.0], [5.0], [5.0]], 4) == [0, 3, 1, 2]
    assert picks([[0.0], [0.0], [0.0], [5.0], [5.0], [5.0]], 1, labelled=(0, 3)) == [1]
    monkeypatch.setattr(diversity, "radius", lambda *given: 100.0)
    # The first ball holds all; 11 is farthest from 0, then 3 from both.
    assert picks(LINE, 3) == [0, 5, 3]
    # A radius of 0 covers nothing, not even the centre.
    monkeypatch.setattr(diversity, "radius", lambda *given: 0.0)
    assert picks(LINE, 3) == [0, 5, 3]


def test_the_radius_by_hand() -> None:
    x, labels = np.array(LINE), np.array([0, 0, 0, 0, 1, 1])
    assert radius(x, labels) == 7.0
    # A sixth of the balls may be impure: the two at 7 are two sixths, so a third may be.
    assert radius(x, labels, purity=5 / 6) == 7.0
    assert radius(x, labels, purity=4 / 6) == 8.0
    assert radius(x, np.zeros(6, dtype=np.intp)) == np.inf


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=25), st.data())
def test_no_larger_radius_is_as_pure(points: list[int], data: st.DataObject) -> None:
    x = np.array(points, dtype=np.float64)[:, None]
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(x), max_size=len(x))))
    purity = data.draw(st.sampled_from([0.5, 0.8, 0.95, 1.0]))
    apart, alien = cdist(x, x), labels[:, None] != labels

    def share(delta: float) -> float:
        return float(1.0 - ((apart < delta) & alien).any(axis=1).mean())

    found = radius(x, labels, purity)
    assert share(found) >= purity - 1e-12
    if np.isfinite(found):
        assert share(np.nextafter(found, np.inf)) < purity


def test_as_scikit_activeml() -> None:
    """Their balls are closed and their radii a grid; with ours on the grid they find it, and no pick of ours covers less."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(90, 4)) + 6.0 * rng.integers(0, 3, size=(90, 1))
        for labelled in ((), (4, 50)):
            k = 5
            found = kmeans(x, k + len(labelled), np.random.default_rng(seed))
            delta = radius(x, found.labels)
            grid = [0.0, 0.5 * delta, np.nextafter(delta, 0.0), delta, 2.0 * delta]
            other = ProbCover(
                n_classes=k + len(labelled),
                deltas=grid,
                alpha=PURITY,
                cluster_algo=Ready,
                cluster_algo_dict={"labels": found.labels},
                distance_func=lambda rows: cdist(rows, rows),
            )
            known = list(labelled)
            for pick in picks(x, k, labelled, seed):
                y = np.full(len(x), np.nan)
                y[known] = 0
                _, utilities = other.query(x, y, batch_size=1, return_utilities=True)
                assert other.delta_max_ == np.nextafter(delta, 0.0)
                assert utilities[0][pick] == np.nanmax(utilities[0])
                known.append(pick)


class Ready:
    """Clusters found already, in scikit-learn's form."""

    def __init__(self, n_clusters: int, labels: Any) -> None:
        self.labels = labels

    def fit_predict(self, x: Any) -> Any:
        return self.labels


def test_it_is_not_nested() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    assert not PROBCOVER.nested
    assert any(picks(x, 3, seed=seed) != picks(x, 6, seed=seed)[:3] for seed in range(5))


def test_blocks_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    whole = picks(x, 9)
    blocks = diversity.blocks
    monkeypatch.setattr(diversity, "blocks", lambda rows, others: blocks(rows, others, pairs=7))
    assert picks(x, 9) == whole
