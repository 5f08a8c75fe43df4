"""Implement binary segmentation: read probability maps and masks, and measure maps at a threshold or over all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial as bound
from numbers import Real
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.arrays import Float64Array, quotient
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.annotations import CATEGORY, FirstLabels
from howfar.data.binary_masks import read_mask
from howfar.data.image_and_mask_folders import counted
from howfar.data.image_decoding import size
from howfar.data.label_files import read_labels
from howfar.data.name_matching import examples
from howfar.data.prediction_maps import MatchedMaps, made_with, read_prediction
from howfar.errors import ImageError, InputError, blaming, option
from howfar.image_reading_options import by_colour
from howfar.metrics import THRESHOLDS, Counts, at_threshold, best_per_image, histogram, stack, summarise, threshold_index
from howfar.metrics.label_free_signals import foreground_confidence
from howfar.metrics.metric_interface import defined
from howfar.metrics.probability_maps import as_levels
from howfar.metrics.threshold_counts import as_tolerance
from howfar.relation.labelled_images import AGREEMENTS, CONFIDENCES, FLIP_OVERLAP, SHAPES, SOFT_F, TILE_AGREEMENT
from howfar.results import Evaluation
from howfar.results.evaluation_result import PERFORMANCE_NAMES
from howfar.sampling import foreground_bound
from howfar.tasks import task
from howfar.tasks.map_scores_and_signals import (
    MapFolders,
    ScoredMap,
    doubled_notes,
    extra_notes,
    find_sources,
    have,
    mask_notes,
    score_map,
    scored_maps,
    stacked,
)

FALSE_ALARMS = "false_positive_rate"
_AT = "at threshold {threshold:.2f}"


@dataclass(frozen=True)
class MapMeasure(task.Measure):
    """Define a measure of probability maps; `tolerant` where mask and map need only agree within some pixels."""

    tolerant: bool = True

    def measured(self, counts: Counts, threshold: float) -> task.SampleMeasures:
        """Turn the counts of images into the numbers that an estimate is made of."""
        if self.name == FALSE_ALARMS:
            # Of an image with foreground nan.
            predicted = counts.predicted[:, threshold_index(threshold)] > 0
            return task.SampleMeasures(np.where(counts.true == 0, predicted.astype(np.float64), np.nan))
        if self.name == "ois":
            return task.SampleMeasures(best_per_image(counts)[0])
        if self.kind == "mean":
            return task.SampleMeasures(getattr(at_threshold(counts, threshold), f"per_image_{self.name.removeprefix('mean_')}"))
        # Numerators and denominators, (m, thresholds) each, of a ratio of sums.
        predicted, hits = counts.predicted.astype(np.float64), counts.hits_predicted.astype(np.float64)
        true, pixels = (np.broadcast_to(sums[:, None], hits.shape).astype(np.float64) for sums in (counts.true, counts.pixels))
        ratios = {
            "false_positive_share": (np.where(true == 0, predicted, 0.0), np.where(true == 0, pixels, 0.0)),
            "precision": (hits, predicted),
            "recall": (counts.hits_true.astype(np.float64), true),
            "iou": (hits, predicted + true - hits),
        }
        above, below = ratios.get(self.name, (2.0 * hits, predicted + true))
        if self.kind == "best":
            return task.SampleMeasures(at_threshold(counts, threshold).per_image_f, (above, below))
        chosen = [threshold_index(threshold)]
        above, below = above[:, chosen], below[:, chosen]
        return task.SampleMeasures(quotient(above, below)[:, 0], (above, below))


_SUMMED = f"of the summed pixels {_AT}"
_BLANK = "images without foreground"
MEASURES: Mapping[str, MapMeasure] = {
    measure.name: measure
    for measure in (
        MapMeasure("mean_f", f"mean F {_AT}", "mean"),
        MapMeasure("mean_iou", f"mean IoU {_AT}", "mean"),
        MapMeasure("mean_precision", f"mean precision {_AT}", "mean"),
        MapMeasure("mean_recall", f"mean recall {_AT}", "mean"),
        MapMeasure("ois", "mean of each image's best F (OIS)", "mean"),
        MapMeasure("f", f"F {_SUMMED}", "ratio", tolerant=False),
        MapMeasure("iou", f"IoU {_SUMMED}", "ratio", tolerant=False),
        MapMeasure("precision", f"precision {_SUMMED}", "ratio"),
        MapMeasure("recall", f"recall {_SUMMED}", "ratio"),
        MapMeasure(FALSE_ALARMS, f"share of the {_BLANK} in which some is predicted {_AT}", "mean"),
        MapMeasure("false_positive_share", f"share of the pixels of {_BLANK} that are predicted {_AT}", "ratio"),
        MapMeasure("ods", "best F of the summed pixels at one threshold (ODS)", "best", tolerant=False),
    )
}

FALLBACK = 0.5
OVER_THRESHOLDS = ("ods", "ods_threshold", "ois", "ois_aggregate", "ap")
AT_THRESHOLD = ("f", "mean_f", "precision", "recall", "iou")
FEW = 16
"""Labels below which intervals of ratios of sums are doubted."""


@dataclass(frozen=True, eq=False)
class Cut:
    """Hold a threshold, its source in words, and the evaluation used for tuning."""

    threshold: float
    source: str
    tuned_on: Evaluation | None = None


def choose(threshold: float | None, tuned_on: Evaluation | str | Path | None) -> Cut | None:
    """Return the threshold of `howfar.evaluate`'s arguments, None for the set's own best; raise `InputError` for bad ones."""
    if threshold is not None and tuned_on is not None:
        rule = f"{option('threshold')} and {option('tuned_on')} cannot both be given"
        raise InputError(f"{rule}: a threshold is given, or tuned on a set")
    if threshold is not None:
        if not isinstance(threshold, Real):
            raise InputError.of("threshold", "must be a number", threshold, "pass one of 0.00, 0.01 … 0.99")
        return Cut(float(THRESHOLDS[threshold_index(threshold)]), "given")
    if tuned_on is None:
        return None
    if not isinstance(tuned_on, (Evaluation, str, Path)):
        raise InputError.of("tuned_on", "must be an Evaluation or its file", type(tuned_on).__name__)
    tuned = tuned_on if isinstance(tuned_on, Evaluation) else Evaluation.load(tuned_on)
    best = tuned.scores.get("ods_threshold")
    if best is None:
        rule = "must be an evaluation of maps against masks with foreground"
        raise InputError.of("tuned_on", rule, f"{tuned.task} of {tuned.dataset}", "evaluate P's predictions first")
    return Cut(float(THRESHOLDS[threshold_index(best)]), f"tuned on {tuned.dataset}", tuned)


@dataclass(frozen=True, eq=False)
class MapAnswers(task.ModelAnswers):
    """Hold the files of probability maps and, after reading, the maps' histograms."""

    sources: tuple[MatchedMaps, ...] = field(kw_only=True)
    histograms: tuple[NDArray[np.int64], ...] = ()

    def digest(self, image: str) -> str | None:
        """Return a hash of the map's file; None without a map."""
        answer = self.by_image.get(image)
        return None if answer is None else content_hash(task.read_named("the prediction", answer.value, read_bytes, InputError))

    def with_images(self, partial: bool, progress: bool) -> tuple[Self, list[str]]:
        """Read every image and its map, as `ModelAnswers.with_images` does.

        A map's confidence is Σ p² / Σ p. Within five crack datasets it correlates with F by .73 to .95, and so does soft F;
        averaged with the agreement with flipped maps both correlate less.
        """
        scored, kept = scored_maps(self.dataset, self.sources, 0.0, partial, progress)
        answers = {
            image.item.name: replace(self.by_image[image.item.name], confidence=float(foreground_confidence(image.histogram)))
            for image in scored
        }
        histograms = tuple(image.histogram for image in scored)
        read = replace(self, dataset=kept, by_image=answers, histograms=histograms)
        return read, [image.content for image in scored]


