"""Implement the task of detection: read predicted and true boxes, match predictions to true boxes, and score each image."""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial as bound
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np

from howfar.arrays import Float64Array, quotient
from howfar.data import Dataset, Item
from howfar.data.annotations import Boxes as LabelledBoxes
from howfar.data.annotations import BoxesOf, BoxFile, FirstLabels
from howfar.data.box_files import outside, read_box_labels, read_predicted_boxes, read_true_boxes
from howfar.data.class_names_and_predictions import class_names
from howfar.data.image_and_mask_folders import counted, path_text
from howfar.data.image_decoding import size
from howfar.data.name_matching import entries_of, examples, matched_entries
from howfar.data.untrusted_documents_and_tables import TABLES, column_roles
from howfar.errors import ImageError, InputError, blaming
from howfar.metrics.detection import Boxes, Detection, box_consistency, box_f1, box_signals, box_stability, mirrored
from howfar.relation.labelled_images import BOX_AGREEMENTS, BOX_SIGNALS
from howfar.results import Evaluation
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.tasks import task

_SAME = 0.5
"""Pixels by which a labelling tool may round a box that nobody has touched."""
NOTHING: Mapping[str, Any] = {"boxes": [], "labels": []}

_MIRRORED = "boxes of the flipped images"
BOXES = "F1 at IoU"
"""How the words begin that say what a detector's performance is."""
Mirrored: TypeAlias = Callable[[Item], Boxes | None]
"""From an image to the boxes of its mirror image, turned back; None where that has none."""


