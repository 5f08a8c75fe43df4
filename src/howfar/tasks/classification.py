"""Serve classification: read tables of predicted classes and class labels, and measure accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from howfar.data import Dataset
from howfar.data.classes import class_names, read_classes
from howfar.data.documents import column_roles
from howfar.data.listed_labels import FirstLabels, read_class_labels
from howfar.tasks.task import (
    LabelsRead,
    Measure,
    ModelAnswer,
    ModelAnswers,
    SampleMeasures,
    Task,
    named_measure,
    stranger_notes,
    unknown_class_notes,
)


@dataclass(frozen=True)
class ClassificationTask(Task):
    """Read a table of class predictions by the `roles` of its columns; `names` are the classes 0, 1, 2 and so on."""

    roles: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    name = "classification"
    options = ("columns", "classes")
    proxy = "confidence of the predicted class"
    means = "accuracy"
    label_place = "labels.csv"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        return cls(column_roles(options.get("columns", ())), class_names(options.get("classes", ())))

    def measure(self, name: str | None) -> Measure:
        return named_measure(name, (Measure("accuracy", "accuracy", "mean"),))

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> ModelAnswers:
        table = read_classes(predictions, self.roles, self.names)
        sure = table.confidence.tolist()
        rows = [[value] for value in sure] if table.probabilities is None else table.probabilities.tolist()
        known = zip(table.images, table.predicted, sure, rows, strict=True)
        entries = {image: ModelAnswer(label, best, f"{label} {row}") if label else None for image, label, best, row in known}
        return ModelAnswers.of(dataset, predictions, entries, table.classes)

    def read_labels(self, answers: ModelAnswers, place: str | Path, own: bool, scratch: Path) -> LabelsRead:
        read = read_class_labels(answers.dataset, place)
        unknown = unknown_class_notes(
            list(read.labels.values()), answers.classes, "labels that the model never gives count as its mistakes"
        )
        return dict(read.labels), [*stranger_notes(read.strangers, answers.dataset), *unknown]

    def measured(self, measure: Measure, answers: ModelAnswers, labels: Mapping[str, Any]) -> SampleMeasures:
        return SampleMeasures(np.array([float(answers.by_image[name].value == label) for name, label in labels.items()]))

    def first_labels(self, answers: ModelAnswers, images: Sequence[str]) -> FirstLabels:
        classes = {name: answers.by_image[name].value for name in images}
        return FirstLabels(self.name, own=answers.classes, classes=classes)
