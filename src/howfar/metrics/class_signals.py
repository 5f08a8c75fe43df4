"""Compute confidence, margin, entropy and dispersion of a classifier's probabilities, without labels.

Two of the signals are of a whole set of images: the nuclear norm and MaNo. Both are homogeneous of degree 1 in the matrix of
probabilities that they are computed from, so that by Euler's theorem each is a sum over the rows, Σ_i q_i · ∂S/∂q_i. An
image's share is its part of that sum times n: the mean of the shares is exactly the set's signal. A share depends on the
other images of its set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError

POWER = 4
CONFIDENT = 5.0
"""Mean cross-entropy of uniform labels, in nats, above which MaNo takes a softmax as it is."""
_LEAST = 1e-12
_SLACK = 1e-2


def class_signals(probabilities: ArrayLike) -> dict[str, Float64Array]:
    """Compute every signal of a set of classified images, by name, (n,) each.

    Parameters
    ----------
    probabilities
        (n, k) class probabilities of the n images of one set, k ≥ 2.

    Raises
    ------
    InputError
        No image, fewer than two classes, values outside [0, 1], or rows that do not sum to 1.

    Examples
    --------
    >>> values = class_signals([[0.9, 0.1], [0.3, 0.7]])
    >>> list(values), values["margin"].round(3).tolist()
    (['class_confidence', 'margin', 'entropy', 'nuclear_norm', 'mano'], [0.8, 0.4])
    """
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
    """Compute each image's share of the nuclear norm of a set's matrix of probabilities, (n,); their mean is the set's.

    The set's signal is the norm over its largest possible value, ‖P‖_* / √(min(n, k) · n), 0 to 1: large where predictions are
    sure and all classes are predicted. With P = U Σ Vᵀ the share of image i is p_i · (U Vᵀ)_i · √(n / min(n, k)). Source: Deng,
    Suh, Gould & Zheng, "Confidence and dispersity speak: characterising prediction matrix for unsupervised accuracy
    estimation" (ICML 2023), https://arxiv.org/abs/2302.01094.

    Parameters
    ----------
    probabilities
        (n, k) class probabilities.

    Raises
    ------
    InputError
        As `class_signals`.

    Examples
    --------
    >>> nuclear_norm_shares([[1.0, 0.0], [0.0, 1.0]]).tolist(), nuclear_norm_shares([[1.0, 0.0], [1.0, 0.0]]).round(4).tolist()
    ([1.0, 1.0], [0.7071, 0.7071])
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
    """Compute each image's share of MaNo of a set's logits, (n,); their mean is the set's signal.

    The set's signal is (Σ q^4 / (n k))^(1/4) over all q of the normalised (n, k) matrix. A row of logits z is normalised to
    sum 1 as 1 + z + z² / 2, the first terms of exp z, or by the softmax where the model is sure of the set: where the mean of
    −ln softmax over all classes and images is above 5. The share of image i is (Σ_k q_ik^4 / k) / S³. Source: Xie, Odonnat,
    Feofanov, Deng, Zhang & An, "MaNo: exploiting matrix norm for unsupervised accuracy estimation under distribution shifts"
    (NeurIPS 2024), https://arxiv.org/abs/2405.18979.

    Parameters
    ----------
    logits
        (n, k) logits, k ≥ 2.

    Raises
    ------
    InputError
        No image, fewer than two classes, or values that are not finite.

    Examples
    --------
    >>> sure, unsure = mano_shares([[4.0, -4.0], [-4.0, 4.0]]).mean(), mano_shares([[0.1, -0.1], [-0.1, 0.1]]).mean()
    >>> bool(sure > unsure > 0.5)
    True
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
    if not inside or float(np.abs(p.sum(axis=1) - 1.0).max()) > _SLACK:
        raise InputError.of("probabilities", "must lie in 0-1 and sum to 1 in each row", "others", "apply a softmax to logits")
    return p


def _as_matrix(values: ArrayLike, name: str) -> Float64Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) < 1 or matrix.shape[1] < 2:
        raise InputError.of(name, "must be (n, k), of n ≥ 1 images and k ≥ 2 classes", matrix.shape)
    return matrix
