"""Score predictions that one file lists, an entry for each image: classes of a classifier or boxes of a detector."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial as bound
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.entry_matching import entries_of
from howfar.data.folder_walk import printable
from howfar.data.prediction_matching import examples
from howfar.errors import ImageError, InputError
from howfar.metrics import Metric
from howfar.results import Evaluation, Provenance
from howfar.studies.evaluation.map_scores import with_bar
from howfar.studies.evaluation.unscored_images import Fault, read_all, settle


@dataclass(frozen=True, eq=False)
class Tallied:
    """Hold an image's entry name in the file, its tally, and whether a truth stands behind the tally."""

    item: Item
    content: str
    entry: str
    tally: Any
    has_truth: bool


@dataclass(frozen=True, eq=False)
class Listing:
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
        yield f"{len(extra)} {what}{plural} of {printable(file)} {verb} no image ({examples(extra)})"


def no_common_class(predicted: Collection[str], true: Collection[str], so: str) -> Iterator[str]:
    """Yield a note where no class is both predicted and true, so that nothing can be right."""
    if predicted and true and not set(predicted) & set(true):
        classes = f"predicted: {examples(sorted(predicted))}; true: {examples(sorted(true))}"
        yield f"no class is both predicted and true ({classes}), so that {so}: name them alike, or pass --classes"


def evaluate_listing(
    dataset: Dataset, listing: Listing, partial: bool, progress: bool, notes: Sequence[str] = ()
) -> Evaluation:
    """Score a listing's predictions; images without truth are kept for signals that need none.

    Raises `InputError` where no entry matches an image, or images cannot be scored and may not be left out.
    """
    names, metric = list(listing.predictions), listing.metric
    entries = entries_of(dataset, "row", listing.file, names)
    tallied, faults = _outcomes(dataset, listing, entries, partial, progress)
    skipped = settle(faults, dataset, partial)
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
        skipped=(*dataset.skipped, *skipped),
        notes=(*_without(has_truth, listing.truth_word), *unmatched(entries, "row", listing.file, names), *notes),
    )


def _outcomes(
    dataset: Dataset, listing: Listing, entries: Mapping[str, str], partial: bool, progress: bool
) -> tuple[list[Tallied], list[Fault]]:
    """Tally every image that has an entry; return the tallies and the faults, each in the dataset's order."""
    absent = f"in {printable(listing.file)})"
    missing = [
        Fault(item.name, printable(item.path), f"no prediction (no row {item.name} {absent}", missing=True)
        for item in dataset.items
        if item.name not in entries
    ]
    tally = bound(_tally, listing=listing, entries=entries)
    return read_all(dataset, missing, lambda items: with_bar(tally, items, progress), partial)


def _tally(item: Item, listing: Listing, entries: Mapping[str, str]) -> Tallied | Fault:
    entry = entries[item.name]
    try:
        content = content_hash(read_bytes(item.path))
        if listing.predictions[entry] is None:
            raise InputError("it is empty")
        tally = listing.metric.tally(listing.predictions[entry], listing.truths.get(item.name, listing.unknown))
    except ImageError as error:
        return Fault(item.name, printable(item.path), f"the image {printable(item.path)}: {error}")
    except InputError as error:
        return Fault(item.name, printable(item.path), f"{_blamed(item, listing, entry)}: {error}")
    return Tallied(item, content, entry, tally, item.name in listing.truths)


def _blamed(item: Item, listing: Listing, entry: str) -> str:
    """Name what holds the fault: the truth, where the prediction can be tallied without it."""
    try:
        if listing.predictions[entry] is not None:
            listing.metric.tally(listing.predictions[entry], listing.unknown)
            where = "" if listing.truth_file is None else f" in {printable(listing.truth_file)}"
            return f"the truth of {item.name}{where}"
    except InputError:
        pass  # the prediction's own, or of both: it is mended first
    return f"the row {entry} of {printable(listing.file)}"


def _frame(name: str, listing: Listing, tallied: Sequence[Tallied], performance: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": [name] * len(tallied),
            "image": [image.item.name for image in tallied],
            "path": [printable(image.item.path) for image in tallied],
            "content": [image.content for image in tallied],
            "prediction": [printable(listing.file)] * len(tallied),
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
