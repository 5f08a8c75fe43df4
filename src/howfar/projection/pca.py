"""The joint PCA of eq. 3-5: exact, free of seeds, by whichever of two routes is cheaper.

**Gram** (q > n + m): eigenvectors of the (n + m) × (n + m) matrix of inner products; scores = U·√λ.
**Covariance** (q ≤ n + m): eigenvectors of the q × q scatter; scores = centred rows · V.
Both give the same scores, and both keep P's share of the work for every further secondary.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from howfar.arrays import Float64Array, as_rows
from howfar.errors import InputError
from howfar.projection.gram import column_means, cross_gram
from howfar.projection.moments import Moments, merge, moments
from howfar.protocols import Rows

Mode = Literal["pair", "primary", "joint", "none"]
Route = Literal["auto", "gram", "covariance"]
Scale = Literal["none", "layers"]
MODES: tuple[Mode, ...] = ("pair", "primary", "joint", "none")
ROUTES: tuple[Route, ...] = ("auto", "gram", "covariance")
SCALES: tuple[Scale, ...] = ("none", "layers")
_SIGN_TIE = 1e-6


@dataclass(frozen=True, eq=False)
class Projection:
    """P and one S in the same low-dimensional space (P_L and S_L of eq. 5).

    Attributes
    ----------
    primary, secondary
        (n, z) and (m, z) float64 scores. Each column's sign is fixed: S's mean is above P's (fitted on P only: P's first
        largest entry is positive).
    explained_variance_ratio
        (z,) share of the total variance of what the projection was fitted on, largest first.
    """

    primary: Float64Array
    secondary: Float64Array
    explained_variance_ratio: Float64Array

    @property
    def components(self) -> int:
        """z, the number of columns kept."""
        return int(self.primary.shape[1])

    @property
    def explained_variance(self) -> float:
        """Share of the total variance that the kept components hold, at most 1."""
        return min(1.0, float(self.explained_variance_ratio.sum()))


def joint_pca(
    p: ArrayLike | Rows,
    s: ArrayLike | Rows,
    n_components: int = 25,
    *,
    route: Route = "auto",
    scale: Scale = "none",
    layers: Sequence[int] | None = None,
    block: int | None = None,
) -> Projection:
    """Project P and S on the first components of their union (eq. 3-5), centred by the joint mean, not whitened.

    Parameters
    ----------
    p, s
        (n, q) and (m, q) features: arrays, or a store's selection.
    n_components
        z, 25 in the paper; more than min(n + m − 1, q) is clamped with a warning.
    route
        "gram", "covariance", or "auto": the cheaper one. The scores are the same.
    scale
        "layers" divides each layer by the square root of its total variance, so that the largest does not rule.
    layers
        Lengths of the layers, needed by ``scale="layers"``; they sum to q.
    block
        Columns (Gram) or rows (covariance) read at a time; it changes nothing beyond rounding.

    Raises
    ------
    InputError
        Features as `howfar.arrays.as_features`, widths that differ, or an unknown option.

    Examples
    --------
    >>> projection = joint_pca([[0.0, 0.0], [2.0, 0.0]], [[4.0, 0.0]], n_components=1)
    >>> projection.primary.tolist(), projection.secondary.tolist(), projection.explained_variance
    ([[-2.0], [0.0]], [[2.0]], 1.0)
    """
    plan = project(p, [s], n_components, mode="pair", route=route, scale=scale, layers=layers, block=block)
    return next(plan)


def project(
    p: ArrayLike | Rows,
    secondaries: Sequence[ArrayLike | Rows],
    n_components: int = 25,
    *,
    mode: Mode = "pair",
    route: Route = "auto",
    scale: Scale = "none",
    layers: Sequence[int] | None = None,
    block: int | None = None,
) -> Iterator[Projection]:
    """Yield P with each secondary in turn, projected; what P alone decides is computed once.

    Parameters
    ----------
    p, secondaries
        (n, q) features of P, and of each S.
    mode
        "pair": fitted on P ∪ S (the paper; each S has its own subspace). "primary": fitted on P only. "joint": fitted on
        P and all secondaries. "none": all q dimensions, rotated where that is shorter; every distance is the full one.
    n_components, route, scale, layers, block
        As `joint_pca`; `n_components` is not used by mode "none".

    Raises
    ------
    InputError
        As `joint_pca`, at the call rather than at the first projection.

    Examples
    --------
    >>> p, s = [[0.0, 0.0], [2.0, 0.0]], [[4.0, 3.0]]
    >>> [x.secondary.tolist() for x in project(p, [s, s], 1, mode="primary")]
    [[[-3.0]], [[-3.0]]]
    """
    primary = as_rows(p, "p")
    others = [as_rows(s, f"secondaries[{i}]") for i, s in enumerate(secondaries)]
    plan = _Plan(primary, n_components, mode, route, scale, _layer_lengths(primary, scale, layers), block)
    plan.check(others)
    return plan.joint(others) if mode == "joint" else map(plan.one, others)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The options, and P's share of the work, computed when first needed."""

    p: Rows
    n_components: int
    mode: Mode
    route: Route
    scale: Scale
    layers: tuple[int, ...]
    block: int | None

    def check(self, others: Sequence[Rows]) -> None:
        if self.n_components < 1:
            raise InputError.of("n_components", "must be at least 1", self.n_components, "the paper keeps 25")
        for name, value, known in (("mode", self.mode, MODES), ("route", self.route, ROUTES), ("scale", self.scale, SCALES)):
            if value not in known:
                raise InputError.of(name, f"must be one of {', '.join(known)}", value)
        if self.block is not None and self.block < 1:
            raise InputError.of("block", "must be at least 1", self.block)
        for i, s in enumerate(others):
            if s.shape[1] != self.p.shape[1]:
                raise InputError.of(
                    f"secondaries[{i}]", "must have as many columns as p", (s.shape, self.p.shape), "use one backbone"
                )

    def one(self, s: Rows) -> Projection:
        fitted_rows = self.p.shape[0] + (0 if self.mode == "primary" else s.shape[0])
        by_gram = self.route == "gram" or (self.route == "auto" and self.p.shape[1] > fitted_rows)
        return self._by_gram(s) if by_gram else self._by_covariance(s)

    def joint(self, others: Sequence[Rows]) -> Iterator[Projection]:
        together = self.one(_Stacked(others))
        start = 0
        for s in others:
            stop = start + s.shape[0]
            yield Projection(together.primary, together.secondary[start:stop], together.explained_variance_ratio)
            start = stop

    @cached_property
    def _shift(self) -> Float64Array:
        return column_means(self.p, self.block)

    @cached_property
    def _gram_pp(self) -> Float64Array:
        return cross_gram(self.p, self.p, self._shift, self.layers, self.block)

    @cached_property
    def _moments_p(self) -> Moments:
        return moments(self.p, self.block)

    def _by_gram(self, s: Rows) -> Projection:
        cross = cross_gram(self.p, s, self._shift, self.layers, self.block)
        if self.mode == "primary":
            return self._primary_by_gram(cross)
        own = cross_gram(s, s, self._shift, self.layers, self.block)
        joined = self._joined(self._gram_pp, cross, own)
        total = np.trace(joined)
        vectors, values = _leading(joined, self._kept(len(joined)))
        n = self.p.shape[0]
        scores = _signed(vectors * np.sqrt(values), n, self.mode)
        return Projection(scores[:n], scores[n:], _ratio(values, total))

    def _joined(self, pp: Float64Array, ps: Float64Array, ss: Float64Array) -> Float64Array:
        """Centred inner products of P and S together, layers weighted and summed; one matrix of that size at a time."""
        n, m = ps.shape[1:]
        total = np.zeros((n + m, n + m))
        for layer in range(len(ps)):
            gram = total if len(ps) == 1 else np.empty_like(total)
            gram[:n, :n], gram[:n, n:], gram[n:, :n], gram[n:, n:] = pp[layer], ps[layer], ps[layer].T, ss[layer]
            _centre(gram)
            gram *= _layer_weights(np.trace(gram)[None], n + m, self.scale)
            if gram is not total:
                total += gram
        return total

    def _primary_by_gram(self, cross: Float64Array) -> Projection:
        weights = _layer_weights(np.trace(self._gram_pp, axis1=1, axis2=2), self.p.shape[0], self.scale)
        own, between = np.tensordot(weights, self._gram_pp, axes=1), np.tensordot(weights, cross, axes=1)
        _centre(own)
        total = np.trace(own)
        vectors, values = _leading(own, self._kept(len(own)))
        root = np.sqrt(values)
        inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
        scores = _signed(np.concatenate([vectors * root, (between.T @ vectors) * inverse]), len(own), self.mode)
        return Projection(scores[: len(own)], scores[len(own) :], _ratio(values, total))

    def _by_covariance(self, s: Rows) -> Projection:
        fitted = self._moments_p if self.mode == "primary" else merge(self._moments_p, moments(s, self.block))
        per_layer = np.add.reduceat(np.diag(fitted.scatter), np.cumsum((0, *self.layers[:-1])))
        column = np.sqrt(np.repeat(_layer_weights(per_layer, fitted.count, self.scale), self.layers))
        scatter = fitted.scatter * column[:, None] * column
        total = np.trace(scatter)
        if self.mode == "none":
            basis, values = np.diag(column), np.diag(scatter)
        else:
            vectors, values = _leading(scatter, self._kept(fitted.count))
            basis = vectors * column[:, None]
        n = self.p.shape[0]
        scores = np.concatenate([_scores(rows, fitted.mean, basis, self.block) for rows in (self.p, s)])
        if self.mode != "none":
            scores = _signed(scores, n, self.mode)
        return Projection(scores[:n], scores[n:], _ratio(values, total))

    def _kept(self, rows: int) -> int:
        most = max(1, min(rows - 1, self.p.shape[1]))
        if self.mode == "none":
            return most
        if self.n_components > most:
            warnings.warn(
                f"n_components = {self.n_components} is more than min(images - 1, features) = {most}: {most} are kept",
                UserWarning,
                stacklevel=2,
            )
        return min(self.n_components, most)


