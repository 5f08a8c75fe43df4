"""Project datasets by PCA (eq. 3-5 of the paper), fitted on each pair, the primary dataset or all; or keep all dimensions.

**Gram** (q > n + m): eigenvectors of the (n + m) × (n + m) matrix of inner products; scores = U·√λ.
**Covariance** (q ≤ n + m): eigenvectors of the q × q scatter; scores = centred rows · V.
Both give the same scores, and both keep the primary dataset's share of the work for every further secondary.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_rows
from howfar.errors import InputError, check_at_least, check_choice
from howfar.memory import beside
from howfar.options import DEFAULT_COMPONENTS, Scales, Space
from howfar.projection import pca_basis as pca
from howfar.projection.gram_and_moments import Gram, Moments, both_grams, cross_gram, joined, kept_moments, merge
from howfar.projection.pca_cache import CachedRows, gram_of, held, moments_of
from howfar.protocols import Rows


class Stacked:
    """Read several datasets as one matrix with their rows stacked."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape: tuple[int, int] = (int(self._starts[-1]), parts[0].shape[1])

    def rows(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return rows `start` to `stop` of the stacked matrix."""
        pieces = [
            part.rows(max(start - first, 0), min(stop - first, part.shape[0]))
            for part, first in zip(self._parts, self._starts[:-1], strict=True)
            if first < stop and first + part.shape[0] > start
        ]
        return np.concatenate(pieces)

    def columns(self, start: int, stop: int) -> NDArray[np.floating[Any]]:
        """Return columns `start` to `stop` of every row of every set."""
        return np.concatenate([part.columns(start, stop) for part in self._parts])


Mode: TypeAlias = Space
Route: TypeAlias = Literal["auto", "gram", "covariance"]
Scale: TypeAlias = Scales
MODES: tuple[Mode, ...] = ("pair", "primary", "joint", "none")
ROUTES: tuple[Route, ...] = ("auto", "gram", "covariance")
SCALES: tuple[Scale, ...] = ("none", "layers")


@dataclass(frozen=True, eq=False)
class Projection(pca.Explained):
    """Hold the scores of a primary and a secondary dataset in one low-dimensional space (P_L and S_L of eq. 5).

    `primary` and `secondary` are (n, z) and (m, z) float64. Each column's sign is fixed: S's mean is above P's (fitted on P
    only: P's first largest entry is positive). `explained_variance_ratio` (z,) is the share of the total variance, largest
    first.
    """

    primary: Float64Array
    secondary: Float64Array
    explained_variance_ratio: Float64Array


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Hold leading eigenvectors (rows, z), eigenvalues (z,), layer weights, and `blocks` to read absurdly far rows again."""

    vectors: Float64Array
    values: Float64Array
    weights: Float64Array
    blocks: pca.Blocks | None

    @property
    def scores(self) -> Float64Array:
        """Compute the scores of the rows, (rows, z)."""
        if self.blocks is not None:
            return pca.scores_of(self.blocks, self.vectors, self.values)
        return self.vectors * np.sqrt(self.values)

    @property
    def factors(self) -> Float64Array:
        """Compute U Λ^(−1/2), (rows, z), which maps inner products with other rows to scores; 0 where Λ is 0."""
        root = np.sqrt(self.values)
        return self.vectors * np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)


