"""Measure images for the judge of sites: each one's performance at a common threshold, its signals and its photograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.data.name_attributes import fits, image_groups
from howfar.errors import InputError
from howfar.metrics import THRESHOLDS, Counts, f, f_per_image, ods, precision_recall, threshold_index
from howfar.metrics.label_free_signals import predicted_foreground, soft_f
from howfar.metrics.metric_interface import mean_of_defined
from howfar.options_by_function import CalibrationOptions
from howfar.relation.labelled_images import (
    AT_THRESHOLD,
    EVERY_SIGNAL,
    HISTOGRAM,
    SOFT_F,
    TILE_AGREEMENT,
    VALUES,
    LabelledImages,
    take,
)
from howfar.relation.site_judge import Evidence, Terms
from howfar.results import Evaluation
from howfar.studies.performance.performance_files import GIVEN, VALUE, Matched, match


def groups_of(images: pd.DataFrame, group: str | None) -> list[str]:
    """Return each image's group, prefixed with its dataset: ``roads/a`` of roads' ``a-1.png`` by ``(.+)-[0-9]+``.

    The expression `group` is matched from the start of a name without its ending, and replaces the table's own groups in
    column `group`; an image without either is a group.
    """
    names = images["image"].tolist()
    if group is None and GROUP not in images:
        return [f"{dataset}/{name}" for dataset, name in zip(images["dataset"], names, strict=True)]
    own = [of if isinstance(of, str) and of else None for of in images[GROUP]] if GROUP in images else []
    photographs = image_groups(names, own, group)
    return [f"{dataset}/{photograph}" for dataset, photograph in zip(images["dataset"], photographs, strict=True)]


GROUP: Final = "group"
PIXELS = "pixels"


UNTUNED = 0.5
NOT_TUNED = "not tuned on any set"
SHARE = "predicted_foreground"
THRESHOLD = "threshold"
"""Column of the threshold that an image's foreground was measured at."""
SAME = 1e-6
_COUNTS = ("predicted", "hits_predicted", "hits_true")


@dataclass(frozen=True, eq=False)
class ImagePerformance:
    """Hold the performance of n images, in the order of the comparison.

    `performance` (n,) is at the common threshold where there is one, nan where unknown. `counted` (n,) says whether an image
    has a part in its set's scores: it was compared with its mask, which may be blank, or a performance was given. `counts`
    are pixel counts, None where some performances came without; then `threshold` is None and its `source`, in words, "".
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
            return mean_of_defined(self.performance[indices])
        return float(f(self.counts, indices)[threshold_index(self.threshold)])

    def retuned(self, indices: NDArray[np.intp]) -> tuple[float, float]:
        """Compute F of several images at their best threshold, and that threshold; without counts their mean and nan."""
        if self.counts is None:
            return mean_of_defined(self.performance[indices]), float("nan")
        return ods(self.counts, indices)

    def by_threshold(self, indices: NDArray[np.intp]) -> pd.DataFrame:
        """Compute precision, recall and F of several images at every threshold; no rows without foreground counts."""
        if self.counts is None or not self.counts.true[indices].any():
            return pd.DataFrame({name: np.empty(0) for name in ("threshold", "precision", "recall", "f")})
        precision, recall = precision_recall(self.counts, indices)
        values = f(self.counts, indices)
        return pd.DataFrame({"threshold": THRESHOLDS, "precision": precision, "recall": recall, "f": values})


def scores_of(
    matched: Matched, secondaries: Sequence[Evaluation], own: Evaluation | None, threshold: float | None
) -> ImagePerformance:
    """Compute the images' performance at the common threshold: the caller's, else the primary dataset's own, else 0.5.

    Where any performances came without pixel counts, all are taken as they were given, so that one number does not stand for
    two things. Raises `InputError` for a threshold without counts, and for evaluations of several tasks or tolerances.
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
        return ImagePerformance(values, np.isfinite(values), None, " or ".join(metrics), None, "")
    counts = counts_of(rows)
    tuned = None if own is None else own.scores.get("ods_threshold")
    common, source = UNTUNED, NOT_TUNED
    if threshold is not None:
        common, source = float(THRESHOLDS[threshold_index(threshold)]), "given"
    elif own is not None and tuned is not None:
        common, source = float(tuned), f"tuned on {own.dataset}"
    performance = f_per_image(counts)[:, threshold_index(common)]
    counted = rows["true"].notna().to_numpy()
    return ImagePerformance(performance, counted, counts, f"F at threshold {common:.2f}", common, source)


