"""Strategies by features and regions: k-means clusters, k-center, herding, k-means++, ProbCover, kinds of objects."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from skactiveml.pool import CoreSet, ProbCover, TypiClust
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin_min
from threadpoolctl import threadpool_limits

from howfar.protocols import Strategy
from howfar.selection import diversity


def picks(strategy: Strategy, features: Any, k: int, labelled: tuple[int, ...] = (), seed: int = 0) -> list[int]:
    mask = np.isin(np.arange(len(features)), labelled)
    return strategy.pick({"features": features}, k, np.random.default_rng(seed), mask).tolist()


def test_equal_rows_are_at_0_where_scikit_learn_loses_them() -> None:
    """Scikit-learn multiplies matrices, ‖x‖² + ‖y‖² − 2 x·y: at 10,000 from the origin copies of a row lie apart."""
    x = np.random.default_rng(0).normal(size=(300, 25)) + 1e4
    copies = x[:50].copy()
    assert diversity.to_nearest(copies, x).max() == 0.0
    assert pairwise_distances_argmin_min(copies, x)[1].max() > 1e-4


def mixed(seed: int, n: int = 200, z: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, z)) + 3.0 * rng.integers(0, 4, size=(n, 1))


def test_rounds_as_scipy_from_the_same_seeds() -> None:
    for seed in range(6):
        x = mixed(seed)
        start = x[diversity.seeds(x, 6, np.random.default_rng(seed), np.zeros(len(x), dtype=bool))]
        centres, labels = kmeans2(x, start, iter=300, minit="matrix")
        found = diversity.kmeans(x, 6, np.random.default_rng(seed), restarts=1)
        np.testing.assert_array_equal(found.labels, labels)
        np.testing.assert_allclose(found.centres, centres)
        np.testing.assert_allclose(found.inertia, ((x - centres[labels]) ** 2).sum())


def test_restarts_find_what_one_start_misses() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 2)) * 0.3 + np.repeat(rng.uniform(-10, 10, size=(12, 2)), 20, axis=0)
    many = [diversity.kmeans(x, 12, np.random.default_rng(seed)).inertia for seed in range(12)]
    once = [diversity.kmeans(x, 12, np.random.default_rng(seed), restarts=1).inertia for seed in range(12)]
    best = KMeans(12, n_init=50, random_state=0).fit(x).inertia_
    assert np.mean(many) < np.mean(once)
    assert min(many) <= best * (1 + 1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25), st.data())
def test_no_cluster_is_empty_that_need_not_be(points: list[tuple[int, int]], data: st.DataObject) -> None:
    x = np.array(points, dtype=np.float64)
    count = data.draw(st.integers(1, len(x)))
    found = diversity.kmeans(x, count, np.random.default_rng(0), restarts=2)
    assert len(np.unique(found.labels)) == min(count, len(np.unique(x, axis=0)))
    # Equal rows are together, and each centre is the mean of its rows.
    for label in np.unique(found.labels):
        np.testing.assert_allclose(found.centres[label], x[found.labels == label].mean(axis=0), atol=1e-12)
    gaps = ((x - found.centres[found.labels]) ** 2).sum()
    np.testing.assert_allclose(found.inertia, gaps, atol=1e-9)


def test_where_the_origin_lies_moves_no_cluster() -> None:
    x = mixed(0)
    wanted = diversity.kmeans(x, 6, np.random.default_rng(1))
    for offset in (1e4, 1e6):
        np.testing.assert_array_equal(diversity.kmeans(x + offset, 6, np.random.default_rng(1)).labels, wanted.labels)


def test_a_centre_does_not_depend_on_other_clusters() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    for offset in (50.0, 1e3, 1e5):
        found = diversity.kmeans(np.concatenate([near, far + offset]), 2, np.random.default_rng(0))
        assert found.centres[found.labels[0]].tolist() == [np.bincount([0] * 20, column)[0] / 20 for column in near.T]


def test_more_clusters_than_different_rows() -> None:
    """Here scikit-learn, asked for seven clusters, makes four and gives a sum of squares that is not 0."""
    a, b, c, d = [2.0, 0.0], [2.0, 2.0], [1.0, 2.0], [0.0, 2.0]
    found = diversity.kmeans(np.array([a, a, b, c, d, c, b, a, b]), 7, np.random.default_rng(1), restarts=1)
    assert len(found.centres) == 4
    assert found.inertia == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    x = mixed(0, n=2000)
    wanted = diversity.kmeans(x, 5, np.random.default_rng(1), restarts=2)
    with threadpool_limits(threads, user_api="openmp"):
        found = diversity.kmeans(x, 5, np.random.default_rng(1), restarts=2)
    np.testing.assert_array_equal(found.centres, wanted.centres)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    assert found.inertia == wanted.inertia


DRAWS = 6000
FOUR = np.array([[0.0], [1.0], [3.0], [7.0]])


def drawn(k: int, *labelled: int) -> Counter[tuple[int, ...]]:
    mask = np.isin(np.arange(4), labelled)
    found = (diversity.KMEANSPP.pick({"features": FOUR}, k, np.random.default_rng(seed), mask) for seed in range(DRAWS))
    return Counter(tuple(one.tolist()) for one in found)


def test_the_first_is_drawn_evenly_and_the_second_by_squared_distance() -> None:
    found = drawn(2)
    for i in range(4):
        squares = (FOUR[:, 0] - FOUR[i, 0]) ** 2
        for j in range(4):
            assert found[i, j] / DRAWS == pytest.approx(squares[j] / squares.sum() / 4, abs=0.02)


def test_labelled_images_are_centres() -> None:
    found = drawn(1, 0, 3)
    # From the nearer of 0 and 7 the others are 1 and 3 away.
    assert set(found) == {(1,), (2,)}
    assert found[2,] / DRAWS == pytest.approx(9 / 10, abs=0.02)


def test_a_copy_of_any_centre_is_not_drawn_while_others_are_left() -> None:
    x, covered = np.array([[0.0], [0.0], [5.0], [7.0]]), np.array([True, False, False, False])
    for seed in range(200):
        assert set(diversity.seeds(x, 2, np.random.default_rng(seed), covered)) == {2, 3}


def test_a_draw_at_the_very_end_is_of_an_image_that_can_be_drawn() -> None:
    class Last(np.random.Generator):
        def random(self) -> float:
            return float(np.nextafter(1.0, 0.0))

    rng = Last(np.random.PCG64(0))
    assert diversity.KMEANSPP.pick(
        {"features": FOUR[[0, 1, 3, 0]]}, 1, rng, np.array([True, False, False, False])
    ).tolist() == [2]
    assert diversity.KMEANSPP.pick({"features": np.zeros((3, 1))}, 1, rng).tolist() == [2]


BOTH = pytest.mark.parametrize("strategy", [diversity.TYPICLUST, diversity.KMEDOIDS], ids=lambda one: one.name)
# Its mean is 5.2, so 5 is nearest to the centre; 6 is nearest to the others on average (2.5).
LOPSIDED = [[0.0], [5.0], [6.0], [7.0], [8.0]]


def blobs(seed: int, *sizes: int) -> np.ndarray[Any, Any]:
    """Clusters that any k-means tells apart, one after the other."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(len(sizes)) * 40.0, sizes, axis=0)
    return rng.normal(size=centres.shape) + centres


