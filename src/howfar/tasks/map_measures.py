"""Define the measures of probability maps that a certificate may state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import quotient
from howfar.metrics import Counts, at_threshold, best_per_image, threshold_index
from howfar.metrics.probability_maps import as_levels
from howfar.tasks.task import Measure, Pair, SampleMeasures

FALSE_ALARMS = "false_positive_rate"
_AT = "at threshold {threshold:.2f}"


def expected_counts(histogram: ArrayLike) -> Counts:
    """Compute the expected counts of a map from its histogram, (256,), if p is calibrated; they are not integers.

    At a threshold Σ p of the pixels above it are then true of those predicted, and Σ p of all pixels are true.
    """
    levels = np.asarray(histogram, dtype=np.float64)
    above, hits = (np.cumsum((levels * weight)[::-1])[::-1] for weight in (np.ones(256), np.arange(256) / 255))
    lowest = as_levels(np.zeros((1, 1), np.uint8))[1]
    sums: Any = [above[lowest][None, :], hits[lowest][None, :], hits[lowest][None, :], hits[:1], np.array([levels.sum()])]
    return Counts(*sums)


@dataclass(frozen=True)
class MapMeasure(Measure):
    """Define a measure of probability maps: `measured` turns counts and a threshold into the numbers of an estimate.

    `tolerant` says whether the measure is defined where mask and map need only agree within some pixels.
    """

    measured: Callable[[Counts, float], SampleMeasures]
    tolerant: bool = True


def _mean(name: str, words: str, column: str) -> MapMeasure:
    """Define the measure that averages a per-image score at the threshold."""

    def measured(counts: Counts, threshold: float) -> SampleMeasures:
        return SampleMeasures(getattr(at_threshold(counts, threshold), f"per_image_{column}"))

    return MapMeasure(name, f"{words} {_AT}", "mean", measured)


def _ratio(name: str, words: str, parts: Callable[[Counts], Pair], tolerant: bool = False) -> MapMeasure:
    """Define the measure that is a ratio of two sums over images at the threshold."""
    return MapMeasure(name, f"{words} of the summed pixels {_AT}", "ratio", _summed(parts), tolerant)


def _summed(parts: Callable[[Counts], Pair]) -> Callable[[Counts, float], SampleMeasures]:
    def measured(counts: Counts, threshold: float) -> SampleMeasures:
        index = threshold_index(threshold)
        above, below = (part[:, [index]].astype(np.float64) for part in parts(counts))
        return SampleMeasures(quotient(above, below)[:, 0], (above, below))

    return measured


def _f_parts(counts: Counts) -> Pair:
    return 2.0 * counts.hits_predicted.astype(np.float64), (counts.predicted + counts.true[:, None]).astype(np.float64)


def _iou_parts(counts: Counts) -> Pair:
    return counts.hits_predicted.astype(np.float64), _f_parts(counts)[1] - counts.hits_predicted


def _precision_parts(counts: Counts) -> Pair:
    return counts.hits_predicted.astype(np.float64), counts.predicted.astype(np.float64)


def _recall_parts(counts: Counts) -> Pair:
    true = np.broadcast_to(counts.true[:, None], counts.predicted.shape)
    return counts.hits_true.astype(np.float64), true.astype(np.float64)


def _false_alarms(counts: Counts, threshold: float) -> SampleMeasures:
    """Return whether each image without foreground has predicted foreground (1 or 0); nan for images with foreground."""
    predicted = counts.predicted[:, threshold_index(threshold)] > 0
    return SampleMeasures(np.where(counts.true == 0, predicted.astype(np.float64), np.nan))


def _false_parts(counts: Counts) -> Pair:
    """Count predicted pixels and all pixels of images without foreground, the parts of `false_positive_share`."""
    blank = (counts.true == 0)[:, None]
    whole = np.broadcast_to(counts.pixels[:, None], counts.predicted.shape)
    return np.where(blank, counts.predicted, 0.0), np.where(blank, whole, 0.0)


def _ois(counts: Counts, threshold: float) -> SampleMeasures:
    return SampleMeasures(best_per_image(counts)[0])


def _ods(counts: Counts, threshold: float) -> SampleMeasures:
    return SampleMeasures(at_threshold(counts, threshold).per_image_f, _f_parts(counts))


MEASURES: Mapping[str, MapMeasure] = {
    measure.name: measure
    for measure in (
        _mean("mean_f", "mean F", "f"),
        _mean("mean_iou", "mean IoU", "iou"),
        _mean("mean_precision", "mean precision", "precision"),
        _mean("mean_recall", "mean recall", "recall"),
        MapMeasure("ois", "mean of each image's best F (OIS)", "mean", _ois),
        _ratio("f", "F", _f_parts),
        _ratio("iou", "IoU", _iou_parts),
        _ratio("precision", "precision", _precision_parts, tolerant=True),
        _ratio("recall", "recall", _recall_parts, tolerant=True),
        MapMeasure(
            FALSE_ALARMS, f"share of the images without foreground in which some is predicted {_AT}", "mean", _false_alarms
        ),
        MapMeasure(
            "false_positive_share",
            f"share of the pixels of images without foreground that are predicted {_AT}",
            "ratio",
            _summed(_false_parts),
        ),
        MapMeasure("ods", "best F of the summed pixels at one threshold (ODS)", "best", _ods, tolerant=False),
    )
}
