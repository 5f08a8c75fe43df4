"""Compute the Fréchet distance between two datasets, each taken as a Gaussian (FID, on any features)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, as_pair


def frechet(s: ArrayLike, p: ArrayLike) -> float:
    """Compute the squared Fréchet distance ‖μ_S − μ_P‖² + tr(Σ_S + Σ_P − 2 (Σ_S Σ_P)^½), as FID gives it.

    Source: Dowson & Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate Anal. 12
    (1982); as a score of image sets: Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium" (2017), eq. 6. The second term is the smallest ‖A − Q B‖² over orthogonal Q, where Σ_S = AᵀA and
    Σ_P = BᵀB; it is computed so, as a sum of squares, and is real and never negative however singular the covariances.

    Two finite samples of one distribution come out above 0, the more so the fewer the images beside z.

    Parameters
    ----------
    s, p
        (m, z) and (n, z) projected features. Covariances divide by m − 1 and n − 1; that of a single image is 0.

    Returns
    -------
    float
        In the squared unit of the features; 0 for equal datasets.

    Raises
    ------
    InputError
        Features that `howfar.arrays.as_pair` refuses.

    Examples
    --------
    >>> frechet([[4.0], [6.0]], [[0.0], [2.0]])
    16.0
    """
    secondary, primary = as_pair(s, p)
    mean_s, root_s = _gaussian(secondary - primary[0].astype(np.float64))
    mean_p, root_p = _gaussian(primary - primary[0].astype(np.float64))
    rows = max(len(root_s), len(root_p))
    a, b = _padded(root_s, rows), _padded(root_p, rows)
    left, _, right = np.linalg.svd(a @ b.T)
    apart = mean_s - mean_p
    return float(apart @ apart + np.sum((a - left @ (right @ b)) ** 2))


def _gaussian(rows: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the mean (z,) and a root A (at most z rows) of the covariance AᵀA."""
    mean = rows.mean(axis=0)
    spread = (rows - mean) / np.sqrt(max(len(rows) - 1, 1))
    triangle = np.asarray(np.linalg.qr(spread, mode="r"), dtype=np.float64)
    return mean, triangle[: len(mean)]


def _padded(root: Float64Array, rows: int) -> Float64Array:
    return np.pad(root, ((0, rows - len(root)), (0, 0)))
