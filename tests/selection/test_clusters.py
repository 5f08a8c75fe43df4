"""TypiClust and k-means medoids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skactiveml.pool import TypiClust

from howfar.protocols import Strategy
from howfar.selection import diversity
from howfar.selection.diversity import KMEDOIDS, NEIGHBOURS, TYPICLUST

BOTH = pytest.mark.parametrize("strategy", [TYPICLUST, KMEDOIDS], ids=lambda one: one.name)
# Its mean is 5.2, so 5 is nearest to the centre; 6 is nearest to the others on average (2.5).
LOPSIDED = [[0.0], [5.0], [6.0], [7.0], [8.0]]


def picks(strategy: Strategy, features: Any, k: int, labelled: tuple[int, ...] = (), seed: int = 0) -> list[int]:
    mask = np.isin(np.arange(len(features)), labelled)
    return strategy.pick({"features": features}, k, np.random.default_rng(seed), mask).tolist()


def blobs(seed: int, *sizes: int) -> np.ndarray[Any, Any]:
    """Clusters that any k-means tells apart, one after the other."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(len(sizes)) * 40.0, sizes, axis=0)
    return rng.normal(size=centres.shape) + centres


def test_by_hand() -> None:
    assert picks(TYPICLUST, LOPSIDED, 1) == [2]
    assert picks(KMEDOIDS, LOPSIDED, 1) == [1]


@BOTH
def test_one_of_each_cluster_the_largest_first(strategy: Strategy) -> None:
    x = blobs(0, 6, 12, 8)
    chosen = picks(strategy, x, 3)
    assert [np.searchsorted([6, 18, 26], one, side="right") for one in chosen] == [1, 2, 0]


@BOTH
def test_clusters_of_one_size_go_by_their_first_image(strategy: Strategy) -> None:
    x = blobs(1, 6, 6, 6)
    assert [one // 6 for one in picks(strategy, x, 3)] == [0, 1, 2]


@BOTH
def test_clusters_with_labels_are_covered(strategy: Strategy) -> None:
    x = blobs(2, 6, 12, 8)
    chosen = picks(strategy, x, 2, labelled=(8,))
    assert [np.searchsorted([6, 18, 26], one, side="right") for one in chosen] == [2, 0]


@BOTH
def test_covered_clusters_come_last_and_those_with_fewest_labels_first(
    strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diversity, "MOST", 3)
    x = blobs(3, 6, 12, 8)
    chosen = picks(strategy, x, 7, labelled=(7, 8))
    # The one of 12 holds two labels; those of 8 and 6 are filled up to two first, then by turns; the largest goes first.
    assert [int(np.searchsorted([6, 18, 26], one, side="right")) for one in chosen] == [2, 0, 2, 0, 1, 2, 0]


def test_typiclust_passes_over_small_clusters_while_others_have_images_left() -> None:
    x = blobs(5, 5, 12, 8)
    parts = [int(np.searchsorted([5, 17, 25], one, side="right")) for one in picks(TYPICLUST, x, 3)]
    assert parts == [1, 2, 1]
    assert [int(np.searchsorted([5, 17, 25], one, side="right")) for one in picks(KMEDOIDS, x, 3)] == [1, 2, 0]
    # Where all are small, none is passed over.
    assert [one // 4 for one in picks(TYPICLUST, blobs(6, 4, 4, 4), 3)] == [0, 1, 2]


@BOTH
def test_within_a_cluster_the_next_best_follows(strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diversity, "MOST", 1)
    wanted = {"typiclust": [2, 1, 3, 4, 0], "kmedoids": [1, 2, 3, 4, 0]}[strategy.name]
    assert picks(strategy, LOPSIDED, 5) == wanted
    assert picks(strategy, LOPSIDED, 2, labelled=(wanted[0],)) == wanted[1:3]


def test_typiclust_as_scikit_activeml() -> None:
    for seed in range(5):
        x = blobs(seed, 30, 26, 9, 17, 44)
        for labelled in ((), (60, 100)):
            y = np.full(len(x), np.nan)
            y[list(labelled)] = 0
            k = 5 - len(labelled)
            wanted = TypiClust(k=NEIGHBOURS, random_state=0, cluster_algo_dict={"n_init": 20}).query(x, y, batch_size=k)
            assert picks(TYPICLUST, x, k, labelled) == wanted.tolist()


def test_kmedoids_are_the_nearest_images_to_the_centres() -> None:
    x = blobs(4, 20, 15, 10)
    for chosen, part in zip(picks(KMEDOIDS, x, 3), (slice(0, 20), slice(20, 35), slice(35, 45)), strict=True):
        gaps = np.linalg.norm(x[part] - x[part].mean(axis=0), axis=1)
        assert chosen == part.start + int(np.argmin(gaps))


@BOTH
def test_they_are_not_nested(strategy: Strategy) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    assert not strategy.nested
    assert any(picks(strategy, x, 3, seed=seed) != picks(strategy, x, 4, seed=seed)[:3] for seed in range(5))