@dataclass(frozen=True)
class SegmentationTask(task.Task):
    """Serve segmentation: measure maps at a threshold, with a tolerance in pixels; `flipped` and `members` are map folders."""

    threshold: float = FALLBACK
    tolerance: float = 0.0
    flipped: str | Path | None = None
    members: tuple[str | Path, ...] = ()
    tiles: str | Path | None = None
    cut: Cut | None = None
    score_size: int | None = None

    name = "segmentation"
    options = ("foreground", "tolerance", "score_size", "threshold", "tuned_on", "flipped", "ensemble", "tiles", "model")
    noun = "map"
    proxy = "confidence of the model's maps in their foreground"
    means = "mean_f, mean_iou, mean_precision, mean_recall or ois"
    label_place = "masks"
    performance_name = PERFORMANCE_NAMES[name]
    further = (task.FLIPPED, task.TILED)
    trained = True
    supposed = (
        "The lists assume that each image holds foreground: an image without foreground may be listed although its empty "
        "prediction is right."
    )
    if_blank = f"If none of them holds foreground, F is undefined: then add --metric {FALSE_ALARMS} to the command."

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        members: Any = options.get("ensemble", ())
        members = (members,) if isinstance(members, (str, Path)) else tuple(members)
        threshold, tolerance = options.get("threshold"), as_tolerance(options["tolerance"])
        cut = choose(threshold, options.get("tuned_on"))
        given = {name: options.get(name) for name in ("flipped", "tiles", "score_size")}
        return cls(FALLBACK if threshold is None else threshold, tolerance, members=members, cut=cut, **given)

    def measure(self, name: str | None) -> MapMeasure:
        measure = task.named_measure(name, tuple(MEASURES.values()))
        if self.tolerance and not measure.tolerant:
            means = ", ".join(other.name for other in MEASURES.values() if other.tolerant)
            rule = "must be no ratio of sums where there is a tolerance"
            raise InputError.of("metric", rule, measure.name, f"certify one of {means}")
        return measure

    def evaluate(self, dataset: Dataset, predictions: str | Path, partial: bool, progress: bool) -> Evaluation:
        """Score the maps of a dataset at the given threshold, by default the best for the dataset's own masks."""
        sources = find_sources(dataset, predictions, self.flipped, self.members)
        folders = MapFolders.of(predictions, self.flipped, self.members, self.tiles)
        scored, kept = scored_maps(dataset, sources, self.tolerance, partial, progress, self.score_size)
        masked = np.array([image.item.mask is not None for image in scored])
        counts = stack(image.counts for image in scored)
        whole = summarise(counts.take(masked), self.tolerance)
        # By default the set's own ODS threshold, as in the paper; it is nan where no pixel is true.
        best = defined(whole.ods_threshold)
        own = Cut(FALLBACK, "no foreground to tune on") if best is None else Cut(best, "best for this set")
        cut = self.cut or own
        at_cut = whole.at(cut.threshold)
        scores = {
            **{name: defined(getattr(whole, name)) for name in OVER_THRESHOLDS},
            **{name: defined(getattr(at_cut, name)) if counts.true.any() else None for name in AT_THRESHOLD},
            "false_positive_share": defined(at_cut.false_positive_share),
        }
        maps, items = folders.matched(dataset), [image.item for image in scored]
        rows = list(task.with_bar(lambda item: maps[item.path].read(cut.threshold)[0], items, progress, "signals"))
        signals = stacked(rows, [*dict.fromkeys([*rows[0], *folders.columns])])
        # Counted at the maps' full precision.
        signals["predicted_foreground"] = counts.predicted[:, threshold_index(cut.threshold)] / counts.pixels
        columns = {
            "best": task.spread(whole.per_image_best, masked),
            "best_threshold": task.spread(whole.per_image_best_threshold, masked),
            **{what: task.spread(getattr(at_cut, f"per_image_{what}"), masked) for what in ("precision", "recall", "iou")},
            "foreground": np.where(masked, counts.true / counts.pixels, np.nan),
            **{name: column for name, column in signals.items() if name in CONFIDENCES},
            **{name: signals[name] for name in (SOFT_F, *AGREEMENTS, *SHAPES, FLIP_OVERLAP) if name in signals},
            "histogram": [image.histogram for image in scored],
            # An image without a mask has no counts, rather than hits of 0, by which its foreground would count as false.
            **{
                what: [row if has_mask else None for row, has_mask in zip(getattr(counts, what), masked, strict=True)]
                for what in ("predicted", "hits_predicted", "hits_true")
            },
            "true": np.where(masked, counts.true.astype(np.float64), np.nan),
            "pixels": counts.pixels,
            **{name: signals[name] for name in (TILE_AGREEMENT,) if name in signals},
        }
        return task.evaluation_of(
            kept,
            scored,
            task.spread(at_cut.per_image_f, masked),
            scores,
            task=self.name,
            metric=f"F at threshold {cut.threshold:.2f} ({cut.source})",
            threshold=cut.threshold,
            tolerance=self.tolerance,
            columns=columns,
            notes=tuple(self._notes(scored, sources, scores, cut)),
            tiled=bool(scored) and all(made_with(sources[0].files[image.item.name]).get("tiled") is True for image in scored),
        )

    def _notes(
        self, scored: Sequence[ScoredMap], sources: Sequence[MatchedMaps], scores: Mapping[str, float | None], cut: Cut
    ) -> Iterator[str]:
        """Yield a sentence for each problem that weakens the scores or explains an undefined score."""
        if self.score_size is not None:
            yield f"maps and masks were resized to {self.score_size}×{self.score_size} before they were compared"
        # The masks.
        masked = [image for image in scored if image.item.mask is not None]
        empty = sum(int(image.counts.true[0]) == 0 for image in masked)
        yield from mask_notes(len(masked), len(scored))
        if empty:
            what = f"every mask ({empty}) is empty" if empty == len(masked) else have(empty, "an empty mask")
            false_positives, share = scores["false_positive_share"], ""
            if false_positives is not None:
                share = f"; {100 * false_positives:.2g} % of their pixels are predicted as foreground"
            yield f"{what}: no F{share} at threshold {cut.threshold:.2f}" if share else f"{what}: no F"
        full = [image.item.name for image in masked if int(image.counts.true[0]) == int(image.counts.pixels[0])]
        if full:
            what = have(len(full), "a mask that is foreground throughout")
            yield f"{what} ({examples(full)}): any map of 1 scores well there"
        grey = sum(image.grey for image in masked)
        if grey:
            yield f"{counted(grey, 'mask holds', 'masks hold')} grey levels: what is above 127 counts as foreground"
        # The maps.
        lossy, faint = (sum(getattr(image, fault) for image in scored) for fault in ("lossy", "faint"))
        if lossy:
            these = counted(lossy, "map is", "maps are")
            yield f"{these} in a lossy format (JPEG or like it), which alters probabilities: save PNG"
        if faint:
            these = counted(faint, "map holds", "maps hold")
            yield f"{these} no value above 1 of 255, and {'is' if faint == 1 else 'are'} taken for nearly empty"
        if all(image.histogram[1:-1].sum() == 0 for image in scored):
            yield "the maps hold nothing but 0 and 1: all thresholds give the same, and signals of confidence say nothing"
        for maps in sources:
            yield from extra_notes(maps)
        # The threshold.
        if cut.tuned_on is not None:
            tuning = set(cut.tuned_on.images["content"])
            both = sum(image.content in tuning for image in scored)
            if both:
                these = f"{both} of these images" if both < len(scored) else "these very images"
                yield f"the threshold was tuned on {these}: F at it is no estimate for unseen ones"
            if cut.tuned_on.tolerance != self.tolerance:
                tolerance = f"a tolerance of {cut.tuned_on.tolerance:g} px, and this is {self.tolerance:g} px"
                yield f"the threshold was tuned with {tolerance}"

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> MapAnswers:
        sources = find_sources(dataset, predictions, self.flipped, self.members)
        answers = {name: task.ModelAnswer(file) for name, file in sources[0].files.items()}
        notes = tuple(note for maps in sources for note in doubled_notes(maps))
        return MapAnswers(dataset, Path(predictions), answers, notes=notes, sources=sources)

    def expected(self, measure: task.Measure, answers: task.ModelAnswers) -> task.Pair | None:
        """Compute each map's expected numerators and denominators of a measure, if p is calibrated."""
        if measure.kind == "mean":
            return None
        return MEASURES[measure.name].measured(_expected_counts(answers), self.threshold).parts

    def bounds(self, measure: task.Measure, answers: task.ModelAnswers, others: task.ModelAnswers) -> Float64Array:
        """Return the largest possible difference of F, whatever the truth; of other measures 1 where the foregrounds differ."""
        counts, differ = [], []
        for name in (item.name for item in answers.dataset.items):
            files = answers.by_image[name].value, others.by_image[name].value
            ours, theirs = (read_foreground(file, self.threshold) for file in files)
            task.check_same_size(name, ours.shape, theirs.shape)
            counts.append((ours.sum(), theirs.sum(), (ours & theirs).sum()))
            differ.append(bool((ours != theirs).any()) or measure.name == "ois")
        if measure.name == "mean_f" and not self.tolerance:
            return foreground_bound(*np.array(counts, dtype=np.float64).T)
        return np.array(differ, dtype=np.float64)

    def sizes(self, measure: task.Measure, answers: task.ModelAnswers) -> Float64Array | None:
        if measure.name == "false_positive_share":
            # The share is of the images without foreground, which are not known before they are labelled: any may be without.
            return _expected_counts(answers).pixels.astype(np.float64)
        parts = self.expected(measure, answers)
        if parts is None:
            return None
        return parts[1][:, 0 if parts[1].shape[1] == 1 else threshold_index(self.threshold)]

    def read_labels(self, answers: task.ModelAnswers, place: str | Path, own: bool, scratch: Path) -> task.LabelsRead:
        """Collect label masks as files; foreground described by an export is written to `scratch`."""
        dataset, labels = answers.dataset, read_labels(answers.dataset, place)
        if not labels.by_image:
            wanted = f"name masks as the images, such as {dataset.items[0].name}"
            raise InputError.of("labels", f"must hold labels of images of {dataset.name}", str(place), wanted)
        masks: dict[str, Any] = {}
        untouched: list[str] = []
        for name, mask in labels.by_image.items():
            if isinstance(mask, Path):
                # Masks that howfar handed out are black and white, whatever colour those of the user have.
                masks[name] = mask if own else by_colour(mask)
            elif name in answers.by_image:
                predicted = read_foreground(answers.by_image[name].value, self.threshold)
                drawn = np.zeros_like(predicted) if mask.size == 0 else mask
                if labels.unsure and np.array_equal(drawn, predicted):
                    untouched.append(name)
                    continue
                scratch.mkdir(exist_ok=True)
                masks[name] = scratch / f"{len(masks)}.png"
                Image.fromarray(drawn.astype(np.uint8) * np.uint8(255)).save(masks[name])
        notes = task.stranger_notes(labels.strangers, dataset)
        return masks, [*notes, *task.untouched_notes(untouched, "foreground", "where it is right as it is, save it as a mask")]

    def label_hash(self, label: Any) -> str:
        try:
            foreground = read_mask(label)
        except ImageError:  # it is refused where it is measured
            return ""
        return content_hash(str(foreground.shape).encode() + np.packbits(foreground).tobytes())

    def measured(self, measure: task.Measure, answers: task.ModelAnswers, labels: Mapping[str, Any]) -> task.SampleMeasures:
        items = {item.name: item for item in answers.dataset.items}
        labelled = [replace(items[name], mask=mask) for name, mask in labels.items()]
        sources = cast("MapAnswers", answers).sources

        def count(item: Item) -> Counts:
            with blaming(f"the label of {item.name} cannot be used", ImageError):
                return score_map(item, sources, self.tolerance).counts

        return MEASURES[measure.name].measured(stack(task.with_bar(count, labelled, progress=False)), self.threshold)

    def remarks(self, measure: task.Measure, labelled: int, population: int, undefined: bool) -> tuple[str, ...]:
        remarks = []
        if labelled and undefined:
            nowhere = f"{measure.name} is not defined in any of the {labelled} labelled images"
            if measure.name.startswith("false_positive"):
                remarks.append(f"{nowhere}, which all hold foreground: certify mean_f")
            else:
                remedy = "label more of the sample"
                if measure.kind == "mean":
                    remedy += ", or, where none has foreground, certify how often some is predicted "
                    remedy += f"(--metric {FALSE_ALARMS}, the same labels)"
                remarks.append(f"{nowhere} (of F: their masks are blank): {remedy}")
        if measure.kind != "mean" and 0 < labelled < min(FEW, population):
            remarks.append(
                f"a few images with many false pixels rule a ratio of sums, and fewer than {FEW} labels may miss them: by 8 "
                "labels a 90 % interval held in 80 % of the samples of one of five crack datasets"
            )
        return tuple(remarks)

    def first_labels(self, answers: task.ModelAnswers, images: Sequence[str]) -> FirstLabels:
        shapes, faults = {}, {}
        items = {item.name: item for item in answers.dataset.items}
        for name in images:
            file = answers.by_image[name].value
            try:
                (height, width), wanted = read_prediction(file).values.shape, size(items[name].path)
            except ImageError as error:
                faults[name] = str(error)
                continue
            if (width, height) == wanted:
                shapes[name] = bound(read_foreground, file, self.threshold)
            else:
                faults[name] = f"its map is of {width}×{height} pixels, the image of {wanted[0]}×{wanted[1]}"
        return FirstLabels(self.name, own=(CATEGORY,), foregrounds=shapes, faults=faults)


def read_foreground(prediction: Path, threshold: float) -> NDArray[np.bool_]:
    """Read a probability map, and return its foreground, (h, w) bool, where p is above the threshold."""
    levels, lowest = as_levels(read_prediction(prediction).values)
    return np.asarray(levels >= lowest[threshold_index(threshold)])


def _expected_counts(answers: task.ModelAnswers) -> Counts:
    """Compute each map's expected counts if p is calibrated, from known histograms or the map files; they are not integers."""
    known = answers.histograms if isinstance(answers, MapAnswers) else ()
    files = (answers.by_image[item.name].value for item in answers.dataset.items)
    levels = np.array(known or [histogram(read_prediction(file).values) for file in files], dtype=np.float64)
    # At a threshold Σ p of the pixels above it are true of those predicted, and Σ p of all pixels are true.
    above, hits = (np.cumsum((levels * p)[:, ::-1], axis=1)[:, ::-1] for p in (np.ones(256), np.arange(256) / 255))
    lowest = as_levels(np.zeros((1, 1), np.uint8))[1]
    sums: Any = above[:, lowest], hits[:, lowest], hits[:, lowest], hits[:, 0], levels.sum(axis=1)
    return Counts(*sums)
