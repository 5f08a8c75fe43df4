"""Score classifiers (accuracy, macro F1), and compute label-free signals from class probabilities.

Two of the signals are of a whole set of images: the nuclear norm and MaNo. Both are homogeneous of degree 1 in the matrix of
probabilities that they are computed from, so that by Euler's theorem each is a sum over the rows, Σ_i q_i · ∂S/∂q_i. An
image's share is its part of that sum times n: the mean of the shares is exactly the set's signal. A share depends on the
other images of its set.
"""

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.metric_interface import MetricScore

CORRECT: Final = "correct (1) or not (0)"
_SUM_SLACK = 1e-2


@dataclass(frozen=True)
class Label:
    """Hold one image's true and predicted class, confidence (nan if only an index was predicted), and number of classes."""

    truth: int
    predicted: int
    confidence: float = float("nan")
    classes: int | None = None


@dataclass(frozen=True)
class Classification:
    """Score classification by accuracy (correct images / images) and macro F1 (mean of F1 over classes).

    Macro F1 is the unweighted mean of 2 TP / (2 TP + FP + FN) over the classes that are true or predicted somewhere, from
    torchmetrics' counts. An image's performance is 1 where the predicted class is the true one, else 0.

    Examples
    --------
    >>> metric = Classification()
    >>> result = metric.score([metric.tally([0.1, 0.9], 1), metric.tally([0.6, 0.4], 1), metric.tally([0.8, 0.2], 0)])
    >>> result.scores, result.per_image.tolist(), result.columns["confidence"].tolist()
    ({'accuracy': 0.667, 'f1': 0.667}, [1.0, 0.0, 1.0], [0.9, 0.6, 0.8])
    """

    name = "classification"

    def tally(self, prediction: ArrayLike, truth: int) -> Label:
        """Reduce one image to its true and predicted class and the confidence.

        `prediction` is (k,) probabilities, of which the first largest counts, or a class index; `truth` is an index. Raises
        `InputError` for probabilities outside [0, 1] or that do not sum to 1, or an index that is no class.
        """
        values = np.asarray(prediction)
        true = _as_class(truth, "truth")
        if values.ndim == 0:
            return Label(true, _as_class(values[()], "prediction"))
        if values.ndim != 1 or len(values) < 2:
            raise InputError.of("prediction", "must be (k,) probabilities of k ≥ 2 classes, or a class index", values.shape)
        if values.dtype.kind != "f":
            raise InputError.of("prediction", "must be floating probabilities, or one class index", values.dtype.name)
        inside = bool(((values >= 0) & (values <= 1)).all())
        if not inside or abs(float(values.sum(dtype=np.float64)) - 1.0) > _SUM_SLACK:
            received = np.array2string(values, precision=4, threshold=8)
            raise InputError.of("prediction", "must be probabilities that sum to 1", received, "apply a softmax to logits")
        k = len(values)
        if true >= k:
            raise InputError.of("truth", f"must be one of the prediction's {k} classes, 0 to {k - 1}", true)
        best = int(np.argmax(values))
        return Label(true, best, float(values[best]), k)

    def score(self, tallies: Iterable[Label]) -> MetricScore:
        """Compute accuracy and macro F1 (scores `accuracy`, `f1`), and each image's correctness and confidence.

        Raises `InputError` for no image, or probabilities of differing numbers of classes.
        """
        labels = list(tallies)
        if not labels:
            raise InputError("tallies must hold at least one image, got none")
        class_counts = sorted({label.classes for label in labels if label.classes is not None})
        if len(class_counts) > 1:
            raise InputError.of("predictions", "must all tell the same number of classes apart", class_counts)
        truth, predicted = (np.array([getattr(tally, name) for tally in labels]) for name in ("truth", "predicted"))
        # Imported here, so that importing this module does not load torch.
        import torch
        from torchmetrics.functional.classification import multiclass_stat_scores

        # Ranks instead of indices: the same counts, with no room for classes that are nowhere.
        present, ranks = np.unique(np.concatenate([predicted, truth]), return_inverse=True)
        prediction, target = torch.from_numpy(ranks.reshape(2, -1))
        counts = multiclass_stat_scores(prediction, target, num_classes=max(len(present), 2), average="none")
        tp, fp, _, fn, _ = counts[: len(present)].numpy().astype(np.float64).T
        return MetricScore(
            metric=CORRECT,
            scores={"accuracy": float(tp.sum() / len(truth)), "f1": float(np.mean(2 * tp / (2 * tp + fp + fn)))},
            per_image=(truth == predicted).astype(np.float64),
            columns={"confidence": np.array([label.confidence for label in labels])},
        )


