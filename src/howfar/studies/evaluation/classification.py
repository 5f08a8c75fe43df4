"""Classification: predicted classes or their probabilities against the dataset's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data import Dataset
from howfar.data.class_predictions import ClassPredictions, read_classes
from howfar.data.folder_walk import printable
from howfar.data.prediction_matching import examples
from howfar.errors import InputError
from howfar.metrics.classification import CLASSIFICATION
from howfar.results import Evaluation
from howfar.studies.evaluation.listed_predictions import Listing, Tallied, evaluate_listing


def evaluate_classes(dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
    """Score predicted classes against the dataset's labels; `howfar.evaluate` says what its arguments mean.

    Raises
    ------
    HowfarError
        As `howfar.data.class_predictions.read_classes` and `evaluate_listing`; a label that the table has no
        probabilities of.
    """
    table = read_classes(predictions)
    labels = {item.name: item.label for item in dataset.items if item.label is not None}
    classes = _classes(table, labels, dataset.name)
    index = {name: place for place, name in enumerate(classes)}
    given: Any = [index.get(name) for name in table.predicted] if table.probabilities is None else table.probabilities
    row = {image: number for number, image in enumerate(table.images)}

    def columns(tallied: Sequence[Tallied]) -> dict[str, Any]:
        rows = [row[one.entry] for one in tallied]
        confidence = table.confidence[rows]
        found: dict[str, Any] = {
            "label": [one.item.label or "" for one in tallied],
            "predicted_label": [table.predicted[number] for number in rows],
        }
        return found if np.isnan(confidence).all() else {**found, "average_confidence": confidence}

    listing = Listing(
        task="classification",
        metric=CLASSIFICATION,
        file=table.file,
        predictions=dict(zip(table.images, given, strict=True)),
        truths={image: index[label] for image, label in labels.items()},
        truth_word="label",
        unknown=0,
        columns=columns,
    )
    return evaluate_listing(dataset, listing, partial, progress)


def _classes(table: ClassPredictions, labels: Mapping[str, str], dataset: str) -> tuple[str, ...]:
    """The classes, in an order in which an index is a column of probabilities."""
    if table.probabilities is None:
        return tuple(sorted({*table.classes, *labels.values()}))
    strange = sorted({label for label in labels.values() if label not in table.classes})
    if strange:
        line = f"{printable(table.file)} has no column for the label {strange[0]} of {dataset}"
        raise InputError(f"{line} (its classes: {examples(table.classes, 8)}): name the columns after the labels")
    return table.classes
