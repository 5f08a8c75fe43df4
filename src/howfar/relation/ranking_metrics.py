"""Measure how well estimates rank images: area under the ROC curve (AUROC) and under the risk-coverage curve (AURC)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError


def auroc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """Compute the chance that a positive image has the higher score than a negative one, ties counted half.

    That is the area under the ROC curve, by scikit-learn; None without both kinds. Source: Hanley & McNeil, "The meaning and
    use of the area under a receiver operating characteristic (ROC) curve", Radiology 143 (1982).

    `scores` (n,) are large for an image that should be positive; `positive` is (n,) bool. Raises `InputError` for lengths that
    differ, or scores that are not finite.
    """
    values, which = _pair(scores, positive, ("scores", "positive"))
    ones = int(np.count_nonzero(which))
    if ones in (0, len(which)):
        return None
    # It takes a second to load.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(which != 0, values))


def aurc(estimates: ArrayLike, performance: ArrayLike) -> float:
    """Compute the mean over k = 1 … n of the mean risk of the k images with the highest estimates.

    Risk is 1 − performance. Images with equal estimates count with their mean risk, which is the mean over all their orders.
    Small is good; images in random order have the mean risk. Source: Geifman, Uziel & El-Yaniv, "Bias-reduced uncertainty
    estimation for deep neural classifiers" (ICLR 2019), https://arxiv.org/abs/1805.08206.

    `estimates` and `performance` are (n,), estimated and true performance, 0 to 1. Raises `InputError` for lengths that differ,
    no image, or estimates that are not finite.
    """
    values, truth = _pair(estimates, performance, ("estimates", "performance"))
    if len(values) == 0:
        raise InputError.of("estimates", "must be of at least one image", "none")
    _, ties = np.unique(-values, return_inverse=True)
    risk = np.bincount(ties, 1.0 - truth) / np.bincount(ties)
    counts = np.arange(1, len(values) + 1)
    return float(np.mean(np.cumsum(risk[np.sort(ties)]) / counts))


def _pair(values: ArrayLike, others: ArrayLike, names: tuple[str, str]) -> tuple[Float64Array, Float64Array]:
    pair = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
        raise InputError.of(names[1], f"must be one row, as long as {names[0]}", f"{pair[1].shape} and {pair[0].shape}")
    for name, row in zip(names, pair, strict=True):
        if not np.isfinite(row).all():
            raise InputError.of(name, "must be finite", "NaN or infinity", "leave those images out")
    return pair