class Projector:
    """Project a primary dataset P with each of several secondaries; computations on P alone run once, when needed.

    The arguments are those of `howfar.projection.project`. With `warns` False there is no warning where fewer components are
    kept than were asked for, which `Projection.components` says.
    """

    def __init__(
        self,
        p: ArrayLike | Rows,
        n_components: int = DEFAULT_COMPONENTS,
        *,
        route: Route = "auto",
        scale: Scale = "none",
        layers: Sequence[int] | None = None,
        block: int | None = None,
        warns: bool = True,
    ) -> None:
        if n_components < 1:
            raise InputError.of("n_components", "must be at least 1", n_components, "the paper keeps 25")
        check_at_least(1, block=block)
        check_choice("route", route, ROUTES)
        check_choice("scale", scale, SCALES)
        self._p = as_rows(p, "p")
        self.n, self._q = self._p.shape
        self._z, self._route, self._scale, self._block, self._warns = n_components, route, scale, block, warns
        self._layers: tuple[int, ...] = (self._q,)
        if scale == "layers":
            if layers is None:
                raise InputError.of("layers", "must be given where scale is 'layers'", None, "pass the backbone's layers")
            if sum(layers) != self._q or min(layers) < 1:
                raise InputError.of("layers", f"must be positive lengths that sum to q = {self._q}", tuple(layers))
            self._layers = tuple(layers)

    def project(self, secondaries: Sequence[ArrayLike | Rows], mode: Mode = "pair") -> Iterator[Projection]:
        """Yield the projection of P with each secondary, in one of the modes of `howfar.projection.project`.

        Raises `InputError`, at the call rather than at the first projection, for an unknown mode or a secondary of another
        width.
        """
        check_choice("mode", mode, MODES)
        others = [as_rows(s, f"secondaries[{i}]") for i, s in enumerate(secondaries)]
        for i, s in enumerate(others):
            if s.shape[1] != self._q:
                raise InputError.of(
                    f"secondaries[{i}]", "must have as many columns as p", (s.shape, self._p.shape), "use one backbone"
                )
        if mode == "joint":
            return self._joint(others)
        return (self._projected(s, None if mode == "none" else self._z, of_primary=mode == "primary") for s in others)

    def own(self) -> Float64Array:
        """Project P onto the subspace fitted on P alone, (n, z), in which the self-distance is measured."""
        z = min(self._z, self._most(self.n))
        if not self._by_gram(self.n):
            return pca.signed(self._scores(self._covariance_basis(z), self._held), self.n, towards_secondary=False)
        own = self._primary_spectrum(self._gram, z)
        if own.blocks is not None:
            return self.basis().scores(self._p, self._block)
        return pca.signed(own.scores, self.n, towards_secondary=False)

    def basis(self) -> pca.Basis:
        """Fit the subspace of P alone, for later rows; gives the scores of `own` for P and of mode "primary" for other rows."""
        z = min(self._z, self._most(self.n))
        if not self._by_gram(self.n):
            basis = self._covariance_basis(z)
            return basis.turned(pca.signs(self._scores(basis, self._held), self.n, towards_secondary=False))
        own = self._primary_spectrum(self._exact, z)
        axes = self._axes(own)
        scores = own.scores if own.blocks is None else axes.scores(self._p, self._block)
        return axes.turned(pca.signs(scores, self.n, towards_secondary=False))

    def _covariance_basis(self, z: int) -> pca.Basis:
        return pca.by_covariance(self._exact_moments, self._layers, self._scale, z, [self._held])

    def _axes(self, own: _Spectrum) -> pca.Basis:
        shares = pca.ratio(own.values, float(own.weights @ self._exact.scatter))
        return pca.by_gram(self._p, self._exact.mean, np.repeat(own.weights, self._layers), own.factors, shares, self._block)

    @cached_property
    def _gram(self) -> Gram:
        return self.__dict__.get("_exact") or gram_of(self._p, self._layers, self._block)

    @cached_property
    def _exact(self) -> Gram:
        """Compute P's inner products in float64, since division by the roots of small eigenvalues amplifies rounding errors."""
        computed = self.__dict__.get("_gram")
        return gram_of(self._p, self._layers, self._block, double=True) if computed is None or computed.single else computed

    @cached_property
    def _held(self) -> Rows:
        return held(self._p)

    @cached_property
    def _moments(self) -> Moments:
        return self.__dict__.get("_exact_moments") or moments_of(self._held, self._block)

    @cached_property
    def _exact_moments(self) -> Moments:
        """Compute P's moments in float64 for saved fits on P alone, so that scores do not depend on the order of summation."""
        computed = self.__dict__.get("_moments")
        return moments_of(self._held, self._block, double=True) if computed is None or computed.single else computed

    def _scores(self, basis: pca.Basis, *sets: Rows) -> Float64Array:
        with beside(kept_moments(self._q)):
            return np.concatenate([basis.scores(rows, self._block) for rows in sets])

    def _by_gram(self, rows: int) -> bool:
        return self._route == "gram" or (self._route == "auto" and self._q > rows)

    def _most(self, rows: int) -> int:
        return max(1, min(rows - 1, self._q))

    def _joint(self, others: Sequence[Rows]) -> Iterator[Projection]:
        together = self._projected(Stacked(others), self._z)
        start = 0
        for s in others:
            stop = start + s.shape[0]
            yield Projection(together.primary, together.secondary[start:stop], together.explained_variance_ratio)
            start = stop

    def _projected(self, s: Rows, wanted: int | None, of_primary: bool = False) -> Projection:
        """Project P and S onto a subspace fitted on both, or on P only; directions without variance in P are then ignored."""
        rows = self.n if of_primary else self.n + s.shape[0]
        most = self._most(rows)
        z = most if wanted is None else min(wanted, most)
        if self._warns and wanted not in (None, z):
            message = f"n_components = {wanted} is more than min(images - 1, features) = {most}: {most} are kept"
            warnings.warn(message, UserWarning, stacklevel=2)
        if not self._by_gram(rows):
            if of_primary:
                basis = self._covariance_basis(z)
            else:
                s = held(s)
                both = merge(self._moments, moments_of(s, self._block))
                basis = pca.by_covariance(both, self._layers, self._scale, z, [self._held, s])
            scores, shares = self._scores(basis, self._held, s), basis.explained_variance_ratio
        elif of_primary:
            scores, shares = self._onto_primary(s, z)
        else:
            joint, total = self._joint_spectrum(s, z)
            scores, shares = joint.scores, pca.ratio(joint.values, total)
        scores = pca.signed(scores, self.n, towards_secondary=not of_primary)
        return Projection(scores[: self.n], scores[self.n :], shares)

    def _onto_primary(self, s: Rows, z: int) -> tuple[Float64Array, Float64Array]:
        """Compute the scores of P and S, and the components' shares, from P's own inner products."""
        own = self._exact
        found = self._primary_spectrum(own, z)
        shares = pca.ratio(found.values, float(found.weights @ own.scatter))
        if found.blocks is not None:
            return self._scores(self._axes(found), self._p, s), shares
        cross, _ = cross_gram(self._p, s, own.centre, self._layers, self._block, own=False, double=True)
        # About P's mean: (p − mean)·(s − c_P).
        about = cross.inner + cross.primary[:, :, None] - own.inner.mean(axis=1)[:, :, None]
        inner = np.tensordot(found.weights, about, axes=1)
        return np.concatenate([found.scores, inner.T @ found.factors]), shares

    def _primary_spectrum(self, gram: Gram, z: int) -> _Spectrum:
        """Compute the leading eigenvectors of P's own inner products."""
        weights = pca.layer_weights(gram.scatter, self.n * pca.squares(self._gram.mean, self._layers), self.n, self._scale)
        own = np.tensordot(weights, gram.inner, axes=1)
        pca.centre(own)
        rounding = pca.ROUNDING_SINGLE * float(weights @ gram.scatter) / math.sqrt(self.n) if gram.single else 0.0
        found = self._spectrum(own, z, rounding, weights, gram.mean, [self._p])
        return self._primary_spectrum(self._exact, z) if found is None else found

    def _joint_spectrum(self, s: Rows, z: int, double: bool = False) -> tuple[_Spectrum, float]:
        """Compute the leading eigenvectors of the joint inner products of P and S, and the sum of all eigenvalues."""
        # The inner products of P with S and within S, and within P in the same pass if they are not computed yet.
        p, grams = self._p, None
        is_first = not double and self.__dict__.keys().isdisjoint(("_gram", "_exact"))
        if is_first and not isinstance(p, CachedRows) and not isinstance(s, CachedRows):
            grams = both_grams(p, s, self._layers, self._block)
        if grams is None:
            own = self._exact if double else self._gram
            gram_s = s.gram(self._layers, self._block) if isinstance(s, CachedRows) and not double else None
            cross, secondary = cross_gram(p, s, own.centre, self._layers, self._block, gram_s=gram_s, double=double)
        else:
            own, cross, secondary = grams
            self.__dict__["_gram"] = own
        size, count = self.n + s.shape[0], len(self._layers)
        floors = size * pca.squares(self._gram.mean, self._layers)

        # The centred inner products of P and S over all layers, and their trace before centring.
        gram, within, weights = np.zeros((size, size)), 0.0, np.zeros(count)
        for layer in range(count):
            part = gram if count == 1 else np.empty_like(gram)
            joined(own, cross, secondary, layer, part)
            pca.centre(part)
            weights[layer] = pca.layer_weights(np.trace(part)[None], floors[layer : layer + 1], size, self._scale)[0]
            part *= weights[layer]
            within += float(weights[layer] * (np.trace(own.inner[layer]) + np.trace(secondary.inner[layer])))
            if part is not gram:
                gram += part
        del part  # the eigenvectors need the memory

        total = float(np.trace(gram))
        rounding = pca.ROUNDING_SINGLE * within / math.sqrt(size) if own.single or cross.single else 0.0
        mean = (self.n * own.mean + s.shape[0] * secondary.mean) / size
        found = self._spectrum(gram, z, rounding, weights, mean, [self._p, s])
        return self._joint_spectrum(s, z, double=True) if found is None else (found, total)

    def _spectrum(
        self, gram: Float64Array, z: int, rounding: float, weights: Float64Array, mean: Float64Array, sets: Sequence[Rows]
    ) -> _Spectrum | None:
        """Compute the leading eigenvectors of centred inner products (overwritten); None if float32 is not precise enough."""
        single, limit = rounding > 0, pca.limit_of(pca.typical_square(gram, self.n), len(gram))
        if single and not np.isfinite(rounding):
            return None
        vectors, values = pca.leading(gram, z, rounding)
        if values[0] <= limit:
            return _Spectrum(vectors, values, weights, None)
        if single:
            return None
        root = np.repeat(np.sqrt(weights), self._layers)
        blocks = pca.column_blocks(sets, mean, root, self._block)
        vectors, values = pca.separated(blocks, vectors, values, pca.sampled_square(sets, root), sets)
        return _Spectrum(vectors, values, weights, blocks)


