"""Serve segmentation of several classes: read maps and masks of classes, and compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.classes import class_names
from howfar.data.folder import EXTENSIONS, natural_key, path_text, stem, walk
from howfar.data.label_exports import matched
from howfar.data.listed_labels import FirstLabels
from howfar.data.predictions import match_maps, read_class_map, read_class_mask
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.metrics.multiclass import Multiclass, class_map_signals
from howfar.tasks.reading import with_bar
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


@dataclass(frozen=True)
class MulticlassTask(Task):
    """Compare maps of classes by a metric."""

    metric: Multiclass = field(default_factory=Multiclass)

    name = "multiclass"
    options = ("classes", "ignore_index")
    proxy = "F that the map's probabilities expect"
    means = "mean_f or mean_iou"
    label_place = "masks"

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
        answers = with_bar(_Read(files), items, progress, "maps")
        by_image = dict(zip((item.name for item in items), answers, strict=True))
        return ModelAnswers(dataset, Path(predictions), by_image, tuple(self.metric.names))

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


@dataclass(frozen=True)
class _Read:
    files: Mapping[str, Path]

    def __call__(self, item: Item) -> ModelAnswer:
        file = self.files[item.name]
        try:
            data, given = read_bytes(file), read_class_map(file)
        except ImageError as error:
            raise InputError(f"the prediction {path_text(file)}: {error}") from error
        expected = float("nan") if given.probabilities is None else class_map_signals(given.probabilities)["soft_f"]
        return ModelAnswer(file, float(np.clip(expected, 0.0, 1.0)), content_hash(data))
