"""Name the measures that a certificate may state, and compute of labelled images what an estimate of each is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, quotient
from howfar.errors import InputError
from howfar.metrics import Counts, at_threshold, best_per_image, threshold_index
from howfar.metrics.probability_maps import as_levels
from howfar.settings import nearest

MEAN_F, FALSE_ALARMS = "mean_f", "false_positive_rate"
_AT = "at threshold {threshold:.2f}"
Pair = tuple[Float64Array, Float64Array]


@dataclass(frozen=True, eq=False)
class Measured:
    """Hold of k labelled images what an estimate is made of.

    Attributes
    ----------
    values
        (k,) each image's own value of the measure, nan where it has none.
    parts
        Numerators and denominators of each image, (k, t) each for t thresholds; None for a mean of `values`.
    """

    values: Float64Array
    parts: Pair | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Measure:
    """Describe a measure of a segmenter: a mean over images, a ratio of sums over images, or the best ratio over thresholds.

    Attributes
    ----------
    name, words
        As `metric` names it; in words, with a place for the threshold.
    kind
        "mean", "ratio" or "best".
    measured
        From counts and the threshold to what an estimate is made of.
    tolerant
        Whether it is defined where mask and map need only agree within some pixels.
    """

    name: str
    words: str
    kind: Literal["mean", "ratio", "best"]
    measured: Callable[[Counts, float], Measured]
    tolerant: bool = True


def measure_of(name: str | None, tolerance: float) -> Measure:
    """Return the measure of a name, mean F where none is given; `InputError` where there is none, or none with a tolerance.

    Examples
    --------
    >>> measure_of("mean_f", 0.0).words.format(threshold=0.5)
    'mean F at threshold 0.50'
    """
    name = MEAN_F if name is None else name
    if name not in MEASURES:
        raise InputError.of("metric", "must be a known one", name, nearest(name, MEASURES, "metrics"))
    measure = MEASURES[name]
    if tolerance and not measure.tolerant:
        means = ", ".join(other.name for other in MEASURES.values() if other.tolerant)
        raise InputError.of("metric", "must be no ratio of sums where there is a tolerance", name, f"certify one of {means}")
    return measure


def expected_counts(histogram: ArrayLike) -> Counts:
    """Make of a map's histogram, (256,), the counts that the map expects if its p is right; they are no whole numbers.

    At a threshold Σ p of the pixels above it are then true of those predicted, and Σ p of all pixels are true.

    Examples
    --------
    >>> levels = np.zeros(256)
    >>> levels[[0, 51, 255]] = 2, 1, 1
    >>> counts = expected_counts(levels)
    >>> counts.predicted[0, [0, 50]].tolist(), counts.hits_predicted[0, [0, 50]].tolist(), counts.true.tolist()
    ([2.0, 1.0], [1.2, 1.0], [1.2])
    """
    levels = np.asarray(histogram, dtype=np.float64)
    above, hits = (np.cumsum((levels * weight)[::-1])[::-1] for weight in (np.ones(256), np.arange(256) / 255))
    lowest = as_levels(np.zeros((1, 1), np.uint8))[1]
    sums: Any = [above[lowest][None, :], hits[lowest][None, :], hits[lowest][None, :], hits[:1], np.array([levels.sum()])]
    return Counts(*sums)


def _mean(name: str, words: str, column: str) -> Measure:
    """Make the mean of what each image has at the threshold."""

    def measured(counts: Counts, threshold: float) -> Measured:
        return Measured(getattr(at_threshold(counts, threshold), f"per_image_{column}"))

    return Measure(name, f"{words} {_AT}", "mean", measured)


def _ratio(name: str, words: str, parts: Callable[[Counts], Pair], tolerant: bool = False) -> Measure:
    """Make the ratio of two sums over images at the threshold."""
    return Measure(name, f"{words} of the summed pixels {_AT}", "ratio", _summed(parts), tolerant)


def _summed(parts: Callable[[Counts], Pair]) -> Callable[[Counts, float], Measured]:
    def measured(counts: Counts, threshold: float) -> Measured:
        index = threshold_index(threshold)
        above, below = (part[:, [index]].astype(np.float64) for part in parts(counts))
        return Measured(quotient(above, below)[:, 0], (above, below))

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


def _false_alarms(counts: Counts, threshold: float) -> Measured:
    """Say of each image without foreground whether some is predicted (1) or none (0); nan of one with foreground."""
    predicted = counts.predicted[:, threshold_index(threshold)] > 0
    return Measured(np.where(counts.true == 0, predicted.astype(np.float64), np.nan))


def _false_parts(counts: Counts) -> Pair:
    """Count the predicted and all pixels of images without foreground: `howfar.metrics.false_positive_share` by image."""
    blank = (counts.true == 0)[:, None]
    whole = np.broadcast_to(counts.pixels[:, None], counts.predicted.shape)
    return np.where(blank, counts.predicted, 0.0), np.where(blank, whole, 0.0)


def _best(counts: Counts, threshold: float) -> Measured:
    return Measured(best_per_image(counts)[0])


def _ods(counts: Counts, threshold: float) -> Measured:
    return Measured(at_threshold(counts, threshold).per_image_f, _f_parts(counts))


VALUES = Measure("mean", "mean performance", "mean", lambda counts, threshold: Measured(np.full(len(counts), np.nan)))
"""The mean of values whose counts are not at hand."""
MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        _mean("mean_f", "mean F", "f"),
        _mean("mean_iou", "mean IoU", "iou"),
        _mean("mean_precision", "mean precision", "precision"),
        _mean("mean_recall", "mean recall", "recall"),
        Measure("ois", "mean of each image's best F (OIS)", "mean", _best),
        _ratio("f", "F", _f_parts),
        _ratio("iou", "IoU", _iou_parts),
        _ratio("precision", "precision", _precision_parts, tolerant=True),
        _ratio("recall", "recall", _recall_parts, tolerant=True),
        Measure(
            FALSE_ALARMS, f"share of the images without foreground in which some is predicted {_AT}", "mean", _false_alarms
        ),
        Measure(
            "false_positive_share",
            f"share of the pixels of images without foreground that are predicted {_AT}",
            "ratio",
            _summed(_false_parts),
        ),
        Measure("ods", "best F of the summed pixels at one threshold (ODS)", "best", _ods, tolerant=False),
    )
}
