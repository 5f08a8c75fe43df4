"""Score multi-class segmentation (F, IoU), and compute signals of confidence and agreement, which need no labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, quotient
from howfar.errors import InputError, option
from howfar.metrics.metric_interface import MetricScore, mean_of_defined
from howfar.metrics.probability_maps import IntArray

MOST_CLASSES: Final = 1024
"""Classes that are told apart at most: the pairs of more would take more memory than a picture."""
METRIC: Final = "F, mean over classes"
"""What an image's performance is, in words."""
_SUM_SLACK: Final = 1e-2


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Hold one image's pixel counts by class, (k,) each: correctly predicted, predicted, and true; the ignored class aside."""

    hits: IntArray = field(repr=False)
    predicted: IntArray = field(repr=False)
    true: IntArray = field(repr=False)


@dataclass(frozen=True)
class Multiclass:
    """Score multi-class segmentation: an image's performance is the mean of F over its classes.

    With the pixels of class c that are predicted rightly (TP), wrongly (FP) and missed (FN), F = 2TP / (2TP + FP + FN) and IoU
    = TP / (TP + FP + FN). The mean is over the classes that are true or predicted somewhere: in the image for its own
    performance, in the dataset for ``f`` and ``iou``, which are of pixels summed over the images; ``mean_f`` and ``mean_iou``
    are means over images. Pixels of class `ignore` in the truth count nowhere; `names` name the classes 0, 1, 2 ….
    """

    ignore: int | None = None
    names: Sequence[str] = ()

    name = "multiclass"

    def tally(self, prediction: ArrayLike, truth: ArrayLike) -> ClassCounts:
        """Count one image's pixels by class.

        `prediction` is (h, w) class indices, or (k, h, w) probabilities, of which the first largest counts; `truth` (h, w)
        indices.
        """
        given, wanted = np.asarray(prediction), _as_indices(truth, "truth")
        predicted = as_probabilities(given).argmax(axis=0) if given.ndim == 3 else _as_indices(given, "prediction")
        if predicted.shape != wanted.shape:
            raise InputError.of("prediction", f"must be of the truth's size {wanted.shape}", predicted.shape)
        kept = np.ones(wanted.shape, np.bool_) if self.ignore is None else wanted != self.ignore
        top = max(int(predicted[kept].max(initial=0)), int(wanted[kept].max(initial=0)))
        if self.names and top >= len(self.names):
            remedy = f"name it, or pass it as {option('ignore_index')} where it stands for void"
            raise InputError.of("class", f"must be one of the {len(self.names)} named ones", top, remedy)
        count = max(1 + top, len(self.names))
        if count > MOST_CLASSES:
            raise InputError.of("classes", f"must be at most {MOST_CLASSES:,}", count, "pass the class that stands for void")
        # Imported here, so that importing this module does not load torch.
        import torch
        from torchmetrics.functional.classification import multiclass_confusion_matrix

        ours, true = (torch.from_numpy(np.ascontiguousarray(side[kept], dtype=np.int64)) for side in (predicted, wanted))
        confusion: Any = multiclass_confusion_matrix(ours, true, num_classes=max(count, 2), validate_args=False)
        pairs = np.asarray(confusion.numpy()[:count, :count], dtype=np.int64)
        return ClassCounts(np.diagonal(pairs).copy(), pairs.sum(axis=0), pairs.sum(axis=1))

    def score(self, tallies: Iterable[ClassCounts]) -> MetricScore:
        """Compute the scores of the dataset and of each image; raises `InputError` without images."""
        images = list(tallies)
        if not images:
            raise InputError("tallies must hold at least one image, got none")
        # (n, k) each, with 0 for classes beyond an image's counts.
        k = max(len(image.true) for image in images)
        sides = ([getattr(image, name) for image in images] for name in ("hits", "predicted", "true"))
        counts = ClassCounts(*(np.stack([np.pad(row, (0, k - len(row))) for row in side]) for side in sides))
        whole = ClassCounts(*(side.sum(axis=0, keepdims=True) for side in (counts.hits, counts.predicted, counts.true)))
        f, iou = class_f(counts), class_iou(counts)
        by_class = {"f": class_f(whole)[0], "iou": class_iou(whole)[0]}
        names = [*self.names, *map(str, range(len(self.names), len(by_class["f"])))]
        columns = {"iou": mean_over(iou), "accuracy": quotient(counts.hits.sum(axis=1), counts.true.sum(axis=1))}
        per_image = mean_over(f)
        return MetricScore(
            metric=METRIC,
            scores={
                **{name: mean_of_defined(values) for name, values in by_class.items()},
                "mean_f": mean_of_defined(per_image),
                "mean_iou": mean_of_defined(columns["iou"]),
                "accuracy": float(quotient(whole.hits.sum(), whole.true.sum())),
                **{f"{what}_{name}": float(by_class[what][c]) for what in by_class for c, name in enumerate(names)},
            },
            per_image=per_image,
            columns=columns,
        )


