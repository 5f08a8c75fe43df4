"""Score an object detector: predicted boxes against true boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial as partial_of
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from howfar.data import Dataset
from howfar.data.box_files import BoxFile, read_predicted_boxes, read_true_boxes
from howfar.data.box_files.box_file import BoxesOf
from howfar.data.box_places import outside
from howfar.data.entry_matching import entries_of
from howfar.data.folder_walk import printable
from howfar.data.images import size
from howfar.data.prediction_matching import examples
from howfar.data.tabular_file import TABLES
from howfar.errors import InputError
from howfar.metrics.box_signals import box_consistency, box_signals, box_stability, mirrored
from howfar.metrics.detection import Boxes, Detection
from howfar.relation.label_free_columns import BOX_AGREEMENTS
from howfar.results import Evaluation
from howfar.studies.evaluation.listed_predictions import Listing, Tallied, evaluate_listing, no_common_class, unmatched

Disturbed: TypeAlias = Callable[[Tallied], Boxes | None]
"""From an image to its boxes where the picture was mirrored."""


def evaluate_boxes(
    dataset: Dataset,
    predictions: str | Path,
    truth: str | Path | None,
    metric: Detection,
    partial: bool,
    progress: bool,
    flipped: str | Path | None = None,
    roles: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
) -> Evaluation:
    """Score predicted boxes against true ones; `howfar.evaluate` says what its arguments mean.

    Without `truth` there are signals alone. `flipped` are boxes of the mirrored images, `roles` the columns of tables, and
    `names` those of the classes 0, 1, 2 …

    Raises `HowfarError` where a file of boxes cannot be read or matches no image, images cannot be scored, or no image has true
    boxes.
    """
    if roles and not any(Path(file).suffix.lower() in TABLES for file in (predictions, truth, flipped) if file is not None):
        raise InputError.of("columns", "is of no use where no file of boxes is a table", dict(roles), "leave it out")
    true_file = BoxFile({}) if truth is None else read_true_boxes(dataset, truth, roles, names)
    if truth is not None and not true_file.boxes:
        raise InputError.of("truth", "must hold the boxes of images, or say of some that they have none", str(truth))
    given = read_predicted_boxes(dataset, predictions, None if truth is None else true_file, roles, names)
    predicted, true = given.boxes, true_file.boxes
    mirror = None if flipped is None else _mirror(dataset, flipped, true_file, roles, names)
    said = [*true_file.notes, *given.notes, *no_common_class(_labels(predicted), _labels(true), "no box matches")]
    said += [*_nameless(predicted, true, {*names, *true_file.names.values()}), *_nothing_true(truth, true)]
    sides = [side for side in (predicted, true, mirror) if side is not None]
    labels = sorted({label for side in sides for boxes in side.values() for label in boxes["labels"]})
    index = {label: number for number, label in enumerate(labels)}
    for boxes in (boxes for side in sides for boxes in side.values()):
        boxes["labels"] = [index[label] for label in boxes["labels"]]
    disturbed = None if mirror is None or flipped is None else _flipped(dataset, Path(flipped), mirror, metric)
    entries = {} if truth is None else entries_of(dataset, "entry", Path(truth), list(true))
    beside = () if truth is None else unmatched(entries, "entry", Path(truth), list(true))
    places = outside(dataset, {image: true[entry]["boxes"] for image, entry in entries.items()}, "true boxes")
    listing = Listing(
        task="detection",
        metric=metric,
        file=Path(predictions),
        predictions=predicted,
        truths={image: true[entry] for image, entry in entries.items()},
        truth_word="entry among the true boxes",
        unknown={"boxes": [], "labels": []},
        columns=partial_of(_columns, metric=metric, disturbed=disturbed),
        truth_file=None if truth is None else Path(truth),
    )
    return evaluate_listing(dataset, listing, partial, progress, (*said, *beside, *places))


def _mirror(
    dataset: Dataset, flipped: str | Path, truth: BoxFile, roles: Mapping[str, str] | None, names: Sequence[str]
) -> BoxesOf:
    return read_predicted_boxes(dataset, flipped, truth, roles, names, "boxes of the flipped images").boxes


def _labels(boxes: BoxesOf) -> set[str]:
    return {label for entry in boxes.values() for label in entry["labels"]}


def _nameless(predicted: BoxesOf, true: BoxesOf, known: Collection[str]) -> Iterator[str]:
    """Say where boxes have a class that is none of those that are known by name, where any are."""
    for what, boxes in (("predicted", predicted), ("true", true)):
        strange = sorted(_labels(boxes) - set(known)) if known else []
        if strange:
            count = "1 class of the {} boxes has" if len(strange) == 1 else f"{len(strange)} classes of the {{}} boxes have"
            named = f"those with one are {examples(sorted(known), 8)}"
            yield f"{count.format(what)} no name ({examples(strange)}): {named}"


def _nothing_true(truth: str | Path | None, true: BoxesOf) -> Iterator[str]:
    if truth is not None and not any(entry["boxes"] for entry in true.values()):
        yield "no image has a true box: there is nothing to find, so that there are no scores"


def _columns(tallied: Sequence[Tallied], metric: Detection, disturbed: Disturbed | None) -> dict[str, Any]:
    """Count matched, missed and false boxes of each image, nan where its truth is unknown, and compute its boxes' signals."""
    has_truth = np.array([image.has_truth for image in tallied])
    boxes = [image.tally for image in tallied]
    counts = {
        name: np.where(has_truth, [getattr(tally, name) for tally in boxes], np.nan) for name in ("hits", "misses", "false")
    }
    means = [float(np.mean(tally.scores)) if len(tally.scores) else math.nan for tally in boxes]
    rows = [{**_signals(image.tally, metric), **_agreement(image, metric, disturbed)} for image in tallied]
    signals = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    return {**counts, "average_confidence": np.array(means), **signals}


def _signals(tally: Boxes, metric: Detection) -> dict[str, float]:
    """Compute the signals of the boxes that F1 is of."""
    return box_signals(tally.scores[tally.scores >= metric.min_score])


def _agreement(image: Tallied, metric: Detection, disturbed: Disturbed | None) -> dict[str, float]:
    """Compare an image's boxes with those of its mirrored picture; nan where that has none of them."""
    if disturbed is None:
        return {}
    other = disturbed(image)
    if other is None:
        return dict.fromkeys(BOX_AGREEMENTS, math.nan)
    kept, others = (one.scores >= metric.min_score for one in (image.tally, other))
    boxes, labels = image.tally.predicted[kept], image.tally.labels[kept]
    back, back_labels = other.predicted[others], other.labels[others]
    values = box_stability(boxes, back), box_consistency(boxes, labels, back, back_labels, metric.iou)
    return dict(zip(BOX_AGREEMENTS, values, strict=True))


def _flipped(dataset: Dataset, file: Path, mirror: dict[str, dict[str, Any]], metric: Detection) -> Disturbed:
    """Make the function that returns the boxes of an image's mirrored picture, flipped back; None where it has none.

    Raises `InputError` where no entry of the file is of an image.
    """
    entries = entries_of(dataset, "entry", file, list(mirror))

    def boxes_of(image: Tallied) -> Boxes | None:
        entry = entries.get(image.item.name)
        if entry is None:
            return None
        try:
            boxes = metric.tally(mirror[entry], {"boxes": [], "labels": []})
        except InputError as error:
            raise InputError(f"the entry {entry} of {printable(file)}: {error}") from error
        return replace(boxes, predicted=mirrored(boxes.predicted, size(image.item.path)[0]))

    return boxes_of
