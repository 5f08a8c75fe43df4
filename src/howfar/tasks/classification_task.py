"""Implement classification: read predicted classes and labels, and measure accuracy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item
from howfar.data.annotations import FirstLabels
from howfar.data.class_names_and_predictions import (
    ClassPredictions,
    class_names,
    folder_notes,
    labelled_by_folders,
    named,
    read_classes,
)
from howfar.data.image_and_mask_folders import path_text
from howfar.data.label_files import read_class_labels
from howfar.data.name_matching import entries_of, examples
from howfar.data.python_objects import labelled
from howfar.data.untrusted_documents_and_tables import TABLES, column_roles
from howfar.errors import InputError, blaming
from howfar.metrics.classification import CLASSIFICATION, class_signals
from howfar.relation.labelled_images import CLASS_SIGNALS, CONFIDENCE
from howfar.results import Evaluation
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.tasks import task

AVERAGE = "average_confidence"
_OF_A_SET = ("nuclear_norm", "mano")
"""Signals of a classifier that an image has only among the others of its set."""


@dataclass(frozen=True)
class ClassificationTask(task.Task):
    """Serve classification from tables of class predictions; `roles` maps columns, `names` lists the classes from 0 on."""

    roles: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    name = "classification"
    options = ("columns", "classes")
    proxy = "confidence of the predicted class"
    means = "accuracy"
    label_place = "labels.csv"
    performance_name = PERFORMANCE_NAMES[name]
    endings = TABLES
    truth_noun = "labels"
    labelling = "sort the images into class folders, or pass a table with the columns image and label"

    @classmethod
    def failing(cls, count: int, tau: float) -> str:
        return f"{'is' if count == 1 else 'are'} probably misclassified"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        return cls(column_roles(options.get("columns", ())), class_names(options.get("classes", ())))

    def measure(self, name: str | None) -> task.Measure:
        return task.named_measure(name, (task.Measure("accuracy", "accuracy", "mean"),))

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> task.ModelAnswers:
        table = read_classes(predictions, self.roles, self.names)
        sure = table.confidence.tolist()
        rows = [[value] for value in sure] if table.probabilities is None else table.probabilities.tolist()
        known = zip(table.images, table.predicted, sure, rows, strict=True)
        entries = {
            image: task.ModelAnswer(label, best, f"{label} {row}") if label else None for image, label, best, row in known
        }
        return task.ModelAnswers.of(dataset, predictions, entries, table.classes)

    def labelled(self, dataset: Dataset) -> Dataset:
        items = zip(dataset.items, labelled_by_folders(labelled(dataset)).items, strict=True)
        return replace(dataset, items=tuple(item for item, with_label in items if with_label.label is not None))

    def predicted(self, dataset: Dataset, predictions: str | Path) -> Collection[str]:
        table = read_classes(predictions, self.roles, self.names)
        return entries_of(dataset, "row", Path(predictions), table.images)

    def evaluate(self, dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
        """Score predicted classes against the dataset's labels or, without labels, the names of its class folders."""
        given = labelled(dataset)
        table, dataset = read_classes(predictions, self.roles, self.names), labelled_by_folders(given)
        labels = {item.name: named(item.label, self.names) for item in dataset.items if item.label is not None}
        # In the order of the probability columns, or sorted without probabilities.
        classes = table.classes
        if table.probabilities is None:
            classes = tuple(sorted({*classes, *labels.values()}))
        strange = sorted(set(labels.values()) - set(classes))
        if strange:
            line = f"{path_text(table.file)} has no column for the label {examples(strange[:1])} of {dataset.name}"
            raise InputError(f"{line} (its classes: {examples(classes, 8)}): name the columns after the labels")
        index = {name: number for number, name in enumerate(classes)}
        answers: Any = [index.get(name) for name in table.predicted] if table.probabilities is None else table.probabilities
        row = {image: number for number, image in enumerate(table.images)}

        def columns(tallied: Sequence[task.TalliedImage]) -> dict[str, Any]:
            rows = [row[image.entry] for image in tallied]
            labels_of_images: dict[str, Any] = {
                "label": [image.item.label or "" for image in tallied],
                "predicted_label": [table.predicted[number] for number in rows],
            }
            return labels_of_images | ({} if np.isnan(table.confidence[rows]).all() else _signals(table, rows))

        notes = (
            *folder_notes(given, dataset),
            *task.no_common_class(set(table.predicted) - {""}, set(labels.values()), "none is right"),
        )
        return task.evaluate_listing(
            dataset,
            CLASSIFICATION,
            table.file,
            dict(zip(table.images, answers, strict=True)),
            {image: index[label] for image, label in labels.items()},
            truth_word="label",
            unknown=0,
            columns=columns,
            partial=partial,
            progress=progress,
            notes=notes,
        )

    def read_labels(self, answers: task.ModelAnswers, place: str | Path, own: bool, scratch: Path) -> task.LabelsRead:
        read = read_class_labels(answers.dataset, place)
        begin = "labels that the model never gives count as its mistakes"
        unknown = task.unknown_class_notes(list(read.by_image.values()), answers.classes, begin)
        return dict(read.by_image), [*task.stranger_notes(read.strangers, answers.dataset), *unknown]

    def measured(self, measure: task.Measure, answers: task.ModelAnswers, labels: Mapping[str, Any]) -> task.SampleMeasures:
        return task.SampleMeasures(np.array([float(answers.by_image[name].value == label) for name, label in labels.items()]))

    def first_labels(self, answers: task.ModelAnswers, images: Sequence[str]) -> FirstLabels:
        classes = {name: answers.by_image[name].value for name in images}
        return FirstLabels(self.name, own=answers.classes, classes=classes)


def class_listing(file: Path, roles: Mapping[str, str], names: Sequence[str]) -> task.ListedSignals:
    """List the images of a table of class predictions; raises `InputError` for a file of another form."""
    table = read_classes(file, roles, names)
    row = {image: number for number, image in enumerate(table.images)}

    def of_set(entries: Sequence[tuple[str, Item]]) -> list[Mapping[str, float]]:
        columns = _signals(table, [row[name] for name, _ in entries])
        return [{name: float(values[k]) for name, values in columns.items()} for k in range(len(entries))]

    known = (CONFIDENCE,) if table.probabilities is None else CLASS_SIGNALS
    return task.ListedSignals(file, (AVERAGE, *known), lambda _: (table.images, of_set), frozenset(_OF_A_SET))


def _signals(table: ClassPredictions, rows: Sequence[int]) -> dict[str, Float64Array]:
    """Compute signals of some rows by name, nan where missing; raise `InputError`, with file and image, for bad ones."""
    confidence = table.confidence[rows]
    columns = {AVERAGE: confidence}
    if table.probabilities is None:
        return {**columns, CONFIDENCE: confidence}
    p = table.probabilities[rows]
    finite = np.isfinite(p).all(axis=1)
    try:
        known = class_signals(p[finite]) if finite.any() else {}
    except InputError:
        for number in np.flatnonzero(finite).tolist():
            with blaming(f"the row {table.images[rows[number]]} of {path_text(table.file)}"):
                CLASSIFICATION.tally(p[number], 0)
        raise
    return {**columns, **{name: task.spread(known.get(name), finite) for name in CLASS_SIGNALS}}