@BOTH
@pytest.mark.parametrize(
    ("seed", "labelled", "most", "clusters"),
    [
        pytest.param(0, (), None, [1, 2, 0], id="one of each, the largest first"),
        pytest.param(2, (8,), None, [2, 0], id="a cluster with a label is covered"),
        # The one of 12 holds two labels; those of 8 and 6 are filled up to two first, then by turns; the largest goes first.
        pytest.param(3, (7, 8), 3, [2, 0, 2, 0, 1, 2, 0], id="covered ones last, the fewest labels first"),
    ],
)
def test_clusters_are_taken_by_size_and_labels(strategy, seed, labelled, most, clusters, monkeypatch):
    monkeypatch.setattr(diversity, "MOST", most or diversity.MOST)
    chosen = picks(strategy, blobs(seed, 6, 12, 8), len(clusters), labelled=labelled)
    assert [np.searchsorted([6, 18, 26], one, side="right") for one in chosen] == clusters


def test_typiclust_passes_over_small_clusters_while_others_have_images_left() -> None:
    x = blobs(5, 5, 12, 8)
    parts = [int(np.searchsorted([5, 17, 25], one, side="right")) for one in picks(diversity.TYPICLUST, x, 3)]
    assert parts == [1, 2, 1]
    assert [int(np.searchsorted([5, 17, 25], one, side="right")) for one in picks(diversity.KMEDOIDS, x, 3)] == [1, 2, 0]
    # Where all are small, none is passed over.
    assert [one // 4 for one in picks(diversity.TYPICLUST, blobs(6, 4, 4, 4), 3)] == [0, 1, 2]


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
            wanted = TypiClust(k=diversity.NEIGHBOURS, random_state=0, cluster_algo_dict={"n_init": 20}).query(
                x, y, batch_size=k
            )
            assert picks(diversity.TYPICLUST, x, k, labelled) == wanted.tolist()


def test_kmedoids_are_the_nearest_images_to_the_centres() -> None:
    x = blobs(4, 20, 15, 10)
    for chosen, part in zip(picks(diversity.KMEDOIDS, x, 3), (slice(0, 20), slice(20, 35), slice(35, 45)), strict=True):
        gaps = np.linalg.norm(x[part] - x[part].mean(axis=0), axis=1)
        assert chosen == part.start + int(np.argmin(gaps))


def test_an_image_at_a_centre_comes_last() -> None:
    assert picks(diversity.KCENTER, [[0.0], [0.0], [5.0], [6.0]], 3, labelled=(0,)) == [3, 2, 1]


def test_kcenter_as_scikit_activeml() -> None:
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(60, 5))
        first = picks(diversity.KCENTER, x, 1)[0]
        for labelled in ((first,), (3, 17, 40)):
            y = np.full(60, np.nan)
            y[list(labelled)] = 0
            wanted = CoreSet(random_state=0).query(x, y, batch_size=12)
            assert picks(diversity.KCENTER, x, 12, labelled) == wanted.tolist()
        assert picks(diversity.KCENTER, x, 13) == [first, *picks(diversity.KCENTER, x, 12, (first,))]


