"""Segmentation: scores of probability maps against masks, and a row for each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.data import Dataset
from howfar.data.folder_walk import printable
from howfar.errors import InputError
from howfar.metrics import Counts, SegmentationScore, ThresholdScore, signals, stack, summarise, threshold_index
from howfar.results import Evaluation, Provenance
from howfar.studies.evaluation.map_scores import ScoredMap, Sources, all_faint, missing_maps, read_maps
from howfar.studies.evaluation.notes import notes
from howfar.studies.evaluation.threshold import Cut, own_best
from howfar.studies.evaluation.unscored_images import Fault, settle

OVER_THRESHOLDS = ("ods", "ods_threshold", "ois", "ois_aggregate", "ap")
AT_THRESHOLD = ("f", "mean_f", "precision", "recall", "iou")


def evaluate_maps(
    dataset: Dataset, sources: Sources, given: Cut | None, tolerance: float, partial: bool, progress: bool
) -> Evaluation:
    """Score the maps of a dataset; `howfar.evaluate` says what its arguments mean.

    Raises
    ------
    InputError
        As `howfar.studies.evaluation.unscored_images.settle`; or all maps are of 0 and 1 where they should be of 0 to 255.
    """
    scored, faults = _outcomes(dataset, sources, tolerance, partial, progress)
    skipped = settle(faults, dataset, partial)
    masked = np.array([one.item.mask is not None for one in scored])
    counts = stack(one.counts for one in scored)
    whole = summarise(counts.take(masked), tolerance) if masked.any() else None
    cut = given or own_best(math.nan if whole is None else whole.ods_threshold)
    there = None if whole is None else whole.at(cut.threshold)
    images = _frame(dataset.name, scored, counts, masked, cut.threshold, whole, there)
    scores = {
        **{name: _defined(whole, name) for name in OVER_THRESHOLDS},
        **{name: _defined(there if counts.true.any() else None, name) for name in AT_THRESHOLD},
        "false_positive_share": _defined(there, "false_positive_share"),
    }
    return Evaluation(
        dataset=dataset.name,
        task="segmentation",
        metric=cut.words,
        threshold=cut.threshold,
        tolerance=tolerance,
        n=len(scored),
        scored=int(images["performance"].notna().sum()),
        scores=scores,
        images=images,
        provenance=Provenance.now(),
        skipped=(*dataset.skipped, *skipped),
        notes=tuple(notes(scored, sources, scores, cut, tolerance)),
    )


def _outcomes(
    dataset: Dataset, sources: Sources, tolerance: float, partial: bool, progress: bool
) -> tuple[list[ScoredMap], list[Fault]]:
    """Every image as scored or at fault, in the dataset's order; what lacks a map is settled before anything is read."""
    missing = {fault.image: fault for fault in missing_maps(dataset, sources)}
    settle(list(missing.values()), dataset, partial)
    there = [item for item in dataset.items if item.name not in missing]
    read = dict(zip((item.name for item in there), read_maps(there, sources, tolerance, progress), strict=True))
    outcomes = [missing.get(item.name) or read[item.name] for item in dataset.items]
    scored = [one for one in outcomes if isinstance(one, ScoredMap)]
    if all_faint(scored):
        file = next(one.prediction for one in scored if one.faint)
        raise InputError(
            f"no map below {sources.main.folder} holds a value above 1 of 255 (255 of 65535), as {file}: "
            "p is value / 255 (value / 65535), so scale them up, or save p itself as float .npy arrays"
        )
    return scored, [one for one in outcomes if isinstance(one, Fault)]


def _defined(score: SegmentationScore | ThresholdScore | None, name: str) -> float | None:
    value = math.nan if score is None else float(getattr(score, name))
    return None if math.isnan(value) else value


def _frame(
    name: str,
    scored: Sequence[ScoredMap],
    counts: Counts,
    masked: np.ndarray[Any, np.dtype[np.bool_]],
    threshold: float,
    whole: SegmentationScore | None,
    there: ThresholdScore | None,
) -> pd.DataFrame:
    def spread(score: Any, attribute: str) -> Float64Array:
        """Values of the images with masks, nan for the others."""
        values = np.full(len(scored), np.nan)
        values[masked] = np.nan if score is None else getattr(score, attribute)
        return values

    columns: dict[str, Any] = {
        "dataset": [name] * len(scored),
        "image": [one.item.name for one in scored],
        "path": [printable(one.item.path) for one in scored],
        "content": [one.content for one in scored],
        "prediction": [one.prediction for one in scored],
        "performance": spread(there, "per_image_f"),
        "best": spread(whole, "per_image_best"),
        "best_threshold": spread(whole, "per_image_best_threshold"),
        **{what: spread(there, f"per_image_{what}") for what in ("precision", "recall", "iou")},
        "foreground": np.where(masked, counts.true / counts.pixels, np.nan),
        **_signals(scored, counts, threshold),
        "histogram": [one.histogram for one in scored],
        # An image without a mask has no counts, rather than hits of 0: nothing may take its foreground for false.
        **{
            what: [row if known else None for row, known in zip(getattr(counts, what), masked, strict=True)]
            for what in ("predicted", "hits_predicted", "hits_true")
        },
        "true": np.where(masked, counts.true.astype(np.float64), np.nan),
        "pixels": counts.pixels,
    }
    return pd.DataFrame(columns)


def _signals(scored: Sequence[ScoredMap], counts: Counts, threshold: float) -> dict[str, Float64Array]:
    """Label-free signals as columns; of maps finer than 8 bits the predicted share is counted, not read off the histogram."""
    rows = pd.DataFrame([signals(one.histogram, threshold) for one in scored])
    rows["predicted_foreground"] = counts.predicted[:, threshold_index(threshold)] / counts.pixels
    for agreement in ("flip_agreement", "ensemble_agreement"):
        values = [getattr(one, agreement) for one in scored]
        if values[0] is not None:
            rows[agreement] = np.array(values, dtype=np.float64)
    return {str(column): rows[column].to_numpy() for column in rows}
