"""Score a segmenter: probability maps against masks, for the dataset as a whole and for each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.data import Dataset
from howfar.data.folder_walk import printable
from howfar.data.predictions import match_maps, read_prediction
from howfar.data.probability_map_files import made_with
from howfar.errors import ImageError, InputError
from howfar.metrics import Counts, SegmentationScore, ThresholdScore, signals, soft_f, stack, summarise, threshold_index
from howfar.metrics.map_agreement import foreground_dice
from howfar.relation.label_free_columns import TILE_AGREEMENT
from howfar.results import Evaluation, Provenance
from howfar.studies.evaluation.caveats import notes
from howfar.studies.evaluation.map_scores import ScoredMap, Sources, all_faint, missing_maps, read_maps
from howfar.studies.evaluation.threshold_choice import FALLBACK, Cut, own_best
from howfar.studies.evaluation.thresholded_signals import thresholded_signals
from howfar.studies.evaluation.unscored_images import Fault, read_all, settle

OVER_THRESHOLDS = ("ods", "ods_threshold", "ois", "ois_aggregate", "ap")
AT_THRESHOLD = ("f", "mean_f", "precision", "recall", "iou")


def evaluate_maps(
    dataset: Dataset, sources: Sources, given: Cut | None, tolerance: float, partial: bool, progress: bool
) -> Evaluation:
    """Score the maps of a dataset; `howfar.evaluate` says what its arguments mean.

    Raises `InputError` where images cannot be scored and may not be left out, or all maps are of 0 and 1 where they should be
    of 0 to 255.
    """
    scored, faults = scored_maps(dataset, sources, tolerance, partial, progress)
    skipped = settle(faults, dataset, partial)
    masked = np.array([image.item.mask is not None for image in scored])
    counts = stack(image.counts for image in scored)
    whole = summarise(counts.take(masked), tolerance) if masked.any() else None
    cut = given or own_best(math.nan if whole is None else whole.ods_threshold)
    at_cut = None if whole is None else whole.at(cut.threshold)
    images = _frame(dataset.name, scored, counts, masked, cut.threshold, whole, at_cut)
    for name, values in thresholded_signals([image.item for image in scored], sources, cut.threshold, progress).items():
        images.insert(list(images.columns).index("histogram"), name, values)
    scores = {
        **{name: _defined(whole, name) for name in OVER_THRESHOLDS},
        **{name: _defined(at_cut if counts.true.any() else None, name) for name in AT_THRESHOLD},
        "false_positive_share": _defined(at_cut, "false_positive_share"),
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
        tiled=bool(scored) and all(made_with(sources.main.files[image.item.name]).get("tiled") is True for image in scored),
    )


def scored_maps(
    dataset: Dataset, sources: Sources, tolerance: float, partial: bool, progress: bool
) -> tuple[list[ScoredMap], list[Fault]]:
    """Score every image that has its maps; return the scores and the faults, each in the dataset's order.

    Raises `InputError` where an image has no map and may not be left out, or all maps are of 0 and 1 where they should be of 0
    to 255.
    """
    missing = missing_maps(dataset, sources)
    scored, faults = read_all(dataset, missing, lambda items: read_maps(items, sources, tolerance, progress), partial)
    if all_faint(scored):
        file = next(image.prediction for image in scored if image.faint)
        raise InputError(
            f"no map below {sources.main.folder} holds a value above 1 of 255 (255 of 65535), as {file}: "
            "p is value / 255 (value / 65535), so scale them up, or save p itself as float .npy arrays"
        )
    return scored, faults


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
    at_cut: ThresholdScore | None,
) -> pd.DataFrame:
    def spread(score: Any, attribute: str) -> Float64Array:
        """Spread values of the images with masks over all images, nan for the others."""
        values = np.full(len(scored), np.nan)
        values[masked] = np.nan if score is None else getattr(score, attribute)
        return values

    columns: dict[str, Any] = {
        "dataset": [name] * len(scored),
        "image": [image.item.name for image in scored],
        "path": [printable(image.item.path) for image in scored],
        "content": [image.content for image in scored],
        "prediction": [image.prediction for image in scored],
        "performance": spread(at_cut, "per_image_f"),
        "best": spread(whole, "per_image_best"),
        "best_threshold": spread(whole, "per_image_best_threshold"),
        **{what: spread(at_cut, f"per_image_{what}") for what in ("precision", "recall", "iou")},
        "foreground": np.where(masked, counts.true / counts.pixels, np.nan),
        **_signals(scored, counts, threshold),
        "histogram": [image.histogram for image in scored],
        # An image without a mask has no counts, rather than hits of 0, by which its foreground would count as false.
        **{
            what: [row if has_mask else None for row, has_mask in zip(getattr(counts, what), masked, strict=True)]
            for what in ("predicted", "hits_predicted", "hits_true")
        },
        "true": np.where(masked, counts.true.astype(np.float64), np.nan),
        "pixels": counts.pixels,
    }
    return pd.DataFrame(columns)


def _signals(scored: Sequence[ScoredMap], counts: Counts, threshold: float) -> dict[str, Float64Array]:
    """Compute label-free signals as columns; the predicted share is counted at the map's own precision."""
    rows = pd.DataFrame([signals(image.histogram, threshold) for image in scored])
    rows["predicted_foreground"] = counts.predicted[:, threshold_index(threshold)] / counts.pixels
    rows["soft_f"] = [soft_f(image.histogram, threshold) for image in scored]
    for agreement in ("flip_agreement", "ensemble_agreement"):
        values = [getattr(image, agreement) for image in scored]
        if values[0] is not None:
            rows[agreement] = np.array(values, dtype=np.float64)
    return {str(column): rows[column].to_numpy() for column in rows}


def with_agreement(scored: Evaluation, dataset: Dataset, predictions: str | Path, tiles: str | Path) -> Evaluation:
    """Add the Dice of the whole and the tiled map of each image that was scored; nan where either cannot be read.

    Raises `HowfarError` where a folder is missing or has no map of any image.
    """
    whole, tiled = match_maps(dataset, predictions).files, match_maps(dataset, tiles).files
    threshold, values = FALLBACK if scored.threshold is None else scored.threshold, []
    for name in scored.images["image"]:
        try:
            pair = [read_prediction(files[name]).values for files in (whole, tiled)]
            values.append(foreground_dice(pair[0], pair[1], threshold))
        except (KeyError, ImageError, ValueError):
            values.append(float("nan"))
    agreement = pd.Series(values, index=scored.images.index, dtype=np.float64)
    return replace(scored, images=scored.images.assign(**{TILE_AGREEMENT: agreement}))
