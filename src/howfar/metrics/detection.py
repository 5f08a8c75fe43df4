"""Score predicted boxes (mAP, F1), and compute label-free signals, such as the boxes' confidence and stability."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, quotient
from howfar.errors import InputError, blaming, needing
from howfar.metrics.metric_interface import MetricScore
from howfar.metrics.probability_maps import IntArray

_ROUNDING = 1e-6
"""By so much may the sum of a softmax in 32 bits lie above 1."""
_WORDS = re.compile(r"F1 at IoU (\S+)(?: of boxes scored (\S+) or more)?")


@dataclass(frozen=True, eq=False)
class Boxes:
    """Hold one image's predicted and true boxes, (k, 4) and (t, 4) as x0, y0, x1, y1 in pixels, and the number of matches.

    `hits` and `misses` count true boxes that a predicted one matches, or none does; `false` predicted ones that match none.
    """

    predicted: Float64Array = field(repr=False)
    scores: Float64Array = field(repr=False)
    labels: IntArray = field(repr=False)
    true: Float64Array = field(repr=False)
    true_labels: IntArray = field(repr=False)
    hits: int
    misses: int
    false: int


@dataclass(frozen=True)
class Detection:
    """Score object detection: an image's performance is F1 = 2 TP / (2 TP + FP + FN) of its boxes.

    Predicted boxes are taken by falling score; each matches the true box of its class that it overlaps most among those not
    matched yet, where that overlap (intersection over union) is at least `iou`, in (0, 1]: the matching of Lin et al.,
    "Microsoft COCO" (ECCV 2014). Boxes scored below `min_score` are left out of F1, never of mAP; by default none is. An image
    without true boxes has no F1, as a mask without foreground has no F: nan, left out of means; its predicted boxes count as
    false in the dataset's `f1`, and in `map` and `map_50`.

    Examples
    --------
    >>> prediction = {"boxes": [[0, 0, 10, 10], [50, 50, 60, 60]], "scores": [0.9, 0.4], "labels": [0, 0]}
    >>> metric = Detection()
    >>> metric.tally(prediction, {"boxes": [[0, 0, 10, 9]], "labels": [0]})
    Boxes(hits=1, misses=0, false=1)
    """

    iou: float = 0.5
    min_score: float = float("-inf")

    def __post_init__(self) -> None:
        if not 0.0 < self.iou <= 1.0:
            raise InputError.of("iou", "must lie in (0, 1]", self.iou)
        if np.isnan(self.min_score):
            raise InputError.of("min_score", "must be a number", self.min_score)
        if self.min_score > 1.0:
            raise InputError.of("min_score", "must be at most 1, as scores are", self.min_score)

    name = "detection"

    @classmethod
    def named(cls, metric: str) -> Detection:
        """Rebuild the metric from its name in words as given by `score`; unknown words give the default metric."""
        words = _WORDS.fullmatch(metric)
        return cls() if words is None else cls(float(words[1]), float(words[2] or "-inf"))

    def tally(self, prediction: Mapping[str, ArrayLike], truth: Mapping[str, ArrayLike]) -> Boxes:
        """Match one image's predicted boxes with its true boxes.

        `prediction` is ``{"boxes": (k, 4), "scores": (k,), "labels": (k,)}``, boxes as x0, y0, x1, y1 in pixels, `truth`
        ``{"boxes": (t, 4), "labels": (t,)}``. Raises `InputError` for a missing key, lengths that differ, a box that is not
        finite or ends before it begins, a score outside of 0 to 1, or labels that are not whole numbers.
        """
        boxes, labels = _boxes(prediction, "prediction")
        scores = _row(prediction, "scores", "prediction", len(boxes))
        if scores.size and scores.dtype.kind not in "iuf":
            raise InputError.of("prediction['scores']", "must be numbers", scores.dtype.name)
        scores = scores.astype(np.float64)
        wrong = ~((scores >= -_ROUNDING) & (scores <= 1.0 + _ROUNDING))
        if wrong.any():
            remedy = "a score is a probability, and not a logit or a percentage"
            raise InputError.of("prediction['scores']", "must lie between 0 and 1", float(scores[wrong][0]), remedy)
        scores = scores.clip(0.0, 1.0)
        true, true_labels = _boxes(truth, "truth")
        scored = scores >= self.min_score
        same_class = labels[scored, None] == true_labels[None, :]
        overlap, hits = np.where(same_class, overlaps(boxes[scored], true), -1.0), 0
        for k in np.argsort(-scores[scored], kind="stable") if len(true) else ():
            best = int(np.argmax(overlap[k]))
            if overlap[k, best] >= self.iou:
                overlap[:, best] = -1.0
                hits += 1
        return Boxes(boxes, scores, labels, true, true_labels, hits, len(true) - hits, int(scored.sum()) - hits)

    def score(self, tallies: Iterable[Boxes]) -> MetricScore:
        """Compute `map` (mean over IoU 0.50 to 0.95), `map_50` and `f1` of the images, and each image's F1.

        mAP is torchmetrics', over pycocotools: at most 100 boxes of each image and class, the highest scores first. Raises
        `InputError` for no image, and `MissingExtraError` where pycocotools is not installed.

        Examples
        --------
        >>> prediction = {"boxes": [[0, 0, 10, 10], [50, 50, 60, 60]], "scores": [0.9, 0.4], "labels": [0, 0]}
        >>> metric = Detection()
        >>> result = metric.score([metric.tally(prediction, {"boxes": [[0, 0, 10, 9]], "labels": [0]})])
        >>> result.metric, result.scores, result.per_image.tolist()
        ('F1 at IoU 0.5', {'map': 0.9, 'map_50': 1.0, 'f1': 0.667}, [0.667])
        """
        images = list(tallies)
        if not images:
            raise InputError("tallies must hold at least one image, got none")
        with needing("mAP needs pycocotools: pip install 'howfar[detection]'"):
            import pycocotools  # noqa: F401 - torchmetrics needs it, and would name another command
        # Imported here, so that importing this module does not load torch.
        import torch
        from torchmetrics.detection import MeanAveragePrecision

        metric = MeanAveragePrecision(box_format="xyxy", iou_type="bbox", backend="pycocotools")
        metric.warn_on_many_detections = False
        for image in images:
            predicted = {"boxes": image.predicted, "scores": image.scores, "labels": image.labels}
            true = {"boxes": image.true, "labels": image.true_labels}
            metric.update(*([{name: torch.from_numpy(x) for name, x in side.items()}] for side in (predicted, true)))
        precision = metric.compute()
        # COCO gives -1 where there is no true box.
        scores = {name: float(precision[name]) for name in ("map", "map_50")}
        scores = {name: float("nan") if value < 0 else value for name, value in scores.items()}
        above = f" of boxes scored {self.min_score:g} or more" if self.min_score > -np.inf else ""
        counts = np.array([[image.hits, image.misses, image.false] for image in images], dtype=np.float64)
        return MetricScore(
            metric=f"F1 at IoU {self.iou:g}{above}",
            scores={**scores, "f1": float(box_f1(counts.sum(axis=0, keepdims=True))[0])},
            per_image=box_f1(counts),
        )


def overlaps(a: ArrayLike, b: ArrayLike) -> Float64Array:
    """Compute intersection over union of all pairs of boxes: (k, 4) and (t, 4) as x0, y0, x1, y1 -> (k, t); 0 of empty ones."""
    left, right = (np.asarray(x, dtype=np.float64).reshape(-1, 4) for x in (a, b))
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    area_left, area_right = (np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (left, right))
    union = area_left[:, None] + area_right[None, :] - shared
    return quotient(shared, union, undefined=0.0)


def box_f1(counts: Float64Array) -> Float64Array:
    """Compute F1 from rows of hits, misses and false boxes; nan without true boxes."""
    hits, misses, false = counts.T
    return np.where(hits + misses > 0, quotient(2 * hits, 2 * hits + misses + false), np.nan)


def _boxes(side: Mapping[str, ArrayLike], name: str) -> tuple[Float64Array, IntArray]:
    boxes = _array(side, "boxes", name)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    key = f"{name}['boxes']"
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise InputError.of(key, "must be (k, 4) numbers: x0, y0, x1, y1", f"{boxes.dtype} of shape {boxes.shape}")
    boxes = boxes.astype(np.float64)
    wrong = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if wrong.any():
        remedy = "give left, top, right and bottom edges, not x, y, width and height; in COCO's form no width may be negative"
        raise InputError.of(key, "must be finite, with x1 ≥ x0 and y1 ≥ y0", boxes[wrong][0].tolist(), remedy)
    labels = _row(side, "labels", name, len(boxes))
    if labels.size and labels.dtype.kind not in "iu":
        raise InputError.of(f"{name}['labels']", "must be class indices, whole numbers", labels.dtype.name)
    return boxes, labels.astype(np.int64)


def _row(side: Mapping[str, ArrayLike], key: str, name: str, length: int) -> NDArray[Any]:
    values = _array(side, key, name)
    if values.shape != (length,) and not values.size == length == 0:
        raise InputError.of(f"{name}[{key!r}]", f"must be one for each of the {length} boxes", values.shape)
    return values.reshape(length)


def _array(side: Mapping[str, ArrayLike], key: str, name: str) -> NDArray[Any]:
    if not isinstance(side, Mapping) or key not in side:
        received = sorted(side) if isinstance(side, Mapping) else type(side).__name__
        raise InputError.of(name, f"must be a mapping with {key!r}", received)
    with blaming(f"{name}[{key!r}] must have rows of one length", ValueError):
        return np.asarray(side[key])


DETECTION = Detection()


def box_signals(scores: ArrayLike) -> dict[str, float]:
    """Compute signals of the scores (k,) of an image's boxes: mean score, number of boxes, and mean entropy.

    `box_entropy` is the mean of −s ln s − (1 − s) ln(1 − s) in nats, nan where scores are no probabilities. Mean and entropy
    are 0 where there is no box, as is F1 of an image in which the detector finds nothing of what is there.
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or not np.isfinite(s).all():
        raise InputError.of("scores", "must be one row of finite numbers", s.shape)
    if not len(s):
        return {"box_score": 0.0, "box_count": 0.0, "box_entropy": 0.0}
    inner, outer = (np.clip(p, 1e-300, 1.0) for p in (s, 1.0 - s))
    entropy = float((-s * np.log(inner) - (1.0 - s) * np.log(outer)).mean())
    probable = bool(((s >= 0.0) & (s <= 1.0)).all())
    return {"box_score": float(s.mean()), "box_count": float(len(s)), "box_entropy": entropy if probable else float("nan")}


