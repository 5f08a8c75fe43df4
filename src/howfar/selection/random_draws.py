"""Draw images by chance: all alike (random), one a stratum of distance (stratified), or by predicted foreground."""

from __future__ import annotations

import warnings

import numpy as np

from howfar.errors import InputError
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions

SHARE = "predicted_foreground"


def _random(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    # All are shuffled, those with labels too, so that neither k nor what has been labelled since changes the order.
    order = rng.permutation(len(pool))
    return order[~pool.labelled[order]][:k]


def _stratified(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Draw one image of each of k strata of equal size by distance, the nearest first.

    There are as many strata as there will be labels: k and those given. A stratum that holds an image with labels is covered.
    Where more than k are left, since several labels share a stratum, those at even ranks are drawn from.
    """
    order = np.argsort(pool["distance"], kind="stable")
    strata = np.array_split(order, k + int(pool.labelled.sum()))
    open_strata = [stratum for stratum in strata if not pool.labelled[stratum].any()]
    drawn_from = (np.arange(k) * len(open_strata) + len(open_strata) // 2) // k
    return np.array([rng.choice(open_strata[which]) for which in drawn_from], dtype=np.intp)


def _foreground(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Draw without replacement, each time in proportion to the shares of the images left, by exponential keys E / share.

    The k smallest keys are such a sample: Efraimidis & Spirakis, IPL 2006. Every image has its key whatever k and the labels
    are. Images in which nothing is predicted follow at random, with a warning, only where no other is left.
    """
    shares = pool[SHARE]
    if (shares < 0.0).any() or (shares > 1.0).any():
        received = float(shares[np.argmax((shares < 0.0) | (shares > 1.0))])
        raise InputError.of(f"column {SHARE}", "must lie between 0 and 1", received, "it is a share of the pixels")
    keys = rng.exponential(size=len(pool))
    positive = int((shares[pool.free] > 0.0).sum())
    if positive < k:
        message = (
            f"foreground is predicted in {positive} of the images without labels, fewer than the {k} asked for: the others "
            "are drawn from those in which there is none"
        )
        warnings.warn(message, UserWarning, stacklevel=3)
    with np.errstate(divide="ignore", over="ignore"):
        order = np.lexsort((keys, keys / shares))
    return order[~pool.labelled[order]][:k]


RANDOM = FunctionStrategy("random", (), True, _random, lambda values: "drawn at random")
STRATIFIED = FunctionStrategy(
    "stratified",
    ("distance",),
    False,
    _stratified,
    lambda values: f"scaled distance {values['distance']:.3f}, drawn from its stratum of distance",
)
FOREGROUND = FunctionStrategy(
    "foreground",
    (SHARE,),
    True,
    _foreground,
    lambda values: f"drawn in proportion to its predicted foreground, {100 * values[SHARE]:.2f} %",
)
