"""Measure performance by distance: in a dataset's near and far parts, and as a smooth curve (paper: tables 3-5, figs 4-6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_row, quotient
from howfar.errors import InputError, check_at_least
from howfar.metrics.metric_interface import defined, mean_of_defined
from howfar.results import DistancePart


@dataclass(frozen=True, eq=False)
class PerformancePoints:
    """Hold the m images of a dataset that have a performance, nearest first.

    `distances` (m,) are scaled I^dist; `foreground` (m,) is the foreground share of their masks, NaN where unknown, None where
    unknown for all; `groups` (m,) number the photograph that each is of, 0 to `n_groups` − 1.
    """

    distances: Float64Array
    performance: Float64Array
    foreground: Float64Array | None
    groups: NDArray[np.intp]
    n_groups: int

    @classmethod
    def of(
        cls, distances: ArrayLike, performance: ArrayLike, foreground: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> PerformancePoints:
        """Validate and sort a dataset's n images; images without a performance (NaN) are dropped.

        The order depends on the values alone, so that the rows' order changes no result, random ones included. `distances` are
        scaled over the whole set. Images of one photograph share a name or number in `groups`; None: each image is its own.
        Raises `InputError` for lengths that differ, or values that are not finite.

        Examples
        --------
        >>> points = PerformancePoints.of([0.9, 0.1, 0.4], [0.2, 0.8, float("nan")], groups=["b", "a", "a"])
        >>> points.distances.tolist(), points.performance.tolist(), points.n_groups
        ([0.1, 0.9], [0.8, 0.2], 2)
        """
        x = as_row(distances, "distances")
        y = as_row(performance, "performance", length=len(x), undefined=True)
        z = np.full(len(x), np.nan) if foreground is None else as_row(foreground, "foreground", length=len(x), undefined=True)
        labels = np.arange(len(x)) if groups is None else np.asarray(groups)
        if labels.shape != x.shape:
            raise InputError.of("groups", f"must have {len(x)} values, one an image", labels.shape)
        scored = np.flatnonzero(np.isfinite(y))
        codes = np.unique(labels[scored], return_inverse=True)[1]
        order = np.lexsort((codes, z[scored], y[scored], x[scored]))
        x, y, z = x[scored][order], y[scored][order], z[scored][order]
        # Photographs are numbered in the order of their first appearance.
        _, firsts, inverse = np.unique(codes[order], return_index=True, return_inverse=True)
        return cls(x, y, None if np.isnan(z).all() else z, np.argsort(np.argsort(firsts))[inverse], len(firsts))

    def __len__(self) -> int:
        return len(self.distances)


def effective_groups(sets: Sequence[PerformancePoints], columns: Sequence[Float64Array]) -> float:
    """Compute the effective number of groups behind a coefficient: 1 / Σ h², h each group's share of a column's scatter.

    These are Satterthwaite's degrees of freedom of the coefficient's variance, for noise that is alike everywhere: 0.56 m for m
    images evenly spread over the distances, near 1 where a single image is far away, or a single one is not 0. Source:
    Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946).
    """
    scatters = [np.bincount(points.groups, column**2) for points, column in zip(sets, columns, strict=True)]
    shares = np.concatenate(scatters)
    return float(shares.sum() ** 2 / np.sum(shares**2))


Indices: TypeAlias = NDArray[np.intp]

_ROUNDING = 1e-12


def scale(distances: ArrayLike) -> Float64Array:
    """Scale the distances of all images of a set to 0-1: (x − min) / (max − min).

    This is the min-max scaling of section 4.3 of the paper, once and before any split. Distances that differ by no more than
    rounding scale to 0. Raises `InputError` for distances that are not one row of finite numbers.

    Examples
    --------
    >>> scale([2.0, 4.0, 3.0]).tolist(), scale([7.0, 7.0]).tolist()
    ([0.0, 1.0, 0.5], [0.0, 0.0])
    """
    row = as_row(distances, "distances")
    if len(row) == 0:
        return row
    low, spread = row.min(), np.ptp(row)
    if spread <= _ROUNDING * np.abs(row).max():
        return np.zeros(len(row))
    return np.asarray((row - low) / spread, dtype=np.float64)


def by_distance(distances: ArrayLike, names: Sequence[str]) -> Indices:
    """Sort the images by distance, nearest first; ties are sorted by name as text ("10" comes before "9").

    Raises `InputError` for distances that are not one row of finite numbers, or another number of names.

    Examples
    --------
    >>> by_distance([0.5, 0.1, 0.5], ["b", "c", "a"]).tolist()
    [1, 2, 0]
    """
    row = as_row(distances, "distances")
    texts = np.asarray([str(name) for name in names], dtype=object)
    if len(texts) != len(row):
        raise InputError.of("names", f"must have {len(row)} values, one an image", len(texts))
    return np.asarray(sorted(range(len(row)), key=lambda i: (row[i], texts[i])), dtype=np.intp)


def split(distances: ArrayLike, names: Sequence[str], count: int) -> list[Indices]:
    """Split the images into `count` parts by distance; returns each part's positions, nearest part first.

    The near half holds floor(m/2) images, the far half the rest; thirds and finer parts are as equal as they can be, the nearer
    ones larger. `names` order equal distances. There is no part where there are fewer images than parts, as an empty part has
    no performance. Errors are those of `by_distance`, or a `count` below 2.

    Examples
    --------
    >>> [part.tolist() for part in split([0.9, 0.1, 0.4, 0.4, 0.2], ["a", "b", "d", "c", "e"], 2)]
    [[1, 4], [3, 2, 0]]
    >>> split([0.1, 0.2], ["a", "b"], 3)
    []
    """
    if count < 2:
        raise InputError.of("count", "must be at least 2", count, "pass 2 for halves, 3 for thirds")
    order = by_distance(distances, names)
    if len(order) < count:
        return []
    return np.split(order, [len(order) // 2]) if count == 2 else np.array_split(order, count)


def parts(
    distances: ArrayLike,
    names: Sequence[str],
    count: int,
    *,
    retuned: Callable[[Indices], tuple[float, float]],
    common: Callable[[Indices], float],
    values: ArrayLike,
) -> tuple[DistancePart, ...]:
    """Measure performance and scaled I^dist of each half or third of a set by distance (tables 3-5).

    μ and σ are mean and standard deviation of scaled I^dist in the part; σ divides by the number of images (population form, as
    numpy's default). Equation 8 of the paper as printed sums deviations from the mean, which is 0 for any part.

    Images with a blank mask belong here: they have no F of their own and `values` holds NaN for them, but what is falsely
    predicted on them counts in the F of a part, as it does in the F of the set. `retuned` maps positions to performance at the
    best threshold for those images, and that threshold; `common` to performance at the threshold that all images share; NaN
    where undefined. The other arguments, and errors, are those of `split`.

    Examples
    --------
    >>> f = np.array([0.9, 0.8, 0.4, 0.2])
    >>> near, far = parts(
    ...     [0.0, 0.2, 0.6, 1.0], "abcd", 2, retuned=lambda i: (f[i].mean(), 0.5), common=lambda i: f[i].mean(), values=f
    ... )
    >>> near.label, near.n, round(near.mean, 2), far.distance_mean, far.distance_std
    ('0–50 %', 2, 0.85, 0.8, 0.2)
    """
    row = as_row(distances, "distances")
    own = as_row(values, "values", length=len(row), undefined=True)
    measured = []
    for index, indices in enumerate(split(row, names, count)):
        performance, threshold = retuned(indices)
        measured.append(
            DistancePart(
                label=f"{round(100 * index / count)}–{round(100 * (index + 1) / count)} %",
                n=len(indices),
                performance=defined(performance),
                threshold=defined(threshold),
                performance_common=defined(common(indices)),
                mean=defined(mean_of_defined(own[indices])),
                distance_mean=float(row[indices].mean()),
                distance_std=float(row[indices].std()),
            )
        )
    return tuple(measured)


def moving_average(values: ArrayLike, window: int | None = None) -> Float64Array:
    """Compute a centred moving average of (m,) values; at the ends the window is cut to the row.

    The window of w values at position i covers i − floor(w/2) to i − floor(w/2) + w − 1: as many on both sides where w is odd,
    one more before i where it is even (as pandas' centred rolling mean). By default w is a tenth of the values, at least 1, as
    in section 4.3 of the paper. Undefined values (NaN) are left out of the means, which are NaN without any. Raises
    `InputError` for values that are not one row of numbers, or a window below 1.

    Examples
    --------
    >>> moving_average([1.0, 2.0, 6.0, 3.0], 3).tolist()
    [1.5, 3.0, 3.6666666666666665, 4.5]
    >>> moving_average([1.0, 2.0, 6.0, 3.0], 2).tolist()
    [1.0, 1.5, 4.0, 4.5]
    """
    row = as_row(values, "values", undefined=True)
    width = max(1, len(row) // 10) if window is None else window
    check_at_least(1, window=width)
    if len(row) == 0:
        return row
    defined = np.isfinite(row)
    total, count = _window_sums(np.where(defined, row, 0.0), width), _window_sums(defined.astype(np.float64), width)
    return quotient(total, count)


def _window_sums(row: Float64Array, width: int) -> Float64Array:
    """Sum each window separately, since differences of running sums would carry the rounding errors of distant values."""
    padded = np.pad(row, (width // 2, width - 1 - width // 2))
    sums: Float64Array = np.lib.stride_tricks.sliding_window_view(padded, width).sum(axis=-1)
    return sums


def curve(
    distances: ArrayLike, names: Sequence[str], performance: ArrayLike, window: int | None = None
) -> tuple[Indices, Float64Array, Float64Array]:
    """Sort a set's images by scaled distance, and smooth their performance by a moving average.

    Images without a performance (NaN) are no points of the curve and do not widen its window. Returns for the other k images,
    nearest first, their positions, scaled distances, and smoothed performance, (k,) each. `names` order equal distances. Errors
    are those of `by_distance` and `moving_average`.

    Examples
    --------
    >>> order, x, y = curve([0.5, 0.0, 1.0], ["a", "b", "c"], [0.6, 0.9, float("nan")])
    >>> order.tolist(), x.tolist(), y.tolist()
    ([1, 0], [0.0, 0.5], [0.9, 0.6])
    """
    row = as_row(distances, "distances")
    values = as_row(performance, "performance", length=len(row), undefined=True)
    order = by_distance(row, names)
    order = order[np.isfinite(values[order])]
    return order, row[order], moving_average(values[order], window)
