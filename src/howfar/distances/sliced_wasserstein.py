"""Compute sliced Wasserstein distances between datasets, with or without labels: optimal transport along random lines."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_pair, spans
from howfar.errors import InputError

_VALUES = 1 << 22
"""Images along lines that are sorted at once."""
_SINGLE_FROM = 1 << 22
_CACHED, _FEWEST_DRAWS = 1 << 15, 8


def sliced_wasserstein(s: ArrayLike, p: ArrayLike, projections: int = 256, seed: int = 0) -> float:
    """Compute the sliced 2-Wasserstein distance √((1/L) Σ_l W₂²(⟨S, θ_l⟩, ⟨P, θ_l⟩)) over L random unit directions θ_l.

    Source: Bonneel, Rabin, Peyré & Pfister, "Sliced and Radon Wasserstein barycenters of measures", J. Math. Imaging Vis. 51
    (2015). On a line, W₂² is the mean squared difference of the two quantile functions; they are coupled exactly, whatever the
    two sizes. The L = `projections` lines are drawn from `seed` alone, the same for every pair of sets of the same z, so it is
    symmetric and 0 for equal datasets; another seed moves it by about 1/√L of itself, or less.

    `s` and `p` are (m, z) and (n, z) features. The result is in their unit; a shift by t gives about ‖t‖/√z. Raises
    `InputError` for features that `howfar.arrays.as_pair` refuses, or fewer than one line.

    Examples
    --------
    >>> sliced_wasserstein([[3.0], [4.0]], [[0.0], [1.0]])
    3.0
    """
    return float(np.sqrt(_mean_square(s, p, projections, seed)))


def mind(s: ArrayLike, p: ArrayLike, projections: int = 1000, seed: int = 0) -> float:
    """Compute the Monge inception distance, MIND = 3 z · (1/L) Σ_l W₂²(⟨S, θ_l⟩, ⟨P, θ_l⟩), on any features.

    Source: Berthet, Wu, Crepy, Elie, Greff & Sander, "MIND: Monge Inception Distance for Generative Models Evaluation" (2026),
    arXiv:2605.06797, there on 2,048 features of Inception-v3 and sets of one size, with 100 to 1,000 lines. It is the square of
    `sliced_wasserstein` times 3 z, which brings it near to the scale of `frechet`: in the squared unit of the features, a shift
    by t gives about 3 ‖t‖². Arguments and errors are those of `sliced_wasserstein`.

    Examples
    --------
    >>> mind([[3.0], [4.0]], [[0.0], [1.0]])
    27.0
    """
    square = _mean_square(s, p, projections, seed)
    return 3.0 * int(np.shape(p)[1]) * square


def sliced_otdd(
    s: ArrayLike,
    p: ArrayLike,
    s_labels: ArrayLike,
    p_labels: ArrayLike,
    projections: int = 1000,
    moments: int = 5,
    seed: int = 0,
) -> float:
    """Compute s-OTDD, the sliced optimal transport dataset distance of features with labels.

    On each of L = `projections` lines an image x of label y lies at ψ₀ ⟨θ, x⟩ + Σ_i ψ_i E[⟨θ, x'⟩^λ_i] / λ_i!, the mean over
    the images x' of its dataset that have its label. θ is uniform on the unit sphere, ψ on that of `moments` + 1 dimensions,
    and λ_i is Poisson of mean i given that it is not 0. The distance is √((1/L) Σ W₂²) between these places. Labels are
    compared by what their images look like: two datasets need not share any. Without moments it is `sliced_wasserstein`. High
    moments grow with the features: bring these to a variance of about 1 before. Source: Nguyen, Nguyen, Pham & Ho, "Lightspeed
    geometric dataset distance via sliced optimal transport" (ICML 2025), https://arxiv.org/abs/2501.18901.

    `s` and `p` are (m, z) and (n, z) features, the labels (m,) and (n,). As registered distances compare features alone, it is
    not among them. Raises `InputError` for features that `howfar.arrays.as_pair` refuses, labels of another length, fewer than
    one line, or a negative number of moments.

    Examples
    --------
    >>> sliced_otdd([[3.0], [4.0]], [[0.0], [1.0]], ["a", "a"], ["b", "b"], moments=0)
    3.0
    """
    a, b = (x.astype(np.float64, copy=False) for x in as_pair(s, p))
    of_a, of_b = _classes(s_labels, "s_labels", len(a)), _classes(p_labels, "p_labels", len(b))
    for name, value, least in (("projections", projections, 1), ("moments", moments, 0)):
        if value < least:
            raise InputError.of(name, f"must be at least {least}", value)
    at_a, at_b, share = _coupling(len(a), len(b))
    rng, total, step = np.random.default_rng(seed), 0.0, max(1, _VALUES // (len(a) + len(b)))
    for start in range(0, projections, step):
        count = min(step, projections - start)
        lines = _directions(count, a.shape[1], rng), _directions(count, moments + 1, rng), _orders(count, moments, rng)
        along_a, along_b = (np.sort(_places(x, labels, *lines), axis=0) for x, labels in ((a, of_a), (b, of_b)))
        total += float(np.sum(share @ np.square(along_a[at_a] - along_b[at_b])))
    return float(np.sqrt(total / projections))


def _classes(labels: ArrayLike, name: str, n: int) -> NDArray[np.intp]:
    """Number the labels from 0."""
    row = np.asarray(labels)
    if row.shape != (n,):
        raise InputError.of(name, f"must be one row of {n} labels, one an image", row.shape)
    return np.asarray(np.unique(row.astype(np.str_), return_inverse=True)[1], dtype=np.intp)


def _orders(count: int, moments: int, rng: np.random.Generator) -> Float64Array:
    """Draw the moments' orders on each line, (moments, count): Poisson of means 1, 2, … given that they are not 0."""
    from scipy.special import pdtrik

    rates = np.arange(1.0, moments + 1.0)[:, None]
    return np.maximum(np.ceil(pdtrik(rng.uniform(np.exp(-rates), 1.0, size=(moments, count)), rates)), 1.0)


def _places(
    x: Float64Array, labels: NDArray[np.intp], theta: Float64Array, psi: Float64Array, orders: Float64Array
) -> Float64Array:
    """Compute the place of each image on each line, (images, lines)."""
    from scipy.special import gamma

    along = x @ theta
    places: Float64Array = psi[0] * along
    for weight, order in zip(psi[1:], orders, strict=True):
        powers = along**order / gamma(order + 1.0)
        means = np.stack([powers[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        places += weight * means[labels]
    return places


def _mean_square(s: ArrayLike, p: ArrayLike, projections: int, seed: int) -> float:
    """Compute the mean of W₂² over the random lines."""
    secondary, primary = as_pair(s, p)
    if projections < 1:
        raise InputError.of("projections", "must be at least 1", projections, "256 is the default")
    # Differences of float32 numbers are rounded once, and what products lose evens out over many images.
    many = (len(secondary) + len(primary)) * primary.shape[1] >= _SINGLE_FROM
    kind = np.result_type(secondary, primary) if many else np.dtype(np.float64)
    centre = primary.mean(axis=0, dtype=np.float64).astype(kind)
    a, b = secondary - centre, primary - centre
    (m, z), n = a.shape, len(b)
    rng, total, step = np.random.default_rng(seed), 0.0, max(1, _VALUES // (m + n))
    coupling = None if m == n else _coupling(m, n)
    for start in range(0, projections, step):
        lines = _directions(min(step, projections - start), z, rng).T.astype(a.dtype)
        along_a, along_b = np.sort(lines @ a.T, axis=1), np.sort(lines @ b.T, axis=1)
        if coupling is None:
            total += float(np.square(np.subtract(along_a, along_b, dtype=np.float64)).sum()) / n
        else:
            at_a, at_b, share = coupling
            total += float(np.sum(np.square(along_a[:, at_a] - along_b[:, at_b]) @ share))
    return total / projections


def _directions(count: int, z: int, rng: np.random.Generator) -> Float64Array:
    """Draw (z, count) unit vectors, uniform on the sphere."""
    lines = rng.standard_normal((count, z)).T
    unit: Float64Array = lines / np.linalg.norm(lines, axis=0)
    return unit


def _coupling(m: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64Array]:
    """Match ranks of two sorted samples at equal quantiles, with each pair's mass: exact, as edges are whole in 1/(mn)."""
    edges = np.union1d(np.arange(m + 1, dtype=np.int64) * n, np.arange(n + 1, dtype=np.int64) * m)
    starts = edges[:-1]
    return starts // n, starts // m, np.diff(edges) / (m * n)


class Slices:
    """Hold S and P projected on the first `LINES` random lines, to compute squared distances of resamples and relabellings."""

    LINES = 32

    def __init__(self, s: ArrayLike, p: ArrayLike) -> None:
        secondary, primary = (x.astype(np.float64, copy=False) for x in as_pair(s, p))
        centre = primary.mean(axis=0)
        lines = _directions(self.LINES, primary.shape[1], np.random.default_rng(0)).T
        self._s, self._p = lines @ (secondary - centre).T, lines @ (primary - centre).T
        self._coupling = _coupling(len(secondary), len(primary))

    def resampled(self, of_s: NDArray[np.uint8], of_p: NDArray[np.uint8]) -> Float64Array:
        """Compute the squared distance of each bootstrap draw, (draws,), from image counts, (m, draws) and (n, draws)."""

        def of_lines(part: slice) -> Iterator[Float64Array]:
            s, p = np.ascontiguousarray(of_s.T[part]), np.ascontiguousarray(of_p.T[part])
            for along_s, along_p in zip(self._s, self._p, strict=True):
                yield self._squares(_drawn(along_s, s), _drawn(along_p, p))

        return self._averaged(of_lines, of_s.shape[1])

    def relabelled(self, labels: NDArray[np.uint8]) -> Float64Array:
        """Compute the squared distance of each relabelling, (draws,), from (m + n, draws) labels: 1 is S, 0 is P."""
        pooled = np.concatenate([self._s, self._p], axis=1)
        orders = np.argsort(pooled, axis=1, kind="stable")

        def of_lines(part: slice) -> Iterator[Float64Array]:
            called = np.ascontiguousarray(labels.T[part]).astype(bool)
            for along, order in zip(pooled, orders, strict=True):
                ordered, values = np.take(called, order, axis=1), np.tile(along[order], len(called))
                sides = (values[np.flatnonzero(mask)].reshape(len(called), -1) for mask in (ordered, ~ordered))
                yield self._squares(*sides)

        return self._averaged(of_lines, labels.shape[1])

    def _averaged(self, of_lines: Callable[[slice], Iterator[Float64Array]], draws: int) -> Float64Array:
        """Average over lines in blocks of draws that fit the processor's cache."""
        step = max(_FEWEST_DRAWS, _CACHED // (self._s.shape[1] + self._p.shape[1]))
        return np.concatenate([np.sum(list(of_lines(part)), axis=0) for part in spans(draws, step)]) / self.LINES

    def _squares(self, s: Float64Array, p: Float64Array) -> Float64Array:
        """Compute W₂² of each draw from its sorted positions, (draws, m) and (draws, n)."""
        if s.shape == p.shape:
            apart = s - p
            return np.asarray(np.einsum("di,di->d", apart, apart) / s.shape[1])
        at_s, at_p, share = self._coupling
        apart = np.take(s, at_s, axis=1) - np.take(p, at_p, axis=1)
        return np.asarray(np.square(apart, out=apart) @ share)


def _drawn(along: Float64Array, counts: NDArray[np.uint8]) -> Float64Array:
    """Return the sorted positions along a line of the images in each draw, (draws, n), from (draws, n) counts."""
    order = np.argsort(along, kind="stable")
    return np.repeat(np.tile(along[order], len(counts)), np.take(counts, order, axis=1).ravel()).reshape(counts.shape)
