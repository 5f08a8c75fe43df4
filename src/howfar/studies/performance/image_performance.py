"""The performance of a run's images: each image's own, and where pixels were counted, F of any of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics import THRESHOLDS, Counts, f, f_per_image, ods, precision_recall, threshold_index
from howfar.metrics.label_free_signals import predicted_foreground
from howfar.relation.label_free_columns import AGREEMENTS, CONFIDENCES, HISTOGRAM, VALUES
from howfar.results import Evaluation
from howfar.studies.performance.performance_files import Matched
from howfar.studies.performance.tables import GIVEN, VALUE

UNTUNED = 0.5
NOT_TUNED = "not tuned on any set"
SHARE = "predicted_foreground"
_COUNTS = ("predicted", "hits_predicted", "hits_true")


@dataclass(frozen=True, eq=False)
class Scores:
    """Performance of n images, in the run's order.

    Attributes
    ----------
    performance
        (n,) each image's own, at the common threshold where there is one; nan where unknown or undefined.
    counted
        (n,) whether an image has a part in the scores of its set: it was compared with its mask, which may be blank, or a
        performance was given.
    counts
        Pixel counts of all n images (zeros where there are none), or None where some performances came without counts.
    metric
        What performance is, in words.
    threshold, source
        The common threshold and where it comes from, in words; None and "" where performances are taken as they were given.
    """

    performance: Float64Array
    counted: NDArray[np.bool_]
    counts: Counts | None
    metric: str
    threshold: float | None
    source: str

    def common(self, indices: NDArray[np.intp]) -> float:
        """Performance of several images at the common threshold: F of their summed counts, or the mean of their own."""
        if self.counts is None or self.threshold is None:
            return _mean(self.performance[indices])
        return float(f(self.counts, indices)[threshold_index(self.threshold)])

    def retuned(self, indices: NDArray[np.intp]) -> tuple[float, float]:
        """F of several images at the threshold that is best for them, and that threshold; the mean and nan without counts."""
        if self.counts is None:
            return _mean(self.performance[indices]), float("nan")
        return ods(self.counts, indices)

    def by_threshold(self, indices: NDArray[np.intp]) -> pd.DataFrame:
        """Precision, recall and F of several images at every threshold; no rows without counts."""
        if self.counts is None or not self.counts.true[indices].any():
            return pd.DataFrame({name: np.empty(0) for name in ("threshold", "precision", "recall", "f")})
        precision, recall = precision_recall(self.counts, indices)
        values = f(self.counts, indices)
        return pd.DataFrame({"threshold": THRESHOLDS, "precision": precision, "recall": recall, "f": values})


def scores_of(matched: Matched, secondaries: Sequence[Evaluation], own: Evaluation | None, threshold: float | None) -> Scores:
    """Performance of a run's images at the common threshold: the caller's, else the primary's own, else 0.5.

    Where any of the performances came without pixel counts, all are taken as they were given, so that one number does not
    stand for two things.

    Parameters
    ----------
    matched
        The run's images with what is known of them.
    secondaries, own
        What it was matched from; the primary's evaluation where there is one.
    threshold
        The caller's.

    Raises
    ------
    InputError
        A threshold for performances without counts; evaluations of several tasks, or of several tolerances.
    """
    known = [*secondaries] if own is None else [*secondaries, own]
    tasks = sorted({one.task for one in known if one.task != GIVEN})
    if len(tasks) > 1:
        raise InputError.of("performance", "must be of one task", ", ".join(tasks))
    tolerances = sorted({one.tolerance for one in known if one.task == "segmentation"})
    if len(tolerances) > 1:
        raise InputError.of("performance", "must be counted with one tolerance", tolerances, "evaluate again with one of them")
    rows = matched.rows
    if not all(one.task == "segmentation" for one in secondaries):
        if threshold is not None:
            rule = "is of use only where all performances hold pixel counts"
            raise InputError.of("threshold", rule, threshold, "leave it out")
        metrics = dict.fromkeys(one.metric for one in secondaries)
        values = rows[VALUE].to_numpy(dtype=np.float64, na_value=np.nan)
        return Scores(values, np.isfinite(values), None, " or ".join(metrics), None, "")
    counts = _counts(rows)
    at, source = _common(threshold, own)
    performance = f_per_image(counts)[:, threshold_index(at)]
    counted = rows["true"].notna().to_numpy()
    return Scores(performance, counted, counts, f"F at threshold {at:.2f}", at, source)


def signals_at(rows: pd.DataFrame, threshold: float | None) -> dict[str, NDArray[np.float64]]:
    """The label-free signals of each image, nan where there are none; the predicted share at the common threshold.

    Parameters
    ----------
    rows
        As `Matched.rows`.
    threshold
        The common threshold; None stands for 0.5, as an evaluation's own share is taken at a threshold that was tuned on the
        set's labels. Where there is no histogram the share stays as it was given.
    """
    names = [name for name in (*CONFIDENCES, *AGREEMENTS) if name in rows]
    found = {name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names}
    if HISTOGRAM in rows:
        found[HISTOGRAM] = _table(rows[HISTOGRAM], VALUES, np.nan)
        at = UNTUNED if threshold is None else threshold
        shares = np.array([_predicted(one, at) for one in found[HISTOGRAM]])
        found[SHARE] = np.where(np.isnan(shares), found.get(SHARE, shares), shares)
    return found


def _common(threshold: float | None, own: Evaluation | None) -> tuple[float, str]:
    if threshold is not None:
        return float(THRESHOLDS[threshold_index(threshold)]), "given"
    tuned = None if own is None else own.scores.get("ods_threshold")
    if own is not None and tuned is not None:
        return float(tuned), f"tuned on {own.dataset}"
    return UNTUNED, NOT_TUNED


def _counts(rows: pd.DataFrame) -> Counts:
    predicted, hits_predicted, hits_true = (_table(rows[name], len(THRESHOLDS), 0).astype(np.int64) for name in _COUNTS)
    true = rows["true"].fillna(0).to_numpy(dtype=np.int64)
    pixels = rows[HISTOGRAM].map(lambda one: int(np.sum(one)) if isinstance(one, (np.ndarray, list)) else 0)
    return Counts(predicted, hits_predicted, hits_true, true, pixels.to_numpy(dtype=np.int64))


def _table(column: pd.Series, width: int, missing: float) -> NDArray[np.float64]:
    """Lists in a column as an array, a row an image; `missing` where there is no list."""
    blank = np.full(width, missing)
    return np.stack([np.asarray(one, dtype=np.float64) if isinstance(one, (np.ndarray, list)) else blank for one in column])


def _predicted(histogram: Float64Array, threshold: float) -> float:
    known = bool(np.isfinite(histogram).all())
    return predicted_foreground(histogram.astype(np.int64), threshold) if known else float("nan")


def _mean(values: Float64Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