def _as_class(x: Any, name: str) -> int:
    try:
        index = operator.index(x)
    except TypeError as error:
        raise InputError.of(name, "must be a class index, a whole number", x) from error
    if index < 0:
        raise InputError.of(name, "must be a class index of at least 0", index)
    return index


CLASSIFICATION = Classification()


POWER = 4
CONFIDENT = 5.0
"""Mean cross-entropy of uniform labels, in nats, above which MaNo takes a softmax as it is."""
_LEAST = 1e-12


def class_signals(probabilities: ArrayLike) -> dict[str, Float64Array]:
    """Compute all label-free signals of the n images of one set from their (n, k) class probabilities, by name, (n,) each."""
    p = _as_rows(probabilities)
    largest = np.sort(p, axis=1)[:, ::-1]
    # Logits are known up to one number an image, which is chosen so that their mean is 0.
    logits = np.log(np.maximum(p, _LEAST))
    return {
        "class_confidence": largest[:, 0],
        "margin": largest[:, 0] - largest[:, 1],
        "entropy": -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1),
        "nuclear_norm": nuclear_norm_shares(p),
        "mano": mano_shares(logits - logits.mean(axis=1, keepdims=True)),
    }


def nuclear_norm_shares(probabilities: ArrayLike) -> Float64Array:
    """Compute each image's share of the nuclear norm of a set's probability matrix, (n,); their mean is the set's signal.

    The set's signal is the norm over its largest possible value, ‖P‖_* / √(min(n, k) · n), 0 to 1: large where predictions are
    sure and all classes are predicted. With P = U Σ Vᵀ the share of image i is p_i · (U Vᵀ)_i · √(n / min(n, k)). Source: Deng,
    Suh, Gould & Zheng, "Confidence and dispersity speak: characterising prediction matrix for unsupervised accuracy estimation"
    (ICML 2023), https://arxiv.org/abs/2302.01094.
    """
    p = _as_rows(probabilities)
    n, k = p.shape
    gram = p.T @ p if n >= k else p @ p.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > values[-1] * max(n, k) * np.finfo(np.float64).eps
    root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
    polar = p @ root if n >= k else root @ p
    return np.asarray(np.sum(polar * p, axis=1) * np.sqrt(n / min(n, k)), dtype=np.float64)


def mano_shares(logits: ArrayLike) -> Float64Array:
    """Compute each image's share of the MaNo score of a set's logits (n, k), (n,); their mean is the set's signal.

    The set's signal is (Σ q^4 / (n k))^(1/4) over all q of the normalised (n, k) matrix. A row of logits z is normalised to sum
    1 as 1 + z + z² / 2, the first terms of exp z, or by the softmax where the model is sure of the set: where the mean of −ln
    softmax over all classes and images is above 5. The share of image i is (Σ_k q_ik^4 / k) / S³. Source: Xie, Odonnat,
    Feofanov, Deng, Zhang & An, "MaNo: exploiting matrix norm for unsupervised accuracy estimation under distribution shifts"
    (NeurIPS 2024), https://arxiv.org/abs/2405.18979.
    """
    z = _as_matrix(logits, "logits")
    if not np.isfinite(z).all():
        raise InputError.of("logits", "must be finite", "nan or infinity")
    above = z - z.max(axis=1, keepdims=True)
    log_softmax = above - np.log(np.exp(above).sum(axis=1, keepdims=True))
    weights = np.exp(log_softmax) if -float(log_softmax.mean()) > CONFIDENT else 1.0 + z + z**2 / 2.0
    normalised = weights / weights.sum(axis=1, keepdims=True)
    parts = np.mean(normalised**POWER, axis=1)
    whole = float(np.mean(parts)) ** (1.0 / POWER)
    return np.asarray(parts / whole ** (POWER - 1), dtype=np.float64)


def _as_rows(probabilities: ArrayLike) -> Float64Array:
    p = _as_matrix(probabilities, "probabilities")
    inside = bool(((p >= 0.0) & (p <= 1.0)).all())
    if not inside or float(np.abs(p.sum(axis=1) - 1.0).max()) > _SUM_SLACK:
        raise InputError.of("probabilities", "must lie in 0-1 and sum to 1 in each row", "others", "apply a softmax to logits")
    return p


def _as_matrix(values: ArrayLike, name: str) -> Float64Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) < 1 or matrix.shape[1] < 2:
        raise InputError.of(name, "must be (n, k), of n ≥ 1 images and k ≥ 2 classes", matrix.shape)
    return matrix