def class_f(counts: ClassCounts) -> Float64Array:
    """Compute F of each class, (n, k); nan for a class that is neither true nor predicted."""
    return quotient(2.0 * counts.hits, counts.predicted + counts.true)


def class_iou(counts: ClassCounts) -> Float64Array:
    """Compute IoU of each class, (n, k); nan for a class that is neither true nor predicted."""
    return quotient(counts.hits, counts.predicted + counts.true - counts.hits)


def mean_over(values: Float64Array) -> Float64Array:
    """Average the finite values of each row, (n, k) -> (n,); nan without finite values."""
    known = np.isfinite(values)
    return quotient(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))


def as_probabilities(values: ArrayLike) -> Float64Array:
    """Validate (k, h, w) probabilities of k ≥ 2 classes that sum to 1; bytes are read as p = value / 255."""
    p = np.asarray(values)
    p = p / np.float32(255) if p.dtype == np.uint8 else p
    if p.ndim != 3 or len(p) < 2 or p.size == 0 or p.dtype.kind != "f":
        rule = "must be (k, h, w) floating probabilities of k ≥ 2 classes"
        raise InputError.of("prediction", rule, f"{p.dtype} of shape {p.shape}")
    if not np.isfinite(p).all():
        raise InputError.of("prediction", "must be finite", "nan or infinity")
    low, high = float(p.min()), float(p.max())
    off = float(np.abs(p.sum(axis=0, dtype=np.float64) - 1.0).max())
    slack = _SUM_SLACK + (len(p) / 510 if np.asarray(values).dtype == np.uint8 else 0.0)
    if low < -_SUM_SLACK or high > 1 + _SUM_SLACK or off > slack:
        remedy = "apply a softmax to logits; classes are the first axis"
        raise InputError.of(
            "prediction", "must be probabilities that sum to 1 over the classes", f"{low:.4g} to {high:.4g}", remedy
        )
    return np.asarray(p, dtype=np.float64)


def _as_indices(values: ArrayLike, name: str) -> IntArray:
    indices = np.asarray(values)
    if indices.ndim != 2 or indices.dtype.kind not in "iub" or indices.size == 0:
        raise InputError.of(name, "must be (h, w) class indices", f"{indices.dtype} of shape {indices.shape}")
    indices = indices.astype(np.int64)
    if int(indices.min()) < 0:
        raise InputError.of(name, "must be class indices of at least 0", int(indices.min()))
    return indices


MULTICLASS = Multiclass()


def class_map_signals(probabilities: ArrayLike) -> dict[str, float]:
    """Compute the label-free signals of one image's (k, h, w) class probabilities.

    `average_confidence` is the mean over pixels of the largest probability, `margin` of its lead over the second, `entropy` of
    −Σ p ln p in nats. `soft_f` is the F that the probabilities expect: with n_c pixels predicted as class c, 2 Σ p_c over these
    / (n_c + Σ p_c over all pixels), the mean over the classes that are predicted.
    """
    p = as_probabilities(np.asarray(probabilities))
    k = len(p)
    pixels = p.reshape(k, -1)
    second, largest = np.partition(pixels, k - 2, axis=0)[-2:]
    best = pixels.argmax(axis=0)
    hits = np.bincount(best, weights=largest, minlength=k)
    predicted, expected = np.bincount(best, minlength=k), pixels.sum(axis=1)
    there = predicted > 0
    soft = quotient(2.0 * hits[there], predicted[there] + expected[there])
    return {
        "average_confidence": float(largest.mean()),
        "margin": float((largest - second).mean()),
        "entropy": float(-np.sum(pixels * np.log(np.where(pixels > 0, pixels, 1.0)), axis=0).mean()),
        "soft_f": float(soft.mean()),
    }
