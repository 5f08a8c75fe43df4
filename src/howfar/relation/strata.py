"""Split a dataset into halves or thirds by distance, and measure performance and scaled I^dist of each (tables 3-5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.distance_performance_points import as_row
from howfar.results import Part

Indices: TypeAlias = NDArray[np.intp]

_ROUNDING = 1e-12


def scale(distances: ArrayLike) -> Float64Array:
    """Scale distances to 0-1 over the whole set: (x − min) / (max − min).

    This is the min-max scaling of section 4.3 of the paper, once and before any split. Distances that differ by no more than
    rounding scale to 0.

    Parameters
    ----------
    distances
        (m,) I^dist of all images of the set, those without a performance too.

    Returns
    -------
    ndarray
        (m,) float64.

    Raises
    ------
    InputError
        Not one row of finite numbers.

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
    """Sort the images by distance, nearest first, equal distances by name (as text, so that "10" comes before "9").

    Parameters
    ----------
    distances
        (m,) I^dist.
    names
        (m,) the images' names.

    Raises
    ------
    InputError
        Distances that are not one row of finite numbers; another number of names.

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
    """Split the images into `count` parts by distance, nearest part first: positions, sorted by distance.

    The near half holds floor(m/2) images, the far half the rest; thirds and finer parts are as equal as they can be, the
    nearer ones larger.

    Parameters
    ----------
    distances
        (m,) I^dist.
    names
        (m,) the images' names; they order equal distances.
    count
        2 for halves, 3 for thirds.

    Returns
    -------
    list
        `count` index arrays; none where there are fewer images than parts, as an empty part has no performance.

    Raises
    ------
    InputError
        Distances that are not one row of finite numbers, another number of names, or `count` below 2.

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
    if count == 2:
        middle = len(order) // 2
        return [order[:middle], order[middle:]]
    return list(np.array_split(order, count))


def parts(
    distances: ArrayLike,
    names: Sequence[str],
    count: int,
    *,
    retuned: Callable[[Indices], tuple[float, float]],
    common: Callable[[Indices], float],
    values: ArrayLike,
) -> tuple[Part, ...]:
    """Measure performance and scaled I^dist of each half or third of a set by distance (tables 3-5).

    μ and σ are mean and standard deviation of scaled I^dist in the part; σ divides by the number of images (population
    form, as numpy's default). Equation 8 of the paper as printed sums deviations from the mean, which is 0 for any part.

    Images with a blank mask belong here: they have no F of their own and `values` holds NaN for them, but what is falsely
    predicted on them counts in the F of a part, as it does in the F of the set.

    Parameters
    ----------
    distances
        (m,) I^dist, scaled over the whole set.
    names
        (m,) the images' names; they order equal distances.
    count
        2 for halves, 3 for thirds.
    retuned
        From positions to performance at the best threshold for those images, and that threshold; NaN where undefined.
    common
        From positions to performance at the threshold that all images share; NaN where undefined.
    values
        (m,) performance of each image at the common threshold; NaN where it has none.

    Returns
    -------
    tuple of Part
        Nearest first; empty where there are fewer images than parts.

    Raises
    ------
    InputError
        Distances or values that are not one number an image, another number of names, or `count` below 2.

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
    own = as_row(values, "values", n=len(row), undefined=True)
    measured = []
    for index, indices in enumerate(split(row, names, count)):
        performance, threshold = retuned(indices)
        defined = own[indices][np.isfinite(own[indices])]
        measured.append(
            Part(
                label=f"{round(100 * index / count)}–{round(100 * (index + 1) / count)} %",
                n=len(indices),
                performance=_defined(performance),
                threshold=_defined(threshold),
                performance_common=_defined(common(indices)),
                mean=float(defined.mean()) if len(defined) else None,
                distance_mean=float(row[indices].mean()),
                distance_std=float(row[indices].std()),
            )
        )
    return tuple(measured)


def _defined(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