@dataclass(frozen=True)
class DetectionTask(task.Task):
    """Serve detection, matching boxes by a metric; `roles` maps columns of tables, `names` lists the classes from 0 on."""

    metric: Detection = field(default_factory=Detection)
    roles: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    truth: str | Path | None = None
    flipped: str | Path | None = None

    name = "detection"
    options = ("truth", "iou", "min_score", "flipped", "columns", "classes")
    proxy = "mean score of the boxes"
    means = "mean_f1"
    label_place = "labels.json"
    performance_name = PERFORMANCE_NAMES[name]
    endings = (".json", *TABLES, task.FOLDER)
    further = (task.FLIPPED,)
    truth_noun = "true boxes"
    labelling = "pass a folder that holds them under the dataset's name (--truth DIR, with DIR/NAME.json)"

    @classmethod
    def failing(cls, count: int, tau: float) -> str:
        verb = "has" if count == 1 else "have"
        return f"probably {verb} wrong or missing boxes ({cls.performance_name} below {tau:g})"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        chosen = {name: options[name] for name in ("iou", "min_score") if options.get(name) is not None}
        roles, names = column_roles(options.get("columns", ())), class_names(options.get("classes", ()))
        return cls(Detection(**chosen), roles, names, options.get("truth"), options.get("flipped"))

    def measure(self, name: str | None) -> task.Measure:
        at = f"at IoU {self.metric.iou:g}"
        ratios = {"f1": "F1", "precision": "precision", "recall": "recall"}
        summed = (task.Measure(key, f"{word} {at} of the summed boxes", "ratio") for key, word in ratios.items())
        return task.named_measure(name, (task.Measure("mean_f1", f"mean F1 {at}", "mean"), *summed))

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> task.ModelAnswers:
        """Read predicted boxes; raises `InputError` for an image whose boxes cannot be scored."""
        entries: dict[str, task.ModelAnswer | None] = {}
        for name, boxes in read_predicted_boxes(dataset, predictions, None, self.roles, self.names).boxes.items():
            _tallied(self.metric, Path(predictions), name, {**boxes, "labels": [0] * len(boxes["labels"])})
            scores = np.array(boxes["scores"], dtype=np.float64)
            mean = box_signals(scores[scores >= self.metric.min_score])["box_score"]
            confidence = mean if 0.0 <= mean <= 1.0 else float("nan")
            entries[name] = task.ModelAnswer(boxes, confidence, json.dumps(boxes, sort_keys=True))
        labels = {label for entry in entries.values() if entry is not None for label in entry.value["labels"]}
        return task.ModelAnswers.of(dataset, predictions, entries, sorted(labels))

    def labelled(self, dataset: Dataset) -> Dataset:
        return dataset if self.truth is not None else replace(dataset, items=())

    def predicted(self, dataset: Dataset, predictions: str | Path) -> Collection[str]:
        truth = BoxFile({}) if self.truth is None else read_true_boxes(dataset, self.truth, self.roles, self.names)
        boxes = read_predicted_boxes(dataset, predictions, truth, self.roles, self.names).boxes
        sides = [entries_of(dataset, "entry", Path(predictions), list(boxes))]
        sides += [] if self.truth is None else [entries_of(dataset, "entry", Path(self.truth), list(truth.boxes))]
        return [item.name for item in dataset.items if all(item.name in side for side in sides)]

    def evaluate(self, dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
        """Score predicted boxes against true boxes; without truth, only signals are computed."""
        files = [Path(file) for file in (predictions, self.truth, self.flipped) if file is not None]
        if self.roles and not any(file.suffix.lower() in TABLES for file in files):
            rule = "is of no use where no file of boxes is a table"
            raise InputError.of("columns", rule, dict(self.roles), "leave it out")
        true_file = BoxFile({}) if self.truth is None else read_true_boxes(dataset, self.truth, self.roles, self.names)
        if self.truth is not None and not true_file.boxes:
            raise InputError.of("truth", "must hold the boxes of images, or say of some that they have none", str(self.truth))
        given = read_predicted_boxes(dataset, predictions, None if self.truth is None else true_file, self.roles, self.names)
        predicted, true = given.boxes, true_file.boxes
        mirror: BoxesOf = {}
        if self.flipped is not None:
            mirror = read_predicted_boxes(dataset, self.flipped, true_file, self.roles, self.names, _MIRRORED).boxes
        notes = [*true_file.notes, *given.notes, *task.no_common_class(_labels(predicted), _labels(true), "no box matches")]
        known = sorted({*self.names, *true_file.names.values()})
        for what, boxes in (("predicted", predicted), ("true", true)) if known else ():
            strange = sorted(_labels(boxes) - set(known))
            if strange:
                count = counted(len(strange), f"class of the {what} boxes has", f"classes of the {what} boxes have")
                notes.append(f"{count} no name ({examples(strange)}): those with one are {examples(known, 8)}")
        if self.truth is not None and not any(entry["boxes"] for entry in true.values()):
            notes.append("no image has a true box: there is nothing to find, so that there are no scores")
        predicted, true, mirror = _numbered(predicted, true, mirror)
        back = None
        if self.flipped is not None:
            others = entries_of(dataset, "entry", Path(self.flipped), list(mirror))
            back = _flipped(others, Path(self.flipped), mirror, self.metric)
        entries = {} if self.truth is None else entries_of(dataset, "entry", Path(self.truth), list(true))
        notes += [] if self.truth is None else task.unmatched(entries, "entry", Path(self.truth), list(true))
        notes += outside(dataset, {image: true[entry]["boxes"] for image, entry in entries.items()})
        return task.evaluate_listing(
            dataset,
            self.metric,
            Path(predictions),
            predicted,
            {image: true[entry] for image, entry in entries.items()},
            truth_word="entry among the true boxes",
            unknown=NOTHING,
            columns=bound(_columns, metric=self.metric, back=back),
            truth_file=None if self.truth is None else Path(self.truth),
            partial=partial,
            progress=progress,
            notes=notes,
        )

    def expected(self, measure: task.Measure, answers: task.ModelAnswers) -> task.Pair | None:
        """Compute expected numerators and denominators, with the sum of scores as expected matches and no misses."""
        if measure.kind == "mean":
            return None
        scores = [np.array(answer.value["scores"], float) for answer in answers.by_image.values()]
        kept = [values[values >= self.metric.min_score] for values in scores]
        hits = np.array([[float(np.clip(values, 0.0, 1.0).sum())] for values in kept])
        false = np.array([[float(len(values))] for values in kept]) - hits
        return _parts(measure, hits, np.zeros_like(hits), false)

    def read_labels(self, answers: task.ModelAnswers, place: str | Path, own: bool, scratch: Path) -> task.LabelsRead:
        """Read labelled boxes; in a file that lists all images, unchanged boxes of the model do not count as labels."""
        dataset, read = answers.dataset, read_box_labels(answers.dataset, place)
        corners = {name: [box for _, box in boxes] for name, boxes in read.by_image.items()}
        notes = [*task.stranger_notes(read.strangers, dataset), *outside(dataset, corners)]
        untouched = []
        for name, boxes in read.by_image.items() if read.unsure else ():
            if name in answers.by_image:
                own_boxes = sorted(self._counting(answers.by_image[name]))
                drawn = sorted((word, tuple(map(float, box))) for word, box in boxes)
                same_classes = [word for word, _ in own_boxes] == [word for word, _ in drawn]
                pairs = [box for _, box in own_boxes], [box for _, box in drawn]
                if same_classes and np.allclose(*pairs, rtol=0.0, atol=_SAME):
                    untouched.append(name)
        remedy = "where they are right as they are, write them as JSON, as predictions are"
        notes += task.untouched_notes(untouched, "boxes", remedy)
        labels = [label for boxes in read.by_image.values() for label, _ in boxes]
        notes += task.unknown_class_notes(labels, answers.classes, "classes that the model never gives count as missed")
        return {name: boxes for name, boxes in read.by_image.items() if name not in set(untouched)}, notes

    def measured(self, measure: task.Measure, answers: task.ModelAnswers, labels: Mapping[str, Any]) -> task.SampleMeasures:
        counts = []
        for name, label in labels.items():
            drawn = {"boxes": [list(box) for _, box in label], "labels": [word for word, _ in label]}
            predicted, true = _numbered({name: answers.by_image[name].value}, {name: drawn})
            with blaming(f"the label of {name} cannot be used"):
                tally = self.metric.tally(predicted[name], true[name])
            counts.append((tally.hits, tally.misses, tally.false))
        boxes = np.array(counts, dtype=np.float64).reshape(-1, 3)
        if measure.kind == "mean":
            return task.SampleMeasures(box_f1(boxes))
        above, below = _parts(measure, *boxes.T[:, :, None])
        return task.SampleMeasures(quotient(above, below)[:, 0], (above, below))

    def first_labels(self, answers: task.ModelAnswers, images: Sequence[str]) -> FirstLabels:
        first = {name: self._counting(answers.by_image[name]) for name in images}
        return FirstLabels(self.name, own=answers.classes, boxes=first)

    def differ(self, image: str, one: task.ModelAnswer, other: task.ModelAnswer) -> bool:
        """Return whether two models' boxes differ, or their order by score, in which boxes are matched."""
        return self._counting(one) != self._counting(other)

    def _counting(self, answer: task.ModelAnswer) -> LabelledBoxes:
        """Return class and corners of the boxes with at least the metric's minimum score, by falling score."""
        rows = zip(answer.value["labels"], answer.value["boxes"], answer.value["scores"], strict=True)
        ordered = sorted(rows, key=lambda row: -row[2])
        return [(label, tuple(map(float, box))) for label, box, score in ordered if score >= self.metric.min_score]


def _parts(measure: task.Measure, hits: Float64Array, misses: Float64Array, false: Float64Array) -> task.Pair:
    ratios = {"precision": (hits, hits + false), "recall": (hits, hits + misses)}
    return ratios.get(measure.name, (2.0 * hits, 2.0 * hits + misses + false))


def _labels(boxes: BoxesOf) -> set[str]:
    return {label for entry in boxes.values() for label in entry["labels"]}


def _numbered(*sides: BoxesOf) -> list[BoxesOf]:
    """Replace the classes of boxes by their numbers among all classes of the sides."""
    index = {label: number for number, label in enumerate(sorted(set().union(*map(_labels, sides))))}
    return [
        {name: {**boxes, "labels": [index[label] for label in boxes["labels"]]} for name, boxes in side.items()}
        for side in sides
    ]


def _tallied(metric: Detection, file: Path, entry: str, boxes: Mapping[str, Any]) -> Boxes:
    """Check predicted boxes; raise `InputError` that names the file and its entry for boxes that cannot be scored."""
    with blaming(f"the entry {entry} of {path_text(file)}"):
        return metric.tally(boxes, NOTHING)


def _columns(tallied: Sequence[task.TalliedImage], metric: Detection, back: Mirrored | None) -> dict[str, Any]:
    """Compute columns by image: matched, missed and false boxes (nan without truth), and the signals of the boxes."""
    has_truth = np.array([image.has_truth for image in tallied])
    boxes = [image.tally for image in tallied]
    counts = {
        name: np.where(has_truth, [getattr(tally, name) for tally in boxes], np.nan) for name in ("hits", "misses", "false")
    }
    means = [float(np.mean(tally.scores)) if len(tally.scores) else math.nan for tally in boxes]
    rows = [_signals(image.tally, image.item, metric, back) for image in tallied]
    signals = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    return {**counts, "average_confidence": np.array(means), **signals}


def _signals(boxes: Boxes, item: Item, metric: Detection, back: Mirrored | None) -> dict[str, float]:
    """Compute the signals of an image's boxes and, if those of mirror images are known, their agreement with them."""
    scores, own, labels = _kept(boxes, metric)
    signals = box_signals(scores)
    if back is None:
        return signals
    mirror = back(item)
    if mirror is None:
        return signals | dict.fromkeys(BOX_AGREEMENTS, math.nan)
    _, others, theirs = _kept(mirror, metric)
    values = box_stability(own, others), box_consistency(own, labels, others, theirs, metric.iou)
    return signals | dict(zip(BOX_AGREEMENTS, values, strict=True))


def _kept(boxes: Boxes, metric: Detection) -> tuple[Any, Any, Any]:
    """Return scores, corners and labels of the boxes with at least the metric's minimum score, which F1 counts."""
    kept = boxes.scores >= metric.min_score
    return boxes.scores[kept], boxes.predicted[kept], boxes.labels[kept]


def _flipped(entries: Mapping[str, str], file: Path, mirror: BoxesOf, metric: Detection) -> Mirrored:
    """Make the function that returns the boxes of an image's mirror image, turned back; `entries` name them by image."""

    def boxes_of(item: Item) -> Boxes | None:
        entry = entries.get(item.name)
        if entry is None:
            return None
        boxes = _tallied(metric, file, entry, mirror[entry])
        try:
            return replace(boxes, predicted=mirrored(boxes.predicted, size(item.path)[0]))
        except ImageError:
            return None

    return boxes_of


def box_listing(
    predictions: Path, flipped: Path | None, metric: Detection, roles: Mapping[str, str], names: Sequence[str]
) -> task.ListedSignals:
    """List the images of files or folders of predicted boxes, those of the images and of their mirror images."""

    def read(dataset: Dataset) -> tuple[Sequence[str], task.Signals]:
        mirror = {} if flipped is None else read_predicted_boxes(dataset, flipped, None, roles, names, _MIRRORED).boxes
        boxes, mirror = _numbered(read_predicted_boxes(dataset, predictions, None, roles, names).boxes, mirror)
        back = None if flipped is None else _flipped(matched_entries(dataset, list(mirror)), flipped, mirror, metric)

        def of_set(entries: Sequence[tuple[str, Item]]) -> list[Mapping[str, float]]:
            return [_signals(_tallied(metric, predictions, name, boxes[name]), item, metric, back) for name, item in entries]

        return tuple(boxes), of_set

    columns = tuple(name for name in BOX_SIGNALS if flipped is not None or name not in BOX_AGREEMENTS)
    return task.ListedSignals(predictions, columns, read)
