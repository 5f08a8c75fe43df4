"""Compute confidence, margin, entropy and expected F of a segmentation of several classes, without labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import quotient
from howfar.metrics.multiclass import as_probabilities


def class_map_signals(probabilities: ArrayLike) -> dict[str, float]:
    """Compute the signals of one image's class probabilities.

    `average_confidence` is the mean over pixels of the largest probability, `margin` of its lead over the second, `entropy` of
    −Σ p ln p in nats. `soft_f` is the F that the probabilities expect: with n_c pixels predicted as class c, 2 Σ p_c over these
    / (n_c + Σ p_c over all pixels), the mean over the classes that are predicted.

    Parameters
    ----------
    probabilities
        (k, h, w) probabilities of k ≥ 2 classes.

    Raises
    ------
    InputError
        As `howfar.metrics.multiclass.as_probabilities`.

    Examples
    --------
    >>> class_map_signals([[[0.9, 0.2]], [[0.1, 0.8]]])
    {'average_confidence': 0.85, 'margin': 0.7, 'entropy': 0.413, 'soft_f': 0.849}
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
