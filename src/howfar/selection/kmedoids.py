"""k-means medoids: the image nearest to the centre of each k-means cluster that is not covered."""

from __future__ import annotations

from howfar.selection.clusters import of_clusters
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import to_point
from howfar.selection.pool import FEATURES

# The clusters are those of k-means; it is not the k-medoids of Kaufman & Rousseeuw, which minimises another sum.
KMEDOIDS = FunctionStrategy(
    "kmedoids",
    (FEATURES,),
    False,
    lambda pool, k, rng: of_clusters(pool, k, rng, to_point),
    lambda values: "nearest to the centre of its k-means cluster",
)
