"""Score a classifier or a detector, whose predictions one file lists, against class labels or true boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial as bound
from functools import partial as partial_of
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.box_files import BoxFile, read_predicted_boxes, read_true_boxes
from howfar.data.boxes import BoxesOf, outside
from howfar.data.classes import ClassPredictions, folder_notes, labelled_by_folders, named, read_classes
from howfar.data.dataset import entries_of, examples
from howfar.data.documents import TABLES
from howfar.data.folder import path_text
from howfar.data.images import size
from howfar.data.map_style import labelled
from howfar.errors import ImageError, InputError
from howfar.metrics import Metric
from howfar.metrics.classification import CLASSIFICATION, class_signals
from howfar.metrics.detection import Boxes, Detection, box_consistency, box_signals, box_stability, mirrored
from howfar.relation.image_columns import BOX_AGREEMENTS
from howfar.results import Evaluation, Provenance
from howfar.tasks.reading import Fault, read_all


@dataclass(frozen=True, eq=False)
class Tallied:
    """Hold an image's entry name in the file, its tally, and whether a truth stands behind the tally."""

    item: Item
    content: str
    entry: str
    tally: Any
    has_truth: bool


@dataclass(frozen=True, eq=False)
class ListedPredictions:
    """Hold a file's predictions of images, and the truths of those images.

    `predictions` are by entry name, None where the entry is empty; `truths` by image name. `truth_file` is the file or folder
    that the truths were read from, None where it was no file of their own. `truth_word` names a truth in
    sentences about images without one ("label"); `unknown` stands in for a truth, so that a prediction is checked and used
    without one; `columns` makes further columns of the table of images.
    """

    task: str
    metric: Metric[Any]
    file: Path
    predictions: Mapping[str, Any]
    truths: Mapping[str, Any]
    truth_word: str
    unknown: Any
    columns: Callable[[Sequence[Tallied]], dict[str, Any]]
    truth_file: Path | None = None


