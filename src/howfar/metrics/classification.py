"""Score predicted classes: accuracy and macro F1 of a dataset, correctness and confidence of each image."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.metrics.probability_maps import IntArray
from howfar.metrics.protocol import MetricScore

_SUM_SLACK = 1e-2


@dataclass(frozen=True)
class Label:
    """Hold one image's true class, predicted class and confidence.

    Attributes
    ----------
    truth, predicted
        Class indices.
    confidence
        Largest class probability; nan where only an index was predicted.
    classes
        How many classes the prediction told apart; None where only an index was predicted.
    """

    truth: int
    predicted: int
    confidence: float = float("nan")
    classes: int | None = None


@dataclass(frozen=True)
class Classification:
    """Score classification: accuracy = correct images / images, and the mean over classes of F1.

    Macro F1 is the unweighted mean of 2 TP / (2 TP + FP + FN) over the classes that are true or predicted somewhere, from
    torchmetrics' counts. An image's performance is 1 where the predicted class is the true one, else 0.

    Examples
    --------
    >>> metric = Classification()
    >>> result = metric.score([metric.tally([0.1, 0.9], 1), metric.tally([0.6, 0.4], 1), metric.tally([0.8, 0.2], 0)])
    >>> result.scores, result.per_image.tolist(), result.columns["confidence"].tolist()
    ({'accuracy': 0.667, 'f1': 0.667}, [1.0, 0.0, 1.0], [0.9, 0.6, 0.8])
    """

    @property
    def name(self) -> str:
        """Return the task's name, "classification"."""
        return "classification"

    def tally(self, prediction: ArrayLike, truth: int) -> Label:
        """Reduce one image to its true and predicted class and the confidence.

        Parameters
        ----------
        prediction
            (k,) probabilities of k classes, of which the first largest counts, or a class index.
        truth
            The true class's index.

        Raises
        ------
        InputError
            Probabilities outside [0, 1] or that do not sum to 1, or an index that is no class.

        Examples
        --------
        >>> Classification().tally([0.2, 0.7, 0.1], 2)
        Label(truth=2, predicted=1, confidence=0.7, classes=3)
        """
        values = np.asarray(prediction)
        true = _as_class(truth, "truth")
        if values.ndim == 0:
            return Label(true, _as_class(values[()], "prediction"))
        p = _as_probabilities(values)
        if true >= len(p):
            raise InputError.of("truth", f"must be one of the prediction's {len(p)} classes, 0 to {len(p) - 1}", true)
        best = int(np.argmax(p))
        return Label(true, best, float(p[best]), len(p))

    def score(self, tallies: Iterable[Label]) -> MetricScore:
        """Compute accuracy and macro F1 of the images (scores `accuracy`, `f1`), and each one's correctness and confidence.

        Raises
        ------
        InputError
            No image, or probabilities of differing numbers of classes.
        """
        labels = list(tallies)
        if not labels:
            raise InputError("tallies must hold at least one image, got none")
        class_counts = sorted({label.classes for label in labels if label.classes is not None})
        if len(class_counts) > 1:
            raise InputError.of("predictions", "must all tell the same number of classes apart", class_counts)
        truth, predicted = (np.array([getattr(tally, name) for tally in labels]) for name in ("truth", "predicted"))
        return MetricScore(
            metric="correct (1) or not (0)",
            scores=_scores(truth, predicted),
            per_image=(truth == predicted).astype(np.float64),
            columns={"confidence": np.array([label.confidence for label in labels])},
        )


def _scores(truth: IntArray, predicted: IntArray) -> dict[str, float]:
    """Compute accuracy and macro F1 from torchmetrics' counts."""
    # Imported here, so that importing this module does not load torch.
    import torch
    from torchmetrics.functional.classification import multiclass_stat_scores

    # Ranks instead of indices: the same counts, with no room for classes that are nowhere.
    present, ranks = np.unique(np.concatenate([predicted, truth]), return_inverse=True)
    prediction, target = torch.from_numpy(ranks.reshape(2, -1))
    counts = multiclass_stat_scores(prediction, target, num_classes=max(len(present), 2), average="none")
    tp, fp, _, fn, _ = counts[: len(present)].numpy().astype(np.float64).T
    return {"accuracy": float(tp.sum() / len(truth)), "f1": float(np.mean(2 * tp / (2 * tp + fp + fn)))}


def _as_class(x: Any, name: str) -> int:
    try:
        index = operator.index(x)
    except TypeError as error:
        raise InputError.of(name, "must be a class index, a whole number", x) from error
    if index < 0:
        raise InputError.of(name, "must be a class index of at least 0", index)
    return index


def _as_probabilities(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if values.ndim != 1 or len(values) < 2:
        raise InputError.of("prediction", "must be (k,) probabilities of k ≥ 2 classes, or a class index", values.shape)
    if values.dtype.kind != "f":
        raise InputError.of("prediction", "must be floating probabilities, or one class index", values.dtype.name)
    inside = bool(((values >= 0) & (values <= 1)).all())
    if not inside or abs(float(values.sum(dtype=np.float64)) - 1.0) > _SUM_SLACK:
        received = np.array2string(values, precision=4, threshold=8)
        raise InputError.of("prediction", "must be probabilities that sum to 1", received, "apply a softmax to logits")
    return values


CLASSIFICATION = Classification()
