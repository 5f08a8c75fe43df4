"""Draw images at random among those in which the model finds foreground: the rival of every strategy that reads maps."""

from __future__ import annotations

import warnings

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.pool import Pool, Positions
from howfar.selection.random_draws import SHARE

FOUND = 0.001
"""Predicted share from which on an image counts as having foreground: half of a line across it, 1/500 of its side wide."""


def as_shares(pool: Pool) -> Float64Array:
    """Return the predicted shares of the images of a pool.

    Raises `InputError` where one is outside 0 to 1.
    """
    shares = pool[SHARE]
    outside = (shares < 0.0) | (shares > 1.0)
    if outside.any():
        received = float(shares[np.argmax(outside)])
        raise InputError.of(f"column {SHARE}", "must lie between 0 and 1", received, "it is a share of the pixels")
    return shares


def _foreground_random(pool: Pool, k: int, rng: np.random.Generator) -> Positions:
    """Draw with one chance each among the images with a predicted share of at least 0.001; the others follow, with a warning.

    Random choice that knows of foreground is what strategies of active learning do not reliably surpass: Lüth et al.,
    "nnActive" (TMLR 2025, https://openreview.net/forum?id=AJAnmRLJjJ), whose foreground is that of given labels and here is the
    model's. A threshold, and not a chance in proportion to the share as in `foreground`, since the share is largest where a
    model takes whole surfaces for foreground; and not any pixel at all, since nearly every map has one somewhere.
    """
    shares = as_shares(pool)
    order = rng.permutation(len(pool))
    order = order[np.argsort(shares[order] < FOUND, kind="stable")]
    found = int((shares[pool.free] >= FOUND).sum())
    if found < k:
        message = (
            f"a share of foreground of at least {FOUND:g} is predicted in {found} of the images without labels, fewer than the "
            f"{k} asked for: the others are drawn from those below"
        )
        warnings.warn(message, UserWarning, stacklevel=3)
    return order[~pool.labelled[order]][:k]


FOREGROUND_RANDOM = FunctionStrategy(
    "foreground_random",
    (SHARE,),
    True,
    _foreground_random,
    lambda values: f"drawn at random among those with foreground; predicted is {100 * values[SHARE]:.2f} %",
)
