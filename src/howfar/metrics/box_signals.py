"""Compute confidence and stability of a detector's boxes in one image, without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics.detection import overlaps


def box_signals(scores: ArrayLike) -> dict[str, float]:
    """Compute the signals of the scores of an image's boxes: their mean, their number, and their mean entropy.

    `box_entropy` is the mean of −s ln s − (1 − s) ln(1 − s) in nats, 0 to ln 2. Mean and entropy are 0 where there is no box,
    as is F1 of an image in which the detector finds nothing of what is there. Entropy is nan where scores are no
    probabilities.

    Parameters
    ----------
    scores
        (k,) scores of the boxes, k ≥ 0.

    Raises
    ------
    InputError
        Scores that are no row of finite numbers.

    Examples
    --------
    >>> box_signals([0.9, 0.5])
    {'box_score': 0.7, 'box_count': 2.0, 'box_entropy': 0.509}
    >>> box_signals([])
    {'box_score': 0.0, 'box_count': 0.0, 'box_entropy': 0.0}
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or not np.isfinite(s).all():
        raise InputError.of("scores", "must be one row of finite numbers", s.shape)
    if not len(s):
        return {"box_score": 0.0, "box_count": 0.0, "box_entropy": 0.0}
    probable = bool(((s >= 0.0) & (s <= 1.0)).all())
    return {
        "box_score": float(s.mean()),
        "box_count": float(len(s)),
        "box_entropy": float(_entropy(s).mean()) if probable else float("nan"),
    }


def box_stability(boxes: ArrayLike, others: ArrayLike) -> float:
    """Compute how little a detector's boxes move where the image or the network is disturbed: 0 to 1.

    Boxes of the image are paired one to one with those of the disturbed prediction so that the sum of their overlaps
    (intersection over union) is largest; the sum is divided by the larger number of boxes, so that a box without partner
    counts as 0. 0 where there is no box. Source: the box stability score of Yang, Wang, Chen, Dai & Zheng, "Bounding box
    stability against feature dropout reflects detector generalization across environments" (ICLR 2024),
    https://arxiv.org/abs/2403.13803, which disturbs by dropout and averages over the pairs alone.

    Parameters
    ----------
    boxes, others
        (k, 4) and (t, 4) boxes as x0, y0, x1, y1 in pixels of one image; k, t ≥ 0.

    Examples
    --------
    >>> box_stability([[0, 0, 10, 10]], [[0, 0, 10, 5], [50, 50, 60, 60]])
    0.25
    """
    shared = overlaps(boxes, others)
    if not max(shared.shape):
        return 0.0
    return float(shared[_matched(shared)].sum() / max(shared.shape))


def box_consistency(boxes: ArrayLike, labels: ArrayLike, others: ArrayLike, other_labels: ArrayLike, iou: float = 0.5) -> float:
    """Compute F1 between two predictions of one image, 2 pairs / (k + t): 0 to 1, and 0 where there is no box.

    As many boxes as can are paired one to one with boxes of the same class that they overlap by `iou` at least.

    Parameters
    ----------
    boxes, labels
        (k, 4) boxes as x0, y0, x1, y1 and their (k,) classes.
    others, other_labels
        (t, 4) and (t,) of the second prediction.
    iou
        Overlap from which two boxes match.

    Raises
    ------
    InputError
        Labels that are not one a box.

    Examples
    --------
    >>> box_consistency([[0, 0, 10, 10], [50, 50, 60, 60]], [0, 1], [[0, 0, 10, 9]], [0])
    0.667
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
    """Flip boxes of a left-right flipped image back: x becomes width − x, (k, 4) as x0, y0, x1, y1.

    Examples
    --------
    >>> mirrored([[0, 2, 3, 4]], width=10).tolist()
    [[7.0, 2.0, 10.0, 4.0]]
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.stack([width - corners[:, 2], corners[:, 1], width - corners[:, 0], corners[:, 3]], axis=1)


def _entropy(s: Float64Array) -> Float64Array:
    inner = np.clip(s, 1e-300, 1.0)
    outer = np.clip(1.0 - s, 1e-300, 1.0)
    return np.asarray(-s * np.log(inner) - (1.0 - s) * np.log(outer), dtype=np.float64)


def _matched(gain: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Match rows with columns one to one, so that the sum of what they share is the largest: their positions."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return rows, columns
