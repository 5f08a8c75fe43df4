"""Choose diverse images to label by their features: k-means clusters, k-center, herding, ProbCover, clusters of regions."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from howfar.arrays import Float64Array, spans
from howfar.selection.candidates import FEATURES, REGIONS, Candidates, FunctionStrategy, Mask, Positions, warn_of_fewer

PAIRS = 1 << 22


def blocks(x: Float64Array, y: Float64Array, pairs: int = PAIRS) -> Iterator[tuple[slice, Float64Array]]:
    """Yield row slices of `x` with their distances from all rows of `y`; at most `pairs` at once, but at least one row."""
    for rows in spans(len(x), max(1, pairs // max(1, len(y)))):
        yield rows, cdist(x[rows], y)


def to_nearest(x: Float64Array, centres: Float64Array) -> Float64Array:
    """Return the distance of each row of `x`, (n, z), from the nearest centre, (c, z); infinite without centres."""
    gaps = np.full(len(x), np.inf)
    if len(centres):
        for rows, distances in blocks(x, centres):
            gaps[rows] = distances.min(axis=1)
    return gaps


def to_point(x: Float64Array, point: Float64Array) -> Float64Array:
    """Return the distance of each row of `x`, (n, z), from one point, (z,)."""
    return to_nearest(x, point[None])


def to_neighbours(x: Float64Array, k: int) -> Float64Array:
    """Return the mean distance of each row of `x`, (n, z), from its k nearest other rows; 0 for a single row."""
    k = min(k, len(x) - 1)
    if k < 1:
        return np.zeros(len(x))
    # A row's distance from itself, 0, is one of the k + 1 smallest and adds nothing.
    distances = np.asarray(KDTree(x).query(x, k + 1)[0])
    return np.asarray(distances.sum(axis=1) / k)


def seeds(x: Float64Array, k: int, rng: np.random.Generator, covered: Mask) -> list[int]:
    """Draw k rows with chance D² / Σ D², D the distance from the nearest covered row (Arthur & Vassilvitskii, SODA 2007).

    Rows in `covered` (n,) are never drawn. Where no row is covered, or all others lie on covered ones, all others have one
    chance.
    """
    free = ~covered
    nearest = to_nearest(x, x[covered])
    chosen: list[int] = []
    while len(chosen) < k:
        weights = np.where(free & np.isfinite(nearest), nearest, 0.0) ** 2
        if not weights.any():
            weights = free.astype(np.float64)
        heap = np.cumsum(weights)
        chosen.append(int(np.searchsorted(heap, rng.random() * heap[-1], side="right")))
        free[chosen[-1]] = False
        nearest = np.minimum(nearest, to_point(x, x[chosen[-1]]))
    return chosen


KMEANSPP = FunctionStrategy(
    "kmeanspp",
    (FEATURES,),
    True,
    lambda pool, k, rng: seeds(pool[FEATURES], k, rng, pool.labelled),
    lambda values: "drawn with the square of its distance from every image that was labelled or chosen before it",
)


RESTARTS = 10
ROUNDS = 300


@dataclass(frozen=True, eq=False)
class Clustering:
    """Hold a clustering of n rows: centres (c, z), cluster labels (n,), and the sum of squared distances from the centres."""

    centres: Float64Array
    labels: NDArray[np.intp]
    inertia: float


def kmeans(x: Float64Array, count: int, rng: np.random.Generator, restarts: int = RESTARTS) -> Clustering:
    """Cluster rows (n, z) by k-means, minimising Σ ‖x − centre‖²; returns the best of several restarts, the first if tied.

    Seeds are drawn by k-means++, and rounds go on until no row moves (Lloyd 1982). The number of threads changes nothing.
    """
    # scikit-learn takes a second to load.
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # With more clusters than different rows scikit-learn ends at centres, and sums, that are not those of its clusters.
    count = min(count, len(np.unique(x, axis=0)))
    nothing = np.zeros(len(x), dtype=np.bool_)
    models = []
    # Several threads add up parts of a centre in whatever order they end.
    with threadpool_limits(limits=1, user_api="openmp"), warnings.catch_warnings():
        # Rows that differ by less than rounding about their mean are one to scikit-learn, and make fewer clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(restarts):
            first = x[seeds(x, count, rng, nothing)]
            models.append(KMeans(count, init=first, n_init=1, max_iter=ROUNDS, tol=0.0, algorithm="lloyd").fit(x))
    best = min(models, key=lambda model: float(model.inertia_))
    # scikit-learn takes the mean of all rows away and adds it again: that would choose between the two images of a cluster. So
    # each centre is computed anew as the mean of its rows, without rounding errors from other rows.
    labels: NDArray[np.intp] = best.labels_.astype(np.intp)
    sizes = np.bincount(labels, minlength=count)
    sums = np.stack([np.bincount(labels, weights=column, minlength=count) for column in x.T], axis=1)
    centres: Float64Array = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], best.cluster_centers_)
    return Clustering(centres, labels, float(best.inertia_))


MOST = 500
"""Most clusters, as in TypiClust: more images than that share clusters."""
NEIGHBOURS = 20
SMALL = 5
"""TypiClust passes over clusters of at most 5 images, as its authors' program does: such images are typical of nothing."""