def joint_pca(
    p: ArrayLike | Rows,
    s: ArrayLike | Rows,
    n_components: int = DEFAULT_COMPONENTS,
    *,
    route: Route = "auto",
    scale: Scale = "none",
    layers: Sequence[int] | None = None,
    block: int | None = None,
) -> Projection:
    """Project a primary and a secondary dataset onto the first principal components of their union (eq. 3-5).

    Rows are centred by the joint mean and not whitened. `p` and `s` are (n, q) and (m, q) features: arrays, or a store's
    selection; z is clamped to min(n + m − 1, q) with a warning. The other arguments and errors are those of `project`.

    Examples
    --------
    >>> projection = joint_pca([[0.0, 0.0], [2.0, 0.0]], [[4.0, 0.0]], n_components=1)
    >>> projection.primary.tolist(), projection.secondary.tolist(), projection.explained_variance
    ([[-2.0], [0.0]], [[2.0]], 1.0)
    """
    return next(project(p, [s], n_components, mode="pair", route=route, scale=scale, layers=layers, block=block))


def project(
    p: ArrayLike | Rows,
    secondaries: Sequence[ArrayLike | Rows],
    n_components: int = DEFAULT_COMPONENTS,
    *,
    mode: Mode = "pair",
    route: Route = "auto",
    scale: Scale = "none",
    layers: Sequence[int] | None = None,
    block: int | None = None,
) -> Iterator[Projection]:
    """Yield the projection of the primary dataset P, (n, q), with each secondary S; computations on P alone run once.

    `mode` is "pair": fitted on P ∪ S (the paper; each S has its own subspace); "primary": fitted on P only; "joint": fitted on
    P and all secondaries; or "none": all q dimensions, rotated to their principal axes, so that every distance is the full one.
    `n_components` is z, 25 in the paper; more than can be had is clamped with a warning, and mode "none" does not use it.
    `route` is "gram", "covariance", or "auto", the cheaper one; the scores are the same. `scale` "layers" divides each layer by
    the square root of its total variance, so that the largest does not dominate; it needs the lengths of the `layers`, which
    sum to q. `block` columns (Gram) or rows (covariance) are read at a time, which changes nothing beyond rounding.

    Raises `InputError`, at the call rather than at the first projection, for features that are not a finite two-dimensional
    table of numbers, widths that differ, or an unknown option.

    Examples
    --------
    >>> p, s = [[0.0, 0.0], [2.0, 0.0]], [[4.0, 3.0]]
    >>> [projection.secondary.tolist() for projection in project(p, [s, s], 1, mode="primary")]
    [[[-3.0]], [[-3.0]]]
    """
    projector = Projector(p, n_components, route=route, scale=scale, layers=layers, block=block)
    return projector.project(secondaries, mode)


def principal_coordinates(x: ArrayLike | Rows) -> Float64Array:
    """Compute coordinates of n images, min(n − 1, q) each, with the same pairwise distances as the features.

    Principal components and distances of any of these images are the same as of their features, at a cost that q has no part
    in. They agree to rounding: that of float32 where the products are many.
    """
    rows = as_rows(x, "x")
    return Projector(rows, max(1, min(rows.shape[0] - 1, rows.shape[1]))).own()
