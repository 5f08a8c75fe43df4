"""Compute each image's performance at a common threshold, and the pooled F of any subset of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.data.groups import fits
from howfar.errors import InputError
from howfar.metrics import THRESHOLDS, Counts, f, f_per_image, ods, precision_recall, threshold_index
from howfar.metrics.label_free_signals import predicted_foreground
from howfar.metrics.soft_f import soft_f
from howfar.relation.label_free_columns import AT_THRESHOLD, EVERY_SIGNAL, HISTOGRAM, SOFT_F, VALUES, take
from howfar.results import Evaluation
from howfar.studies.performance.evidence import Home, sizes_at
from howfar.studies.performance.performance_files import Matched
from howfar.studies.performance.performance_tables import GIVEN, VALUE
from howfar.studies.performance.photograph_groups import groups_of

UNTUNED = 0.5
NOT_TUNED = "not tuned on any set"
SHARE = "predicted_foreground"
THRESHOLD = "threshold"
"""Column of the threshold that an image's foreground was measured at."""
SAME = 1e-6
_COUNTS = ("predicted", "hits_predicted", "hits_true")


@dataclass(frozen=True, eq=False)
class Scores:
    """Hold the performance of n images, in the order of the comparison.

    Attributes
    ----------
    performance
        (n,) performance of each image, at the common threshold where there is one; nan where unknown or undefined.
    counted
        (n,) whether an image has a part in the scores of its set: it was compared with its mask, which may be blank, or a
        performance was given.
    counts
        Pixel counts of all n images (zeros where there are none), or None where some performances came without counts.
    metric
        Name of the measure of performance, in words.
    threshold, source
        The common threshold and its source in words; None and "" where performances are taken as they were given.
    """

    performance: Float64Array
    counted: NDArray[np.bool_]
    counts: Counts | None
    metric: str
    threshold: float | None
    source: str

    def common(self, indices: NDArray[np.intp]) -> float:
        """Compute the performance of several images at the common threshold: F of their summed counts, or the mean."""
        if self.counts is None or self.threshold is None:
            return _mean(self.performance[indices])
        return float(f(self.counts, indices)[threshold_index(self.threshold)])

    def retuned(self, indices: NDArray[np.intp]) -> tuple[float, float]:
        """Compute F of several images at their best threshold, and that threshold; their mean and nan without counts."""
        if self.counts is None:
            return _mean(self.performance[indices]), float("nan")
        return ods(self.counts, indices)

    def by_threshold(self, indices: NDArray[np.intp]) -> pd.DataFrame:
        """Compute precision, recall and F of several images at every threshold; no rows without counts."""
        if self.counts is None or not self.counts.true[indices].any():
            return pd.DataFrame({name: np.empty(0) for name in ("threshold", "precision", "recall", "f")})
        precision, recall = precision_recall(self.counts, indices)
        values = f(self.counts, indices)
        return pd.DataFrame({"threshold": THRESHOLDS, "precision": precision, "recall": recall, "f": values})


def scores_of(matched: Matched, secondaries: Sequence[Evaluation], own: Evaluation | None, threshold: float | None) -> Scores:
    """Compute the images' performance at the common threshold: the caller's, else the primary dataset's own, else 0.5.

    Where any of the performances came without pixel counts, all are taken as they were given, so that one number does not
    stand for two things.

    `matched` are the images with their performance, `secondaries` and `own` the evaluations that were matched and the primary
    dataset's own, where there is one; `threshold` is the caller's, or None. Raises `InputError` for a threshold for
    performances without counts, evaluations of several tasks, or of several tolerances.
    """
    evaluations = [*secondaries] if own is None else [*secondaries, own]
    tasks = sorted({evaluation.task for evaluation in evaluations if evaluation.task != GIVEN})
    if len(tasks) > 1:
        raise InputError.of("performance", "must be of one task", ", ".join(tasks))
    tolerances = sorted({evaluation.tolerance for evaluation in evaluations if evaluation.task == "segmentation"})
    if len(tolerances) > 1:
        raise InputError.of("performance", "must be counted with one tolerance", tolerances, "evaluate again with one of them")
    rows = matched.rows
    if not all(evaluation.task == "segmentation" for evaluation in secondaries):
        if threshold is not None:
            rule = "is of use only where all performances hold pixel counts"
            raise InputError.of("threshold", rule, threshold, "leave it out")
        metrics = dict.fromkeys(evaluation.metric for evaluation in secondaries)
        values = rows[VALUE].to_numpy(dtype=np.float64, na_value=np.nan)
        return Scores(values, np.isfinite(values), None, " or ".join(metrics), None, "")
    counts = counts_of(rows)
    common, source = _common(threshold, own)
    performance = f_per_image(counts)[:, threshold_index(common)]
    counted = rows["true"].notna().to_numpy()
    return Scores(performance, counted, counts, f"F at threshold {common:.2f}", common, source)


