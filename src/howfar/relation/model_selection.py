"""Name the estimators to use for a site, in order: fixed beforehand, since a few labelled sets cannot tell many apart.

The least left-out error of many estimators is smaller than what the winner does on a further set (Varma & Simon, "Bias in error
estimation when using cross-validation for model selection", BMC Bioinformatics 7, 2006). So nothing is chosen among those that
read a model's predictions: their `consensus` is used. An estimator that reads distances alone stands in where there are no
predictions to read, if it did clearly better than the mean of the labelled sets.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from howfar.results import Judgement

MEAN: Final = "mean"
CONSENSUS: Final = "consensus"
SINGLE: Final = ("atc", "signals", "boosted")
"""Estimators that stand in, in this order, for an image or a site that lacks a column of the consensus."""
DISTANCE: Final = "knn"
"""The distance that is used where there are no predictions: it has no fault between two clusters of P, as I^dist has."""
ENOUGH: Final = 3
"""Fewer labelled sites than these cannot show that a distance does better than their mean."""


def in_order(usable: Collection[str], judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """List the estimators to try for an image, the first that it has the columns for being used; "mean" comes last.

    `usable` are those that the labelled sets have the columns for.

    Examples
    --------
    >>> in_order({"mean", "consensus", "atc", "knn"}, [])
    ('consensus', 'atc', 'mean')
    >>> in_order({"mean", "knn"}, [])
    ('mean',)
    """
    reading = (CONSENSUS, *(name for name in SINGLE if name in usable)) if CONSENSUS in usable else ()
    distance = (DISTANCE,) if DISTANCE in usable and clearly_better(DISTANCE, MEAN, judgements) else ()
    return (*reading, *distance, MEAN)


def clearly_better(estimator: str, other: str, judgements: Sequence[Judgement]) -> bool:
    """Tell whether one estimator missed the sites' means by less than another, by more than one standard error.

    The standard error is that of the mean of their differences over the sites (the "one standard error rule" of Breiman,
    Friedman, Olshen & Stone, "Classification and regression trees", 1984, section 3.4.3). Fewer than three sites show nothing.
    """
    errors = {row.estimator: row.set_errors for row in judgements}
    if estimator not in errors or other not in errors:
        return False
    shared = [name for name in errors[estimator] if name in errors[other]]
    if len(shared) < ENOUGH:
        return False
    gains = np.array([abs(errors[other][name]) - abs(errors[estimator][name]) for name in shared])
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))