def box_stability(boxes: ArrayLike, others: ArrayLike) -> float:
    """Compute how stable a detector's boxes are when image or network is disturbed, 0 to 1 (higher is more stable).

    Boxes (k, 4) are paired one to one with those of the disturbed prediction (t, 4) so that the sum of their overlaps is
    largest; the sum is divided by the larger number of boxes, so that a box without partner counts as 0. Source: the box
    stability score of Yang, Wang, Chen, Dai & Zheng, "Bounding box stability against feature dropout reflects detector
    generalization across environments" (ICLR 2024), https://arxiv.org/abs/2403.13803, which disturbs by dropout and averages
    over the pairs alone.
    """
    shared = overlaps(boxes, others)
    if not max(shared.shape):
        return 0.0
    return float(shared[_matched(shared)].sum() / max(shared.shape))


def box_consistency(boxes: ArrayLike, labels: ArrayLike, others: ArrayLike, other_labels: ArrayLike, iou: float = 0.5) -> float:
    """Compute F1 between two predictions of one image, 2 pairs / (k + t), 0 to 1; 0 without boxes.

    As many boxes as can are paired one to one with boxes of the same class that they overlap by `iou` at least.
    """
    shared = overlaps(boxes, others)
    first, second = np.asarray(labels).reshape(-1), np.asarray(other_labels).reshape(-1)
    if (len(first), len(second)) != shared.shape:
        raise InputError.of("labels", f"must be one a box, {shared.shape}", (len(first), len(second)))
    if not max(shared.shape):
        return 0.0
    matching = (shared >= iou) & (first[:, None] == second[None, :])
    pairs = int(matching[_matched(matching)].sum())
    return 2.0 * pairs / sum(shared.shape)


def mirrored(boxes: ArrayLike, width: float) -> Float64Array:
    """Map boxes of a left-right flipped image back to the original: x becomes width − x, (k, 4) as x0, y0, x1, y1."""
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.stack([width - corners[:, 2], corners[:, 1], width - corners[:, 0], corners[:, 3]], axis=1)


def _matched(gain: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Match rows and columns one to one with the largest total gain; returns their positions."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return rows, columns
