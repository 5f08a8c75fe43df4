"""Choose the threshold at which an image's F is taken: the dataset's own best, a given one, or another dataset's best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from howfar.errors import InputError
from howfar.metrics import THRESHOLDS, threshold_index
from howfar.results import Evaluation

FALLBACK = 0.5


@dataclass(frozen=True, eq=False)
class Cut:
    """Hold a threshold, its source in words, and the evaluation that it was tuned on."""

    threshold: float
    source: str
    tuned_on: Evaluation | None = None

    @property
    def words(self) -> str:
        """Describe in words the performance at this threshold."""
        return f"F at threshold {self.threshold:.2f} ({self.source})"


def own_best(ods_threshold: float) -> Cut:
    """Take the best threshold by the set's own masks, as in the paper; 0.5 where nothing is true and the threshold is nan.

    Examples
    --------
    >>> own_best(0.43).words, own_best(float("nan")).words
    ('F at threshold 0.43 (best for this set)', 'F at threshold 0.50 (no foreground to tune on)')
    """
    if math.isnan(ods_threshold):
        return Cut(FALLBACK, "no foreground to tune on")
    return Cut(ods_threshold, "best for this set")


def choose(threshold: float | None, tuned_on: Evaluation | str | Path | None) -> Cut | None:
    """Return the threshold that the arguments of `howfar.evaluate` ask for; None for the set's own best.

    Raises `MissingPathError` or `StoreError` where the evaluation's file is not there or is damaged; `InputError` where both
    arguments are given, for a threshold that is none of 0.00, 0.01 … 0.99, or for an evaluation that has no ODS threshold.
    """
    if threshold is not None and tuned_on is not None:
        raise InputError("threshold and tuned_on cannot both be given: a threshold is given, or tuned on a set")
    if threshold is not None:
        if not isinstance(threshold, Real):
            raise InputError.of("threshold", "must be a number", threshold, "pass one of 0.00, 0.01 … 0.99")
        return Cut(float(THRESHOLDS[threshold_index(threshold)]), "given")
    if tuned_on is None:
        return None
    if not isinstance(tuned_on, (Evaluation, str, Path)):
        raise InputError.of("tuned_on", "must be an Evaluation or its file", type(tuned_on).__name__)
    tuned = tuned_on if isinstance(tuned_on, Evaluation) else Evaluation.load(tuned_on)
    best = tuned.scores.get("ods_threshold")
    if best is None:
        rule = "must be an evaluation of maps against masks with foreground"
        raise InputError.of("tuned_on", rule, f"{tuned.task} of {tuned.dataset}", "evaluate P's predictions first")
    return Cut(float(THRESHOLDS[threshold_index(best)]), f"tuned on {tuned.dataset}", tuned)
