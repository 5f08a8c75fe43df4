"""Score boxes or classes that one file lists for all images, and collect what estimators read, such as confidence."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item
from howfar.data.dataset import entries_of, examples
from howfar.data.image_folder import counted, path_text, stem
from howfar.errors import InputError
from howfar.metrics import Metric
from howfar.metrics.metric_interface import defined
from howfar.results import Evaluation, Provenance
from howfar.tasks.task import content_of, read_all


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

    groups = [image.item.group for image in images]
    columns = {
        "dataset": [kept.name] * len(images),
        "image": [image.item.name for image in images],
        "path": [path_text(image.item.path) for image in images],
        "content": [image.content for image in images],
        **({"group": groups} if any(groups) else {}),
        "prediction": [image.prediction for image in images],
        "performance": performance,
        **fields.pop("columns"),
    }
    return Evaluation(
        dataset=kept.name,
        n=len(images),
        scored=int(np.isfinite(performance).sum()),
        scores={name: defined(value) for name, value in scores.items()},
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


def unmatched(entries: Mapping[str, str], what: str, file: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield a note on a file's entries that match no image, if any."""
    used = set(entries.values())
    extra = [name for name in names if name not in used]
    if extra:
        verb = "matches" if len(extra) == 1 else "match"
        yield f"{counted(len(extra), what)} of {path_text(file)} {verb} no image ({examples(extra)})"


def no_common_class(predicted: Collection[str], true: Collection[str], so: str) -> Iterator[str]:
    """Yield a note if predicted and true classes have none in common, so that nothing can be correct."""
    if predicted and true and not set(predicted) & set(true):
        classes = f"predicted: {examples(sorted(predicted))}; true: {examples(sorted(true))}"
        yield f"no class is both predicted and true ({classes}), so that {so}: name them alike, or pass --classes"


def evaluate_listing(
    dataset: Dataset,
    metric: Metric[Any],
    file: Path,
    predictions: Mapping[str, Any],
    truths: Mapping[str, Any],
    *,
    truth_word: str,
    unknown: Any,
    columns: Callable[[Sequence[TalliedImage]], dict[str, Any]],
    truth_file: Path | None = None,
    partial: bool,
    progress: bool,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Score the predictions in a file; images without truth are kept for label-free signals.

    `predictions` are by entry name (None for an empty entry), `truths` by image name. `truth_word` names a truth in sentences
    about images without one ("label"); `unknown` stands in for a truth, so that a prediction is checked without one; `columns`
    makes further columns of the table of images; `truth_file` is None where truths had no file.
    """
    names, where = list(predictions), path_text(file)
    entries = entries_of(dataset, "row", file, names)

    def tally(item: Item) -> TalliedImage:
        entry, content, is_labelled = entries[item.name], content_of(item), item.name in truths
        blamed = f"the row {entry} of {where}"
        try:
            if predictions[entry] is None:
                raise InputError("it is empty")
            # The prediction alone comes first: what it breaks is not a fault of the truth.
            counts = metric.tally(predictions[entry], unknown)
            if is_labelled:
                blamed = f"the truth of {item.name}{'' if truth_file is None else f' in {path_text(truth_file)}'}"
                counts = metric.tally(predictions[entry], truths[item.name])
        except InputError as error:
            raise InputError(f"{blamed}: {error}") from error
        return TalliedImage(item, content, where, entry, counts, is_labelled)

    absent = [item.name for item in dataset.items if item.name not in entries]
    missing = {name: f"no prediction (no row {name} in {where})" for name in absent}
    tallied, kept = read_all(dataset, missing, tally, partial, progress)
    has_truth = np.array([image.has_truth for image in tallied])
    # Without any truth the metric scores a first image all the same, for the names of its scores.
    score = metric.score([image.tally for image in tallied if image.has_truth] or [image.tally for image in tallied[:1]])
    without, remarks = int((~has_truth).sum()), []
    if without == len(has_truth):
        remarks = [f"the images have no {truth_word}: there are only confidences, and no scores"]
    elif without:
        lacking = f"{counted(without, 'image has', 'images have')} no {truth_word}"
        remarks = [f"{lacking}: kept for the confidences, without performance"]
    return evaluation_of(
        kept,
        tallied,
        spread(score.per_image if has_truth.any() else None, has_truth),
        {name: value if has_truth.any() else None for name, value in score.scores.items()},
        task=metric.name,
        metric=score.metric,
        columns=columns(tallied),
        notes=(*remarks, *unmatched(entries, "row", file, names), *notes),
    )


@dataclass(frozen=True)
class ListedImage:
    """Hold the signals of one image, and the reason for missing signals or ""."""

    signals: Mapping[str, float]
    words: str = ""

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Return the signals by estimator column names, and the reason for missing signals; `threshold` has no effect."""
        return dict(self.signals), self.words


Signals: TypeAlias = Callable[[Sequence[tuple[str, Item]]], list[Mapping[str, float]]]
"""From several entries of one set, each with its image, to the signals of each."""


@dataclass(frozen=True, eq=False)
class ListedSignals:
    """Hold a predictions file, its signal columns, and how to read its entries.

    `read` returns the names of the entries for a dataset, and the function that computes their signals. The signals `alone` are
    defined only for sets.
    """

    predictions: Path
    given: tuple[str, ...]
    read: Callable[[Dataset], tuple[Sequence[str], Signals]]
    alone: frozenset[str] = field(default_factory=frozenset)

    def columns(self) -> tuple[str, ...]:
        """List the signal columns available from the file."""
        return self.given

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, keyed by image file."""
        names, signals_of = self.read(dataset)
        entries = entries_of(dataset, "row", self.predictions, list(names))
        listed = [(entries[item.name], item) for item in dataset.items if item.name in entries]
        signals = dict(zip((item.path for _, item in listed), signals_of(listed), strict=True))
        return {item.path: self._image(signals.get(item.path)) for item in dataset.items}

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of a single image, without signals defined only for sets."""
        item = Item(Path(image).name, image)
        names, signals_of = self.read(Dataset("new", (item,)))
        entry = {stem(Path(name).name): name for name in reversed(names)}.get(Path(image).stem)
        if entry is None:
            return self._image(None)
        (signals,) = signals_of([(entry, item)])
        return self._image({name: value for name, value in signals.items() if name not in self.alone})

    def _image(self, signals: Mapping[str, float] | None) -> ListedImage:
        if signals is None:
            return ListedImage({}, f"no prediction of it in {path_text(self.predictions)}")
        return ListedImage(signals)