def signals_at(rows: pd.DataFrame, threshold: float | None) -> dict[str, NDArray[np.float64]]:
    """Collect what is known of each image without labels at the common threshold (None: 0.5): signals, and the gate's inputs.

    Missing values are nan. The predicted share and soft F are computed from the histogram, and stay as given where there is
    none; a share at an unknown threshold is left out. The foreground's shape and overlap with its mirror image cannot be
    computed anew: an image evaluated at another threshold lacks them.
    """
    known = (name for name in (*EVERY_SIGNAL, PIXELS, TILE_AGREEMENT) if name in rows)
    columns = {name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in known}
    at = UNTUNED if threshold is None else threshold
    if THRESHOLD in rows:
        elsewhere = np.abs(rows[THRESHOLD].to_numpy(dtype=np.float64, na_value=np.nan) - at) > SAME
        for name in set(AT_THRESHOLD) & set(columns):
            columns[name] = np.where(elsewhere, np.nan, columns[name])
    if HISTOGRAM in rows:
        columns[HISTOGRAM] = _table(rows[HISTOGRAM], VALUES, np.nan)
        columns.setdefault(PIXELS, columns[HISTOGRAM].sum(axis=1))
        for name, signal in ((SHARE, predicted_foreground), (SOFT_F, soft_f)):
            counted = (counts.astype(np.int64) if np.isfinite(counts).all() else None for counts in columns[HISTOGRAM])
            values = np.array([np.nan if counts is None else signal(counts, at) for counts in counted])
            columns[name] = np.where(np.isnan(values), columns.get(name, values), values)
    elif threshold is None:
        columns.pop(SHARE, None)
    return columns


def counts_of(rows: pd.DataFrame) -> Counts:
    """Return the pixel counts of an evaluation's images, zeros without a mask; `KeyError` for evaluations without counts."""
    predicted, hits_predicted, hits_true = (_table(rows[name], len(THRESHOLDS), 0).astype(np.int64) for name in _COUNTS)
    true = rows["true"].fillna(0).to_numpy(dtype=np.int64)
    pixels = rows[HISTOGRAM].map(lambda counts: int(np.sum(counts)) if isinstance(counts, (np.ndarray, list)) else 0)
    return Counts(predicted, hits_predicted, hits_true, true, pixels.to_numpy(dtype=np.int64))


def _table(column: pd.Series, width: int, missing: float) -> NDArray[np.float64]:
    """Stack a column of lists into an array with one row per image; an absent list becomes `missing`."""
    blank = np.full(width, missing)
    rows = [values if isinstance(values, (np.ndarray, list)) else blank for values in column]
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows])


@dataclass(frozen=True, eq=False)
class MeasuredImages:
    """Hold the images of several datasets with their performance, the judge's inputs, and the primary's own evaluation."""

    images: pd.DataFrame
    matched: Matched
    scores: ImagePerformance
    columns: dict[str, NDArray[Any]]
    own: Evaluation | None
    tiled: bool

    @classmethod
    def of(
        cls,
        images: pd.DataFrame,
        distances: Mapping[str, NDArray[Any]],
        evaluations: Sequence[Evaluation],
        own: Evaluation | None,
        threshold: float | None,
    ) -> MeasuredImages:
        """Add to images and their distances the performance at the common threshold, and the label-free signals."""
        matched = match(images, evaluations)
        scores = scores_of(matched, evaluations, own, threshold)
        columns = {**distances, **signals_at(matched.rows, scores.threshold)}
        tiled = all(evaluation.tiled for evaluation in (*evaluations, *([] if own is None else [own])))
        return cls(images, matched, scores, columns, own, tiled)

    @property
    def sets(self) -> NDArray[np.str_]:
        """Return each image's dataset."""
        return self.images["dataset"].to_numpy(dtype=str)

    def terms(self, given: CalibrationOptions) -> Terms:
        """Return the settings of a judge of these images."""
        return Terms(given["tau"], given["level"], given["error_rate"], self.tiled)

    def evidence(self, group: str | None, primary: str, further: MeasuredImages | None = None) -> Evidence:
        """Collect the labelled images of sites and corrupted sets, and of the primary dataset's own kind.

        `further` are labelled images outside the run: corrupted versions of the primary's images.
        """
        photographs = np.array(groups_of(self.images, group), dtype=np.str_)
        images = LabelledImages(self.columns, self.scores.performance, self.sets, photographs)
        if further is not None:
            corrupted = LabelledImages(further.columns, further.scores.performance, further.sets, further.sets)
            images = LabelledImages.stacked(images, corrupted)
        return Evidence.of(images, home_of(self.own, self.scores.threshold, group), primary)


def home_of(own: Evaluation | None, threshold: float | None, group: str | None) -> LabelledImages | None:
    """Collect the labelled images of the primary dataset's own evaluation, at the common threshold; None if there are none.

    They have no distances: an image of the primary dataset is not as far from it as a new one would be. Without pixel counts,
    where the others are at a common threshold, they are left out: one number would stand for two things.
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
    images = rows[["dataset", "image", *([GROUP] if GROUP in rows else [])]]
    # An expression that is made for the names of the secondary datasets need not match those of the primary one.
    fitting = group is not None and fits(images["image"].tolist(), group)
    groups = np.array(groups_of(images, group if fitting else None))
    # By name, so that the order of a file's rows changes no digit.
    order = np.flatnonzero(scored)[np.argsort(images["image"].to_numpy(dtype=str)[scored], kind="stable")]
    columns = take(signals_at(rows, threshold), order)
    return LabelledImages(columns, performance[order], np.full(len(order), own.dataset), groups[order])
