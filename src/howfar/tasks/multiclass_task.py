"""Serve segmentation of several classes: read maps and masks of classes, and compare them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial as bound
from pathlib import Path
from typing import Any, Self

import numpy as np

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.classes import class_names
from howfar.data.image_folder import EXTENSIONS, natural_key, path_text, stem, walk
from howfar.data.images import size
from howfar.data.label_exports import matched
from howfar.data.labelling_exports import FirstLabels
from howfar.data.predictions import ARRAYS, MatchedMaps, match_maps, read_class_map, read_class_mask
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.metrics.multiclass import METRIC, ClassCounts, Multiclass, class_map_signals
from howfar.results import Evaluation
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.tasks.listing import ListedSignals, evaluation_of, spread
from howfar.tasks.maps import Sources, extra_notes, mask_notes, missing_maps
from howfar.tasks.reading import Fault, read_all, read_named, with_bar
from howfar.tasks.task import (
    LabelsRead,
    Measure,
    ModelAnswer,
    ModelAnswers,
    SampleMeasures,
    Task,
    named_measure,
    stranger_notes,
)

_MEAN_IOU = "mean_iou"

VOID = 255
"""The class that masks of Pascal VOC, Cityscapes and others have where nobody says what is there."""
SIGNALS = ("average_confidence", "margin", "entropy", "soft_f")


@dataclass(frozen=True)
class MulticlassTask(Task):
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

    def measure(self, name: str | None) -> Measure:
        means = (("mean_f", "mean F over classes"), (_MEAN_IOU, "mean IoU over classes"))
        return named_measure(name, tuple(Measure(key, words, "mean") for key, words in means))

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> ModelAnswers:
        """Read every map of a dataset's images; raises `InputError` for a map that cannot be read."""
        files = match_maps(dataset, predictions).files
        items = [item for item in dataset.items if item.name in files]
        answers = with_bar(bound(_answer, files=files), items, progress, "maps")
        by_image = dict(zip((item.name for item in items), answers, strict=True))
        return ModelAnswers(dataset, Path(predictions), by_image, tuple(self.metric.names))

    def evaluate(self, dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
        """Score the maps of a dataset; raises `InputError` for images that cannot be scored unless `partial`."""
        maps, metric = match_maps(dataset, predictions), self.metric
        images, kept = read_all(
            dataset, missing_maps(dataset, Sources(maps)), bound(_score, maps=maps, metric=metric), partial, progress
        )
        counted = [image.counts for image in images if image.counts is not None]
        whole = metric.score(counted) if counted else None
        masked = np.array([image.counts is not None for image in images])
        signals = dict.fromkeys(name for image in images for name in image.signals)
        columns = {
            **{name: spread(None if whole is None else whole.columns[name], masked) for name in ("iou", "accuracy")},
            **{signal: np.array([image.signals.get(signal, np.nan) for image in images]) for signal in signals},
            **{
                f"class_{side}": [None if image.counts is None else getattr(image.counts, side) for image in images]
                for side in ("hits", "predicted", "true")
            },
        }
        return evaluation_of(
            kept,
            images,
            spread(None if whole is None else whole.per_image, masked),
            {} if whole is None else whole.scores,
            task=self.name,
            metric=METRIC,
            columns=columns,
            notes=tuple(_notes(images, maps, metric)),
        )

    def read_labels(self, answers: ModelAnswers, place: str | Path, own: bool, scratch: Path) -> LabelsRead:
        root = absolute(place)
        if not root.is_dir():
            raise InputError.of("labels", "must be a folder of masks of classes", str(place), "save a PNG for each image")
        files = sorted(walk(root, endings=EXTENSIONS).images, key=lambda file: natural_key(file.name))
        named = {stem(file.relative_to(root).as_posix()): file for file in reversed(files)}
        masks, strangers = matched(answers.dataset, named)
        return masks, stranger_notes(strangers, answers.dataset)

    def measured(self, measure: Measure, answers: ModelAnswers, labels: Mapping[str, Any]) -> SampleMeasures:
        score = self.metric.score([self._counts(name, answers.by_image[name], mask) for name, mask in labels.items()])
        return SampleMeasures(score.columns["iou"] if measure.name == _MEAN_IOU else score.per_image)

    def first_labels(self, answers: ModelAnswers, images: Sequence[str]) -> FirstLabels:
        return FirstLabels(self.name, own=answers.classes, maps={name: answers.by_image[name].value for name in images})

    def _counts(self, name: str, answer: ModelAnswer, mask: Path) -> Any:
        try:
            return self.metric.tally(read_class_map(answer.value).indices, read_class_mask(mask))
        except (ImageError, InputError) as error:
            raise InputError(f"the label of {name} cannot be used: {path_text(mask)}: {error}") from error


def _answer(item: Item, files: Mapping[str, Path]) -> ModelAnswer:
    file = files[item.name]
    try:
        data, given = read_bytes(file), read_class_map(file)
    except ImageError as error:
        raise InputError(f"the prediction {path_text(file)}: {error}") from error
    expected = float("nan") if given.probabilities is None else class_map_signals(given.probabilities)["soft_f"]
    return ModelAnswer(file, float(np.clip(expected, 0.0, 1.0)), content_hash(data))


@dataclass(frozen=True, eq=False)
class ScoredClasses:
    """Hold one image's counts (None without a mask) and its map's signals (empty for a map of class indices)."""

    item: Item
    content: str
    prediction: str
    counts: ClassCounts | None
    signals: dict[str, float] = field(default_factory=dict)
    found: frozenset[int] = frozenset()


def _score(item: Item, maps: MatchedMaps, metric: Multiclass) -> ScoredClasses | Fault:
    try:
        file = maps.files[item.name]
        picture = read_named("the image", item.path, read_bytes)
        given = read_named("the prediction", file, read_class_map)
        shape, signals = given.indices.shape, {}
        if given.probabilities is not None:
            signals = class_map_signals(given.probabilities)
        path = item.mask
        truth = None if path is None else read_named("the mask", path, read_class_mask)
        wanted = size(item.path)[::-1] if truth is None else truth.shape
        if shape != wanted:
            other = "its image" if truth is None else "its mask"
            line = f"the prediction {path_text(file)} is {shape[1]}×{shape[0]} pixels and {other} {wanted[1]}×{wanted[0]}"
            raise ImageError(f"{line}: save it at that size")
        _check_names(metric, file, given.indices, "prediction")
        if truth is not None and path is not None:
            _check_names(metric, path, truth, "mask")
        counts = None if truth is None else metric.tally(given.indices, truth)
        found = frozenset() if truth is None else frozenset(map(int, np.unique(truth)))
        return ScoredClasses(item, content_hash(picture), path_text(file), counts, signals, found)
    except (ImageError, InputError) as error:
        return Fault(item.name, path_text(item.path), str(error))


def _check_names(metric: Multiclass, path: Any, indices: np.ndarray[Any, Any], what: str) -> None:
    """Raise `ImageError` for a class without a name if class names are given."""
    count = len(metric.names)
    top = int(np.max(indices, initial=0, where=indices != (-1 if metric.ignore is None else metric.ignore)))
    if count and top >= count:
        remedy = f"name it in classes, or pass ignore_index={top} (--ignore-index {top}) where it stands for void"
        raise ImageError(f"the {what} {path_text(path)} holds the class {top}, and {count} classes are named: {remedy}")


def _notes(images: Sequence[ScoredClasses], maps: MatchedMaps, metric: Multiclass) -> Iterator[str]:
    yield from mask_notes(sum(image.counts is not None for image in images), len(images))
    if not any(image.signals for image in images):
        yield "the maps are numbers of classes without probabilities: there are no signals of confidence"
    predicted = sum((image.counts.predicted[VOID : VOID + 1].sum() for image in images if image.counts is not None), 0)
    void = sum(VOID in image.found for image in images)
    if void and metric.ignore is None and not predicted:
        yield f"class {VOID} is true in {void} masks and never predicted: where it stands for void, pass --ignore-index {VOID}"
    yield from extra_notes(maps)


def class_maps_in(folder: Path) -> ListedSignals:
    """Wrap the class maps below a folder as `ListedSignals`; maps of class indices have no signals."""
    files = sorted(walk(folder, endings={*EXTENSIONS, *ARRAYS}).images)
    if not files:
        raise InputError(f"no map below {folder}: predictions are maps of classes, one for each image")
    by_name = {file.relative_to(folder).as_posix(): file for file in files}
    return ListedSignals(folder, tuple(by_name), SIGNALS, bound(_signals, by_name))


def _signals(files: Mapping[str, Path], entries: list[tuple[str, Path | str]]) -> list[Mapping[str, float]]:
    found: list[Mapping[str, float]] = []
    for name, _ in entries:
        try:
            given = read_class_map(files[name])
        except ImageError as error:
            raise InputError(f"the prediction {path_text(files[name])}: {error}") from error
        found.append({} if given.probabilities is None else class_map_signals(given.probabilities))
    return found
