"""Read a classifier's, a detector's or a segmenter of classes' answers on a site, and measure them once labels are there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from howfar.arrays import Float64Array, quotient
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.box_files import read_predicted_boxes
from howfar.data.boxes import outside
from howfar.data.classes import class_names, read_classes
from howfar.data.dataset import examples
from howfar.data.documents import column_roles
from howfar.data.folder import EXTENSIONS, natural_key, path_text, stem, walk
from howfar.data.label_exports import matched
from howfar.data.listed_labels import Boxes, read_box_labels, read_class_labels
from howfar.data.predictions import match_maps, read_class_map, read_class_mask
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.metrics.detection import Detection, box_signals
from howfar.metrics.multiclass import Multiclass, class_map_signals
from howfar.settings import nearest
from howfar.studies.certification.estimates import VALUES, Measure, Pair, SampleMeasures
from howfar.studies.certification.labels import label_count
from howfar.studies.evaluation.map_scores import with_bar

_SAME = 0.5
"""Pixels by which a labelling tool may round a box that nobody has touched."""


@dataclass(frozen=True)
class ListedAnswer:
    """Hold a model's answer on an image, its confidence (nan where unknown), and the text that a change of it is seen by."""

    value: Any
    confidence: float
    text: str


@dataclass(frozen=True, eq=False)
class ClassAnswers:
    """Hold a classifier's predicted class of each image."""

    entries: Mapping[str, ListedAnswer | None]
    classes: tuple[str, ...]
    task: str = "classification"
    proxy: str = "confidence of the predicted class"

    @classmethod
    def read(cls, file: str | Path, roles: Mapping[str, str] | None = None, names: Sequence[str] = ()) -> ClassAnswers:
        """Read a table of class predictions, as for `howfar.evaluate`: `roles` of its columns, `names` of classes by number."""
        table = read_classes(file, roles, names)
        sure = table.confidence.tolist()
        rows = [[value] for value in sure] if table.probabilities is None else table.probabilities.tolist()
        known = zip(table.images, table.predicted, sure, rows, strict=True)
        entries = {image: ListedAnswer(label, best, f"{label} {row}") if label else None for image, label, best, row in known}
        return cls(entries, table.classes)

    def measure(self, name: str | None) -> Measure:
        """Return the measure of a name."""
        return named_measure(name, (Measure("accuracy", "accuracy", "mean", VALUES.measured),))

    def expected(self, measure: Measure, answers: Sequence[ListedAnswer]) -> Pair | None:
        """Return None: accuracy is a mean over images."""
        return None

    def read_labels(
        self, dataset: Dataset, place: str | Path, answers: Mapping[str, ListedAnswer]
    ) -> tuple[dict[str, Any], list[str]]:
        """Read the classes that somebody gave the images."""
        read = read_class_labels(dataset, place)
        unknown = sorted(set(read.labels.values()) - set(self.classes))
        notes = [strange(read.strangers, dataset)] if read.strangers else []
        if unknown:
            notes.append(
                f"labels that the model never gives count as its mistakes ({examples(unknown)}): check how they are written"
            )
        return dict(read.labels), notes

    def measured(self, measure: Measure, labelled: Sequence[tuple[str, ListedAnswer, Any]]) -> SampleMeasures:
        """Measure whether each image was classified right, 1 or 0."""
        return SampleMeasures(np.array([float(answer.value == label) for _, answer, label in labelled]))


