"""Compute confidence, entropy, expected F and agreement of predicted probability maps, without labels.

All signals but agreement are sums over the 256 levels of a map's histogram, so only the histogram of an image need be kept.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.probability_maps import IntArray, above, as_bytes, as_map, row_blocks

_P: Float64Array = np.arange(256) / 255
_ENTROPIES: Float64Array = np.zeros(256)
_ENTROPIES[1:-1] = -_P[1:-1] * np.log(_P[1:-1]) - (1.0 - _P[1:-1]) * np.log1p(-_P[1:-1])


def histogram(prediction: ArrayLike) -> IntArray:
    """Count the pixels at each of the 256 levels, (256,) int64; floating p is rounded to the nearest value/255.

    `prediction` is a (h, w) map: uint8 with p = value/255, floating p in [0, 1], or bool. Raises `InputError` for any other.

    Examples
    --------
    >>> histogram(np.array([[0, 255, 255]], dtype=np.uint8))[[0, 1, 255]].tolist()
    [1, 0, 2]
    """
    values, counts = as_map(prediction), np.zeros(256, dtype=np.int64)
    for rows in row_blocks(values.shape):
        counts += np.bincount(as_bytes(values[rows]).ravel(), minlength=256)
    return counts


def signals(histogram: ArrayLike, threshold: float) -> dict[str, float]:
    """Compute all histogram-based signals of one image, by name, from the (256,) counts of a map's levels.

    `predicted_foreground` is taken at `threshold`. Raises `InputError` for a histogram that is not 256 whole numbers of at
    least 0 with one above, or a threshold outside [0, 1].

    Examples
    --------
    >>> values = signals(histogram([[0.0, 0.0, 0.2, 1.0]]), threshold=0.5)
    >>> [(name, round(value, 3)) for name, value in values.items()]
    [('average_confidence', 0.95), ('foreground_confidence', 0.867), ('mean_probability', 0.3), ('entropy', 0.125),
    ('nuclear_norm', 0.934), ('predicted_foreground', 0.25)]
    """
    counts = as_histogram(histogram)
    return {
        "average_confidence": average_confidence(counts),
        "foreground_confidence": foreground_confidence(counts),
        "mean_probability": mean_probability(counts),
        "entropy": entropy(counts),
        "nuclear_norm": nuclear_norm(counts),
        "predicted_foreground": predicted_foreground(counts, threshold),
    }


def average_confidence(histogram: ArrayLike) -> float:
    """Compute the average confidence: the mean of max(p, 1 − p) over pixels, 0.5 to 1.

    The maximum softmax probability of Hendrycks & Gimpel, "A baseline for detecting misclassified and out-of-distribution
    examples" (ICLR 2017), averaged; its change between datasets is the "difference of confidences" of Guillory, Shankar,
    Ebrahimi, Darrell & Schmidt, "Predicting with confidence on unseen distributions" (ICCV 2021), and a threshold on it
    the "average thresholded confidence" of Garg, Balakrishnan, Lipton, Neyshabur & Sedghi (ICLR 2022).

    Examples
    --------
    >>> average_confidence(histogram([[0.0, 0.0, 0.2, 1.0]]))
    0.95
    """
    counts = as_histogram(histogram)
    return float(counts @ np.maximum(_P, 1.0 - _P) / counts.sum())


def foreground_confidence(histogram: ArrayLike) -> float:
    """Compute the mean confidence in foreground, with pixels weighted by p: Σ p² / Σ p.

    For a calibrated map it is the precision to expect of pixels drawn in proportion to p. 0 where all p are 0.

    Examples
    --------
    >>> foreground_confidence(histogram([[0.0, 0.0, 0.2, 1.0]]))
    0.867
    """
    counts = as_histogram(histogram)
    foreground = counts @ _P
    return float(counts @ _P**2 / foreground) if foreground > 0 else 0.0


def mean_probability(histogram: ArrayLike) -> float:
    """Compute the mean p over pixels, the foreground share expected by a calibrated map.

    Examples
    --------
    >>> mean_probability(histogram([[0.0, 0.0, 0.2, 1.0]]))
    0.3
    """
    counts = as_histogram(histogram)
    return float(counts @ _P / counts.sum())


def entropy(histogram: ArrayLike) -> float:
    """Compute the mean binary entropy over the pixels, −p ln p − (1 − p) ln(1 − p), in nats: 0 to ln 2.

    Examples
    --------
    >>> entropy(histogram([[0.0, 0.0, 0.2, 1.0]]))
    0.125
    """
    counts = as_histogram(histogram)
    return float(counts @ _ENTROPIES / counts.sum())


def nuclear_norm(histogram: ArrayLike) -> float:
    """Compute the nuclear norm of the (pixels, 2) matrix [1 − p, p] over its largest possible value √(2·pixels): 0.5 to 1.

    Deng, Suh, Gould & Zheng, "Confidence and dispersity speak: characterising prediction matrix for unsupervised accuracy
    estimation" (ICML 2023): it is large where predictions are sure and both classes are predicted. The singular values
    σ₁, σ₂ satisfy (σ₁ + σ₂)² = tr G + 2 √det G with the 2 × 2 Gram matrix G, whose entries are sums over the histogram.
    Each row has a length of at most 1, so σ₁² + σ₂² ≤ pixels and σ₁ + σ₂ ≤ √2 · √(σ₁² + σ₂²) ≤ √(2·pixels): reached where
    half of the pixels are surely foreground and half surely not. The least, half of it, is p = 0.5 everywhere.

    Examples
    --------
    >>> nuclear_norm(histogram([[0.0, 1.0]])), nuclear_norm(histogram([[0.0, 0.0]]))
    (1.0, 0.7071)
    """
    counts = [int(n) for n in as_histogram(histogram)]
    # Whole numbers (255² times G), so that the determinant does not cancel: it is 0 exactly where G has rank 1.
    background = sum(n * (255 - v) ** 2 for v, n in enumerate(counts))
    foreground = sum(n * v**2 for v, n in enumerate(counts))
    mixed = sum(n * v * (255 - v) for v, n in enumerate(counts))
    trace, determinant = background + foreground, background * foreground - mixed**2
    return math.sqrt(trace + 2.0 * math.sqrt(determinant)) / (255.0 * math.sqrt(2 * sum(counts)))


def predicted_foreground(histogram: ArrayLike, threshold: float) -> float:
    """Compute the share of pixels with p > threshold.

    Examples
    --------
    >>> predicted_foreground(histogram([[0.0, 0.0, 0.2, 1.0]]), 0.2)
    0.25
    """
    counts, predicted = as_histogram(histogram), above(_P, threshold)
    return float(counts[predicted].sum() / counts.sum())


def soft_dice(p: ArrayLike, q: ArrayLike) -> float:
    """Compute the soft Dice of two (h, w) maps of one image, 2 Σ p q / (Σ p² + Σ q²), 0 to 1; 1 if both maps are all 0.

    The overlap of Dice (1945) and Sørensen (1948) without a threshold, in the form of Milletari, Navab & Ahmadi, "V-Net" (3DV
    2016). Raises `InputError` for shapes that differ, or a map that `histogram` refuses.

    Examples
    --------
    >>> soft_dice([[1.0, 0.0]], [[1.0, 1.0]])
    0.667
    """
    first, second = as_map(p, "p"), as_map(q, "q")
    _check_shapes(first, second, "p and q")
    # The scale of two 8-bit maps cancels, and sums of whole numbers are exact in any order.
    a, b = (values.astype(np.float64).ravel() for values in (first, second))
    if first.dtype != second.dtype:
        a, b = (row / 255.0 if values.dtype == np.uint8 else row for row, values in ((a, first), (b, second)))
    whole = a @ a + b @ b
    return float(2.0 * (a @ b) / whole) if whole > 0 else 1.0


def flip_agreement(prediction: ArrayLike, of_flipped: ArrayLike) -> float:
    """Compute the soft Dice of a map and the flipped-back map of the left-right flipped image; errors are those of `soft_dice`.

    `of_flipped` is the map that the model gives for the flipped image, as the model gives it.

    Examples
    --------
    >>> flip_agreement([[0.9, 0.0]], [[0.0, 0.9]])
    1.0
    """
    return soft_dice(prediction, as_map(of_flipped, "of_flipped")[:, ::-1])


def ensemble_agreement(maps: Sequence[ArrayLike]) -> float:
    """Compute the mean soft Dice over all pairs of several models' maps of one image; at least two.

    Examples
    --------
    >>> ensemble_agreement([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]])
    0.333
    """
    if len(maps) < 2:
        raise InputError.of("maps", "must be at least two", len(maps))
    return float(np.mean([soft_dice(a, b) for a, b in combinations(maps, 2)]))


def _check_shapes(first: NDArray[Any], second: NDArray[Any], names: str) -> None:
    if first.shape != second.shape:
        raise InputError.of(names, "must have one shape", (first.shape, second.shape), "bring one map to the other's size")


def as_histogram(x: ArrayLike) -> IntArray:
    """Validate a histogram of 256 level counts, as int64; raises `InputError` for anything else."""
    counts = np.asarray(x)
    if counts.shape != (256,) or counts.dtype.kind not in "iu":
        raise InputError.of("histogram", "must be 256 whole numbers", f"{counts.dtype} of shape {counts.shape}")
    if counts.min() < 0 or not counts.any():
        raise InputError.of("histogram", "must hold counts of at least one pixel", f"a sum of {int(counts.sum())}")
    return counts.astype(np.int64, copy=False)


def class_entropy(histogram: ArrayLike, threshold: float) -> tuple[float, float]:
    """Compute the summed entropy of predicted foreground and of predicted background, each divided by all pixels.

    With H(p) = −p ln p − (1 − p) ln(1 − p), the N pixels of a map and the threshold t: Σ H(p) / N over the pixels with p > t,
    and over the others. Both together are the map's mean entropy; both are in nats, 0 to ln 2. Errors are those of `signals`.

    Examples
    --------
    >>> from howfar.metrics import histogram
    >>> [round(value, 3) for value in class_entropy(histogram([[0.0, 0.4, 0.6, 1.0]]), 0.5)]
    [0.168, 0.168]
    """
    counts, predicted = as_histogram(histogram), above(_P, threshold)
    sums = counts * _ENTROPIES
    total = float(counts.sum())
    return float(sums[predicted].sum()) / total, float(sums[~predicted].sum()) / total


def soft_f(histogram: ArrayLike, threshold: float) -> float:
    """Compute the soft F-measure of a map against itself, 2 Σ p b / (Σ p + Σ b) with b = [p > threshold]: 0 to 1.

    Were p calibrated, Σ p b would be the expected true positives of the prediction b and Σ p the expected foreground, so this
    is F with counts replaced by their expectations. 0 where all p are 0. Arguments and errors are those of `signals`.

    Examples
    --------
    >>> from howfar.metrics import histogram
    >>> soft_f(histogram([[0.0, 0.0, 0.2, 1.0]]), 0.5)
    0.909
    """
    counts, predicted = as_histogram(histogram), above(_P, threshold)
    expected, total = float(counts[predicted] @ _P[predicted]), float(counts @ _P)
    size = total + float(counts[predicted].sum())
    return 2.0 * expected / size if size > 0 else 0.0


def flip_overlap(prediction: ArrayLike, of_flipped: ArrayLike, threshold: float) -> float:
    """Compute the Dice of the thresholded maps of an image and its left-right flip, flipped back, 0 to 1.

    2 |b ∧ b′| / (|b| + |b′|) with b = [p > threshold] and b′ the same of the flipped image's map. Where neither predicts a
    pixel it is 0, as the F of an image with foreground is then 0 too. Errors are those of `foreground_dice`.

    Examples
    --------
    >>> flip_overlap([[0.9, 0.0, 0.0]], [[0.0, 0.8, 0.9]], 0.5), flip_overlap([[0.1]], [[0.1]], 0.5)
    (0.667, 0.0)
    """
    first, second = as_map(prediction, "prediction"), as_map(of_flipped, "of_flipped")[:, ::-1]
    _check_shapes(first, second, "prediction and of_flipped")
    b, mirrored = above(first, threshold), above(second, threshold)
    size = int(np.count_nonzero(b)) + int(np.count_nonzero(mirrored))
    return 2.0 * int(np.count_nonzero(b & mirrored)) / size if size else 0.0


def foreground_dice(p: ArrayLike, q: ArrayLike, threshold: float) -> float:
    """Compute the Dice of two maps' foreground in one image, 2∣b ∧ c∣ / (∣b∣ + ∣c∣) with b = [p > t] and c = [q > t].

    Source: Dice, "Measures of the amount of ecologic association between species" (Ecology 26, 1945). Of the map of a whole
    image and the map of its tiles it says whether the model sees the same at both scales: a low value warns, without labels,
    that the image was made too small for its structures. NaN where neither map has foreground, which says nothing. Raises
    `InputError` for shapes that differ, a map that `histogram` refuses, or a threshold outside [0, 1].

    Examples
    --------
    >>> foreground_dice([[0.9, 0.8, 0.0]], [[0.9, 0.0, 0.0]], 0.5)
    0.667
    >>> foreground_dice([[0.0, 0.1]], [[0.2, 0.0]], 0.5)
    nan
    """
    if not 0.0 <= threshold <= 1.0:
        raise InputError.of("threshold", "must lie in [0, 1]", threshold)
    first, second = as_bytes(p), as_bytes(q)
    _check_shapes(first, second, "p and q")
    b, c = (values / 255 > threshold for values in (first, second))
    total = np.count_nonzero(b) + np.count_nonzero(c)
    return float(2.0 * np.count_nonzero(b & c) / total) if total else float("nan")
