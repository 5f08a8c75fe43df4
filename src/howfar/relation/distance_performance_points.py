"""Hold a dataset's images as points of distance and performance, with foreground share and photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError


def as_row(x: ArrayLike, name: str, *, n: int | None = None, undefined: bool = False) -> Float64Array:
    """Return `x` as an (n,) float64 array, which may be empty.

    `name` is the argument's name, for the error line; `n` how many numbers there must be, where that is known; `undefined` lets
    NaN stand for unknown values. Raises `InputError` for what is not numeric, not one-dimensional, of another length, or not
    finite.
    """
    try:
        row = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error
    if row.ndim != 1:
        raise InputError.of(name, "must be one row of numbers", row.shape)
    if n is not None and len(row) != n:
        raise InputError.of(name, f"must have {n} values, one an image", len(row))
    wrong = np.isinf(row) if undefined else ~np.isfinite(row)
    if wrong.any():
        position = int(np.argmax(wrong))
        raise InputError.of(name, "must be finite", f"{row[position]} at position {position}", "leave that image out")
    return row


@dataclass(frozen=True, eq=False)
class Points:
    """Hold the m images of a dataset that have a performance, nearest first.

    Attributes
    ----------
    distances
        (m,) scaled I^dist, ascending.
    performance
        (m,) performance of each image.
    foreground
        (m,) foreground share of their masks, NaN where unknown; None where unknown for all.
    groups
        (m,) number of the photograph that each is of, 0 to `n_groups` − 1.
    n_groups
        How many photographs.
    """

    distances: Float64Array
    performance: Float64Array
    foreground: Float64Array | None
    groups: NDArray[np.intp]
    n_groups: int

    @classmethod
    def of(
        cls, distances: ArrayLike, performance: ArrayLike, foreground: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Points:
        """Validate and order a dataset's images; those without a performance are left out.

        The order depends on the values alone, so that the rows' order changes no result, random ones included.

        Parameters
        ----------
        distances
            (n,) I^dist, scaled over the whole set.
        performance
            (n,) NaN where an image has none.
        foreground
            (n,) foreground share of each mask, NaN where unknown.
        groups
            (n,) names or numbers; images of one photograph share one. None: each image is its own.

        Raises
        ------
        InputError
            Lengths that differ, or values that are not finite.

        Examples
        --------
        >>> points = Points.of([0.9, 0.1, 0.4], [0.2, 0.8, float("nan")], groups=["b", "a", "a"])
        >>> points.distances.tolist(), points.performance.tolist(), points.n_groups
        ([0.1, 0.9], [0.8, 0.2], 2)
        """
        x = as_row(distances, "distances")
        y = as_row(performance, "performance", n=len(x), undefined=True)
        z = np.full(len(x), np.nan) if foreground is None else as_row(foreground, "foreground", n=len(x), undefined=True)
        labels = np.arange(len(x)) if groups is None else np.asarray(groups)
        if labels.shape != x.shape:
            raise InputError.of("groups", f"must have {len(x)} values, one an image", labels.shape)
        scored = np.flatnonzero(np.isfinite(y))
        codes = np.unique(labels[scored], return_inverse=True)[1]
        order = np.lexsort((codes, z[scored], y[scored], x[scored]))
        x, y, z = x[scored][order], y[scored][order], z[scored][order]
        numbers, n_groups = _by_appearance(codes[order])
        return cls(x, y, None if np.isnan(z).all() else z, numbers, n_groups)

    def __len__(self) -> int:
        return len(self.distances)


def effective_groups(sets: Sequence[Points], columns: Sequence[Float64Array]) -> float:
    """Count how many groups in effect carry a coefficient: 1 / Σ h², h each group's share of a column's scatter.

    These are Satterthwaite's degrees of freedom of the coefficient's variance, for noise that is alike everywhere: 0.56 m for m
    images evenly spread over the distances, near 1 where a single image is far away, or a single one is not 0. Source:
    Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946).

    `sets` holds one `Points` a set; `columns` (m,) a set are distances, performance or their ranks, centred within the set.
    """
    scatters = [np.bincount(points.groups, column**2) for points, column in zip(sets, columns, strict=True)]
    shares = np.concatenate(scatters)
    return float(shares.sum() ** 2 / np.sum(shares**2))


def _by_appearance(codes: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Number groups in the order in which they come up, whatever they are called, and count them."""
    _, firsts, inverse = np.unique(codes, return_index=True, return_inverse=True)
    numbers = np.empty(len(firsts), dtype=np.intp)
    numbers[np.argsort(firsts)] = np.arange(len(firsts))
    return numbers[inverse], len(firsts)
