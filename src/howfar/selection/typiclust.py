"""TypiClust: the most typical image of each cluster that is not covered; for few labels (Hacohen, Dekel & Weinshall 2022)."""

from __future__ import annotations

from howfar.arrays import Float64Array
from howfar.selection.clusters import of_clusters
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.geometry import to_neighbours
from howfar.selection.pool import FEATURES

NEIGHBOURS = 20
SMALL = 5
"""As in the authors' program, clusters of at most 5 images are passed over, since they hold what is typical of nothing."""


def _atypicality(rows: Float64Array, centre: Float64Array) -> Float64Array:
    """1 / typicality: the mean distance to the nearest 20 of its cluster, or to all others of a smaller one (ICML 2022)."""
    return to_neighbours(rows, NEIGHBOURS)


TYPICLUST = FunctionStrategy(
    "typiclust",
    (FEATURES,),
    False,
    lambda pool, k, rng: of_clusters(pool, k, rng, _atypicality, SMALL),
    lambda values: "the most typical image of its cluster",
)
