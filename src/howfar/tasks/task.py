"""Define the interface of a task (such as segmentation); read its images, skipping faulty ones; score listed predictions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypeVar

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.annotations import FirstLabels
from howfar.data.image_and_mask_folders import counted, path_text, stem
from howfar.data.name_matching import entries_of, examples
from howfar.data.prediction_maps import match_maps
from howfar.errors import HowfarError, ImageError, InputError, blaming, option
from howfar.metrics import Metric
from howfar.metrics.metric_interface import defined
from howfar.option_checks_and_signatures import nearest
from howfar.progress import bar
from howfar.results import Evaluation, Provenance, Skipped
from howfar.runners import LocalRunner

FLIPPED, TILED = "-flipped", "-tiled"
FOLDER = ""
"""The ending of predictions that are a folder."""
Pair: TypeAlias = tuple[Float64Array, Float64Array]
LabelsRead: TypeAlias = tuple[dict[str, Any], list[str]]
"""Labels by image name, and notes on labels that do not count."""
M = TypeVar("M", bound="Measure")
R = TypeVar("R")


def read_all(
    dataset: Dataset,
    missing: Mapping[str, str],
    read: Callable[[Item], R],
    partial: bool,
    progress: bool,
    title: str = "scores",
) -> tuple[list[R], Dataset]:
    """Read every image except the `missing`, with reasons by name; return the readings and the dataset of these images.

    Raises `InputError` for images that `read` refuses or that are missing, unless `partial` allows and others are left.
    """
    faults = dict(missing)

    def faulty() -> list[Item]:
        images = [item for item in dataset.items if item.name in faults]
        total, count = len(dataset), len(images)
        if not images or (partial and count < total):
            return images
        none_predicted = faults.keys() <= missing.keys()
        what = ("has" if count == 1 else "have") + " no prediction" if none_predicted else "cannot be scored"
        mend = f"{'predict' if none_predicted else 'mend'} {'it' if count == 1 else 'them'}"
        others = f", or pass {option('partial', True)} to score only the other {total - count}" if count < total else ""
        subject = f"{count} of {total} {'image' if total == 1 else 'images'} of {dataset.name}"
        first = f"the first is {images[0].name}: {faults[images[0].name]}"
        raise InputError(f"{subject} {what}; {first}: {mend}{others}")

    def tried(item: Item) -> tuple[R, ...]:
        try:
            return (read(item),)
        except (ImageError, InputError) as error:
            faults[item.name] = str(error)
            return ()

    faulty()
    present = [item for item in dataset.items if item.name not in missing]
    readings = [*chain.from_iterable(with_bar(tried, present, progress, title))]
    skipped = (Skipped(dataset.name, path_text(item.path), faults[item.name]) for item in faulty())
    items = tuple(item for item in present if item.name not in faults)
    return readings, replace(dataset, items=items, skipped=(*dataset.skipped, *skipped))


def with_bar(function: Callable[[Item], R], items: Sequence[Item], progress: bool, title: str = "scores") -> Iterator[R]:
    """Yield ``function(item)`` in order, with a progress bar on stderr."""
    results = LocalRunner().run(function, items)
    yield from bar(results, progress=progress, total=len(items), unit="image", desc=title)


def read_named(what: str, path: Path | str, reader: Callable[[Path | str], R], refusal: type[HowfarError] = ImageError) -> R:
    """Read a file; raise a `refusal` that names the file and its role if the reader raises `ImageError`."""
    with blaming(f"{what} {path_text(path)}", ImageError, refusal):
        return reader(path)


def content_of(item: Item) -> str:
    """Return the content hash of an image's file."""
    return content_hash(read_named("the image", item.path, read_bytes))


