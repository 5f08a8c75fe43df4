"""Serve segmentation: read probability maps and masks, and measure maps at a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.arrays import Float64Array
from howfar.data import Dataset, content_hash, read_bytes
from howfar.data.dataset import examples
from howfar.data.folder import path_text
from howfar.data.label_exports import read_labels
from howfar.data.labelling import CATEGORY
from howfar.data.listed_labels import FirstLabels
from howfar.data.predictions import read_prediction
from howfar.errors import ImageError, InputError
from howfar.mask_colour import by_colour
from howfar.metrics import Counts, histogram, stack, threshold_index
from howfar.metrics.label_free_signals import foreground_confidence
from howfar.metrics.probability_maps import as_levels
from howfar.tasks.map_measures import FALSE_ALARMS, MEASURES, MapMeasure, expected_counts
from howfar.tasks.maps import MapScorer, Sources, find_sources, scored_maps
from howfar.tasks.reading import Fault, with_bar
from howfar.tasks.task import (
    LabelsRead,
    Measure,
    ModelAnswer,
    ModelAnswers,
    Pair,
    SampleMeasures,
    Task,
    label_count,
    named_measure,
    stranger_notes,
)

FALLBACK = 0.5
FEW = 16
"""Labels below which intervals of ratios of sums are doubted."""


@dataclass(frozen=True, eq=False)
class MapAnswers(ModelAnswers):
    """Hold the files of probability maps, and the maps' histograms once they were read."""

    sources: Sources = field(kw_only=True)
    histograms: tuple[NDArray[np.int64], ...] = ()

    def digest(self, image: str) -> str | None:
        """Return a hash of the map's file; None where there is no map."""
        answer = self.by_image.get(image)
        if answer is None:
            return None
        try:
            return content_hash(read_bytes(answer.value))
        except ImageError as error:
            raise InputError(f"the prediction {path_text(answer.value)} cannot be read: {error}") from error

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
class SegmentationTask(Task):
    """Measure maps at a threshold, within a tolerance in pixels; `flipped` and `members` are folders of further maps."""

    threshold: float = FALLBACK
    tolerance: float = 0.0
    flipped: str | Path | None = None
    members: tuple[str | Path, ...] = ()

    name = "segmentation"
    options = ("foreground", "tolerance", "threshold", "tuned_on", "flipped", "ensemble", "tiles", "model")
    noun = "map"
    proxy = "confidence of the model's maps in their foreground"
    means = "mean_f, mean_iou, mean_precision, mean_recall or ois"
    label_place = "masks"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        members: Any = options.get("ensemble", ())
        members = (members,) if isinstance(members, (str, Path)) else tuple(members)
        threshold = options.get("threshold")
        return cls(FALLBACK if threshold is None else threshold, options["tolerance"], options.get("flipped"), members)

    def measure(self, name: str | None) -> MapMeasure:
        measure = named_measure(name, tuple(MEASURES.values()))
        if self.tolerance and not measure.tolerant:
            means = ", ".join(other.name for other in MEASURES.values() if other.tolerant)
            rule = "must be no ratio of sums where there is a tolerance"
            raise InputError.of("metric", rule, measure.name, f"certify one of {means}")
        return measure

    def answers(self, dataset: Dataset, predictions: str | Path, progress: bool = False) -> MapAnswers:
        sources = find_sources(dataset, predictions, self.flipped, self.members)
        answers = {name: ModelAnswer(file) for name, file in sources.main.files.items()}
        return MapAnswers(dataset, Path(predictions), answers, sources=sources)

    def expected(self, measure: Measure, answers: ModelAnswers) -> Pair | None:
        """Compute what each map expects of a measure's numerators and denominators, if its p is right."""
        if measure.kind == "mean":
            return None
        return MEASURES[measure.name].measured(_expected_counts(answers), self.threshold).parts

    def sizes(self, measure: Measure, answers: ModelAnswers) -> Float64Array | None:
        if measure.name == "false_positive_share":
            # The share is of the images without foreground, which are not known before they are labelled: any may be without.
            return _expected_counts(answers).pixels.astype(np.float64)
        parts = self.expected(measure, answers)
        if parts is None:
            return None
        return parts[1][:, 0 if parts[1].shape[1] == 1 else threshold_index(self.threshold)]

    def read_labels(self, answers: ModelAnswers, place: str | Path, own: bool, scratch: Path) -> LabelsRead:
        """Collect masks as files; a foreground that an export describes is written below `scratch`."""
        dataset, labels = answers.dataset, read_labels(answers.dataset, place)
        if not labels.masks:
            wanted = f"name masks as the images, such as {dataset.items[0].name}"
            raise InputError.of("labels", f"must hold labels of images of {dataset.name}", str(place), wanted)
        masks: dict[str, Any] = {}
        untouched: list[str] = []
        for name, mask in labels.masks.items():
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
        notes = stranger_notes(labels.strangers, dataset)
        if untouched:
            what = f"{label_count(len(untouched))} the model's own foreground, unchanged ({examples(untouched)})"
            notes.append(f"{what}: taken for not labelled; where it is right as it is, save it as a mask")
        return masks, notes

    def measured(self, measure: Measure, answers: ModelAnswers, labels: Mapping[str, Any]) -> SampleMeasures:
        items = {item.name: item for item in answers.dataset.items}
        labelled = [replace(items[name], mask=mask) for name, mask in labels.items()]
        counts = []
        for outcome in with_bar(MapScorer(cast("MapAnswers", answers).sources, self.tolerance), labelled, progress=False):
            if isinstance(outcome, Fault):
                raise InputError(f"the label of {outcome.image} cannot be used: {outcome.reason}")
            counts.append(outcome.counts)
        return MEASURES[measure.name].measured(stack(counts), self.threshold)

    def remarks(self, measure: Measure, labelled: int, population: int, value: float | None) -> tuple[str, ...]:
        remarks = []
        if labelled and value is None:
            undefined = f"{measure.name} is not defined in any of the {labelled} labelled images"
            if measure.name.startswith("false_positive"):
                remarks.append(f"{undefined}, which all hold foreground: certify mean_f")
            else:
                remedy = "label more of the sample"
                if measure.kind == "mean":
                    remedy += ", or, where none has foreground, certify how often some is predicted "
                    remedy += f"(--metric {FALSE_ALARMS}, the same labels)"
                remarks.append(f"{undefined} (of F: their masks are blank): {remedy}")
        if measure.kind != "mean" and 0 < labelled < min(FEW, population):
            remarks.append(
                f"a few images with many false pixels rule a ratio of sums, and fewer than {FEW} labels may miss them: by 8 "
                "labels a 90 % interval held in 80 % of the samples of one of five crack datasets"
            )
        return tuple(remarks)

    def first_labels(self, answers: ModelAnswers, images: Sequence[str]) -> FirstLabels:
        files = {name: answers.by_image[name].value for name in images}
        shapes = {name: partial(read_foreground, file, self.threshold) for name, file in files.items()}
        return FirstLabels(self.name, own=(CATEGORY,), foregrounds=shapes)


def read_foreground(prediction: Path, threshold: float) -> NDArray[np.bool_]:
    """Read what a probability map takes for foreground, (h, w), where p is above a threshold."""
    levels, lowest = as_levels(read_prediction(prediction).values)
    return np.asarray(levels >= lowest[threshold_index(threshold)])


def _expected_counts(answers: ModelAnswers) -> Counts:
    """Compute the counts that each map expects, from the histograms at hand or from the maps' files."""
    known = answers.histograms if isinstance(answers, MapAnswers) else ()
    files = (answers.by_image[item.name].value for item in answers.dataset.items)
    return stack(expected_counts(each) for each in known or (histogram(read_prediction(file).values) for file in files))
