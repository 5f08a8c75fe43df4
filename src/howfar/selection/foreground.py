"""Foreground-aware random: drawn with chance in proportion to the share of foreground that the model predicts."""

from __future__ import annotations

import warnings

import numpy as np

from howfar.errors import InputError
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions

COLUMN = "predicted_foreground"


def _foreground(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Without replacement, each draw in proportion to the shares of those left, by exponential keys E / share.

    The k smallest keys are such a sample: Efraimidis & Spirakis, IPL 2006. Every image has its key whatever k and the labels
    are. Images in which nothing is predicted follow at random, with a warning, only where no other is left.
    """
    shares = pool[COLUMN]
    if (shares < 0.0).any() or (shares > 1.0).any():
        received = float(shares[np.argmax((shares < 0.0) | (shares > 1.0))])
        raise InputError.of(f"column {COLUMN}", "must lie between 0 and 1", received, "it is a share of the pixels")
    keys = rng.exponential(size=len(pool))
    free = pool.free
    some = int((shares[free] > 0.0).sum())
    if some < k:
        message = (
            f"foreground is predicted in {some} of the images without labels, fewer than the {k} asked for: the others "
            "are drawn from those in which there is none"
        )
        warnings.warn(message, UserWarning, stacklevel=3)
    with np.errstate(divide="ignore", over="ignore"):
        order = np.lexsort((keys, keys / shares))
    return order[~pool.labelled[order]][:k]


FOREGROUND = FunctionStrategy(
    "foreground",
    (COLUMN,),
    True,
    _foreground,
    lambda values: f"drawn in proportion to its predicted foreground, {100 * values[COLUMN]:.2f} %",
)
