"""Compute the Fréchet distance between two datasets, each taken as a Gaussian (FID, on any features)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_features, as_pair, spans

LONG = 96
"""Components from which on covariances are formed: of fewer, roots of all images keep the last digits at little cost."""
_ROWS = 1024
_VALUES = 1 << 21
_RIDGE, _LEAST = 1e-13, 1e-200
_CANCELLATION = 1e-6
_SINGULAR = 1e-6
_EIGENVALUE = 1e-14
_ROOM = 1e60


def frechet(s: ArrayLike, p: ArrayLike) -> float:
    """Compute the squared Fréchet distance as in FID: ‖μ_S − μ_P‖² + tr(Σ_S + Σ_P − 2 (Σ_S Σ_P)^½).

    Source: Dowson & Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate Anal. 12 (1982);
    as a score of image sets: Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium"
    (2017), eq. 6. The second term is the smallest ‖A − Q B‖² over orthogonal Q, where Σ_S = AᵀA and Σ_P = BᵀB; it is computed
    so, as a sum of squares, and is real and never negative however singular the covariances.

    `s` and `p` are (m, z) and (n, z) features; covariances divide by m − 1 and n − 1. The result is in the squared unit of the
    features, 0 for equal datasets; two samples of one distribution come out above 0, the more so the fewer the images beside z.
    Raises `InputError` for features that `howfar.arrays.as_pair` refuses.

    Examples
    --------
    >>> frechet([[4.0], [6.0]], [[0.0], [2.0]])
    16.0
    """
    secondary, primary = as_pair(s, p)
    if primary.shape[1] >= LONG and min(len(secondary), len(primary)) > primary.shape[1]:
        return between(gaussian(secondary), gaussian(primary))
    mean_s, root_s = _gaussian(secondary - primary[0].astype(np.float64))
    mean_p, root_p = _gaussian(primary - primary[0].astype(np.float64))
    rows = max(len(root_s), len(root_p))
    a, b = (np.pad(root, ((0, rows - len(root)), (0, 0))) for root in (root_s, root_p))
    left, _, right = np.linalg.svd(a @ b.T)
    apart = mean_s - mean_p
    return float(apart @ apart + np.sum((a - left @ (right @ b)) ** 2))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Hold a dataset's mean (z,) and covariance (z, z) in float64, from which the Fréchet distance is computed."""

    mean: Float64Array
    covariance: Float64Array


def gaussian(rows: ArrayLike) -> Gaussian:
    """Compute the mean and covariance of a dataset's features, (n, z), in blocks of rows.

    The mean is taken away first, so that a large common offset costs no digits. Raises `InputError` for features that are empty
    or not finite.

    Examples
    --------
    >>> of_s, of_p = gaussian([[4.0], [6.0]]), gaussian([[0.0], [2.0]])
    >>> between(of_s, of_p)
    16.0
    """
    features = as_features(rows, "rows")
    n, z = features.shape
    mean = np.asarray(features.mean(axis=0, dtype=np.float64), np.float64)
    scatter, step = np.zeros((z, z)), max(z, _ROWS)
    for at in spans(n, step):
        apart = features[at] - mean
        scatter += apart.T @ apart
    scatter /= max(n - 1, 1)
    return Gaussian(mean, scatter)


def between(s: Gaussian, p: Gaussian) -> float:
    """Compute the squared Fréchet distance between two Gaussians, by the faster formula unless precision would suffer.

    tr (Σ_S Σ_P)^½ is the sum of the singular values of A Bᵀ, which takes less time than Q. Where the distance is so small that
    its terms would cancel, Q is computed.
    """
    apart, a, b = s.mean - p.mean, _root(s.covariance), _root(p.covariance)
    traces = float(np.trace(s.covariance) + np.trace(p.covariance))
    cross = a @ b.T
    spread = traces - 2.0 * float(np.linalg.svd(cross, compute_uv=False).sum())
    if spread < _CANCELLATION * traces:
        left, _, right = np.linalg.svd(cross)
        spread = float(np.sum((a - left @ (right @ b)) ** 2))
    return float(apart @ apart) + spread


def _root(covariance: Float64Array) -> Float64Array:
    """Return a root A of the covariance AᵀA: its Cholesky factor, or by eigenvectors for a (nearly) singular covariance."""
    try:
        root = np.asarray(np.linalg.cholesky(covariance).T, np.float64)
        diagonal = np.diagonal(root)
        if diagonal.min() > _SINGULAR * diagonal.max():
            return root
    except np.linalg.LinAlgError:
        pass
    variances, axes = np.linalg.eigh(covariance)
    variances[variances < _EIGENVALUE * variances[-1]] = 0.0
    return np.asarray(np.sqrt(variances)[:, None] * axes.T)


def _gaussian(rows: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the mean (z,) and a root A (at most z rows) of the covariance AᵀA."""
    mean = rows.mean(axis=0)
    spread = (rows - mean) / np.sqrt(max(len(rows) - 1, 1))
    triangle = np.asarray(np.linalg.qr(spread, mode="r"), dtype=np.float64)
    return mean, triangle[: len(mean)]


def frechet_of_draws(
    s: Float64Array, p: Float64Array, of_s: NDArray[np.uint8], of_p: NDArray[np.uint8], divisors: tuple[int, int]
) -> Float64Array:
    """Compute the squared Fréchet distance of resamples by (m, draws) and (n, draws) counts, to 1e-6 of the variance."""
    draws, z = of_s.shape[1], s.shape[1]
    largest = max(float(np.abs(s).max()), float(np.abs(p).max()))
    if largest > _ROOM:
        # The product of two covariances has the fourth power of the features' unit.
        return frechet_of_draws(s / largest, p / largest, of_s, of_p, divisors) * largest**2
    step, found = max(1, _VALUES // z**2), np.empty(draws)
    for part in spans(draws, step):
        mean_s, cov_s = _moments_of(s, of_s[:, part], divisors[0])
        mean_p, cov_p = _moments_of(p, of_p[:, part], divisors[1])
        traces = np.trace(cov_s, axis1=1, axis2=2) + np.trace(cov_p, axis1=1, axis2=2)
        # Singular covariances have no triangular root; so small a ridge is lost in what eigenvalues are rounded to.
        ridge = _RIDGE * np.maximum(traces, _LEAST)[:, None, None] * np.eye(z)
        root = np.linalg.cholesky(cov_s + ridge)
        variances = np.linalg.eigvalsh(root.transpose(0, 2, 1) @ cov_p @ root)
        cross = np.sqrt(np.maximum(variances, 0.0)).sum(axis=1)
        found[part] = np.square(mean_s - mean_p).sum(axis=1) + np.maximum(traces - 2.0 * cross, 0.0)
    return found


def _moments_of(x: Float64Array, counts: NDArray[np.uint8], divisor: int) -> tuple[Float64Array, Float64Array]:
    """Compute means (draws, z) and covariances (draws, z, z) of resamples."""
    weights = counts.T.astype(np.float64)
    size = weights[0].sum()
    means = weights @ x / size
    scatters = np.empty((len(means), x.shape[1], x.shape[1]))
    for draw, (of_draw, mean) in enumerate(zip(weights, means, strict=True)):
        apart = (x - mean) * np.sqrt(of_draw)[:, None]
        scatters[draw] = apart.T @ apart
    return means, scatters / max(divisor, 1)
