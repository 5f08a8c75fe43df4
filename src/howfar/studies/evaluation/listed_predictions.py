"""Predictions listed in one file, an entry an image, scored through the `Metric` of their task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial as bound
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.folder_walk import printable, stem
from howfar.data.prediction_matching import examples, match_names, no_match
from howfar.errors import ImageError, InputError
from howfar.metrics import Metric
from howfar.results import Evaluation, Provenance
from howfar.studies.evaluation.map_scores import with_bar
from howfar.studies.evaluation.unscored_images import Fault, settle


@dataclass(frozen=True, eq=False)
class Tallied:
    """What is kept of one image: its entry's name in the file, its tally, and whether a truth stands behind that."""

    item: Item
    content: str
    entry: str
    tally: Any
    known: bool


@dataclass(frozen=True, eq=False)
class Listing:
    """What a file says of images, and what is true of them.

    Attributes
    ----------
    task, metric
        The task's name, and what scores it.
    file
        Where the predictions come from.
    predictions
        Entry name to what the metric takes; None where the entry is empty.
    truths
        Image name to what the metric takes.
    truth_word
        What an image without truth lacks, in words ("label").
    unknown
        What the metric may take in place of a truth, so that a prediction is checked and kept without one.
    columns
        Further columns of the table of images.
    """

    task: str
    metric: Metric[Any]
    file: Path
    predictions: Mapping[str, Any]
    truths: Mapping[str, Any]
    truth_word: str
    unknown: Any
    columns: Callable[[Sequence[Tallied]], dict[str, Any]]


def entries_of(dataset: Dataset, what: str, file: Path, names: Sequence[str]) -> dict[str, str]:
    """Image name to the name of its entry in a file: the same name, else the same path without the ending.

    Raises
    ------
    InputError
        Nothing matches.

    Examples
    --------
    >>> roads = Dataset("roads", (Item("1.jpg", Path("1.jpg")), Item("2.jpg", Path("2.jpg"))))
    >>> entries_of(roads, "row", Path("p.csv"), ["1.jpg", "2.png"])
    {'1.jpg': '1.jpg', '2.jpg': '2.png'}
    """
    whole = set(names)
    by_stem = {stem(name): name for name in reversed(names)}
    keys = match_names(dataset, by_stem)
    found = {image: image if image in whole else by_stem.get(key) for image, key in keys.items()}
    matched = {image: entry for image, entry in found.items() if entry is not None}
    if not matched:
        raise InputError(no_match(dataset, what, printable(file), names))
    return matched


def unmatched(entries: Mapping[str, str], what: str, file: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield a note on the entries of a file that belong to no image, where there are any.

    Examples
    --------
    >>> list(unmatched({"1.jpg": "1.jpg"}, "row", Path("p.csv"), ["1.jpg", "9.jpg"]))
    ['1 row of p.csv matches no image (9.jpg)']
    """
    used = set(entries.values())
    extra = [name for name in names if name not in used]
    if extra:
        match = (
            f"1 {what} of {printable(file)} matches" if len(extra) == 1 else f"{len(extra)} {what}s of {printable(file)} match"
        )
        yield f"{match} no image ({examples(extra)})"


def evaluate_listing(
    dataset: Dataset, listing: Listing, partial: bool, progress: bool, notes: Sequence[str] = ()
) -> Evaluation:
    """Score a listing's predictions; images without truth are kept for what needs none.

    Raises
    ------
    InputError
        Nothing matches, or as `howfar.studies.evaluation.unscored_images.settle`.
    """
    entries = entries_of(dataset, "row", listing.file, list(listing.predictions))
    metric = listing.metric
    tallied, faults = _outcomes(dataset, listing, entries, metric, partial, progress)
    skipped = settle(faults, dataset, partial)
    known = np.array([one.known for one in tallied])
    # Without any truth the metric is asked about a first image all the same, for the names of its scores.
    score = metric.score([one.tally for one in (tallied if known.any() else tallied[:1]) if one.known or not known.any()])
    performance = np.full(len(tallied), np.nan)
    performance[known] = score.per_image if known.any() else np.nan
    return Evaluation(
        dataset=dataset.name,
        task=listing.task,
        metric=score.metric,
        threshold=None,
        tolerance=0.0,
        n=len(tallied),
        scored=int(np.isfinite(performance).sum()),
        scores={name: None if math.isnan(value) or not known.any() else value for name, value in score.scores.items()},
        images=_frame(dataset.name, listing, tallied, performance),
        provenance=Provenance.now(),
        skipped=(*dataset.skipped, *skipped),
        notes=(
            *_without(known, listing.truth_word),
            *unmatched(entries, "row", listing.file, list(listing.predictions)),
            *notes,
        ),
    )


def _outcomes(
    dataset: Dataset, listing: Listing, entries: Mapping[str, str], metric: Metric[Any], partial: bool, progress: bool
) -> tuple[list[Tallied], list[Fault]]:
    """Every image as tallied or at fault, in the dataset's order."""
    absent = f"in {printable(listing.file)})"
    missing = {
        item.name: Fault(item.name, printable(item.path), f"no prediction (no row {item.name} {absent}", missing=True)
        for item in dataset.items
        if item.name not in entries
    }
    settle(list(missing.values()), dataset, partial)
    there = [item for item in dataset.items if item.name in entries]
    read = with_bar(bound(_tally, listing=listing, entries=entries, metric=metric), there, progress)
    found = dict(zip((item.name for item in there), read, strict=True))
    outcomes = [missing.get(item.name) or found[item.name] for item in dataset.items]
    tallied = [one for one in outcomes if isinstance(one, Tallied)]
    return tallied, [one for one in outcomes if isinstance(one, Fault)]


def _tally(item: Item, listing: Listing, entries: Mapping[str, str], metric: Metric[Any]) -> Tallied | Fault:
    entry = entries[item.name]
    try:
        content = content_hash(read_bytes(item.path))
        if listing.predictions[entry] is None:
            raise InputError("it is empty")
        tally = metric.tally(listing.predictions[entry], listing.truths.get(item.name, listing.unknown))
    except ImageError as error:
        return Fault(item.name, printable(item.path), f"the image {printable(item.path)}: {error}")
    except InputError as error:
        return Fault(item.name, printable(item.path), f"the row {entry} of {printable(listing.file)}: {error}")
    return Tallied(item, content, entry, tally, item.name in listing.truths)


def _frame(name: str, listing: Listing, tallied: Sequence[Tallied], performance: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": [name] * len(tallied),
            "image": [one.item.name for one in tallied],
            "path": [printable(one.item.path) for one in tallied],
            "content": [one.content for one in tallied],
            "prediction": [printable(listing.file)] * len(tallied),
            "performance": performance,
            **listing.columns(tallied),
        }
    )


def _without(known: Any, truth: str) -> Iterator[str]:
    count = int((~known).sum())
    if count == len(known):
        yield f"the images have no {truth}: there are only confidences, and no scores"
    elif count:
        have = "1 image has" if count == 1 else f"{count} images have"
        yield f"{have} no {truth}: kept for the confidences, without performance"
