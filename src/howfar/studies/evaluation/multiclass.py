"""Score a segmenter of several classes: predicted maps of classes against masks of classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.dataset import examples
from howfar.data.folder import path_text
from howfar.data.images import size
from howfar.data.predictions import MatchedMaps, decode_class_mask, read_class_map
from howfar.errors import ImageError, InputError
from howfar.metrics.multiclass import METRIC, ClassCounts, Multiclass, class_map_signals
from howfar.results import Evaluation, Provenance
from howfar.tasks.reading import Fault, read_all

VOID = 255
"""The class that masks of Pascal VOC, Cityscapes and others have where nobody says what is there."""


@dataclass(frozen=True, eq=False)
class ScoredClasses:
    """Hold the counts of one image, None where it has no mask, and the signals of its map, none of a map of indices."""

    item: Item
    content: str
    prediction: str
    counts: ClassCounts | None
    signals: dict[str, float] = field(default_factory=dict)
    found: frozenset[int] = frozenset()


def evaluate_class_maps(dataset: Dataset, maps: MatchedMaps, metric: Multiclass, partial: bool, progress: bool) -> Evaluation:
    """Score the maps of a dataset; `howfar.evaluate` says what its arguments mean.

    Raises `InputError` where images cannot be scored and may not be left out.
    """
    missing = [
        Fault(item.name, path_text(item.path), f"no prediction ({maps.missing[item.name]})", missing=True)
        for item in dataset.items
        if item.name in maps.missing
    ]
    images, kept = read_all(dataset, missing, _Score(maps, metric), partial, progress)
    counted = [image.counts for image in images if image.counts is not None]
    whole = metric.score(counted) if counted else None
    masked = np.array([image.counts is not None for image in images])

    def spread(values: Float64Array | None) -> Float64Array:
        column = np.full(len(images), np.nan)
        column[masked] = np.nan if values is None else values
        return column

    performance = spread(None if whole is None else whole.per_image)
    columns = {name: spread(None if whole is None else whole.columns[name]) for name in ("iou", "accuracy")}
    scores = {} if whole is None else whole.scores
    return Evaluation(
        dataset=dataset.name,
        task=metric.name,
        metric=METRIC,
        threshold=None,
        tolerance=0.0,
        n=len(images),
        scored=int(np.isfinite(performance).sum()),
        scores={name: None if math.isnan(value) else value for name, value in scores.items()},
        images=_frame(dataset.name, images, performance, columns),
        provenance=Provenance.now(),
        skipped=kept.skipped,
        notes=tuple(_notes(images, maps, metric)),
    )


@dataclass(frozen=True)
class _Score:
    maps: MatchedMaps
    metric: Multiclass

    def __call__(self, item: Item) -> ScoredClasses | Fault:
        try:
            return self._score(item)
        except (ImageError, InputError) as error:
            return Fault(item.name, path_text(item.path), str(error))

    def _score(self, item: Item) -> ScoredClasses:
        file = self.maps.files[item.name]
        picture = _named("image", item.path, lambda: read_bytes(item.path))
        given = _named("prediction", file, lambda: read_class_map(file))
        shape, signals = given.indices.shape, {}
        if given.probabilities is not None:
            signals = class_map_signals(given.probabilities)
        truth = None
        path = item.mask
        if path is not None:
            truth = _named("mask", path, lambda: decode_class_mask(read_bytes(path)))
        wanted = size(item.path)[::-1] if truth is None else truth.shape
        if shape != wanted:
            other = "its image" if truth is None else "its mask"
            line = f"the prediction {path_text(file)} is {shape[1]}×{shape[0]} pixels and {other} {wanted[1]}×{wanted[0]}"
            raise ImageError(f"{line}: save it at that size")
        self._check_names(file, given.indices, "prediction")
        if truth is not None and path is not None:
            self._check_names(path, truth, "mask")
        counts = None if truth is None else self.metric.tally(given.indices, truth)
        found = frozenset() if truth is None else frozenset(map(int, np.unique(truth)))
        return ScoredClasses(item, content_hash(picture), path_text(file), counts, signals, found)

    def _check_names(self, path: Any, indices: np.ndarray[Any, Any], what: str) -> None:
        """Refuse a class that has no name, where classes have names."""
        count = len(self.metric.names)
        top = int(np.max(indices, initial=0, where=indices != (-1 if self.metric.ignore is None else self.metric.ignore)))
        if count and top >= count:
            remedy = f"name it in classes, or pass ignore_index={top} (--ignore-index {top}) where it stands for void"
            raise ImageError(f"the {what} {path_text(path)} holds the class {top}, and {count} classes are named: {remedy}")


def _named(what: str, path: Any, read: Any) -> Any:
    try:
        return read()
    except ImageError as error:
        raise ImageError(f"the {what} {path_text(path)}: {error}") from error


def _frame(
    name: str, images: Sequence[ScoredClasses], performance: Float64Array, columns: dict[str, Float64Array]
) -> pd.DataFrame:
    signals = dict.fromkeys(name for image in images for name in image.signals)
    counts = [image.counts for image in images]
    return pd.DataFrame(
        {
            "dataset": [name] * len(images),
            "image": [image.item.name for image in images],
            "path": [path_text(image.item.path) for image in images],
            "content": [image.content for image in images],
            "prediction": [image.prediction for image in images],
            "performance": performance,
            **columns,
            **{signal: np.array([image.signals.get(signal, np.nan) for image in images]) for signal in signals},
            "class_hits": [None if count is None else count.hits for count in counts],
            "class_predicted": [None if count is None else count.predicted for count in counts],
            "class_true": [None if count is None else count.true for count in counts],
        }
    )


def _notes(images: Sequence[ScoredClasses], maps: MatchedMaps, metric: Multiclass) -> Iterator[str]:
    without = sum(image.counts is None for image in images)
    if without == len(images):
        yield "no image has a mask: there are only signals that need no labels, and no scores"
    elif without:
        have = "1 image has" if without == 1 else f"{without} images have"
        yield f"{have} no mask: kept for the signals that need no labels, without performance"
    if not any(image.signals for image in images):
        yield "the maps are numbers of classes without probabilities: there are no signals of confidence"
    predicted = sum((image.counts.predicted[VOID : VOID + 1].sum() for image in images if image.counts is not None), 0)
    void = sum(VOID in image.found for image in images)
    if void and metric.ignore is None and not predicted:
        yield f"class {VOID} is true in {void} masks and never predicted: where it stands for void, pass --ignore-index {VOID}"
    if maps.extra:
        match = "map matches" if len(maps.extra) == 1 else "maps match"
        yield f"{len(maps.extra)} {match} no image ({examples(maps.extra)} below {maps.folder})"