@dataclass(frozen=True, eq=False)
class BoxAnswers:
    """Hold a detector's boxes in each image."""

    entries: Mapping[str, ListedAnswer | None]
    classes: tuple[str, ...]
    metric: Detection
    task: str = "detection"
    proxy: str = "mean score of the boxes"

    @classmethod
    def read(
        cls,
        dataset: Dataset,
        file: str | Path,
        metric: Detection,
        roles: Mapping[str, str] | None = None,
        names: Sequence[str] = (),
    ) -> BoxAnswers:
        """Read predicted boxes, as for `howfar.evaluate`; raises `InputError` for an image whose boxes cannot be scored."""
        entries: dict[str, ListedAnswer | None] = {}
        for name, boxes in read_predicted_boxes(dataset, file, None, roles, names).boxes.items():
            try:
                metric.tally({**boxes, "labels": [0] * len(boxes["labels"])}, _nothing())
            except InputError as error:
                raise InputError(f"the entry {name} of {file}: {error}") from error
            scores = np.array(boxes["scores"], dtype=np.float64)
            mean = box_signals(scores[scores >= metric.min_score])["box_score"]
            entries[name] = ListedAnswer(boxes, mean if 0.0 <= mean <= 1.0 else float("nan"), json.dumps(boxes, sort_keys=True))
        labels = {label for entry in entries.values() if entry is not None for label in entry.value["labels"]}
        return cls(entries, tuple(sorted(labels)), metric)

    def measure(self, name: str | None) -> Measure:
        """Return the measure of a name."""
        at = f"at IoU {self.metric.iou:g}"
        ratios = {"f1": "F1", "precision": "precision", "recall": "recall"}
        summed = (Measure(key, f"{word} {at} of the summed boxes", "ratio", VALUES.measured) for key, word in ratios.items())
        return named_measure(name, (Measure("mean_f1", f"mean F1 {at}", "mean", VALUES.measured), *summed))

    def expected(self, measure: Measure, answers: Sequence[ListedAnswer]) -> Pair | None:
        """Expect as many matched boxes as the scores sum to, and none missed."""
        if measure.kind == "mean":
            return None
        kept = [scores[scores >= self.metric.min_score] for scores in (np.array(one.value["scores"], float) for one in answers)]
        hits = np.array([[float(np.clip(scores, 0.0, 1.0).sum())] for scores in kept])
        false = np.array([[float(len(scores))] for scores in kept]) - hits
        return _parts(measure, hits, np.zeros_like(hits), false)

    def read_labels(
        self, dataset: Dataset, place: str | Path, answers: Mapping[str, ListedAnswer]
    ) -> tuple[dict[str, Any], list[str]]:
        """Read the boxes that somebody drew; the model's own, unchanged, in a file that lists all images are no label."""
        read = read_box_labels(dataset, place)
        corners = {name: [box for _, box in boxes] for name, boxes in read.boxes.items()}
        notes = [*([strange(read.strangers, dataset)] if read.strangers else []), *outside(dataset, corners, "true boxes")]
        untouched = [
            name for name, boxes in read.boxes.items() if read.unsure and name in answers and self._own(answers[name], boxes)
        ]
        if untouched:
            what = f"{label_count(len(untouched))} the model's own boxes, unchanged ({examples(untouched)})"
            notes.append(
                f"{what}: taken for not labelled; where they are right as they are, write them as JSON, as predictions are"
            )
        unknown = sorted({label for boxes in read.boxes.values() for label, _ in boxes} - set(self.classes))
        if unknown:
            notes.append(
                f"classes that the model never gives count as missed ({examples(unknown)}): check how they are written"
            )
        return {name: boxes for name, boxes in read.boxes.items() if name not in set(untouched)}, notes

    def measured(self, measure: Measure, labelled: Sequence[tuple[str, ListedAnswer, Any]]) -> SampleMeasures:
        """Match the boxes of each image with the true ones."""
        counts = np.array([self._counts(*one) for one in labelled], dtype=np.float64).reshape(-1, 3)
        hits, misses, false = counts.T[:, :, None]
        if measure.kind == "mean":
            f1 = quotient(2 * hits, 2 * hits + misses + false)
            return SampleMeasures(np.where(hits + misses > 0, f1, np.nan)[:, 0])
        above, below = _parts(measure, hits, misses, false)
        return SampleMeasures(quotient(above, below)[:, 0], (above, below))

    def boxes(self, answer: ListedAnswer) -> Boxes:
        """Return the class and corners of the boxes that count, as they are handed out to be corrected."""
        rows = zip(answer.value["labels"], answer.value["boxes"], answer.value["scores"], strict=True)
        return [(label, tuple(map(float, box))) for label, box, score in rows if score >= self.metric.min_score]

    def _counts(self, name: str, answer: ListedAnswer, label: Boxes) -> tuple[int, int, int]:
        index = {word: number for number, word in enumerate({*answer.value["labels"], *(word for word, _ in label)})}
        predicted: dict[str, Any] = {**answer.value, "labels": [index[word] for word in answer.value["labels"]]}
        true: dict[str, Any] = {"boxes": [list(box) for _, box in label], "labels": [index[word] for word, _ in label]}
        try:
            tally = self.metric.tally(predicted, true)
        except InputError as error:
            raise InputError(f"the label of {name} cannot be used: {error}") from error
        return tally.hits, tally.misses, tally.false

    def _own(self, answer: ListedAnswer, label: Boxes) -> bool:
        """Return whether boxes are the model's own, but for rounding."""
        own, theirs = sorted(self.boxes(answer)), sorted((word, tuple(map(float, box))) for word, box in label)
        if [word for word, _ in own] != [word for word, _ in theirs]:
            return False
        return bool(np.allclose([box for _, box in own], [box for _, box in theirs], rtol=0.0, atol=_SAME))


def named_measure(name: str | None, measures: Sequence[Measure]) -> Measure:
    """Return the measure of a name, by default the first; raises `InputError` where there is none."""
    by_name = {measure.name: measure for measure in measures}
    if name is None:
        return measures[0]
    if name not in by_name:
        raise InputError.of("metric", "must be a known one", name, nearest(name, by_name, "metrics"))
    return by_name[name]


def _parts(measure: Measure, hits: Float64Array, misses: Float64Array, false: Float64Array) -> Pair:
    if measure.name == "precision":
        return hits, hits + false
    if measure.name == "recall":
        return hits, hits + misses
    return 2.0 * hits, 2.0 * hits + misses + false


