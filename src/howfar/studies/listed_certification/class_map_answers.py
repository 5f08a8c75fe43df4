"""Hold a segmenter's maps of several classes on a site, and what of them is measured once masks are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.class_maps import read_class_map, read_class_mask
from howfar.data.folder_walk import EXTENSIONS, natural_key, printable, stem, walk
from howfar.data.label_imports import matched
from howfar.data.predictions import match_maps
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.metrics.class_map_signals import class_map_signals
from howfar.metrics.multiclass import Multiclass
from howfar.studies.certification.measures import VALUES, Measure, Measured, Pair
from howfar.studies.evaluation.map_scores import with_bar
from howfar.studies.listed_certification.answers import Answer, named_measure, strange

_MEAN_IOU = "mean_iou"


@dataclass(frozen=True, eq=False)
class ClassMapAnswers:
    """Hold a map of each image, read again when its label is there."""

    entries: Mapping[str, Answer | None]
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

    def expected(self, measure: Measure, answers: Sequence[Answer]) -> Pair | None:
        """Return None: both measures are means over images."""
        return None

    def read_labels(
        self, dataset: Dataset, place: str | Path, answers: Mapping[str, Answer]
    ) -> tuple[dict[str, Any], list[str]]:
        """Find the masks of classes that somebody drew of the images."""
        root = absolute(place)
        if not root.is_dir():
            raise InputError.of("labels", "must be a folder of masks of classes", str(place), "save a PNG for each image")
        files = sorted(walk(root, endings=EXTENSIONS).images, key=lambda file: natural_key(file.name))
        masks, strangers = matched(dataset, {stem(file.relative_to(root).as_posix()): file for file in reversed(files)})
        return masks, [strange(strangers, dataset)] if strangers else []

    def measured(self, measure: Measure, labelled: Sequence[tuple[str, Answer, Any]]) -> Measured:
        """Compare the map of each image with its mask."""
        score = self.metric.score([self._counts(*one) for one in labelled])
        return Measured(score.columns["iou"] if measure.name == _MEAN_IOU else score.per_image)

    def _counts(self, name: str, answer: Answer, mask: Path) -> Any:
        try:
            return self.metric.tally(read_class_map(answer.value).indices, read_class_mask(mask))
        except (ImageError, InputError) as error:
            raise InputError(f"the label of {name} cannot be used: {printable(mask)}: {error}") from error


@dataclass(frozen=True)
class _Read:
    files: Mapping[str, Path]

    def __call__(self, item: Item) -> Answer:
        file = self.files[item.name]
        try:
            data, given = read_bytes(file), read_class_map(file)
        except ImageError as error:
            raise InputError(f"the prediction {printable(file)}: {error}") from error
        expected = float("nan") if given.probabilities is None else class_map_signals(given.probabilities)["soft_f"]
        return Answer(file, float(np.clip(expected, 0.0, 1.0)), content_hash(data))
