"""One image a cluster: what TypiClust and k-means medoids share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from howfar.arrays import Float64Array
from howfar.selection.kmeans import kmeans
from howfar.selection.pool import FEATURES, Mask, Pool, Positions

MOST = 500
"""Most clusters, as in TypiClust: more images than that share clusters."""

Liking: TypeAlias = Callable[[Float64Array, Float64Array], Float64Array]
"""Rows of a cluster and its centre -> one number a row; the image with the smallest is taken."""


def of_clusters(pool: Pool, k: int, rng: np.random.Generator, liking: Liking, small: int = 0) -> list[int]:
    """Cluster all images by k-means into as many clusters as there will be labels, and take one of each not covered.

    The next image is always of the cluster that holds the fewest labelled and chosen images, of these the largest, of these
    that of the first image. So covered clusters are drawn from only where no other has an image left.

    Parameters
    ----------
    pool
        The images, with their features.
    k
        How many.
    rng
        Draws the seeds of k-means.
    liking
        Says which image of a cluster is taken.
    small
        Clusters of at most so many images are passed over while another has images left.
    """
    x = pool[FEATURES]
    found = kmeans(x, min(k + int(pool.labelled.sum()), MOST), rng)
    clusters = [np.flatnonzero(found.labels == one) for one in np.unique(found.labels)]
    likings = [liking(x[members], found.centres[found.labels[members[0]]]) for members in clusters]
    taken = pool.labelled.copy()
    chosen: list[int] = []
    while len(chosen) < k:
        left = (i for i, one in enumerate(clusters) if not taken[one].all())
        which = min(left, key=lambda i: _turn(clusters[i], taken, small))
        members = clusters[which]
        chosen.append(int(members[np.argmin(np.where(taken[members], np.inf, likings[which]))]))
        taken[chosen[-1]] = True
    return chosen


def _turn(members: Positions, taken: Mask, small: int) -> tuple[bool, int, int, int]:
    return len(members) <= small, int(taken[members].sum()), -len(members), int(members[0])
