"""Cluster feature rows by scikit-learn's k-means (Lloyd), from k-means++ seeds of several restarts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.selection.kmeanspp import seeds

RESTARTS = 10
ROUNDS = 300


@dataclass(frozen=True, eq=False)
class Clustering:
    """Hold centres (c, z), the cluster of each of n rows, and the summed squared distances from the centres."""

    centres: Float64Array
    labels: NDArray[np.intp]
    inertia: float


def kmeans(x: Float64Array, count: int, rng: np.random.Generator, restarts: int = RESTARTS) -> Clustering:
    """Cluster rows (n, z) so that Σ ‖x − its centre‖² is small: the best of several restarts, of equal ones the first.

    There are `count` clusters, at most n, and no more than there are different rows; `rng` draws the seeds (k-means++). Rounds
    go on until no row moves (Lloyd 1982). The number of threads changes nothing.
    """
    # Only scikit-learn needs it, and loads it.
    from threadpoolctl import threadpool_limits

    # With more clusters than different rows scikit-learn ends at centres, and sums, that are not those of its clusters.
    count = min(count, len(np.unique(x, axis=0)))
    nothing = np.zeros(len(x), dtype=np.bool_)
    # Several threads add up parts of a centre in whatever order they end.
    with threadpool_limits(limits=1, user_api="openmp"):
        clusterings = [_lloyd(x, x[seeds(x, count, rng, nothing)]) for _ in range(restarts)]
    best = min(clusterings, key=lambda clustering: clustering.inertia)
    return Clustering(_means(x, best), best.labels, best.inertia)


def _lloyd(x: Float64Array, centres: Float64Array) -> Clustering:
    # It takes a second to load.
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(len(centres), init=centres, n_init=1, max_iter=ROUNDS, tol=0.0, algorithm="lloyd")
    with warnings.catch_warnings():
        # Rows that differ by less than rounding about their mean are one to scikit-learn, and make fewer clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x)
    return Clustering(model.cluster_centers_, model.labels_.astype(np.intp), float(model.inertia_))


def _means(x: Float64Array, clustering: Clustering) -> Float64Array:
    """Compute each centre as the mean of its rows, (c, z), to the last digit whatever the other rows are.

    scikit-learn takes the mean of all rows away and adds it again. That rounding would choose between the two images of a
    cluster, which are alike far from its centre.
    """
    count = len(clustering.centres)
    sizes = np.bincount(clustering.labels, minlength=count)
    sums = np.stack([np.bincount(clustering.labels, weights=column, minlength=count) for column in x.T], axis=1)
    means: Float64Array = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], clustering.centres)
    return means
