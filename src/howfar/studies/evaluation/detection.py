"""Score an object detector: predicted boxes against true boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data import Dataset
from howfar.data.boxes import read_boxes
from howfar.metrics.detection import Detection
from howfar.results import Evaluation
from howfar.studies.evaluation.listed_predictions import Listing, Tallied, entries_of, evaluate_listing, unmatched


def evaluate_boxes(
    dataset: Dataset, predictions: str | Path, truth: str | Path, metric: Detection, partial: bool, progress: bool
) -> Evaluation:
    """Score predicted boxes against true ones; `howfar.evaluate` says what its arguments mean.

    Raises `HowfarError` where a file of boxes cannot be read or matches no image, images cannot be scored, or no image has true
    boxes.
    """
    predicted, true = read_boxes(predictions), read_boxes(truth, "true boxes")
    labels = sorted({label for side in (predicted, true) for boxes in side.values() for label in boxes["labels"]})
    index = {label: number for number, label in enumerate(labels)}
    for boxes in (*predicted.values(), *true.values()):
        boxes["labels"] = [index[label] for label in boxes["labels"]]
    entries = entries_of(dataset, "entry", Path(truth), list(true))
    listing = Listing(
        task="detection",
        metric=metric,
        file=Path(predictions),
        predictions=predicted,
        truths={image: true[entry] for image, entry in entries.items()},
        truth_word="entry among the true boxes",
        unknown={"boxes": [], "labels": []},
        columns=_columns,
    )
    return evaluate_listing(dataset, listing, partial, progress, tuple(unmatched(entries, "entry", Path(truth), list(true))))


def _columns(tallied: Sequence[Tallied]) -> dict[str, Any]:
    """Count matched, missed and false boxes of each image, nan where its truth is unknown, and average its boxes' scores."""
    has_truth = np.array([image.has_truth for image in tallied])
    boxes = [image.tally for image in tallied]
    counts = {
        name: np.where(has_truth, [getattr(tally, name) for tally in boxes], np.nan) for name in ("hits", "misses", "false")
    }
    means = [float(np.mean(tally.scores)) if len(tally.scores) else math.nan for tally in boxes]
    return {**counts, "average_confidence": np.array(means)}