def _nothing() -> dict[str, list[Any]]:
    return {"boxes": [], "labels": []}


def strange(names: Sequence[str], dataset: Dataset) -> str:
    """Say how many labels are of no image."""
    return f"{label_count(len(names))} of no image of {dataset.name} ({examples(names)})"


_MEAN_IOU = "mean_iou"


@dataclass(frozen=True, eq=False)
class ClassMapAnswers:
    """Hold a map of each image, read again when its label is there."""

    entries: Mapping[str, ListedAnswer | None]
    classes: tuple[str, ...]
    metric: Multiclass
    task: str = "multiclass"
    proxy: str = "F that the map's probabilities expect"

    @classmethod
    def read(cls, dataset: Dataset, folder: str | Path, metric: Multiclass, progress: bool = False) -> ClassMapAnswers:
        """Read every map of a dataset's images; raises `InputError` for one that cannot be read."""
        files = match_maps(dataset, folder).files
        items = [item for item in dataset.items if item.name in files]
        answers = with_bar(_Read(files), items, progress, "maps")
        return cls(dict(zip((item.name for item in items), answers, strict=True)), tuple(metric.names), metric)

    def measure(self, name: str | None) -> Measure:
        """Return the measure of a name."""
        means = (("mean_f", "mean F over classes"), (_MEAN_IOU, "mean IoU over classes"))
        return named_measure(name, tuple(Measure(key, words, "mean", VALUES.measured) for key, words in means))

    def expected(self, measure: Measure, answers: Sequence[ListedAnswer]) -> Pair | None:
        """Return None: both measures are means over images."""
        return None

    def read_labels(
        self, dataset: Dataset, place: str | Path, answers: Mapping[str, ListedAnswer]
    ) -> tuple[dict[str, Any], list[str]]:
        """Find the masks of classes that somebody drew of the images."""
        root = absolute(place)
        if not root.is_dir():
            raise InputError.of("labels", "must be a folder of masks of classes", str(place), "save a PNG for each image")
        files = sorted(walk(root, endings=EXTENSIONS).images, key=lambda file: natural_key(file.name))
        masks, strangers = matched(dataset, {stem(file.relative_to(root).as_posix()): file for file in reversed(files)})
        return masks, [strange(strangers, dataset)] if strangers else []

    def measured(self, measure: Measure, labelled: Sequence[tuple[str, ListedAnswer, Any]]) -> SampleMeasures:
        """Compare the map of each image with its mask."""
        score = self.metric.score([self._counts(*one) for one in labelled])
        return SampleMeasures(score.columns["iou"] if measure.name == _MEAN_IOU else score.per_image)

    def _counts(self, name: str, answer: ListedAnswer, mask: Path) -> Any:
        try:
            return self.metric.tally(read_class_map(answer.value).indices, read_class_mask(mask))
        except (ImageError, InputError) as error:
            raise InputError(f"the label of {name} cannot be used: {path_text(mask)}: {error}") from error


@dataclass(frozen=True)
class _Read:
    files: Mapping[str, Path]

    def __call__(self, item: Item) -> ListedAnswer:
        file = self.files[item.name]
        try:
            data, given = read_bytes(file), read_class_map(file)
        except ImageError as error:
            raise InputError(f"the prediction {path_text(file)}: {error}") from error
        expected = float("nan") if given.probabilities is None else class_map_signals(given.probabilities)["soft_f"]
        return ListedAnswer(file, float(np.clip(expected, 0.0, 1.0)), content_hash(data))


Answers: TypeAlias = ClassAnswers | BoxAnswers | ClassMapAnswers
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "segmentation": (),
    "multiclass": ("classes", "ignore_index"),
    "classification": ("columns", "classes"),
    "detection": ("iou", "min_score", "columns", "classes"),
}
"""Options of predictions that a single task has a use for."""


def answers_of(task: str, dataset: Dataset, file: str | Path, given: Mapping[str, Any]) -> Answers:
    """Read the predictions of a task; raises `InputError` for an option that the task has no use for."""
    refuse_idle_options(task, given)
    names = class_names(given.get("classes", ()))
    if task == "multiclass":
        metric = Multiclass(given.get("ignore_index"), names)
        return ClassMapAnswers.read(dataset, file, metric, bool(given.get("progress")))
    roles = column_roles(given.get("columns", ()))
    if task == "detection":
        chosen = {name: given[name] for name in ("iou", "min_score") if given.get(name) is not None}
        return BoxAnswers.read(dataset, file, Detection(**chosen), roles, names)
    return ClassAnswers.read(file, roles, names)


def refuse_idle_options(task: str, given: Mapping[str, Any]) -> None:
    """Raise `InputError` for an option of another task's predictions."""
    for name in dict.fromkeys(name for names in OPTIONS.values() for name in names):
        value = given.get(name)
        if name not in OPTIONS[task] and value is not None and value != ():
            raise InputError.of(name, f"is of no use to {task}", value, "leave it out")