Cost: TypeAlias = Callable[[Float64Array, Float64Array], Float64Array]
"""Rows of a cluster and its centre -> one number a row; the image with the smallest is taken."""


def _one_a_cluster(pool: Candidates, k: int, rng: np.random.Generator, cost: Cost, small: int = 0) -> list[int]:
    """Cluster all images by k-means, one cluster per label (old and new), and choose one image of each uncovered cluster.

    The next image is of the cluster with the fewest labelled and chosen images, of these the largest, of these that of the
    first image. Clusters of at most `small` images are passed over while another has images left.
    """
    x = pool[FEATURES]
    clustering = kmeans(x, min(k + int(pool.labelled.sum()), MOST), rng)
    numbers = np.unique(clustering.labels)
    clusters = [np.flatnonzero(clustering.labels == number) for number in numbers]
    costs = [cost(x[members], clustering.centres[number]) for number, members in zip(numbers, clusters, strict=True)]
    taken = pool.labelled.copy()
    chosen: list[int] = []

    def rank(index: int) -> tuple[bool, int, int, int]:
        members = clusters[index]
        return len(members) <= small, int(taken[members].sum()), -len(members), int(members[0])

    while len(chosen) < k:
        left = (index for index, members in enumerate(clusters) if not taken[members].all())
        turn = min(left, key=rank)
        members = clusters[turn]
        chosen.append(int(members[np.argmin(np.where(taken[members], np.inf, costs[turn]))]))
        taken[chosen[-1]] = True
    return chosen


# Hacohen, Dekel & Weinshall, ICML 2022; made for few labels.
TYPICLUST = FunctionStrategy(
    "typiclust",
    (FEATURES,),
    False,
    # 1 / typicality: the mean distance to the nearest 20 of the cluster, or to all others of a smaller one.
    lambda pool, k, rng: _one_a_cluster(pool, k, rng, lambda rows, centre: to_neighbours(rows, NEIGHBOURS), SMALL),
    lambda values: "the most typical image of its cluster",
)
# The clusters are those of k-means; it is not the k-medoids of Kaufman & Rousseeuw, which minimises another sum.
KMEDOIDS = FunctionStrategy(
    "kmedoids",
    (FEATURES,),
    False,
    lambda pool, k, rng: _one_a_cluster(pool, k, rng, to_point),
    lambda values: "nearest to the centre of its k-means cluster",
)


def _kcenter(pool: Candidates, k: int, rng: np.random.Generator) -> list[int]:
    """Choose repeatedly the image farthest from its nearest centre (Sener & Savarese, ICLR 2018; Gonzalez, TCS 1985).

    Images with labels are centres. Without any the first is the image nearest to the mean of all, so that nothing is drawn.
    """
    x = pool[FEATURES]
    free = ~pool.labelled
    nearest = to_nearest(x, x[pool.labelled])
    if free.all():
        nearest = -to_point(x, x.mean(axis=0))
    chosen: list[int] = []
    while len(chosen) < k:
        chosen.append(int(np.argmax(np.where(free, nearest, -np.inf))))
        free[chosen[-1]] = False
        distances = to_point(x, x[chosen[-1]])
        first = len(chosen) == 1 and not pool.labelled.any()
        nearest = distances if first else np.minimum(nearest, distances)
    return chosen


KCENTER = FunctionStrategy(
    "kcenter", (FEATURES,), True, _kcenter, lambda values: "farthest from every image that was labelled or chosen before it"
)


def _herding(pool: Candidates, k: int, rng: np.random.Generator) -> list[int]:
    """Choose repeatedly the image x_t nearest to w, then set w ← w + μ − x_t; w starts at the mean μ (Welling, ICML 2009).

    Welling takes argmax ⟨w, x⟩, the same for features of one length. The nearest brings the mean of the chosen closest to μ
    wherever the origin lies (Rebuffi et al., CVPR 2017). Images with labels count as chosen.
    """
    x = pool[FEATURES]
    mean = x.mean(axis=0)
    w = mean + (mean - x[pool.labelled]).sum(axis=0)
    free = ~pool.labelled
    chosen: list[int] = []
    while len(chosen) < k:
        chosen.append(int(np.argmin(np.where(free, to_point(x, w), np.inf))))
        free[chosen[-1]] = False
        w = w + mean - x[chosen[-1]]
    return chosen


