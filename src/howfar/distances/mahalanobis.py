"""Compute the Mahalanobis distance of each image from the primary dataset: from its mean, in units of its spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, FloatArray, as_features, as_pair
from howfar.errors import InputError

Shrinkage = float | Literal["ledoit_wolf"]


def mahalanobis(s: ArrayLike, p: ArrayLike, *, shrinkage: Shrinkage = "ledoit_wolf") -> Float64Array:
    """Compute the Mahalanobis distance of each image of S from P: √((s_j − μ)ᵀ Σ⁻¹ (s_j − μ)).

    μ is P's mean and Σ = (1 − δ) C + δ (tr C / z) I, where C is P's covariance (divided by n) and δ the shrinkage.
    "ledoit_wolf" takes the δ of Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    J. Multivariate Anal. 88 (2004), section 3: Σ is then regular even where P has fewer images than columns.
    With δ = 0 the pseudo-inverse of C stands for Σ⁻¹: directions in which P does not vary at all do not count, however
    far an image lies along them. (Two distinct images leave Ledoit & Wolf's δ at 0 too.)

    Parameters
    ----------
    s, p
        (m, z) and (n, z) projected features; computed in float64.
    shrinkage
        "ledoit_wolf", or δ from 0 (none) to 1 (distance from the mean, over the mean deviation).

    Returns
    -------
    ndarray
        (m,) float64, without unit; squared, its mean over P itself is the rank of C where δ = 0.

    Raises
    ------
    InputError
        Features that `howfar.arrays.as_pair` refuses, all images of P equal (no spread), or a shrinkage outside [0, 1].

    Examples
    --------
    >>> mahalanobis([[0.0], [6.0]], [[1.0], [3.0]]).tolist()
    [2.0, 4.0]
    """
    secondary, primary = as_pair(s, p)
    return Fitted.on(primary, shrinkage).distances(secondary)


@dataclass(frozen=True, eq=False)
class Fitted:
    """Keep what Mahalanobis distances need of P, for images that come later.

    Attributes
    ----------
    first, mean
        (z,) P's first row, and the mean of its rows after that is taken away.
    largest
        What offsets are divided by, so that no square overflows.
    axes
        (r, z) P's principal axes.
    weights
        (r + 1,) one over the shrunk variance along each axis, then outside them all.
    """

    first: FloatArray
    mean: Float64Array
    largest: float
    axes: Float64Array
    weights: Float64Array

    @classmethod
    def on(cls, p: ArrayLike, shrinkage: Shrinkage = "ledoit_wolf") -> Fitted:
        """Fit P's mean and shrunk covariance, (n, z), without forming a z × z matrix.

        Raises `InputError` for features that are empty or not finite.
        """
        primary = as_features(p, "p")
        # Taking a row away first makes equal rows exactly 0 and keeps the digits of features with a large common offset.
        shifted = primary.astype(np.float64) - primary[0]
        mean = shifted.mean(axis=0)
        spread = shifted - mean
        if not shifted.any():
            received, remedy = f"{len(primary)} equal rows", "a spread needs images that differ"
            raise InputError.of("p", "must hold at least two different images", received, remedy)
        largest = np.abs(spread).max()
        spread /= largest
        delta = _ledoit_wolf(spread) if shrinkage == "ledoit_wolf" else _share(shrinkage)
        n, z = spread.shape
        triangle = np.asarray(np.linalg.qr(spread, mode="r"), dtype=np.float64)[: min(n, z)]
        _, deviations, axes = np.linalg.svd(triangle, full_matrices=False)
        variances = deviations**2 / n
        shared = variances.sum() / z
        shrunk = np.append((1.0 - delta) * variances, 0.0) + delta * shared
        return cls(primary[0], mean, float(largest), axes, _inverse(shrunk, variances[0] * max(n, z)))

    def distances(self, s: ArrayLike) -> Float64Array:
        """Compute the Mahalanobis distance of each row of S, (m, z) -> (m,).

        Raises `InputError` for features that `howfar.arrays.as_features` refuses, or of another width.
        """
        secondary = as_features(s, "s")
        if secondary.shape[1] != len(self.mean):
            raise InputError.of("s", f"must have {len(self.mean)} columns, as p", secondary.shape, "use one backbone")
        offsets = (secondary.astype(np.float64) - self.first - self.mean) / self.largest
        along = offsets @ self.axes.T
        squared: Float64Array = along**2 @ self.weights[:-1]
        if len(self.axes) < len(self.mean):
            outside = offsets - along @ self.axes
            squared += np.einsum("ij,ij->i", outside, outside) * self.weights[-1]
        return np.sqrt(squared)


def _inverse(variances: Float64Array, scale: float) -> Float64Array:
    """Invert each variance; 0 where rounding alone could have made it."""
    counted = variances > scale * np.finfo(np.float64).eps
    inverse: Float64Array = np.divide(1.0, variances, out=np.zeros_like(variances), where=counted)
    return inverse


def _ledoit_wolf(spread: Float64Array) -> float:
    """Compute Ledoit & Wolf's shrinkage δ = b² / d²: the estimation error of C over its distance from a multiple of I."""
    n, z = spread.shape
    scatter = spread.T @ spread if z <= n else spread @ spread.T
    norm = np.sum(scatter**2) / n**2
    mean_variance = np.trace(scatter) / (n * z)
    distance = norm - z * mean_variance**2
    fourth = np.sum(np.einsum("ij,ij->i", spread, spread) ** 2) / n
    error = (fourth - norm) / n
    if error <= 0.0 or distance <= 0.0:
        return 0.0
    return float(min(error / distance, 1.0))


def _share(shrinkage: object) -> float:
    if not isinstance(shrinkage, int | float | np.floating) or not 0.0 <= shrinkage <= 1.0:
        raise InputError.of("shrinkage", "must be 'ledoit_wolf' or a share from 0 to 1", shrinkage)
    return float(shrinkage)
