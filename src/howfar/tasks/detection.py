"""Serve detection: read predicted and true boxes, and match them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from howfar.arrays import Float64Array, quotient
from howfar.data import Dataset
from howfar.data.box_files import read_predicted_boxes
from howfar.data.boxes import outside
from howfar.data.classes import class_names
from howfar.data.dataset import examples
from howfar.data.documents import column_roles
from howfar.data.listed_labels import Boxes, FirstLabels, read_box_labels
from howfar.errors import InputError
from howfar.metrics.detection import Detection, box_signals
from howfar.tasks.task import (
    LabelsRead,
    Measure,
    ModelAnswer,
    ModelAnswers,
    Pair,
    SampleMeasures,
    Task,
    label_count,
    named_measure,
    stranger_notes,
    unknown_class_notes,
)

_SAME = 0.5
"""Pixels by which a labelling tool may round a box that nobody has touched."""
NOTHING: Mapping[str, Any] = {"boxes": [], "labels": []}


@dataclass(frozen=True)
class DetectionTask(Task):
    """Match boxes by a metric; `roles` are the columns of tables, `names` the classes 0, 1, 2 and so on."""

    metric: Detection = field(default_factory=Detection)
    roles: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    name = "detection"
    options = ("truth", "iou", "min_score", "flipped", "columns", "classes")
    proxy = "mean score of the boxes"
    means = "mean_f1"
    label_place = "labels.json"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        chosen = {name: options[name] for name in ("iou", "min_score") if options.get(name) is not None}
        return cls(Detection(**chosen), column_roles(options.get("columns", ())), class_names(options.get("classes", ())))

    def measure(self, name: str | None) -> Measure:
        at = f"at IoU {self.metric.iou:g}"
        ratios = {"f1": "F1", "precision": "precision", "recall": "recall"}
        summed = (Measure(key, f"{word} {at} of the summed boxes", "ratio") for key, word in ratios.items())
        return named_measure(name, (Measure("mean_f1", f"mean F1 {at}", "mean"), *summed))

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> ModelAnswers:
        """Read predicted boxes; raises `InputError` for an image whose boxes cannot be scored."""
        entries: dict[str, ModelAnswer | None] = {}
        for name, boxes in read_predicted_boxes(dataset, predictions, None, self.roles, self.names).boxes.items():
            try:
                self.metric.tally({**boxes, "labels": [0] * len(boxes["labels"])}, NOTHING)
            except InputError as error:
                raise InputError(f"the entry {name} of {predictions}: {error}") from error
            scores = np.array(boxes["scores"], dtype=np.float64)
            mean = box_signals(scores[scores >= self.metric.min_score])["box_score"]
            entries[name] = ModelAnswer(boxes, mean if 0.0 <= mean <= 1.0 else float("nan"), json.dumps(boxes, sort_keys=True))
        labels = {label for entry in entries.values() if entry is not None for label in entry.value["labels"]}
        return ModelAnswers.of(dataset, predictions, entries, sorted(labels))

    def expected(self, measure: Measure, answers: ModelAnswers) -> Pair | None:
        """Expect as many matched boxes as the scores sum to, and none missed."""
        if measure.kind == "mean":
            return None
        scores = [np.array(answer.value["scores"], float) for answer in answers.by_image.values()]
        kept = [values[values >= self.metric.min_score] for values in scores]
        hits = np.array([[float(np.clip(values, 0.0, 1.0).sum())] for values in kept])
        false = np.array([[float(len(values))] for values in kept]) - hits
        return _parts(measure, hits, np.zeros_like(hits), false)

    def read_labels(self, answers: ModelAnswers, place: str | Path, own: bool, scratch: Path) -> LabelsRead:
        """Read the boxes that somebody drew; the model's own, unchanged, in a file that lists all images are no label."""
        dataset, read = answers.dataset, read_box_labels(answers.dataset, place)
        corners = {name: [box for _, box in boxes] for name, boxes in read.boxes.items()}
        notes = [*stranger_notes(read.strangers, dataset), *outside(dataset, corners, "true boxes")]
        known = ((name, answers.by_image.get(name), boxes) for name, boxes in read.boxes.items() if read.unsure)
        untouched = [name for name, answer, boxes in known if answer is not None and self._is_own(answer, boxes)]
        if untouched:
            what = f"{label_count(len(untouched))} the model's own boxes, unchanged ({examples(untouched)})"
            notes.append(
                f"{what}: taken for not labelled; where they are right as they are, write them as JSON, as predictions are"
            )
        labels = [label for boxes in read.boxes.values() for label, _ in boxes]
        notes += unknown_class_notes(labels, answers.classes, "classes that the model never gives count as missed")
        return {name: boxes for name, boxes in read.boxes.items() if name not in set(untouched)}, notes

    def measured(self, measure: Measure, answers: ModelAnswers, labels: Mapping[str, Any]) -> SampleMeasures:
        counts = [self._counts(name, answers.by_image[name], label) for name, label in labels.items()]
        hits, misses, false = np.array(counts, dtype=np.float64).reshape(-1, 3).T[:, :, None]
        if measure.kind == "mean":
            f1 = quotient(2 * hits, 2 * hits + misses + false)
            return SampleMeasures(np.where(hits + misses > 0, f1, np.nan)[:, 0])
        above, below = _parts(measure, hits, misses, false)
        return SampleMeasures(quotient(above, below)[:, 0], (above, below))

    def first_labels(self, answers: ModelAnswers, images: Sequence[str]) -> FirstLabels:
        boxes = {name: self._counting(answers.by_image[name]) for name in images}
        return FirstLabels(self.name, own=answers.classes, boxes=boxes)

    def _counting(self, answer: ModelAnswer) -> Boxes:
        """Return the class and corners of the boxes that count."""
        rows = zip(answer.value["labels"], answer.value["boxes"], answer.value["scores"], strict=True)
        return [(label, tuple(map(float, box))) for label, box, score in rows if score >= self.metric.min_score]

    def _counts(self, name: str, answer: ModelAnswer, label: Boxes) -> tuple[int, int, int]:
        index = {word: number for number, word in enumerate({*answer.value["labels"], *(word for word, _ in label)})}
        predicted: dict[str, Any] = {**answer.value, "labels": [index[word] for word in answer.value["labels"]]}
        true: dict[str, Any] = {"boxes": [list(box) for _, box in label], "labels": [index[word] for word, _ in label]}
        try:
            tally = self.metric.tally(predicted, true)
        except InputError as error:
            raise InputError(f"the label of {name} cannot be used: {error}") from error
        return tally.hits, tally.misses, tally.false

    def _is_own(self, answer: ModelAnswer, label: Boxes) -> bool:
        """Return whether boxes are the model's own, but for rounding."""
        own, theirs = sorted(self._counting(answer)), sorted((word, tuple(map(float, box))) for word, box in label)
        if [word for word, _ in own] != [word for word, _ in theirs]:
            return False
        return bool(np.allclose([box for _, box in own], [box for _, box in theirs], rtol=0.0, atol=_SAME))


def _parts(measure: Measure, hits: Float64Array, misses: Float64Array, false: Float64Array) -> Pair:
    if measure.name == "precision":
        return hits, hits + false
    if measure.name == "recall":
        return hits, hits + misses
    return 2.0 * hits, 2.0 * hits + misses + false
