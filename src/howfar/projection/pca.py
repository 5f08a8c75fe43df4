"""Compute the joint PCA of two datasets (eq. 3-5), exactly and without a seed, by the cheaper of two routes.

**Gram** (q > n + m): eigenvectors of the (n + m) × (n + m) matrix of inner products; scores = U·√λ.
**Covariance** (q ≤ n + m): eigenvectors of the q × q scatter; scores = centred rows · V.
Both give the same scores, and both keep the primary dataset's share of the work for every further secondary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from numpy.typing import ArrayLike

from howfar.options import DEFAULT_COMPONENTS
from howfar.projection.projector import Mode, Projection, Projector, Route, Scale
from howfar.protocols import Rows


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
    """Project a primary and a secondary dataset on the first principal components of their union (eq. 3-5).

    Rows are centred by the joint mean and not whitened.

    Parameters
    ----------
    p, s
        (n, q) and (m, q) features: arrays, or a store's selection.
    n_components
        z, 25 in the paper; more than min(n + m − 1, q) is clamped with a warning.
    route
        "gram", "covariance", or "auto": the cheaper one. The scores are the same.
    scale
        "layers" divides each layer by the square root of its total variance, so that the largest does not dominate.
    layers
        Lengths of the layers, needed by ``scale="layers"``; they sum to q.
    block
        Columns (Gram) or rows (covariance) read at a time; it changes nothing beyond rounding.

    Raises
    ------
    InputError
        Features that are not a finite two-dimensional table of numbers, widths that differ, or an unknown option.

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
    """Yield the primary dataset with each secondary in turn, projected; what the primary alone decides is computed once.

    Parameters
    ----------
    p, secondaries
        (n, q) features of P, and of each S.
    mode
        "pair": fitted on P ∪ S (the paper; each S has its own subspace). "primary": fitted on P only. "joint": fitted on
        P and all secondaries. "none": all q dimensions, rotated to their principal axes; every distance is the full one.
    n_components
        z, 25 in the paper; more than can be had is clamped with a warning. Not used by mode "none".
    route
        "gram", "covariance", or "auto": the cheaper one. The scores are the same.
    scale
        "layers" divides each layer by the square root of its total variance, so that the largest does not dominate.
    layers
        Lengths of the layers, needed by ``scale="layers"``; they sum to q.
    block
        Columns (Gram) or rows (covariance) read at a time; it changes nothing beyond rounding.

    Raises
    ------
    InputError
        Features that are not a finite two-dimensional table of numbers, widths that differ, or an unknown option; at the
        call rather than at the first projection.

    Examples
    --------
    >>> p, s = [[0.0, 0.0], [2.0, 0.0]], [[4.0, 3.0]]
    >>> [projection.secondary.tolist() for projection in project(p, [s, s], 1, mode="primary")]
    [[[-3.0]], [[-3.0]]]
    """
    projector = Projector(p, n_components, route=route, scale=scale, layers=layers, block=block)
    return projector.project(secondaries, mode)