@dataclass(frozen=True, eq=False)
class SampleMeasures:
    """Hold the measured values of k labelled images, (k,) with nan for undefined, from which an estimate is computed.

    `parts` are numerators and denominators of each image, (k, t) each for t thresholds; None for a mean of `values`.
    """

    values: Float64Array
    parts: Pair | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Measure:
    """Define a measure: a mean over images, a ratio of sums, or the best ratio over thresholds; `words` may show it."""

    name: str
    words: str
    kind: Literal["mean", "ratio", "best"]


@dataclass(frozen=True, eq=False)
class ModelAnswer:
    """Hold a model's answer on an image, its confidence (nan if unknown), and a text that reveals changes."""

    value: Any
    confidence: float = float("nan")
    text: str = ""


@dataclass(frozen=True, eq=False)
class ModelAnswers:
    """Hold a model's answers on a dataset's images by image name, with their source file and the model's classes."""

    dataset: Dataset
    file: Path
    by_image: Mapping[str, ModelAnswer] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, file: str | Path, entries: Mapping[str, ModelAnswer | None], classes: Sequence[str]) -> Self:
        """Match the entries of a file with images; an entry of None means no answer."""
        matched = entries_of(dataset, "row", Path(file), list(entries))
        answers = {image: answer for image, entry in matched.items() if (answer := entries[entry]) is not None}
        return cls(dataset, Path(file), answers, tuple(classes))

    def digest(self, image: str) -> str | None:
        """Return a hash of the answer on an image, to detect changes; None without an answer."""
        answer = self.by_image.get(image)
        return None if answer is None else content_hash(answer.text.encode())

    def with_images(self, partial: bool, progress: bool) -> tuple[Self, list[str]]:
        """Read every image with an answer; return answers and the images' content hashes. Raises `InputError` as `read_all`."""
        reason = f"no prediction (none in {path_text(self.file)})"
        missing = {item.name: reason for item in self.dataset.items if item.name not in self.by_image}
        contents, kept = read_all(self.dataset, missing, content_of, partial, progress, "images")
        return replace(self, dataset=kept, by_image={item.name: self.by_image[item.name] for item in kept.items}), contents


