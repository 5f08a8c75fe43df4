"""Stratified by distance: the set is cut into parts of equal size by distance, and one image is drawn from each."""

from __future__ import annotations

import numpy as np

from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions


def _stratified(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """One of each of k strata, the nearest first.

    There are as many strata as there will be labels: k and those given. One that holds an image with labels is covered. Where
    more than k are left, since several labels share a stratum, those at even ranks are drawn from.
    """
    order = np.argsort(pool["distance"], kind="stable")
    strata = np.array_split(order, k + int(pool.labelled.sum()))
    open_strata = [stratum for stratum in strata if not pool.labelled[stratum].any()]
    drawn_from = (np.arange(k) * len(open_strata) + len(open_strata) // 2) // k
    return np.array([rng.choice(open_strata[which]) for which in drawn_from], dtype=np.intp)


STRATIFIED = FunctionStrategy(
    "stratified",
    ("distance",),
    False,
    _stratified,
    lambda values: f"scaled distance {values['distance']:.3f}, drawn from its stratum of distance",
)