def test_each_pick_brings_the_mean_nearest() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    chosen: list[int] = [7, 8]
    for pick in picks(diversity.HERDING, x, 10, (7, 8)):
        gaps = {i: np.linalg.norm(x[[*chosen, i]].mean(axis=0) - x.mean(axis=0)) for i in range(30) if i not in chosen}
        assert pick == min(gaps, key=lambda i: gaps[i])
        chosen.append(pick)


def test_on_features_of_one_length_it_is_welling_s() -> None:
    x = np.random.default_rng(1).normal(size=(40, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w, free, wanted = x.mean(axis=0), list(range(40)), []
    for _ in range(12):
        wanted.append(max(free, key=lambda i: float(w @ x[i])))
        free.remove(wanted[-1])
        w = w + x.mean(axis=0) - x[wanted[-1]]
    assert picks(diversity.HERDING, x, 12) == wanted


LINE = [[0.0], [1.0], [2.0], [3.0], [10.0], [11.0]]


def test_when_all_is_covered_the_farthest_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert picks(diversity.PROBCOVER, [[0.0], [0.0], [0.0], [5.0], [5.0], [5.0]], 4) == [0, 3, 1, 2]
    assert picks(diversity.PROBCOVER, [[0.0], [0.0], [0.0], [5.0], [5.0], [5.0]], 1, labelled=(0, 3)) == [1]
    monkeypatch.setattr(diversity, "radius", lambda *given: 100.0)
    # The first ball holds all; 11 is farthest from 0, then 3 from both.
    assert picks(diversity.PROBCOVER, LINE, 3) == [0, 5, 3]
    # A radius of 0 covers nothing, not even the centre.
    monkeypatch.setattr(diversity, "radius", lambda *given: 0.0)
    assert picks(diversity.PROBCOVER, LINE, 3) == [0, 5, 3]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=25), st.data())
