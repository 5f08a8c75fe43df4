"""Score a segmenter: probability maps against masks at a chosen threshold, for the dataset and for each image."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item
from howfar.data.dataset import examples
from howfar.data.folder import path_text
from howfar.data.predictions import made_with, match_maps, read_prediction
from howfar.errors import ImageError, InputError
from howfar.metrics import (
    THRESHOLDS,
    Counts,
    SegmentationScore,
    ThresholdScore,
    flip_overlap,
    foreground_shape,
    signals,
    soft_f,
    stack,
    summarise,
    threshold_index,
)
from howfar.metrics.label_free_signals import foreground_dice
from howfar.relation.image_columns import FLIP_OVERLAP, SHAPES, TILE_AGREEMENT
from howfar.results import Evaluation, Provenance
from howfar.tasks.maps import ScoredMap, Sources, scored_maps
from howfar.tasks.reading import with_bar
from howfar.tasks.segmentation import FALLBACK


@dataclass(frozen=True, eq=False)
class Cut:
    """Hold a threshold, its source in words, and the evaluation that it was tuned on."""

    threshold: float
    source: str
    tuned_on: Evaluation | None = None

    @property
    def words(self) -> str:
        """Describe in words the performance at this threshold."""
        return f"F at threshold {self.threshold:.2f} ({self.source})"


def own_best(ods_threshold: float) -> Cut:
    """Take the best threshold by the set's own masks, as in the paper; 0.5 where nothing is true and the threshold is nan.

    Examples
    --------
    >>> own_best(0.43).words, own_best(float("nan")).words
    ('F at threshold 0.43 (best for this set)', 'F at threshold 0.50 (no foreground to tune on)')
    """
    if math.isnan(ods_threshold):
        return Cut(FALLBACK, "no foreground to tune on")
    return Cut(ods_threshold, "best for this set")


def choose(threshold: float | None, tuned_on: Evaluation | str | Path | None) -> Cut | None:
    """Return the threshold that the arguments of `howfar.evaluate` ask for; None for the set's own best.

    Raises `MissingPathError` or `StoreError` where the evaluation's file is not there or is damaged; `InputError` where both
    arguments are given, for a threshold that is none of 0.00, 0.01 … 0.99, or for an evaluation that has no ODS threshold.
    """
    if threshold is not None and tuned_on is not None:
        raise InputError("threshold and tuned_on cannot both be given: a threshold is given, or tuned on a set")
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


def thresholded_signals(items: Sequence[Item], sources: Sources, threshold: float, progress: bool) -> dict[str, Float64Array]:
    """Read the images' maps again, and measure their foreground at the threshold: a column a signal, (n,).

    The shape of the predicted foreground, and where there are maps of flipped images its overlap with theirs. Raises
    `ImageError` for a map that cannot be read any more.
    """
    rows = list(with_bar(_Thresholded(sources, threshold), items, progress, "shapes"))
    names = (*SHAPES, *((FLIP_OVERLAP,) if sources.flipped is not None else ()))
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}


@dataclass(frozen=True)
class _Thresholded:
    sources: Sources
    threshold: float

    def __call__(self, item: Item) -> dict[str, float]:
        values = read_prediction(self.sources.main.files[item.name]).values
        row = foreground_shape(values, self.threshold)
        if self.sources.flipped is not None:
            mirrored = read_prediction(self.sources.flipped.files[item.name]).values
            row[FLIP_OVERLAP] = flip_overlap(values, mirrored, self.threshold)
        return row


def notes(
    scored: Sequence[ScoredMap], sources: Sources, scores: Mapping[str, float | None], cut: Cut, tolerance: float
) -> Iterator[str]:
    """Yield one sentence for each thing that weakens the scores or explains an undefined one.

    `scored` are the images that have maps, `sources` the folders of the maps; of the dataset's `scores` `false_positive_share`
    is used; `cut` is the threshold of the per-image values, `tolerance` is in pixels.
    """
    yield from _about_masks(scored, scores["false_positive_share"], cut)
    lossy = sum(image.lossy for image in scored)
    if lossy:
        maps = "1 map is" if lossy == 1 else f"{lossy} maps are"
        yield f"{maps} in a lossy format (JPEG or like it), which alters probabilities: save PNG"
    faint = sum(image.faint for image in scored)
    if faint:
        maps = "1 map holds" if faint == 1 else f"{faint} maps hold"
        yield f"{maps} no value above 1 of 255, and {'is' if faint == 1 else 'are'} taken for nearly empty"
    if all(image.histogram[1:-1].sum() == 0 for image in scored):
        yield "the maps hold nothing but 0 and 1: all thresholds give the same, and signals of confidence say nothing"
    yield from _about_files(sources)
    yield from _about_tuning(scored, cut, tolerance)


def _about_masks(scored: Sequence[ScoredMap], false_positives: float | None, cut: Cut) -> Iterator[str]:
    masked = [image for image in scored if image.item.mask is not None]
    empty = sum(int(image.counts.true[0]) == 0 for image in masked)
    if not masked:
        yield "no image has a mask: there are only signals that need no labels, and no scores"
    elif len(masked) < len(scored):
        without = len(scored) - len(masked)
        yield f"{_have(without, 'no mask')}: kept for the signals that need no labels, without performance"
    if empty:
        percent = "" if false_positives is None else f"{100 * false_positives:.2g} %"
        share = f"; {percent} of their pixels are predicted as foreground" if percent else ""
        what = f"every mask ({empty}) is empty" if empty == len(masked) else _have(empty, "an empty mask")
        yield f"{what}: no F{share} at threshold {cut.threshold:.2f}" if share else f"{what}: no F"
    full = [image.item.name for image in masked if int(image.counts.true[0]) == int(image.counts.pixels[0])]
    if full:
        yield f"{_have(len(full), 'a mask that is foreground throughout')} ({examples(full)}): any map of 1 scores well there"
    grey = sum(image.grey for image in masked)
    if grey:
        yield f"{'1 mask holds' if grey == 1 else f'{grey} masks hold'} grey levels: what is above 127 counts as foreground"


def _about_files(sources: Sources) -> Iterator[str]:
    for _, maps in sources.named():
        if maps.extra:
            count = len(maps.extra)
            match = "map matches" if count == 1 else "maps match"
            yield f"{count} {match} no image ({examples(maps.extra)} below {maps.folder})"
        if maps.doubled:
            what = _have(len(maps.doubled), "more than one map")
            yield f"{what} below {maps.folder} ({examples(maps.doubled)}): the PNG is taken, else the first by name"
    images: dict[object, list[str]] = defaultdict(list)
    for name, file in sources.main.files.items():
        images[file].append(name)
    for shared in (names for names in images.values() if len(names) > 1):
        yield f"{len(shared)} images have one map, since their names differ only in the ending ({examples(shared)})"


def _about_tuning(scored: Sequence[ScoredMap], cut: Cut, tolerance: float) -> Iterator[str]:
    tuned = cut.tuned_on
    if tuned is None:
        return
    tuning = set(tuned.images["content"])
    both = sum(image.content in tuning for image in scored)
    if both:
        these = f"{both} of these images" if both < len(scored) else "these very images"
        yield f"the threshold was tuned on {these}: F at it is no estimate for unseen ones"
    if tuned.tolerance != tolerance:
        yield f"the threshold was tuned with a tolerance of {tuned.tolerance:g} px, and this is {tolerance:g} px"


def _have(count: int, what: str) -> str:
    return f"1 image has {what}" if count == 1 else f"{count} images have {what}"


OVER_THRESHOLDS = ("ods", "ods_threshold", "ois", "ois_aggregate", "ap")
AT_THRESHOLD = ("f", "mean_f", "precision", "recall", "iou")


def evaluate_maps(
    dataset: Dataset, sources: Sources, given: Cut | None, tolerance: float, partial: bool, progress: bool
) -> Evaluation:
    """Score the maps of a dataset; `howfar.evaluate` says what its arguments mean.

    Raises `InputError` where images cannot be scored and may not be left out, or all maps are of 0 and 1 where they should be
    of 0 to 255.
    """
    scored, kept = scored_maps(dataset, sources, tolerance, partial, progress)
    masked = np.array([image.item.mask is not None for image in scored])
    counts = stack(image.counts for image in scored)
    whole = summarise(counts.take(masked), tolerance) if masked.any() else None
    cut = given or own_best(math.nan if whole is None else whole.ods_threshold)
    at_cut = None if whole is None else whole.at(cut.threshold)
    images = _frame(dataset.name, scored, counts, masked, cut.threshold, whole, at_cut)
    for name, values in thresholded_signals([image.item for image in scored], sources, cut.threshold, progress).items():
        images.insert(list(images.columns).index("histogram"), name, values)
    scores = {
        **{name: _defined(whole, name) for name in OVER_THRESHOLDS},
        **{name: _defined(at_cut if counts.true.any() else None, name) for name in AT_THRESHOLD},
        "false_positive_share": _defined(at_cut, "false_positive_share"),
    }
    return Evaluation(
        dataset=dataset.name,
        task="segmentation",
        metric=cut.words,
        threshold=cut.threshold,
        tolerance=tolerance,
        n=len(scored),
        scored=int(images["performance"].notna().sum()),
        scores=scores,
        images=images,
        provenance=Provenance.now(),
        skipped=kept.skipped,
        notes=tuple(notes(scored, sources, scores, cut, tolerance)),
        tiled=bool(scored) and all(made_with(sources.main.files[image.item.name]).get("tiled") is True for image in scored),
    )


def _defined(score: SegmentationScore | ThresholdScore | None, name: str) -> float | None:
    value = math.nan if score is None else float(getattr(score, name))
    return None if math.isnan(value) else value


def _frame(
    name: str,
    scored: Sequence[ScoredMap],
    counts: Counts,
    masked: np.ndarray[Any, np.dtype[np.bool_]],
    threshold: float,
    whole: SegmentationScore | None,
    at_cut: ThresholdScore | None,
) -> pd.DataFrame:
    def spread(score: Any, attribute: str) -> Float64Array:
        """Spread values of the images with masks over all images, nan for the others."""
        values = np.full(len(scored), np.nan)
        values[masked] = np.nan if score is None else getattr(score, attribute)
        return values

    columns: dict[str, Any] = {
        "dataset": [name] * len(scored),
        "image": [image.item.name for image in scored],
        "path": [path_text(image.item.path) for image in scored],
        "content": [image.content for image in scored],
        "prediction": [image.prediction for image in scored],
        "performance": spread(at_cut, "per_image_f"),
        "best": spread(whole, "per_image_best"),
        "best_threshold": spread(whole, "per_image_best_threshold"),
        **{what: spread(at_cut, f"per_image_{what}") for what in ("precision", "recall", "iou")},
        "foreground": np.where(masked, counts.true / counts.pixels, np.nan),
        **_signals(scored, counts, threshold),
        "histogram": [image.histogram for image in scored],
        # An image without a mask has no counts, rather than hits of 0, by which its foreground would count as false.
        **{
            what: [row if has_mask else None for row, has_mask in zip(getattr(counts, what), masked, strict=True)]
            for what in ("predicted", "hits_predicted", "hits_true")
        },
        "true": np.where(masked, counts.true.astype(np.float64), np.nan),
        "pixels": counts.pixels,
    }
    return pd.DataFrame(columns)


def _signals(scored: Sequence[ScoredMap], counts: Counts, threshold: float) -> dict[str, Float64Array]:
    """Compute label-free signals as columns; the predicted share is counted at the map's own precision."""
    rows = pd.DataFrame([signals(image.histogram, threshold) for image in scored])
    rows["predicted_foreground"] = counts.predicted[:, threshold_index(threshold)] / counts.pixels
    rows["soft_f"] = [soft_f(image.histogram, threshold) for image in scored]
    for agreement in ("flip_agreement", "ensemble_agreement"):
        values = [getattr(image, agreement) for image in scored]
        if values[0] is not None:
            rows[agreement] = np.array(values, dtype=np.float64)
    return {str(column): rows[column].to_numpy() for column in rows}


def with_agreement(scored: Evaluation, dataset: Dataset, predictions: str | Path, tiles: str | Path) -> Evaluation:
    """Add the Dice of the whole and the tiled map of each image that was scored; nan where either cannot be read.

    Raises `HowfarError` where a folder is missing or has no map of any image.
    """
    whole, tiled = match_maps(dataset, predictions).files, match_maps(dataset, tiles).files
    threshold, values = FALLBACK if scored.threshold is None else scored.threshold, []
    for name in scored.images["image"]:
        try:
            pair = [read_prediction(files[name]).values for files in (whole, tiled)]
            values.append(foreground_dice(pair[0], pair[1], threshold))
        except (KeyError, ImageError, ValueError):
            values.append(float("nan"))
    agreement = pd.Series(values, index=scored.images.index, dtype=np.float64)
    return replace(scored, images=scored.images.assign(**{TILE_AGREEMENT: agreement}))