class _Stacked:
    """Several sets of rows read as one."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape = (int(self._starts[-1]), parts[0].shape[1])

    def rows(self, start: int, stop: int) -> np.ndarray:
        pieces = [
            part.rows(max(start - first, 0), min(stop - first, part.shape[0]))
            for part, first in zip(self._parts, self._starts[:-1], strict=True)
            if first < stop and first + part.shape[0] > start
        ]
        return np.concatenate(pieces)

    def columns(self, start: int, stop: int) -> np.ndarray:
        return np.concatenate([part.columns(start, stop) for part in self._parts])


def _layer_lengths(p: Rows, scale: Scale, layers: Sequence[int] | None) -> tuple[int, ...]:
    q = p.shape[1]
    if scale != "layers":
        return (q,)
    if layers is None:
        raise InputError.of("layers", "must be given where scale is 'layers'", None, "pass the backbone's layers")
    if sum(layers) != q or min(layers) < 1:
        raise InputError.of("layers", f"must be positive lengths that sum to q = {q}", tuple(layers))
    return tuple(layers)


def _layer_weights(scatter: Float64Array, rows: int, scale: Scale) -> Float64Array:
    """What each layer's inner products are multiplied by: 1, or one over the layer's total variance (0 if it is constant)."""
    if scale != "layers":
        return np.ones(len(scatter))
    variance = scatter / max(rows - 1, 1)
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 0)


def _centre(gram: Float64Array) -> None:
    """Inner products of the rows after their joint mean is taken away, in place: J G J with J = I − 11ᵀ/N."""
    means = gram.mean(axis=1)
    gram -= means[:, None]
    gram -= means
    gram += means.mean()


def _leading(matrix: Float64Array, z: int) -> tuple[Float64Array, Float64Array]:
    """The z largest eigenvalues, falling, with their vectors; `matrix` is used up, and what rounding alone leaves is 0."""
    size = len(matrix)
    values, vectors = linalg.eigh(matrix.T, overwrite_a=True, check_finite=False, subset_by_index=(max(size - z, 0), size - 1))
    values, vectors = values[::-1].copy(), vectors[:, ::-1]
    values[values < size * np.finfo(np.float64).eps * max(values[0], 0.0)] = 0.0
    return vectors, values


def _scores(x: Rows, mean: Float64Array, basis: Float64Array, block: int | None) -> Float64Array:
    n, q = x.shape
    step = block or max(1, (32 << 20) // (8 * q))
    pieces = [(x.rows(start, min(start + step, n)).astype(np.float64) - mean) @ basis for start in range(0, n, step)]
    return np.concatenate(pieces)


def _signed(scores: Float64Array, n: int, mode: Mode) -> Float64Array:
    """Fix each column's sign: S's mean above P's; where they meet, or P alone decides, P's first largest entry positive."""
    own = np.abs(scores[:n])
    largest = own.max(axis=0)
    # Of entries that only rounding tells apart the first counts, or two routes could choose opposite signs.
    chosen = scores[(own >= (1 - _SIGN_TIE) * largest).argmax(axis=0), np.arange(scores.shape[1])]
    if mode != "primary":
        step = scores[n:].mean(axis=0) - scores[:n].mean(axis=0)
        chosen = np.where(np.abs(step) > _SIGN_TIE * np.abs(scores).max(axis=0), step, chosen)
    signs: Float64Array = np.where(chosen < 0, -1.0, 1.0)
    return scores * signs


def _ratio(values: Float64Array, total: float) -> Float64Array:
    return values / total if total > 0 else np.zeros_like(values)
