"""Score an image classifier: predicted classes, or their probabilities, against a dataset's class labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset
from howfar.data.class_folders import folder_notes, labelled_by_folders
from howfar.data.class_names import named
from howfar.data.class_predictions import ClassPredictions, read_classes
from howfar.data.folder_walk import printable
from howfar.data.map_style import labelled
from howfar.data.prediction_matching import examples
from howfar.errors import InputError
from howfar.metrics.class_signals import class_signals
from howfar.metrics.classification import CLASSIFICATION
from howfar.results import Evaluation
from howfar.studies.evaluation.listed_predictions import Listing, Tallied, evaluate_listing, no_common_class


def evaluate_classes(
    given: Dataset,
    predictions: str | Path,
    partial: bool,
    progress: bool,
    columns_of: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
) -> Evaluation:
    """Score predicted classes against the dataset's labels; `howfar.evaluate` says what its arguments mean.

    Where the dataset has no labels, the names of its class folders are taken. `columns_of` gives the column of each role of the
    table, `names` those of the classes 0, 1, 2 …

    Raises `HowfarError` where the table cannot be read or matches no image, images cannot be scored, or a label has no
    probabilities in the table.
    """
    given = labelled(given)
    table, dataset = read_classes(predictions, columns_of, names), labelled_by_folders(given)
    labels = {item.name: named(item.label, names) for item in dataset.items if item.label is not None}
    classes = _classes(table, labels, dataset.name)
    index = {name: number for number, name in enumerate(classes)}
    answers: Any = [index.get(name) for name in table.predicted] if table.probabilities is None else table.probabilities
    row = {image: number for number, image in enumerate(table.images)}

    def columns(tallied: Sequence[Tallied]) -> dict[str, Any]:
        rows = [row[image.entry] for image in tallied]
        confidence = table.confidence[rows]
        labels_of_images: dict[str, Any] = {
            "label": [image.item.label or "" for image in tallied],
            "predicted_label": [table.predicted[number] for number in rows],
        }
        return labels_of_images | _signals(confidence, None if table.probabilities is None else table.probabilities[rows])

    listing = Listing(
        task="classification",
        metric=CLASSIFICATION,
        file=table.file,
        predictions=dict(zip(table.images, answers, strict=True)),
        truths={image: index[label] for image, label in labels.items()},
        truth_word="label",
        unknown=0,
        columns=columns,
    )
    notes = (
        *folder_notes(given, dataset),
        *no_common_class(set(table.predicted) - {""}, set(labels.values()), "none is right"),
    )
    return evaluate_listing(dataset, listing, partial, progress, notes)


def _signals(confidence: Float64Array, probabilities: Float64Array | None) -> dict[str, Float64Array]:
    """Compute signals of images that were classified, by name: of their probabilities, else of the confidence alone."""
    if np.isnan(confidence).all():
        return {}
    known = {"class_confidence": confidence} if probabilities is None else class_signals(probabilities)
    return {"average_confidence": confidence, **known}


def _classes(table: ClassPredictions, labels: Mapping[str, str], dataset: str) -> tuple[str, ...]:
    """List the classes, in an order in which an index is a column of probabilities."""
    if table.probabilities is None:
        return tuple(sorted({*table.classes, *labels.values()}))
    strange = sorted({label for label in labels.values() if label not in table.classes})
    if strange:
        line = f"{printable(table.file)} has no column for the label {strange[0]} of {dataset}"
        raise InputError(f"{line} (its classes: {examples(table.classes, 8)}): name the columns after the labels")
    return table.classes
