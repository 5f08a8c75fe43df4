"""Count pixels of probability maps at 100 thresholds, and compute precision, recall, F, IoU and AP of the counts.

At the threshold t_i = i/100 a pixel is predicted where p > t_i. An image's counts are its predicted pixels, those of them
within the tolerance of a true one, its true pixels within the tolerance of a predicted one, and its true pixels. They add
over images, so a dataset's score is a ratio of sums and never needs the maps again:

    P = Σ hits_predicted / Σ predicted        R = Σ hits_true / Σ true        F = 2 P R / (P + R)

With no tolerance both hits are TP, and F = 2 TP / (2 TP + FP + FN).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, quotient
from howfar.errors import InputError
from howfar.metrics.probability_maps import THRESHOLDS, BoolMap, ByteMap, IntArray, as_levels, as_mask, row_blocks

Scalar = TypeVar("Scalar", np.uint8, np.bool_)


def as_tolerance(tolerance: float) -> float:
    """Return a tolerance in pixels as a float; raise `InputError` unless it is a finite number of at least 0."""
    try:
        value = float(tolerance)
    except (TypeError, ValueError) as error:
        raise InputError.of("tolerance", "must be a number of pixels", tolerance) from error
    if not (math.isfinite(value) and value >= 0.0):
        raise InputError.of("tolerance", "must be a finite number of pixels of at least 0", tolerance)
    return value


def disc_maximum(values: NDArray[Scalar], radius: float) -> NDArray[Scalar]:
    """Compute grey dilation by a disc: the maximum within `radius` pixels (Euclidean, inclusive) of each pixel.

    The disc is cut into its rows, runs whose maxima are built up one from another: 4·radius + 1 passes over the image.
    """
    height, width = values.shape
    across = np.arange(width, dtype=np.float64) ** 2
    rows = range(min(height - 1, math.floor(radius)) + 1)
    # The half-widths of the disc's rows at 0, 1, 2 … pixels from its centre, no longer than the image.
    widths = [int(np.count_nonzero(np.sqrt(across + dy * dy) <= radius)) - 1 for dy in rows]
    result = values.copy()
    run, reach = values, 0
    for dy in reversed(rows):
        while reach < widths[dy]:
            # Maxima over windows of 2·reach + 1 pixels of a row, from those over windows two pixels shorter.
            reach += 1
            run = run.copy()
            _raise(run[:, reach:], values[:, :-reach])
            _raise(run[:, :-reach], values[:, reach:])
        _raise(result[: height - dy], run[dy:])
        _raise(result[dy:], run[: height - dy])
    return result


def _raise(target: NDArray[Scalar], other: NDArray[Scalar]) -> None:
    np.maximum(target, other, out=target)


LEVELS = 256


@dataclass(frozen=True, eq=False, repr=False)
class Counts:
    """Hold the pixel counts of n images at the 100 thresholds t_i = i/100, int64.

    `predicted` (n, 100) counts pixels with p > t_i, `hits_predicted` those of them within the tolerance of a true pixel, and
    `hits_true` true pixels within the tolerance of a predicted one; `true` and `pixels` (n,) are true and all pixels.
    """

    predicted: IntArray
    hits_predicted: IntArray
    hits_true: IntArray
    true: IntArray
    pixels: IntArray

    def __len__(self) -> int:
        return len(self.true)

    def take(self, indices: ArrayLike) -> Counts:
        """Select the counts of some images by indices or by a mask."""
        chosen = np.asarray(indices)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        return Counts(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def total(self) -> Counts:
        """Sum the counts of all images into a single entry."""
        return Counts(*(getattr(self, field.name).sum(axis=0, keepdims=True) for field in fields(self)))

    def __repr__(self) -> str:
        return f"Counts of {len(self)} images: {int(self.true.sum()):,} of {int(self.pixels.sum()):,} pixels are true"


def count(prediction: ArrayLike, mask: ArrayLike, tolerance: float = 0.0) -> Counts:
    """Count one image at all thresholds in one pass.

    `prediction` is a (h, w) probability map: uint8 with p = value/255, floating p in [0, 1], or bool. Floating values are
    compared with the thresholds in their own precision, so a float32 copy of an 8-bit map is counted as the map. `mask` is (h,
    w) bool, or uint8 with more than 127 as foreground. `tolerance` is the Euclidean distance in pixels within which a predicted
    and a true pixel agree; 0 in the paper, 2 in the literature on DeepCrack. Raises `InputError` for shapes that differ, or a
    map, mask or tolerance that breaks its rule.

    Examples
    --------
    >>> image = count([[0.9, 0.6, 0.0]], [[True, False, True]])
    >>> [int(values[0, 50]) for values in (image.predicted, image.hits_predicted, image.hits_true)], image.true.tolist()
    ([2, 1, 1], [2])
    >>> image = count([[0.9, 0.6, 0.0]], [[True, False, True]], tolerance=1)
    >>> [int(values[0, 50]) for values in (image.predicted, image.hits_predicted, image.hits_true)], image.true.tolist()
    ([2, 2, 2], [2])
    """
    levels, lowest = as_levels(prediction)
    truth, radius = as_mask(mask), as_tolerance(tolerance)
    if levels.shape != truth.shape:
        remedy = "bring the prediction to the mask's size"
        raise InputError.of("prediction and mask", "must have one shape", (levels.shape, truth.shape), remedy)
    if radius > max(truth.shape):
        rule = f"must be at most the longer side of each map, here {max(truth.shape)} pixels"
        raise InputError.of("tolerance", rule, tolerance, "pass a few pixels: 2 is usual for cracks")
    near = truth if radius < 1.0 else disc_maximum(truth, radius)
    outside, inside = _histograms(levels, near)
    predicted, hits = _from(outside + inside, lowest), _from(inside, lowest)
    hits_true = hits if radius < 1.0 else _from(_histograms(disc_maximum(levels, radius), truth)[1], lowest)
    true, pixels = (np.array([n], dtype=np.int64) for n in (np.count_nonzero(truth), truth.size))
    return Counts(predicted, hits, hits_true, true, pixels)


def stack(counts: Iterable[Counts]) -> Counts:
    """Concatenate the counts of images or groups of images, in order.

    Raises `InputError`: there are none.

    Examples
    --------
    >>> len(stack([count([[0.5]], [[True]]), count([[0.5]], [[False]])]))
    2
    """
    parts = list(counts)
    if not parts:
        raise InputError("counts must hold at least one image, got none")
    return Counts(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Counts)))


def precision_recall(counts: Counts, indices: ArrayLike | None = None) -> tuple[Float64Array, Float64Array]:
    """Compute precision and recall of the dataset at each threshold, (100,) and (100,), of all images or those at `indices`.

    Precision is nan where nothing is predicted, recall where nothing is true.

    Examples
    --------
    >>> precision, recall = precision_recall(count([[0.9, 0.6, 0.0]], [[True, False, True]]))
    >>> precision[[50, 60, 90]].tolist(), recall[[50, 60, 90]].tolist()
    ([0.5, 1.0, nan], [0.5, 0.5, 0.0])
    """
    precision, recall = precision_recall_per_image(_chosen(counts, indices).total())
    return precision[0], recall[0]


def precision_recall_per_image(counts: Counts) -> tuple[Float64Array, Float64Array]:
    """Compute precision and recall of each image at each threshold, (n, 100) each; nan where nothing is predicted, or true."""
    return quotient(counts.hits_predicted, counts.predicted), quotient(counts.hits_true, counts.true[:, None])


def f(counts: Counts, indices: ArrayLike | None = None) -> Float64Array:
    """Compute F of the summed counts at each threshold, (100,), of all images or those at `indices`; nan without true pixels.

    Examples
    --------
    >>> f(count([[0.9, 0.6, 0.0]], [[True, False, True]]))[[0, 50, 60, 90]].tolist()
    [0.5, 0.5, 0.667, 0.0]
    """
    return np.asarray(f_per_image(_chosen(counts, indices).total())[0])


def ods(counts: Counts, indices: ArrayLike | None = None) -> tuple[float, float]:
    """Find the dataset's best F at a common threshold, and that threshold: F and t at argmax_t F(t); nan without true pixels.

    "Optimal dataset scale" of Arbeláez, Maire, Fowlkes & Malik, "Contour detection and hierarchical image segmentation" (TPAMI
    2011). Of equal values the lowest threshold counts. `indices` choose images; all by default.

    Examples
    --------
    >>> ods(count([[0.9, 0.6, 0.0]], [[True, False, True]]))
    (0.667, 0.6)
    """
    values = f(counts, indices)
    if np.isnan(values[0]):
        return float("nan"), float("nan")
    best = int(np.argmax(values))
    return float(values[best]), float(THRESHOLDS[best])


def f_per_image(counts: Counts) -> Float64Array:
    """Compute F of each image at each threshold, (n, 100); nan for an image without true pixels.

    Examples
    --------
    >>> f_per_image(stack([count([[0.5]], [[True]]), count([[0.5]], [[False]])]))[:, [49, 50]]
    array([[ 1.,  0.],
           [nan, nan]])
    """
    agreement, whole = _agreement(counts)
    return _where_true(counts, quotient(2 * agreement, whole))


def iou_per_image(counts: Counts) -> Float64Array:
    """Compute intersection over union of each image at each threshold, (n, 100): TP / (TP + FP + FN).

    A row is nan for an image without true pixels. With a tolerance it is F / (2 − F), which the ratio of counts equals without
    one.

    Examples
    --------
    >>> iou_per_image(count([[0.9, 0.6, 0.0]], [[True, False, True]]))[0, [50, 60]]
    array([0.333, 0.5 ])
    """
    agreement, whole = _agreement(counts)
    return _where_true(counts, quotient(agreement, whole - agreement))


def average_precision(counts: Counts, indices: ArrayLike | None = None) -> float:
    """Compute the area under the dataset's precision-recall curve, in steps: AP = Σ_i (R_i − R_{i+1}) P_i, R_100 = 0.

    The sum runs from the highest threshold, where recall starts, to t = 0, without interpolation, as scikit-learn's
    `average_precision_score` over its own thresholds. True pixels with p = 0 are predicted at no threshold: recall stops below
    1, and the rest of the area counts as 0. Thresholds at which nothing is predicted add nothing. `indices` choose images, all
    by default; nan where none has a true pixel.

    Examples
    --------
    >>> average_precision(count([[0.9, 0.6, 0.0]], [[True, False, True]]))
    0.5
    """
    precision, recall = precision_recall(counts, indices)
    steps = recall - np.append(recall[1:], 0.0)
    return float(np.sum(steps * np.where(np.isnan(precision), 0.0, precision)))


def false_positive_share(counts: Counts) -> Float64Array:
    """Compute the share of pixels predicted as foreground in images without true pixels, at each threshold, (100,).

    Images without true pixels have no F; this share says how much the model predicts on them. nan where every image has true
    pixels.

    Examples
    --------
    >>> both = stack([count([[0.5, 0.0]], [[True, False]]), count([[0.5, 0.0]], [[False, False]])])
    >>> false_positive_share(both)[[49, 50]].tolist()
    [0.5, 0.0]
    """
    blank = counts.take(counts.true == 0).total()
    return np.asarray(quotient(blank.predicted, blank.pixels[:, None])[0])


def threshold_index(threshold: float) -> int:
    """Return the index of one of the 100 thresholds; raises `InputError` for another, as counts are kept at these only."""
    value = float(threshold)
    index = round(100 * value) if 0.0 <= value < 1.0 else -1
    if not 0 <= index < len(THRESHOLDS) or abs(THRESHOLDS[index] - value) > 1e-9:
        raise InputError.of("threshold", "must be one of 0.00, 0.01 … 0.99", threshold, "round it to hundredths")
    return index


def _histograms(levels: ByteMap, where: BoolMap) -> NDArray[np.int64]:
    """Compute level histograms outside and inside `where`, (2, 256), in one pass by blocks of rows."""
    histograms = np.zeros(2 * LEVELS, dtype=np.int64)
    for rows in row_blocks(levels.shape):
        joint = np.multiply(where[rows], np.uint16(LEVELS), dtype=np.uint16)
        joint += levels[rows]
        histograms += np.bincount(joint.ravel(), minlength=2 * LEVELS)
    return histograms.reshape(2, LEVELS)


def _from(histogram: IntArray, lowest: IntArray) -> IntArray:
    """Count the pixels at or above each of the `lowest` levels, (1, 100)."""
    above = np.cumsum(histogram[::-1])[::-1]
    return np.asarray(above[lowest][None, :], dtype=np.int64)


def _chosen(counts: Counts, indices: ArrayLike | None) -> Counts:
    return counts if indices is None else counts.take(indices)


def _agreement(counts: Counts) -> tuple[Float64Array, Float64Array]:
    """Compute F/2 of each image and threshold as numerator and denominator, both integers, (n, 100) each.

    TP / (predicted + true) without tolerance; with one, 2 P R / (P + R) = 2 a b / (a·true + b·predicted) for the hits a and
    b. That is the same number for a = b, and as a ratio of integers exact to the last bit, so equal values stay ties.
    """
    a, b = (hits.astype(np.float64) for hits in (counts.hits_predicted, counts.hits_true))
    predicted, true = counts.predicted.astype(np.float64), counts.true[:, None].astype(np.float64)
    same = counts.hits_predicted == counts.hits_true
    return np.where(same, a, a * b), np.where(same, predicted + true, a * true + b * predicted)


def _where_true(counts: Counts, values: Float64Array) -> Float64Array:
    """Replace undefined values by 0, but all values of images without true pixels by nan."""
    return np.where(counts.true[:, None] > 0, np.nan_to_num(values, nan=0.0), np.nan)