class Task(ABC):
    """Provide one task to all commands; an instance holds the options for reading and measuring predictions."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    """Options of commands that this task has a use for and some other task has not."""
    noun: ClassVar[str] = "prediction"
    """What the model's answer on an image is called in error lines."""
    proxy: ClassVar[str]
    """Where predicted performance comes from without a profile, in words."""
    means: ClassVar[str]
    """The names of measures that are means over images, as an error line lists them."""
    label_place: ClassVar[str]
    """The file or folder, in the folder that certify writes, where labels are looked for."""
    performance_name: ClassVar[str]
    """What the mean performance of images is called."""
    endings: ClassVar[tuple[str, ...]] = (FOLDER,)
    """Endings that the predictions of a dataset NAME may have, ``NAME.csv``; "" stands for a folder NAME."""
    further: ClassVar[tuple[str, ...]] = ()
    """What is added to NAME for predictions of the same images in another way."""
    truth_noun: ClassVar[str] = "masks"
    """What a labelled dataset has, in the plural."""
    labelling: ClassVar[str] = "put them in masks/ beside images/, named as the images"
    """How a dataset is labelled, as a remedy in error lines."""
    trained: ClassVar[bool] = False
    """Whether howfar trains models of this task."""
    if_blank: ClassVar[str] = ""
    """What to do if the labels that are asked for turn out to hold nothing to find, as a sentence."""
    supposed: ClassVar[str] = ""
    """What is taken for granted of the images on a failure list, as a sentence."""
    threshold: float | None = None
    tolerance: float = 0.0

    @classmethod
    def failing(cls, count: int, tau: float) -> str:
        """Write the verb of "3 images probably fail (F below 0.5)"."""
        return f"probably {'fails' if count == 1 else 'fail'} ({cls.performance_name} below {tau:g})"

    @classmethod
    @abstractmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Make the task from a command's validated options."""

    @abstractmethod
    def evaluate(self, dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
        """Score a model's predictions of a dataset; arguments are those of `howfar.evaluate`."""

    def labelled(self, dataset: Dataset) -> Dataset:
        """Return the dataset without unlabelled images."""
        return replace(dataset, items=tuple(item for item in dataset.items if item.mask is not None))

    def predicted(self, dataset: Dataset, predictions: str | Path) -> Collection[str]:
        """Return the names of the images with a prediction and, if the truth is in a file, a truth."""
        return match_maps(dataset, predictions).files

    @abstractmethod
    def measure(self, name: str | None) -> Measure:
        """Return the measure of a name, by default the first; raises `InputError` for an unknown name."""

    @abstractmethod
    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> ModelAnswers:
        """Read a model's predictions of a dataset's images."""

    @abstractmethod
    def read_labels(self, answers: ModelAnswers, place: str | Path, own: bool, scratch: Path) -> LabelsRead:
        """Read labels by image name; `own` says that howfar handed the place out, `scratch` may be made for temporary files."""

    def label_hash(self, label: Any) -> str:
        """Return a hash of what a label says; "" for a file that cannot be read, which is refused where it is measured."""
        try:
            return content_hash(read_bytes(label) if isinstance(label, Path) else repr(label).encode())
        except ImageError:
            return ""

    @abstractmethod
    def measured(self, measure: Measure, answers: ModelAnswers, labels: Mapping[str, Any]) -> SampleMeasures:
        """Measure the answers on the labelled images, in the order of the labels."""

    def expected(self, measure: Measure, answers: ModelAnswers) -> Pair | None:
        """Compute expected numerators and denominators from the answers' own confidence, (m, t) each; None for a mean."""
        return None

    def bounds(self, measure: Measure, answers: ModelAnswers, others: ModelAnswers) -> Float64Array:
        """Return the largest possible difference of two models' performance, (m,): 0 for images on which they agree."""
        names = [item.name for item in answers.dataset.items]
        return np.array([float(self.differ(name, answers.by_image[name], others.by_image[name])) for name in names])

    def differ(self, image: str, one: ModelAnswer, other: ModelAnswer) -> bool:
        """Return whether two answers on an image can score differently; other probabilities of the same class cannot."""
        return bool(one.value != other.value)

    def sizes(self, measure: Measure, answers: ModelAnswers) -> Float64Array | None:
        """Return the expected size of each image in a ratio of sums, (m,); None for a mean over images."""
        parts = self.expected(measure, answers)
        return None if parts is None else parts[1][:, 0]

    def remarks(self, measure: Measure, labelled: int, population: int, undefined: bool) -> tuple[str, ...]:
        """Explain a measure that no labelled image defines, and warn of intervals known to undercover."""
        return ()

    @abstractmethod
    def first_labels(self, answers: ModelAnswers, images: Sequence[str]) -> FirstLabels:
        """Return the answers on some images as initial labels for correction."""


def check_same_size(image: str, *shapes: tuple[int, ...]) -> None:
    """Raise `InputError` unless two models' maps of an image, (h, w), have one size."""
    if shapes[0] != shapes[1]:
        sizes = " and ".join(f"{shape[1]}×{shape[0]}" for shape in shapes)
        raise InputError.of("against", "must hold maps of the same sizes", f"{sizes} pixels for {image}")


def named_measure(name: str | None, measures: Sequence[M]) -> M:
    """Return the measure of a name, by default the first; raises `InputError` for an unknown name."""
    by_name = {measure.name: measure for measure in measures}
    if name is None:
        return measures[0]
    if name not in by_name:
        raise InputError.of("metric", "must be a known one", name, nearest(name, by_name, "metrics"))
    return by_name[name]


def label_count(count: int) -> str:
    """Begin a sentence on labels: "1 label is", "2 labels are"."""
    return counted(count, "label is", "labels are")


def untouched_notes(names: Sequence[str], what: str, remedy: str) -> list[str]:
    """Return a note on labels that are the model's own answers, unchanged, if any; `what` and `remedy` are the task's words."""
    first = f"{label_count(len(names))} the model's own {what}, unchanged ({examples(names)})"
    return [f"{first}: taken for not labelled; {remedy}"] if names else []


def stranger_notes(names: Sequence[str], dataset: Dataset) -> list[str]:
    """Return a note on labels that match no image of a dataset, if any."""
    return [f"{label_count(len(names))} of no image of {dataset.name} ({examples(names)})"] if names else []


def unknown_class_notes(labels: Sequence[str], classes: Sequence[str], begin: str) -> list[str]:
    """Return a note on labels of classes that the model never predicts, if any."""
    unknown = sorted(set(labels) - set(classes))
    return [f"{begin} ({examples(unknown)}): check how they are written"] if unknown else []


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
    """Score the predictions in a file, by entry name (None if empty); images without truth are kept for label-free signals.

    `truth_word` names a truth in sentences about images without one ("label"); `unknown` stands in for a truth, so that a
    prediction is checked without one; `columns` makes further columns of the table of images.
    """
    names, where = list(predictions), path_text(file)
    entries = entries_of(dataset, "row", file, names)

    def tally(item: Item) -> TalliedImage:
        entry, content, is_labelled = entries[item.name], content_of(item), item.name in truths
        # The prediction alone comes first: what it breaks is not a fault of the truth.
        with blaming(f"the row {entry} of {where}"):
            if predictions[entry] is None:
                raise InputError("it is empty")
            counts = metric.tally(predictions[entry], unknown)
        if is_labelled:
            with blaming(f"the truth of {item.name}{'' if truth_file is None else f' in {path_text(truth_file)}'}"):
                counts = metric.tally(predictions[entry], truths[item.name])
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
    """Hold the signals of one image, None where the predictions file has no prediction of it."""

    signals: Mapping[str, float] | None
    file: Path

    def read(self, threshold: float) -> tuple[dict[str, Any], str]:
        """Return the signals by estimator column names, and the reason for missing signals; `threshold` has no effect."""
        if self.signals is None:
            return {}, f"no prediction of it in {path_text(self.file)}"
        return dict(self.signals), ""


Signals: TypeAlias = Callable[[Sequence[tuple[str, Item]]], list[Mapping[str, float]]]
"""From several entries of one set, each with its image, to the signals of each."""


@dataclass(frozen=True, eq=False)
class ListedSignals:
    """Hold a predictions file, its signal `columns`, how to `read` entries and signals, and which ones sets `alone` have."""

    predictions: Path
    columns: tuple[str, ...]
    read: Callable[[Dataset], tuple[Sequence[str], Signals]]
    alone: frozenset[str] = field(default_factory=frozenset)

    def matched(self, dataset: Dataset) -> dict[Path | str, ListedImage]:
        """Compute the signals of a dataset's images, keyed by image file."""
        names, signals_of = self.read(dataset)
        entries = entries_of(dataset, "row", self.predictions, list(names))
        listed = [(entries[item.name], item) for item in dataset.items if item.name in entries]
        signals = dict(zip((item.path for _, item in listed), signals_of(listed), strict=True))
        return {item.path: ListedImage(signals.get(item.path), self.predictions) for item in dataset.items}

    def beside(self, image: Path | str) -> ListedImage:
        """Compute the signals of a single image, without signals defined only for sets."""
        item = Item(Path(image).name, image)
        names, signals_of = self.read(Dataset("new", (item,)))
        entry = {stem(Path(name).name): name for name in reversed(names)}.get(Path(image).stem)
        if entry is None:
            return ListedImage(None, self.predictions)
        (signals,) = signals_of([(entry, item)])
        return ListedImage({name: signals[name] for name in signals if name not in self.alone}, self.predictions)