def test_no_larger_radius_is_as_pure(points: list[int], data: st.DataObject) -> None:
    x = np.array(points, dtype=np.float64)[:, None]
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(x), max_size=len(x))))
    purity = data.draw(st.sampled_from([0.5, 0.8, 0.95, 1.0]))
    apart, alien = cdist(x, x), labels[:, None] != labels

    def share(delta: float) -> float:
        return float(1.0 - ((apart < delta) & alien).any(axis=1).mean())

    found = diversity.radius(x, labels, purity)
    assert share(found) >= purity - 1e-12
    if np.isfinite(found):
        assert share(np.nextafter(found, np.inf)) < purity


def test_probcover_as_scikit_activeml() -> None:
    """Their balls are closed and their radii a grid; with ours on the grid they find it, and no pick of ours covers less."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(90, 4)) + 6.0 * rng.integers(0, 3, size=(90, 1))
        for labelled in ((), (4, 50)):
            k = 5
            found = diversity.kmeans(x, k + len(labelled), np.random.default_rng(seed))
            delta = diversity.radius(x, found.labels)
            grid = [0.0, 0.5 * delta, np.nextafter(delta, 0.0), delta, 2.0 * delta]
            other = ProbCover(
                n_classes=k + len(labelled),
                deltas=grid,
                alpha=diversity.PURITY,
                cluster_algo=Ready,
                cluster_algo_dict={"labels": found.labels},
                distance_func=lambda rows: cdist(rows, rows),
            )
            known = list(labelled)
            for pick in picks(diversity.PROBCOVER, x, k, labelled, seed):
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


def test_blocks_of_distances_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    whole = picks(diversity.PROBCOVER, x, 9)
    blocks = diversity.blocks
    monkeypatch.setattr(diversity, "blocks", lambda rows, others: blocks(rows, others, pairs=7))
    assert picks(diversity.PROBCOVER, x, 9) == whole


CENTRES = np.array([[0.01, 0.0, 0.0], [0.01, 9.0, 0.0], [0.01, 0.0, 9.0], [0.01, 9.0, 9.0]])


def pool(*held: tuple[int, ...]) -> np.ndarray:
    """Regions of images that hold some of four kinds, (n, 4, 3), which differ by less within a kind than between kinds."""
    rng = np.random.default_rng(0)
    regions = np.zeros((len(held), 4, 3))
    for image, numbers in enumerate(held):
        for place, number in enumerate(numbers):
            regions[image, place] = CENTRES[number] + (0.0, *rng.normal(scale=0.01, size=2))
    return regions


def test_kinds_are_the_clusters_of_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert diversity.KINDS == 20
    monkeypatch.setattr("howfar.selection.diversity.KINDS", 4)
    held = diversity.kinds(pool((0, 1), (2,), (3, 3), (), (1, 0)), np.random.default_rng(0))
    assert held.sum(axis=1).tolist() == [2, 1, 1, 0, 2]
    assert (held[0] == held[4]).all()


def test_what_labelled_images_hold_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("howfar.selection.diversity.KINDS", 4)
    regions = pool((0, 1, 2), (0, 1, 2), (3,), ())
    labelled = np.array([True, False, False, False])
    # The second image adds 3 × ¼ and the third ½.
    assert diversity.OBJECTS.pick({"regions": regions}, 1, np.random.default_rng(0), labelled).tolist() == [1]
    labelled[1] = True
    assert diversity.OBJECTS.pick({"regions": regions}, 1, np.random.default_rng(0), labelled).tolist() == [2]
