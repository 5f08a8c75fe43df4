"""Define the segmentation scores that `howfar certify` can measure: F, IoU, precision, recall, false positives, OIS, ODS."""

from collections.abc import Mapping
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


def _parts(counts: Counts, name: str) -> Pair:
    """Return numerators and denominators, (m, thresholds) each, of the ratio of sums with this name."""
    predicted, hits = counts.predicted.astype(np.float64), counts.hits_predicted.astype(np.float64)
    true, pixels = (np.broadcast_to(sums[:, None], predicted.shape).astype(np.float64) for sums in (counts.true, counts.pixels))
    if name == "false_positive_share":
        blank = true == 0
        return np.where(blank, predicted, 0.0), np.where(blank, pixels, 0.0)
    if name == "precision":
        return hits, predicted
    if name == "recall":
        return counts.hits_true.astype(np.float64), true
    return (hits, predicted + true - hits) if name == "iou" else (2.0 * hits, predicted + true)


@dataclass(frozen=True)
class MapMeasure(Measure):
    """Define a measure of probability maps; `tolerant` where mask and map need only agree within some pixels."""

    tolerant: bool = True

    def measured(self, counts: Counts, threshold: float) -> SampleMeasures:
        """Turn the counts of images into the numbers that an estimate is made of."""
        if self.name == FALSE_ALARMS:
            # Of an image with foreground nan.
            predicted = counts.predicted[:, threshold_index(threshold)] > 0
            return SampleMeasures(np.where(counts.true == 0, predicted.astype(np.float64), np.nan))
        if self.name == "ois":
            return SampleMeasures(best_per_image(counts)[0])
        if self.kind == "best":
            return SampleMeasures(at_threshold(counts, threshold).per_image_f, _parts(counts, "f"))
        if self.kind == "mean":
            return SampleMeasures(getattr(at_threshold(counts, threshold), f"per_image_{self.name.removeprefix('mean_')}"))
        above, below = (part[:, [threshold_index(threshold)]] for part in _parts(counts, self.name))
        return SampleMeasures(quotient(above, below)[:, 0], (above, below))


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