def unmatched(entries: Mapping[str, str], what: str, file: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield a note on the entries of a file that belong to no image, where there are any."""
    used = set(entries.values())
    extra = [name for name in names if name not in used]
    if extra:
        plural, verb = ("", "matches") if len(extra) == 1 else ("s", "match")
        yield f"{len(extra)} {what}{plural} of {path_text(file)} {verb} no image ({examples(extra)})"


def no_common_class(predicted: Collection[str], true: Collection[str], so: str) -> Iterator[str]:
    """Yield a note where no class is both predicted and true, so that nothing can be right."""
    if predicted and true and not set(predicted) & set(true):
        classes = f"predicted: {examples(sorted(predicted))}; true: {examples(sorted(true))}"
        yield f"no class is both predicted and true ({classes}), so that {so}: name them alike, or pass --classes"


def evaluate_listing(
    dataset: Dataset, listing: ListedPredictions, partial: bool, progress: bool, notes: Sequence[str] = ()
) -> Evaluation:
    """Score a listing's predictions; images without truth are kept for signals that need none.

    Raises `InputError` where no entry matches an image, or images cannot be scored and may not be left out.
    """
    names, metric = list(listing.predictions), listing.metric
    entries = entries_of(dataset, "row", listing.file, names)
    missing = [
        Fault(item.name, path_text(item.path), f"no prediction (no row {item.name} in {path_text(listing.file)})", missing=True)
        for item in dataset.items
        if item.name not in entries
    ]
    tallied, kept = read_all(dataset, missing, bound(_tally, listing=listing, entries=entries), partial, progress)
    has_truth = np.array([image.has_truth for image in tallied])
    # Without any truth the metric scores a first image all the same, for the names of its scores.
    score = metric.score([image.tally for image in tallied if image.has_truth] or [image.tally for image in tallied[:1]])
    performance = np.full(len(tallied), np.nan)
    performance[has_truth] = score.per_image if has_truth.any() else np.nan
    return Evaluation(
        dataset=dataset.name,
        task=listing.task,
        metric=score.metric,
        threshold=None,
        tolerance=0.0,
        n=len(tallied),
        scored=int(np.isfinite(performance).sum()),
        scores={name: None if math.isnan(value) or not has_truth.any() else value for name, value in score.scores.items()},
        images=_frame(dataset.name, listing, tallied, performance),
        provenance=Provenance.now(),
        skipped=kept.skipped,
        notes=(*_without(has_truth, listing.truth_word), *unmatched(entries, "row", listing.file, names), *notes),
    )


def _tally(item: Item, listing: ListedPredictions, entries: Mapping[str, str]) -> Tallied | Fault:
    entry = entries[item.name]
    try:
        content = content_hash(read_bytes(item.path))
        if listing.predictions[entry] is None:
            raise InputError("it is empty")
        tally = listing.metric.tally(listing.predictions[entry], listing.truths.get(item.name, listing.unknown))
    except ImageError as error:
        return Fault(item.name, path_text(item.path), f"the image {path_text(item.path)}: {error}")
    except InputError as error:
        return Fault(item.name, path_text(item.path), f"{_blamed(item, listing, entry)}: {error}")
    return Tallied(item, content, entry, tally, item.name in listing.truths)


def _blamed(item: Item, listing: ListedPredictions, entry: str) -> str:
    """Name what holds the fault: the truth, where the prediction can be tallied without it."""
    try:
        if listing.predictions[entry] is not None:
            listing.metric.tally(listing.predictions[entry], listing.unknown)
            where = "" if listing.truth_file is None else f" in {path_text(listing.truth_file)}"
            return f"the truth of {item.name}{where}"
    except InputError:
        pass  # the prediction's own, or of both: it is mended first
    return f"the row {entry} of {path_text(listing.file)}"


def _frame(name: str, listing: ListedPredictions, tallied: Sequence[Tallied], performance: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": [name] * len(tallied),
            "image": [image.item.name for image in tallied],
            "path": [path_text(image.item.path) for image in tallied],
            "content": [image.content for image in tallied],
            "prediction": [path_text(listing.file)] * len(tallied),
            "performance": performance,
            **listing.columns(tallied),
        }
    )


def _without(has_truth: Any, truth: str) -> Iterator[str]:
    count = int((~has_truth).sum())
    if count == len(has_truth):
        yield f"the images have no {truth}: there are only confidences, and no scores"
    elif count:
        have = "1 image has" if count == 1 else f"{count} images have"
        yield f"{have} no {truth}: kept for the confidences, without performance"


def evaluate_classes(
    given: Dataset,
    predictions: str | Path,
    partial: bool,
    progress: bool,
    columns_of: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
) -> Evaluation:
    """Score predicted classes against the dataset's labels; `howfar.evaluate` says what its arguments mean.

    Where the dataset has no labels, the names of its class folders are taken. `columns_of` gives the column of each role of the
    table, `names` those of the classes 0, 1, 2 …

    Raises `HowfarError` where the table cannot be read or matches no image, images cannot be scored, or a label has no
    probabilities in the table.
    """
    given = labelled(given)
    table, dataset = read_classes(predictions, columns_of, names), labelled_by_folders(given)
    labels = {item.name: named(item.label, names) for item in dataset.items if item.label is not None}
    classes = _classes(table, labels, dataset.name)
    index = {name: number for number, name in enumerate(classes)}
    answers: Any = [index.get(name) for name in table.predicted] if table.probabilities is None else table.probabilities
    row = {image: number for number, image in enumerate(table.images)}

    def columns(tallied: Sequence[Tallied]) -> dict[str, Any]:
        rows = [row[image.entry] for image in tallied]
        confidence = table.confidence[rows]
        labels_of_images: dict[str, Any] = {
            "label": [image.item.label or "" for image in tallied],
            "predicted_label": [table.predicted[number] for number in rows],
        }
        return labels_of_images | _class_signals(confidence, None if table.probabilities is None else table.probabilities[rows])

    listing = ListedPredictions(
        task="classification",
        metric=CLASSIFICATION,
        file=table.file,
        predictions=dict(zip(table.images, answers, strict=True)),
        truths={image: index[label] for image, label in labels.items()},
        truth_word="label",
        unknown=0,
        columns=columns,
    )
    notes = (
        *folder_notes(given, dataset),
        *no_common_class(set(table.predicted) - {""}, set(labels.values()), "none is right"),
    )
    return evaluate_listing(dataset, listing, partial, progress, notes)


def _class_signals(confidence: Float64Array, probabilities: Float64Array | None) -> dict[str, Float64Array]:
    """Compute signals of images that were classified, by name: of their probabilities, else of the confidence alone."""
    if np.isnan(confidence).all():
        return {}
    known = {"class_confidence": confidence} if probabilities is None else class_signals(probabilities)
    return {"average_confidence": confidence, **known}


def _classes(table: ClassPredictions, labels: Mapping[str, str], dataset: str) -> tuple[str, ...]:
    """List the classes, in an order in which an index is a column of probabilities."""
    if table.probabilities is None:
        return tuple(sorted({*table.classes, *labels.values()}))
    strange = sorted({label for label in labels.values() if label not in table.classes})
    if strange:
        line = f"{path_text(table.file)} has no column for the label {strange[0]} of {dataset}"
        raise InputError(f"{line} (its classes: {examples(table.classes, 8)}): name the columns after the labels")
    return table.classes


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
    listing = ListedPredictions(
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
    rows = [{**_box_signals(image.tally, metric), **_agreement(image, metric, disturbed)} for image in tallied]
    signals = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    return {**counts, "average_confidence": np.array(means), **signals}


def _box_signals(tally: Boxes, metric: Detection) -> dict[str, float]:
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
            raise InputError(f"the entry {entry} of {path_text(file)}: {error}") from error
        return replace(boxes, predicted=mirrored(boxes.predicted, size(image.item.path)[0]))

    return boxes_of
