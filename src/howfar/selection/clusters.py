"""Choose one image of each k-means cluster that has no label yet: TypiClust and k-means medoids."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from howfar.arrays import Float64Array
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import to_neighbours, to_point
from howfar.selection.kmeans import kmeans
from howfar.selection.pool import FEATURES, Mask, Pool, Positions

MOST = 500
"""Most clusters, as in TypiClust: more images than that share clusters."""
NEIGHBOURS = 20
SMALL = 5
"""TypiClust passes over clusters of at most 5 images, as its authors' program does: such images are typical of nothing."""

Cost: TypeAlias = Callable[[Float64Array, Float64Array], Float64Array]
"""Rows of a cluster and its centre -> one number a row; the image with the smallest is taken."""


def _one_a_cluster(pool: Pool, k: int, rng: np.random.Generator, cost: Cost, small: int = 0) -> list[int]:
    """Cluster all images by k-means into as many clusters as there will be labels, and take one of each not covered.

    The next image is always of the cluster that holds the fewest labelled and chosen images, of these the largest, of these
    that of the first image. So covered clusters are drawn from only where no other has an image left. Clusters of at most
    `small` images are passed over while another has images left.
    """
    x = pool[FEATURES]
    clustering = kmeans(x, min(k + int(pool.labelled.sum()), MOST), rng)
    numbers = np.unique(clustering.labels)
    clusters = [np.flatnonzero(clustering.labels == number) for number in numbers]
    costs = [cost(x[members], clustering.centres[number]) for number, members in zip(numbers, clusters, strict=True)]
    taken = pool.labelled.copy()
    chosen: list[int] = []
    while len(chosen) < k:
        left = (index for index, members in enumerate(clusters) if not taken[members].all())
        turn = min(left, key=lambda index: _rank(clusters[index], taken, small))
        members = clusters[turn]
        chosen.append(int(members[np.argmin(np.where(taken[members], np.inf, costs[turn]))]))
        taken[chosen[-1]] = True
    return chosen


def _rank(members: Positions, taken: Mask, small: int) -> tuple[bool, int, int, int]:
    return len(members) <= small, int(taken[members].sum()), -len(members), int(members[0])


def _atypicality(rows: Float64Array, centre: Float64Array) -> Float64Array:
    """Return 1 / typicality: the mean distance to the nearest 20 of the cluster, or to all others of a smaller one."""
    return to_neighbours(rows, NEIGHBOURS)


# Hacohen, Dekel & Weinshall, ICML 2022; made for few labels.
TYPICLUST = FunctionStrategy(
    "typiclust",
    (FEATURES,),
    False,
    lambda pool, k, rng: _one_a_cluster(pool, k, rng, _atypicality, SMALL),
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