HERDING = FunctionStrategy(
    "herding", (FEATURES,), True, _herding, lambda values: "brings the mean of the chosen images nearest to that of all"
)


PURITY = 0.95


def radius(x: Float64Array, labels: NDArray[np.intp], purity: float = PURITY) -> float:
    """Find the largest radius δ at which a share `purity` of the balls {y: d(x, y) < δ} contain rows of one cluster only.

    A row's ball is pure up to its distance from the nearest row of another cluster, so δ is a quantile of these; it is infinite
    where all are of one cluster.
    """
    to_others = np.full(len(x), np.inf)
    for rows, distances in blocks(x, x):
        distances[labels[rows, None] == labels] = np.inf
        to_others[rows] = distances.min(axis=1)
    impure = int(np.floor((1.0 - purity) * len(x) + 1e-9))
    return float(np.partition(to_others, impure)[impure])


def _probcover(pool: Candidates, k: int, rng: np.random.Generator) -> list[int]:
    """Cover the rows greedily by open balls of one radius, choosing the ball with most uncovered rows, the first if tied.

    The paper clusters into as many clusters as there are classes; here, into as many as there will be labels, at least 2. Where
    all is covered early, which the paper leaves open, the farthest from all chosen follows.
    """
    x = pool[FEATURES]
    count = min(max(2, k + int(pool.labelled.sum())), len(x))
    delta = radius(x, kmeans(x, count, rng).labels)
    taken = pool.labelled.copy()
    covered = to_nearest(x, x[taken]) < delta
    balls = _held(x, np.flatnonzero(~covered), delta)
    chosen: list[int] = []
    while len(chosen) < k:
        score = balls if balls[~taken].any() else to_nearest(x, x[taken])
        chosen.append(int(np.argmax(np.where(taken, -np.inf, score))))
        taken[chosen[-1]] = True
        fresh = np.flatnonzero((to_point(x, x[chosen[-1]]) < delta) & ~covered)
        covered[fresh] = True
        balls -= _held(x, fresh, delta)
    return chosen


def _held(x: Float64Array, rows: Positions, delta: float) -> Float64Array:
    """Count the given rows within distance `delta` of each row of `x`, (n,)."""
    counts = np.zeros(len(x))
    if len(rows):
        for block, distances in blocks(x, x[rows]):
            counts[block] = (distances < delta).sum(axis=1)
    return counts


PROBCOVER = FunctionStrategy(
    "probcover", (FEATURES,), False, _probcover, lambda values: "its neighbourhood holds most images not covered yet"
)


KINDS = 20
"""Clusters of regions. Their number does not depend on k, so that fewer images are the first of more."""


def kinds(regions: Float64Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Cluster the regions of n images by k-means into at most 20 kinds; returns which image contains which kind, (n, c) bool.

    `regions` is (n, r, f); the first feature is the area, 0 where there is no such region, of which the logarithm is taken.
    """
    image, place = np.nonzero(regions[:, :, 0] > 0.0)
    x = regions[image, place]
    if not len(x):
        return np.zeros((len(regions), 1), dtype=np.bool_)
    x[:, 0] = np.log(x[:, 0])
    spread = x.std(axis=0)
    labels = kmeans((x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0), min(KINDS, len(x)), rng).labels
    held = np.zeros((len(regions), int(labels.max()) + 1), dtype=np.bool_)
    held[image, labels] = True
    return held


def _objects(pool: Candidates, k: int, rng: np.random.Generator) -> list[int]:
    """Choose repeatedly the image that adds most to Σ_c (1 − 2^−n_c); n_c counts the chosen images with kind c.

    The sum is submodular, so greedy choice comes to within 1 − 1/e of the best (Nemhauser, Wolsey & Fisher, Mathematical
    Programming 1978). The coverage is howfar's own. Images with labels cover their kinds. Ties are broken by chance, since
    neighbours by name are often tiles of one photograph; images without a region follow so, with a warning.
    """
    order = rng.permutation(len(pool))
    held = kinds(pool[REGIONS], rng)
    filled = int(held[pool.free].any(axis=1).sum())
    warn_of_fewer(filled, k, "regions of foreground are predicted", "in which there is none")
    free, counts = ~pool.labelled, held[pool.labelled].sum(axis=0)
    chosen: list[int] = []
    while len(chosen) < k:
        gains = np.where(free, (held * 0.5**counts).sum(axis=1), -1.0)
        chosen.append(int(order[np.argmax(gains[order])]))
        free[chosen[-1]] = False
        counts = counts + held[chosen[-1]]
    return chosen


OBJECTS = FunctionStrategy(
    "objects", (REGIONS,), True, _objects, lambda values: "holds most kinds of predicted objects that are not covered yet"
)
