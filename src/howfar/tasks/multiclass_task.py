"""Implement multi-class segmentation: read maps and masks of classes, and compare them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial as bound
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.annotations import FirstLabels
from howfar.data.class_names_and_predictions import class_names
from howfar.data.image_and_mask_folders import path_text, walk
from howfar.data.image_decoding import size
from howfar.data.label_files import masks_below
from howfar.data.prediction_maps import MatchedMaps, map_endings, match_maps, read_class_map, read_class_mask
from howfar.errors import HowfarError, ImageError, InputError, blaming
from howfar.io.file_location import absolute
from howfar.metrics.multiclass import METRIC, ClassCounts, Multiclass, class_map_signals
from howfar.results import Evaluation
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.tasks import task
from howfar.tasks.map_scores_and_signals import doubled_notes, extra_notes, mask_notes, missing_maps

_MEAN_IOU = "mean_iou"

VOID = 255
"""The class that masks of Pascal VOC, Cityscapes and others have where nobody says what is there."""
SIGNALS = ("average_confidence", "margin", "entropy", "soft_f")


@dataclass(frozen=True)
class MulticlassTask(task.Task):
    """Serve segmentation of several classes, comparing class maps by a metric."""

    metric: Multiclass = field(default_factory=Multiclass)

    name = "multiclass"
    options = ("classes", "ignore_index")
    proxy = "F that the map's probabilities expect"
    means = "mean_f or mean_iou"
    label_place = "masks"
    performance_name = PERFORMANCE_NAMES[name]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        return cls(Multiclass(options.get("ignore_index"), class_names(options.get("classes", ()))))

    def measure(self, name: str | None) -> task.Measure:
        means = (("mean_f", "mean F over classes"), (_MEAN_IOU, "mean IoU over classes"))
        return task.named_measure(name, tuple(task.Measure(key, words, "mean") for key, words in means))

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> task.ModelAnswers:
        """Read every map of a dataset's images; raises `InputError` for a map that cannot be read."""
        maps = match_maps(dataset, predictions)
        files = maps.files
        items = [item for item in dataset.items if item.name in files]
        answers = task.with_bar(bound(_answer, files=files), items, progress, "maps")
        by_image = dict(zip((item.name for item in items), answers, strict=True))
        return task.ModelAnswers(dataset, Path(predictions), by_image, tuple(self.metric.names), tuple(doubled_notes(maps)))

    def evaluate(self, dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
        """Score the maps of a dataset; raises `InputError` for images that cannot be scored unless `partial`."""
        maps, metric = match_maps(dataset, predictions), self.metric
        missing, score = missing_maps(dataset, [maps]), bound(_score, maps=maps, metric=metric)
        images, kept = task.read_all(dataset, missing, score, partial, progress)
        counted = [image.counts for image in images if image.counts is not None]
        whole = metric.score(counted) if counted else None
        masked = np.array([image.counts is not None for image in images])
        signals = dict.fromkeys(name for image in images for name in image.signals)
        columns = {
            **{name: task.spread(None if whole is None else whole.columns[name], masked) for name in ("iou", "accuracy")},
            **{signal: np.array([image.signals.get(signal, np.nan) for image in images]) for signal in signals},
            **{
                f"class_{side}": [None if image.counts is None else getattr(image.counts, side) for image in images]
                for side in ("hits", "predicted", "true")
            },
        }
        notes = [*mask_notes(len(counted), len(images))]
        if not signals:
            notes.append("the maps are numbers of classes without probabilities: there are no signals of confidence")
        void = sum(VOID in image.found for image in images)
        if void and metric.ignore is None and not any(counts.predicted[VOID : VOID + 1].any() for counts in counted):
            advice = f"where it stands for void, pass --ignore-index {VOID}"
            notes.append(f"class {VOID} is true in {void} masks and never predicted: {advice}")
        return task.evaluation_of(
            kept,
            images,
            task.spread(None if whole is None else whole.per_image, masked),
            {} if whole is None else whole.scores,
            task=self.name,
            metric=METRIC,
            columns=columns,
            notes=(*notes, *extra_notes(maps)),
        )

    def read_labels(self, answers: task.ModelAnswers, place: str | Path, own: bool, scratch: Path) -> task.LabelsRead:
        if not absolute(place).is_dir():
            raise InputError.of("labels", "must be a folder of masks of classes", str(place), "save a PNG for each image")
        read = masks_below(answers.dataset, absolute(place))
        return dict(read.by_image), task.stranger_notes(read.strangers, answers.dataset)

    def measured(self, measure: task.Measure, answers: task.ModelAnswers, labels: Mapping[str, Any]) -> task.SampleMeasures:
        counts = []
        for name, mask in labels.items():
            with blaming(f"the label of {name} cannot be used: {path_text(mask)}", (ImageError, InputError)):
                classes = read_class_map(answers.by_image[name].value).indices
                counts.append(self.metric.tally(classes, read_class_mask(mask)))
        score = self.metric.score(counts)
        return task.SampleMeasures(score.columns["iou"] if measure.name == _MEAN_IOU else score.per_image)

    def differ(self, image: str, one: task.ModelAnswer, other: task.ModelAnswer) -> bool:
        ours, theirs = (read_class_map(answer.value).indices for answer in (one, other))
        task.check_same_size(image, ours.shape, theirs.shape)
        return not np.array_equal(ours, theirs)

    def first_labels(self, answers: task.ModelAnswers, images: Sequence[str]) -> FirstLabels:
        return FirstLabels(self.name, own=answers.classes, maps={name: answers.by_image[name].value for name in images})


def _answer(item: Item, files: Mapping[str, Path]) -> task.ModelAnswer:
    file = files[item.name]
    _, signals = _read(file, InputError)
    expected = signals.get("soft_f", float("nan"))
    return task.ModelAnswer(file, float(np.clip(expected, 0.0, 1.0)), content_hash(read_bytes(file)))


def _read(file: Path, refusal: type[HowfarError] = ImageError) -> tuple[NDArray[np.int64], dict[str, float]]:
    """Read a map's classes, (h, w), and its signals, none for a map of class indices; raise a `refusal` that names the file."""
    given = task.read_named("the prediction", file, read_class_map, refusal)
    return given.indices, {} if given.probabilities is None else class_map_signals(given.probabilities)


@dataclass(frozen=True, eq=False)
class ScoredClasses:
    """Hold one image's counts (None without a mask) and its map's signals (empty for a map of class indices)."""

    item: Item
    content: str
    prediction: str
    counts: ClassCounts | None
    signals: dict[str, float] = field(default_factory=dict)
    found: frozenset[int] = frozenset()


def _score(item: Item, maps: MatchedMaps, metric: Multiclass) -> ScoredClasses:
    content, file, mask = task.content_of(item), maps.files[item.name], item.mask
    indices, signals = _read(file)
    truth = None if mask is None else task.read_named("the mask", mask, read_class_mask)
    shape, wanted = indices.shape, size(item.path)[::-1] if truth is None else truth.shape
    if shape != wanted:
        other = "its image" if truth is None else "its mask"
        line = f"the prediction {path_text(file)} is {shape[1]}×{shape[0]} pixels and {other} {wanted[1]}×{wanted[0]}"
        raise ImageError(f"{line}: save it at that size")
    _check_names(metric, file, indices, "prediction")
    if truth is None:
        return ScoredClasses(item, content, path_text(file), None, signals)
    _check_names(metric, mask, truth, "mask")
    found = frozenset(map(int, np.unique(truth)))
    return ScoredClasses(item, content, path_text(file), metric.tally(indices, truth), signals, found)


def _check_names(metric: Multiclass, path: Any, indices: np.ndarray[Any, Any], what: str) -> None:
    """Raise `ImageError` for a class without a name if class names are given."""
    count = len(metric.names)
    top = int(np.max(indices, initial=0, where=indices != (-1 if metric.ignore is None else metric.ignore)))
    if count and top >= count:
        remedy = f"name it in classes, or pass ignore_index={top} (--ignore-index {top}) where it stands for void"
        raise ImageError(f"the {what} {path_text(path)} holds the class {top}, and {count} classes are named: {remedy}")


def class_maps_in(folder: Path) -> task.ListedSignals:
    """Wrap the class maps below a folder as `ListedSignals`; maps of class indices have no signals."""
    files = sorted(walk(folder, map_endings()))
    if not files:
        raise InputError(f"no map below {folder}: predictions are maps of classes, one for each image")
    by_name = {file.relative_to(folder).as_posix(): file for file in files}

    def signals(entries: Sequence[tuple[str, Item]]) -> list[Mapping[str, float]]:
        return [_read(by_name[name], InputError)[1] for name, _ in entries]

    return task.ListedSignals(folder, SIGNALS, lambda _: (tuple(by_name), signals))