def home_of(own: Evaluation | None, threshold: float | None, group: str | None) -> Home | None:
    """Collect the labelled images of the primary dataset's own evaluation, at the common threshold; None where there are none.

    They have no distances: an image of the primary dataset is not as far from it as a new one would be. Where they came without
    pixel counts, and the others are at a common threshold, they are left out: one number would stand for two things.
    """
    if own is None:
        return None
    rows = own.images if own.threshold is None else own.images.assign(**{THRESHOLD: own.threshold})
    if threshold is not None and "hits_true" not in rows:
        return None
    if threshold is None:
        performance = rows[VALUE].to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        performance = f_per_image(counts_of(rows))[:, threshold_index(threshold)]
    scored = np.isfinite(performance)
    if not scored.any():
        return None
    images = rows[["dataset", "image"]]
    # An expression that is made for the names of the secondary datasets need not match those of the primary one.
    fitting = group is not None and fits(images["image"].tolist(), group)
    groups = np.array(groups_of(images, group if fitting else None))
    # By name, so that the order of a file's rows changes no digit.
    order = np.flatnonzero(scored)[np.argsort(images["image"].to_numpy(dtype=str)[scored], kind="stable")]
    columns = {**signals_at(rows, threshold), **sizes_at(rows)}
    return Home(own.dataset, take(columns, order), performance[order], groups[order])


def signals_at(rows: pd.DataFrame, threshold: float | None) -> dict[str, NDArray[np.float64]]:
    """Collect the label-free signals of each image, nan where there are none, at the common threshold.

    `rows` holds one row an image, with the columns of the performance files. `threshold` None stands for 0.5, as an
    evaluation's own share is taken at a threshold that was tuned on the set's labels. The predicted share and soft F are
    computed for it from the histogram, and stay as they were given where there is none; a share at a threshold that is not
    known is left out, as it could not be computed alike for a new image. The shape of the foreground and its overlap with the
    flipped image's cannot be computed anew: an image evaluated at another threshold lacks them.
    """
    names = [name for name in EVERY_SIGNAL if name in rows]
    columns = {name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names}
    if THRESHOLD in rows:
        taken = rows[THRESHOLD].to_numpy(dtype=np.float64, na_value=np.nan)
        elsewhere = np.abs(taken - (UNTUNED if threshold is None else threshold)) > SAME
        for name in set(AT_THRESHOLD) & set(columns):
            columns[name] = np.where(elsewhere, np.nan, columns[name])
    if HISTOGRAM in rows:
        columns[HISTOGRAM] = _table(rows[HISTOGRAM], VALUES, np.nan)
        at = UNTUNED if threshold is None else threshold
        for name, signal in ((SHARE, predicted_foreground), (SOFT_F, soft_f)):
            values = np.array([_at(signal, counts, at) for counts in columns[HISTOGRAM]])
            columns[name] = np.where(np.isnan(values), columns.get(name, values), values)
    elif threshold is None:
        columns.pop(SHARE, None)
    return columns


def _common(threshold: float | None, own: Evaluation | None) -> tuple[float, str]:
    if threshold is not None:
        return float(THRESHOLDS[threshold_index(threshold)]), "given"
    tuned = None if own is None else own.scores.get("ods_threshold")
    if own is not None and tuned is not None:
        return float(tuned), f"tuned on {own.dataset}"
    return UNTUNED, NOT_TUNED


def counts_of(rows: pd.DataFrame) -> Counts:
    """Return the pixel counts of the rows of an evaluation's images: zeros where an image has no mask.

    Raises `KeyError` where the rows are of an evaluation without counts (labels, boxes, a table of performances).
    """
    predicted, hits_predicted, hits_true = (_table(rows[name], len(THRESHOLDS), 0).astype(np.int64) for name in _COUNTS)
    true = rows["true"].fillna(0).to_numpy(dtype=np.int64)
    pixels = rows[HISTOGRAM].map(lambda counts: int(np.sum(counts)) if isinstance(counts, (np.ndarray, list)) else 0)
    return Counts(predicted, hits_predicted, hits_true, true, pixels.to_numpy(dtype=np.int64))


def _table(column: pd.Series, width: int, missing: float) -> NDArray[np.float64]:
    """Stack the lists in a column to an array, a row an image; `missing` where there is no list."""
    blank = np.full(width, missing)
    rows = [values if isinstance(values, (np.ndarray, list)) else blank for values in column]
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows])


def _at(signal: Callable[[ArrayLike, float], float], histogram: Float64Array, threshold: float) -> float:
    counted = bool(np.isfinite(histogram).all())
    return signal(histogram.astype(np.int64), threshold) if counted else float("nan")


def _mean(values: Float64Array) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
