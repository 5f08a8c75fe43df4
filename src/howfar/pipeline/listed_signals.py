"""Read the file in which a classifier or a detector lists its answers, and compute signals that need no labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from howfar.data import Dataset
from howfar.data.boxes import read_boxes
from howfar.data.class_predictions import read_classes
from howfar.data.entry_matching import entries_of
from howfar.data.folder_walk import printable, stem
from howfar.data.images import size
from howfar.errors import ImageError, InputError
from howfar.metrics.box_signals import box_consistency, box_signals, box_stability, mirrored
from howfar.metrics.class_signals import class_signals
from howfar.metrics.detection import Boxes, Detection
from howfar.relation.label_free_columns import BOX_AGREEMENTS, BOX_SIGNALS, CLASS_SIGNALS, CONFIDENCE

AVERAGE = "average_confidence"
_OF_A_SET = ("nuclear_norm", "mano")
"""Signals of a classifier that an image has only among the others of its set."""
ENDINGS = (".csv", ".parquet", ".pq", ".json")


@dataclass(frozen=True)
class ListedImage:
    """Hold the signals of one image, and why some are missing, else ""."""

    signals: Mapping[str, float]
    words: str = ""

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Return the signals, by the names that estimators know them by, and why some are missing; no threshold matters."""
        return dict(self.signals), self.words


@dataclass(frozen=True, eq=False)
class Listed:
    """Hold a file of predictions: the names of its entries, and the functions by which their signals are computed.

    `of_set` computes the signals of several entries of one set, and takes the width of each image's picture where boxes of the
    flipped images are to be flipped back.
    """

    predictions: Path
    names: tuple[str, ...]
    given: tuple[str, ...]
    of_set: Callable[[list[tuple[str, Path | str]]], list[Mapping[str, float]]]
    alone: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, predictions: Path, flipped: str | Path | None, metric: str) -> Listed:
        """Read a table of class predictions, or boxes in JSON; `metric` says by which overlap and from which score boxes count.

        Raises `InputError` where the file is of no such form, or there are predictions of flipped images of a classifier.
        """
        if predictions.suffix.lower() == ".json":
            return _boxes(predictions, None if flipped is None else Path(flipped), Detection.named(metric))
        if flipped is not None:
            raise InputError.of("flipped", "is of no use to classification", str(flipped), "leave it out")
        return _classes(predictions)

    def columns(self) -> tuple[str, ...]:
        """List the columns that the file gives."""
        return self.given

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, by the image's file.

        Raises `InputError` where no entry of the file is of an image.
        """
        entries = entries_of(dataset, "row", self.predictions, list(self.names))
        named = [(entries[item.name], item.path) for item in dataset.items if item.name in entries]
        signals = dict(zip((path for _, path in named), self.of_set(named), strict=True))
        return {item.path: _image(signals.get(item.path), self.predictions) for item in dataset.items}

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of one image that comes alone, without those of a set."""
        by_stem = {stem(Path(name).name): name for name in reversed(self.names)}
        entry = by_stem.get(Path(image).stem)
        if entry is None:
            return _image(None, self.predictions)
        (signals,) = self.of_set([(entry, image)])
        return _image({name: value for name, value in signals.items() if name not in self.alone}, self.predictions)


def _image(signals: Mapping[str, float] | None, file: Path) -> ListedImage:
    if signals is None:
        return ListedImage({}, f"no prediction of it in {printable(file)}")
    return ListedImage(signals)


def _classes(file: Path) -> Listed:
    table = read_classes(file)
    row = {image: number for number, image in enumerate(table.images)}

    def of_set(entries: list[tuple[str, Path | str]]) -> list[Mapping[str, float]]:
        rows = [row[name] for name, _ in entries]
        confidence = table.confidence[rows]
        columns = {AVERAGE: confidence, CONFIDENCE: confidence}
        if table.probabilities is not None and rows:
            whole = np.flatnonzero(np.isfinite(table.probabilities[rows]).all(axis=1))
            for name, values in (class_signals(table.probabilities[rows][whole]) if len(whole) else {}).items():
                columns[name] = np.full(len(rows), np.nan)
                columns[name][whole] = values
        return [{name: float(values[k]) for name, values in columns.items()} for k in range(len(rows))]

    known = (CONFIDENCE,) if table.probabilities is None else CLASS_SIGNALS
    return Listed(file, table.images, (AVERAGE, *known), of_set, frozenset(_OF_A_SET))


def _boxes(file: Path, flipped: Path | None, metric: Detection) -> Listed:
    mirror = None if flipped is None else read_boxes(flipped, "boxes of the flipped images")
    return listed_boxes(file, read_boxes(file), mirror, metric)


def listed_boxes(
    file: Path, predicted: Mapping[str, Mapping[str, Any]], mirror: Mapping[str, Mapping[str, Any]] | None, metric: Detection
) -> Listed:
    """List boxes by the names of their entries, with those of the flipped images where there are any.

    Raises `InputError` for boxes that cannot be scored, when their signals are computed.
    """
    words = sorted({word for side in (predicted, mirror or {}) for boxes in side.values() for word in boxes["labels"]})
    index = {word: number for number, word in enumerate(words)}
    by_stem = {} if mirror is None else {stem(name): boxes for name, boxes in mirror.items()}

    def tally(name: str, boxes: Mapping[str, Any]) -> Boxes:
        try:
            numbered = {**boxes, "labels": [index[word] for word in boxes["labels"]]}
            return metric.tally(numbered, {"boxes": [], "labels": []})
        except InputError as error:
            raise InputError(f"the entry {name} of {printable(file)}: {error}") from error

    def of_image(name: str, path: Path | str) -> Mapping[str, float]:
        own = tally(name, predicted[name])
        kept = own.scores >= metric.min_score
        signals = box_signals(own.scores[kept])
        other = None if mirror is None else mirror.get(name) or by_stem.get(stem(name))
        if other is None:
            return signals
        back = tally(name, other)
        there = back.scores >= metric.min_score
        try:
            corners = mirrored(back.predicted[there], size(path)[0])
        except ImageError:
            return signals
        labels, theirs = own.labels[kept], back.labels[there]
        agreement = (
            box_stability(own.predicted[kept], corners),
            box_consistency(own.predicted[kept], labels, corners, theirs, metric.iou),
        )
        return {**signals, **dict(zip(BOX_AGREEMENTS, agreement, strict=True))}

    given = BOX_SIGNALS if mirror is not None else tuple(name for name in BOX_SIGNALS if name not in BOX_AGREEMENTS)
    return Listed(file, tuple(predicted), given, lambda entries: [of_image(*entry) for entry in entries])
