"""Rank models by a score, with intervals of their ranks over paired bootstrap draws, and say how often each comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from howfar.arrays import Float64Array
from howfar.errors import InputError

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Ranking:
    """Hold the ranks of k models, 1 for the best, with 95 % intervals.

    Attributes
    ----------
    rank
        (k,) ranks by the scores that were measured; models that are equal share the better rank.
    low, high
        (k,) ends of each rank's interval, which are ranks: the 2.5 and 97.5 % quantiles over draws.
    first
        (k,) share of the draws in which a model is first; models that share the first place share the draw, so they sum to 1.
    """

    rank: Float64Array
    low: Float64Array
    high: Float64Array
    first: Float64Array


def ranks_of(scores: ArrayLike) -> Float64Array:
    """Rank models in every draw, 1 for the highest score; equal scores share the better rank, undefined ones are last.

    Parameters
    ----------
    scores
        (k, draws) score of each model in each draw; NaN where it has none.

    Examples
    --------
    >>> ranks_of([[0.5, 0.2], [0.7, 0.2], [np.nan, 0.9]]).tolist()
    [[2.0, 2.0], [1.0, 2.0], [3.0, 1.0]]
    """
    values = np.asarray(scores, dtype=np.float64)
    filled = np.where(np.isnan(values), -np.inf, values)
    return np.asarray(rankdata(-filled, method="min", axis=0), dtype=np.float64)


def ranking(scores: ArrayLike, draws: ArrayLike) -> Ranking:
    """Rank k models by their scores, and say by draws of the images how sure each rank is.

    The draws have to be paired, each model scored on the same drawn images, as a difficult image lowers all models alike and
    then tells little of their order. Source: Goldstein & Spiegelhalter, "League tables and their limitations" (JRSS A 159,
    1996), who show ranks with intervals for the same reason.

    Parameters
    ----------
    scores
        (k,) measured scores, the higher the better; NaN ranks last.
    draws
        (k, b) the scores in b draws.

    Raises
    ------
    InputError
        Shapes that do not fit, or no draw.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(0, 0.02, (3, 1000))
    >>> result = ranking([0.7, 0.5, 0.49], np.array([[0.7], [0.5], [0.49]]) + noise)
    >>> result.rank.tolist(), result.low.tolist(), result.high.tolist(), result.first.round(2).tolist()
    ([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], [1.0, 3.0, 3.0], [1.0, 0.0, 0.0])
    """
    measured, drawn = np.asarray(scores, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if measured.ndim != 1 or drawn.ndim != 2 or len(drawn) != len(measured) or drawn.shape[1] < 1:
        raise InputError.of("draws", f"must have shape ({measured.size}, b), one row a model", drawn.shape)
    ranks = ranks_of(drawn)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(ranks, [tail, 1 - tail], axis=1, method="inverted_cdf")
    leads = ranks == 1
    return Ranking(ranks_of(measured[:, None])[:, 0], low, high, (leads / leads.sum(axis=0)).mean(axis=1))
