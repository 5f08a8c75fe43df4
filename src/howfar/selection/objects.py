"""Choose images by the objects that a model sees in them: those that cover most kinds of predicted regions."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.kmeans import kmeans
from howfar.selection.pool import REGIONS, Pool

KINDS = 20
"""Clusters of regions. Their number does not depend on k, so that fewer images are the first of more."""


def kinds(regions: Float64Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Cluster the regions of n images by k-means into at most 20 kinds, and say which image holds which, (n, c).

    `regions` is (n, r, f); the first feature is the area, 0 where there is no such region. Of the area the logarithm is taken,
    as a few regions are many times as large as most, and each feature is scaled to mean 0 and variance 1 over all regions.
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


def _objects(pool: Pool, k: int, rng: np.random.Generator) -> list[int]:
    """Take the image that adds most to Σ_c (1 − 2^−n_c), again and again; n_c counts the images chosen that hold kind c.

    So a kind that no image holds yet counts 1, one that was covered once ½, and a rare kind as much as a common one: kinds
    stand for the classes that one foreground class hides. The sum is submodular, so greedy choice comes to within 1 − 1/e of
    the best (Nemhauser, Wolsey & Fisher, Mathematical Programming 1978). Clusters of foreground patches are a usual proxy for
    diversity of objects; the coverage is howfar's own. Images with labels cover their kinds. Ties are broken by chance, since
    neighbours by name are often tiles of one photograph; images without a region follow so, with a warning.
    """
    order = rng.permutation(len(pool))
    held = kinds(pool[REGIONS], rng)
    _warn_of_empty(held, pool, k)
    free, counts = ~pool.labelled, held[pool.labelled].sum(axis=0)
    chosen: list[int] = []
    while len(chosen) < k:
        gains = np.where(free, (held * 0.5**counts).sum(axis=1), -1.0)
        chosen.append(int(order[np.argmax(gains[order])]))
        free[chosen[-1]] = False
        counts = counts + held[chosen[-1]]
    return chosen


def _warn_of_empty(held: NDArray[np.bool_], pool: Pool, k: int) -> None:
    filled = int(held[pool.free].any(axis=1).sum())
    if filled < k:
        message = (
            f"regions of foreground are predicted in {filled} of the images without labels, fewer than the {k} asked for: the "
            "others are drawn from those in which there is none"
        )
        warnings.warn(message, UserWarning, stacklevel=4)


OBJECTS = FunctionStrategy(
    "objects", (REGIONS,), True, _objects, lambda values: "holds most kinds of predicted objects that are not covered yet"
)
