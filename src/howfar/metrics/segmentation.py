"""Score probability maps by masks at 100 thresholds: F, precision, recall and IoU at one, the best F (ODS, OIS), and AP."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.formatting_and_escaping import format_number
from howfar.metrics import threshold_counts as counting
from howfar.metrics.metric_interface import MetricScore, mean_of_defined, tallies
from howfar.metrics.probability_maps import THRESHOLDS
from howfar.metrics.threshold_counts import Counts, as_tolerance, f_per_image


@dataclass(frozen=True, eq=False, repr=False)
class ThresholdScore:
    """Hold F, precision, recall and IoU of the summed counts and of each image at one threshold.

    F, recall and IoU are nan without true pixels, precision without predicted ones. `mean_f` is the mean F of the images that
    have one; `false_positive_share` the share of the pixels of images without true pixels that are predicted.
    """

    threshold: float
    f: float
    precision: float
    recall: float
    iou: float
    mean_f: float
    false_positive_share: float
    per_image_f: Float64Array = field(repr=False)
    per_image_precision: Float64Array = field(repr=False)
    per_image_recall: Float64Array = field(repr=False)
    per_image_iou: Float64Array = field(repr=False)

    def __repr__(self) -> str:
        return f"ThresholdScore(threshold={self.threshold:g}, {_named(self, 'f', 'precision', 'recall', 'iou', 'mean_f')})"


@dataclass(frozen=True, eq=False, repr=False)
class SegmentationScore:
    """Hold a dataset's segmentation scores over all thresholds and at its best threshold.

    Images without true pixels have no F: they are nan in the arrays and left out of the means, but their predicted pixels count
    as false in `ods`, `ap`, `precision` and `iou`. Where no image has a true pixel every score but `false_positive_share` is
    undefined, and nan; that one needs a threshold of the caller's then: ``at(0.5)``.

    `ods` is the best F of the summed counts at one threshold for all images, `ods_threshold` the lowest that gives it; `ois` is
    the mean of the images' best F; `ois_aggregate` the F of the counts summed with each image at its own best threshold (as the
    BSDS benchmark); `ap` the area under the dataset's precision-recall curve. `per_image_best` and `per_image_best_threshold`
    (n,) are the best F of each image, and the lowest threshold that gives it. `tolerance` is the distance in pixels within
    which predicted and true pixels agreed. The other scores are at `ods_threshold`; see `ThresholdScore`.
    """

    ods: float
    ods_threshold: float
    ois: float
    ois_aggregate: float
    ap: float
    precision: float
    recall: float
    iou: float
    false_positive_share: float
    per_image_f: Float64Array
    per_image_best: Float64Array
    per_image_best_threshold: Float64Array
    counts: Counts
    tolerance: float = 0.0

    def at(self, threshold: float) -> ThresholdScore:
        """Compute the scores at another threshold, such as the primary dataset's best, chosen without these images' labels."""
        return at_threshold(self.counts, threshold)

    def __repr__(self) -> str:
        scored = int(np.count_nonzero(self.counts.true))
        tolerance = f", tolerance {self.tolerance:g} px" if self.tolerance else ""
        names = ("ods", "ods_threshold", "ois", "ois_aggregate", "ap", "precision", "recall", "iou", "false_positive_share")
        return f"SegmentationScore({_named(self, *names)}; {len(self.counts)} images, {scored} with foreground{tolerance})"


def score(predictions: Iterable[ArrayLike], masks: Iterable[ArrayLike], tolerance: float = 0.0) -> SegmentationScore:
    """Score maps against masks in one pass, keeping only counts of each image (about 3 KB).

    `predictions` and `masks` are as many, in the same order, each of its own size, as in `howfar.metrics.count`; generators
    will do. `tolerance` is the Euclidean distance in pixels within which a predicted and a true pixel agree. Raises
    `InputError` for no image, more predictions than masks or the reverse, or one that breaks a rule of `howfar.metrics.count`.

    Examples
    --------
    >>> maps = [[[0.9, 0.6, 0.0]], [[0.0, 0.8, 0.3]]]
    >>> result = score(maps, [[[True, False, False]], [[False, True, True]]])
    >>> result.ods, result.ods_threshold, result.ois, result.per_image_f.tolist()
    (0.857, 0.0, 1.0, [0.667, 1.0])
    """
    metric = Segmentation(as_tolerance(tolerance))
    return summarise(counting.stack(tallies(metric, predictions, masks, ("predictions", "masks"))), metric.tolerance)


def summarise(counts: Counts, tolerance: float = 0.0) -> SegmentationScore:
    """Compute the scores of images from their counts, for example counts loaded from a file; `tolerance` is only noted.

    Examples
    --------
    >>> summarise(counting.count([[0.9, 0.6, 0.0]], [[True, False, True]])).ods
    0.667
    """
    best_f, threshold = counting.ods(counts)
    best, best_threshold = best_per_image(counts)
    at_best = at_threshold(counts, threshold if np.isfinite(threshold) else 0.0)
    undefined = not np.isfinite(threshold)
    # The counts summed over the images with foreground, each image at its own best threshold.
    scored = counts.take(counts.true > 0)
    ois_aggregate = float("nan")
    if len(scored):
        at_own = np.arange(len(scored)), np.argmax(f_per_image(scored), axis=1)
        hits = (scored.predicted, scored.hits_predicted, scored.hits_true)
        predicted, hits_predicted, hits_true = (values[at_own][:, None] for values in hits)
        own = Counts(predicted, hits_predicted, hits_true, scored.true, scored.pixels)
        ois_aggregate = float(f_per_image(own.total())[0, 0])
    return SegmentationScore(
        ods=best_f,
        ods_threshold=threshold,
        ois=mean_of_defined(best),
        ois_aggregate=ois_aggregate,
        ap=counting.average_precision(counts),
        precision=float("nan") if undefined else at_best.precision,
        recall=at_best.recall,
        iou=at_best.iou,
        false_positive_share=float("nan") if undefined else at_best.false_positive_share,
        per_image_f=at_best.per_image_f,
        per_image_best=best,
        per_image_best_threshold=best_threshold,
        counts=counts,
        tolerance=float(tolerance),
    )


def at_threshold(counts: Counts, threshold: float) -> ThresholdScore:
    """Compute scores from counts at one of the 100 thresholds.

    Raises `InputError`: the threshold is none of 0.00, 0.01 … 0.99.

    Examples
    --------
    >>> at_threshold(counting.count([[0.9, 0.6, 0.0]], [[True, False, True]]), 0.5)
    ThresholdScore(threshold=0.5, f=0.5, precision=0.5, recall=0.5, iou=0.3333, mean_f=0.5)
    """
    i = counting.threshold_index(threshold)
    total = counts.total()
    precision, recall = counting.precision_recall_per_image(counts)
    dataset_precision, dataset_recall = counting.precision_recall_per_image(total)
    per_image = f_per_image(counts)[:, i]
    return ThresholdScore(
        threshold=float(THRESHOLDS[i]),
        f=float(f_per_image(total)[0, i]),
        precision=float(dataset_precision[0, i]),
        recall=float(dataset_recall[0, i]),
        iou=float(counting.iou_per_image(total)[0, i]),
        mean_f=mean_of_defined(per_image),
        false_positive_share=float(counting.false_positive_share(counts)[i]),
        per_image_f=per_image,
        per_image_precision=precision[:, i],
        per_image_recall=recall[:, i],
        per_image_iou=counting.iou_per_image(counts)[:, i],
    )


def best_per_image(counts: Counts) -> tuple[Float64Array, Float64Array]:
    """Find each image's best F over the thresholds, and the lowest threshold with this F, (n,) each.

    Both are nan for an image without true pixels.

    Examples
    --------
    >>> best_per_image(counting.count([[0.9, 0.6, 0.0]], [[True, False, True]]))
    (array([0.667]), array([0.6]))
    """
    values = f_per_image(counts)
    blank = counts.true == 0
    return values.max(axis=1), np.where(blank, np.nan, THRESHOLDS[np.argmax(values, axis=1)])


@dataclass(frozen=True)
class Segmentation:
    """Score segmentation: a tally is an image's counts, and its performance is F at `threshold`, by default the best in all."""

    tolerance: float = 0.0
    threshold: float | None = None

    name = "segmentation"

    def tally(self, prediction: ArrayLike, truth: ArrayLike) -> Counts:
        """Count one image's pixels at all thresholds."""
        return counting.count(prediction, truth, self.tolerance)

    def score(self, tallies: Iterable[Counts]) -> MetricScore:
        """Compute the scores of `SegmentationScore` by name, and f, precision, recall and iou at the metric's threshold."""
        whole = summarise(counting.stack(tallies), self.tolerance)
        threshold = whole.ods_threshold if self.threshold is None else self.threshold
        defined = np.isfinite(threshold)
        chosen = whole.at(threshold) if defined else None
        named = ("f", "precision", "recall", "iou", "false_positive_share")
        undefined = np.full(len(whole.counts), np.nan)
        at = {name: float("nan") if chosen is None else float(getattr(chosen, name)) for name in named}
        return MetricScore(
            metric=f"F at threshold {threshold:.2f}" if defined else "F (no image has foreground)",
            scores={**{name: getattr(whole, name) for name in ("ods", "ods_threshold", "ois", "ois_aggregate", "ap")}, **at},
            per_image=whole.per_image_f if chosen is None else chosen.per_image_f,
            threshold=float(threshold) if defined else None,
            columns={
                "best": whole.per_image_best,
                "best_threshold": whole.per_image_best_threshold,
                **{name: undefined if chosen is None else getattr(chosen, f"per_image_{name}") for name in named[1:4]},
            },
        )


def _named(of: object, *names: str) -> str:
    return ", ".join(f"{name}={format_number(getattr(of, name))}" for name in names)


SEGMENTATION = Segmentation()
