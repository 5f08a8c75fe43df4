"""Compute the sliced Wasserstein distance between datasets: optimal transport along many random lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_pair
from howfar.errors import InputError

_LINES_AT_ONCE = 32


def sliced_wasserstein(s: ArrayLike, p: ArrayLike, projections: int = 256, seed: int = 0) -> float:
    """Compute the sliced 2-Wasserstein distance √((1/L) Σ_l W₂²(⟨S, θ_l⟩, ⟨P, θ_l⟩)) over L random unit directions θ_l.

    Source: Bonneel, Rabin, Peyré & Pfister, "Sliced and Radon Wasserstein barycenters of measures", J. Math. Imaging Vis. 51
    (2015). On a line, W₂² is the mean squared difference of the two quantile functions; they are coupled exactly,
    whatever the two sizes. The lines are drawn from `seed` alone, the same for every pair of sets of the same z, so it
    is symmetric and 0 for equal datasets; another seed moves it by about 1/√L of itself, or less.

    Parameters
    ----------
    s, p
        (m, z) and (n, z) projected features.
    projections
        L, the number of lines.
    seed
        Of ``numpy.random.default_rng``, from which the lines are drawn.

    Returns
    -------
    float
        In the unit of the features; a shift by t gives about ‖t‖/√z.

    Raises
    ------
    InputError
        Features that `howfar.arrays.as_pair` refuses, or fewer than one line.

    Examples
    --------
    >>> sliced_wasserstein([[3.0], [4.0]], [[0.0], [1.0]])
    3.0
    """
    secondary, primary = as_pair(s, p)
    if projections < 1:
        raise InputError.of("projections", "must be at least 1", projections, "256 is the default")
    centre = primary.mean(axis=0, dtype=np.float64)
    a, b = secondary - centre, primary - centre
    at_a, at_b, share = _coupling(len(a), len(b))
    rng = np.random.default_rng(seed)
    total = 0.0
    for start in range(0, projections, _LINES_AT_ONCE):
        lines = _directions(min(_LINES_AT_ONCE, projections - start), a.shape[1], rng)
        along_a, along_b = np.sort(a @ lines, axis=0), np.sort(b @ lines, axis=0)
        total += float(np.sum(share @ np.square(along_a[at_a] - along_b[at_b])))
    return float(np.sqrt(total / projections))


def _directions(count: int, z: int, rng: np.random.Generator) -> Float64Array:
    """Draw (z, count) unit vectors, uniform on the sphere."""
    lines = rng.standard_normal((count, z)).T
    unit: Float64Array = lines / np.linalg.norm(lines, axis=0)
    return unit


def _coupling(m: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64Array]:
    """Pair the ranks of two sorted samples that lie at the same quantile, with the share of the mass of each pair.

    Both quantile functions are steps; in units of 1/(mn) their edges are whole numbers, so the coupling is exact.
    """
    edges = np.union1d(np.arange(m + 1, dtype=np.int64) * n, np.arange(n + 1, dtype=np.int64) * m)
    starts = edges[:-1]
    return starts // n, starts // m, np.diff(edges) / (m * n)
