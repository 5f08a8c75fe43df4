"""Score predictions that one file lists, make evaluations of scored images, and compute signals of listed images."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial as bound
from pathlib import Path
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.dataset import entries_of, examples
from howfar.data.image_folder import path_text, stem
from howfar.errors import ImageError, InputError
from howfar.metrics import Metric
from howfar.results import Evaluation, Provenance
from howfar.tasks.reading import Fault, read_all


def spread(values: Any, known: Any) -> Float64Array:
    """Expand values of the images in a mask to all images, with nan elsewhere; None gives all nan."""
    column = np.full(len(known), np.nan)
    column[known] = np.nan if values is None else values
    return column


def evaluation_of(
    kept: Dataset, images: Sequence[Any], performance: Float64Array, scores: Mapping[str, float | None], **fields: Any
) -> Evaluation:
    """Make the evaluation of scored images; `fields` are further fields, with ``columns`` for the table of images."""
    import pandas as pd  # not needed to score an image

    columns = {
        "dataset": [kept.name] * len(images),
        "image": [image.item.name for image in images],
        "path": [path_text(image.item.path) for image in images],
        "content": [image.content for image in images],
        "prediction": [image.prediction for image in images],
        "performance": performance,
        **fields.pop("columns"),
    }
    return Evaluation(
        dataset=kept.name,
        n=len(images),
        scored=int(np.isfinite(performance).sum()),
        scores={name: None if value is None or math.isnan(value) else value for name, value in scores.items()},
        images=pd.DataFrame(columns),
        provenance=Provenance.now(),
        skipped=kept.skipped,
        **{"threshold": None, "tolerance": 0.0, **fields},
    )


@dataclass(frozen=True, eq=False)
class TalliedImage:
    """Hold an image's predictions file and entry, its tally, and whether the tally includes a truth."""

    item: Item
    content: str
    prediction: str
    entry: str
    tally: Any
    has_truth: bool


@dataclass(frozen=True, eq=False)
class ListedPredictions:
    """Hold the predictions in a file by entry name (None for an empty entry), and the truths of the same images by image name.

    `truth_word` names a truth in sentences about images without one ("label"); `unknown` stands in for a truth, so that a
    prediction is checked without one; `columns` makes further columns of the table of images; `truth_file` is None where truths
    had no file.
    """

    task: str
    metric: Metric[Any]
    file: Path
    predictions: Mapping[str, Any]
    truths: Mapping[str, Any]
    truth_word: str
    unknown: Any
    columns: Callable[[Sequence[TalliedImage]], dict[str, Any]]
    truth_file: Path | None = None


def unmatched(entries: Mapping[str, str], what: str, file: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield a note on a file's entries that match no image, if any."""
    used = set(entries.values())
    extra = [name for name in names if name not in used]
    if extra:
        plural, verb = ("", "matches") if len(extra) == 1 else ("s", "match")
        yield f"{len(extra)} {what}{plural} of {path_text(file)} {verb} no image ({examples(extra)})"


def no_common_class(predicted: Collection[str], true: Collection[str], so: str) -> Iterator[str]:
    """Yield a note if predicted and true classes have none in common, so that nothing can be correct."""
    if predicted and true and not set(predicted) & set(true):
        classes = f"predicted: {examples(sorted(predicted))}; true: {examples(sorted(true))}"
        yield f"no class is both predicted and true ({classes}), so that {so}: name them alike, or pass --classes"


def evaluate_listing(
    dataset: Dataset, listing: ListedPredictions, partial: bool, progress: bool, notes: Sequence[str] = ()
) -> Evaluation:
    """Score a listing's predictions; images without truth are kept for label-free signals."""
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
    return evaluation_of(
        kept,
        tallied,
        spread(score.per_image if has_truth.any() else None, has_truth),
        {name: value if has_truth.any() else None for name, value in score.scores.items()},
        task=listing.task,
        metric=score.metric,
        columns=listing.columns(tallied),
        notes=(*_without(has_truth, listing.truth_word), *unmatched(entries, "row", listing.file, names), *notes),
    )


def _tally(item: Item, listing: ListedPredictions, entries: Mapping[str, str]) -> TalliedImage | Fault:
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
    return TalliedImage(item, content, path_text(listing.file), entry, tally, item.name in listing.truths)


def _blamed(item: Item, listing: ListedPredictions, entry: str) -> str:
    """Name the faulty part: the truth if the prediction alone can be tallied, otherwise the prediction."""
    try:
        if listing.predictions[entry] is not None:
            listing.metric.tally(listing.predictions[entry], listing.unknown)
            where = "" if listing.truth_file is None else f" in {path_text(listing.truth_file)}"
            return f"the truth of {item.name}{where}"
    except InputError:
        pass  # the prediction's own, or of both: it is mended first
    return f"the row {entry} of {path_text(listing.file)}"


def _without(has_truth: Any, truth: str) -> Iterator[str]:
    count = int((~has_truth).sum())
    if count == len(has_truth):
        yield f"the images have no {truth}: there are only confidences, and no scores"
    elif count:
        have = "1 image has" if count == 1 else f"{count} images have"
        yield f"{have} no {truth}: kept for the confidences, without performance"


@dataclass(frozen=True)
class ListedImage:
    """Hold the signals of one image, and the reason for missing signals or ""."""

    signals: Mapping[str, float]
    words: str = ""

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Return the signals by estimator column names, and the reason for missing signals; `threshold` has no effect."""
        return dict(self.signals), self.words


@dataclass(frozen=True, eq=False)
class ListedSignals:
    """Hold a predictions file: the names of its entries, its signal columns, and the function that computes them.

    `of_set` takes several entries of one set, each with its image; the signals `alone` are defined only for sets.
    """

    predictions: Path
    names: tuple[str, ...]
    given: tuple[str, ...]
    of_set: Callable[[list[tuple[str, Path | str]]], list[Mapping[str, float]]]
    alone: frozenset[str] = field(default_factory=frozenset)

    def columns(self) -> tuple[str, ...]:
        """List the signal columns available from the file."""
        return self.given

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, keyed by image file."""
        entries = entries_of(dataset, "row", self.predictions, list(self.names))
        named = [(entries[item.name], item.path) for item in dataset.items if item.name in entries]
        signals = dict(zip((path for _, path in named), self.of_set(named), strict=True))
        return {item.path: _image(signals.get(item.path), self.predictions) for item in dataset.items}

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of a single image, without signals defined only for sets."""
        by_stem = {stem(Path(name).name): name for name in reversed(self.names)}
        entry = by_stem.get(Path(image).stem)
        if entry is None:
            return _image(None, self.predictions)
        (signals,) = self.of_set([(entry, image)])
        return _image({name: value for name, value in signals.items() if name not in self.alone}, self.predictions)


def _image(signals: Mapping[str, float] | None, file: Path) -> ListedImage:
    if signals is None:
        return ListedImage({}, f"no prediction of it in {path_text(file)}")
    return ListedImage(signals)
