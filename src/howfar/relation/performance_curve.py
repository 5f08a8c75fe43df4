"""Compute the curve of performance over distance (figs 4-6): images by distance, performance as a moving average."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array, quotient
from howfar.errors import InputError
from howfar.relation.distance_performance_points import as_row
from howfar.relation.strata import Indices, by_distance


def moving_average(values: ArrayLike, window: int | None = None) -> Float64Array:
    """Compute a centred moving average, at the ends over that part of the window that lies within the row.

    The window of w values at position i covers i − floor(w/2) to i − floor(w/2) + w − 1: as many on both sides where w is
    odd, one more before i where it is even (as pandas' centred rolling mean). Undefined values are left out of the means.

    Parameters
    ----------
    values
        (m,) values in order; NaN where undefined.
    window
        w, at least 1; by default a tenth of the values, max(1, floor(m / 10)), as section 4.3 of the paper.

    Returns
    -------
    ndarray
        (m,) float64; NaN where the window holds no defined value.

    Raises
    ------
    InputError
        Not one row of numbers, or a window below 1.

    Examples
    --------
    >>> moving_average([1.0, 2.0, 6.0, 3.0], 3).tolist()
    [1.5, 3.0, 3.6666666666666665, 4.5]
    >>> moving_average([1.0, 2.0, 6.0, 3.0], 2).tolist()
    [1.0, 1.5, 4.0, 4.5]
    """
    row = as_row(values, "values", undefined=True)
    width = max(1, len(row) // 10) if window is None else window
    if width < 1:
        raise InputError.of("window", "must be at least 1", window)
    if len(row) == 0:
        return row
    defined = np.isfinite(row)
    total, count = _window_sums(np.where(defined, row, 0.0), width), _window_sums(defined.astype(np.float64), width)
    return quotient(total, count)


def _window_sums(row: Float64Array, width: int) -> Float64Array:
    """Sum each window by itself: differences of running sums would leave the rounding of far values in them."""
    padded = np.pad(row, (width // 2, width - 1 - width // 2))
    sums: Float64Array = np.lib.stride_tricks.sliding_window_view(padded, width).sum(axis=-1)
    return sums


def curve(
    distances: ArrayLike, names: Sequence[str], performance: ArrayLike, window: int | None = None
) -> tuple[Indices, Float64Array, Float64Array]:
    """Order a set's images by scaled distance, and smooth their performance.

    Images without a performance are no points of the curve and do not widen its window.

    Parameters
    ----------
    distances
        (m,) I^dist, scaled over the whole set.
    names
        (m,) the images' names; they order equal distances.
    performance
        (m,) performance of each image; NaN where it has none.
    window
        Images in the moving average, at least 1; by default a tenth of the images that have a performance.

    Returns
    -------
    order
        (k,) positions of the images that have a performance, nearest first.
    distances
        (k,) their scaled distances, ascending.
    smoothed
        (k,) moving average of their performance.

    Raises
    ------
    InputError
        Lengths that differ, distances that are not finite, or a window below 1.

    Examples
    --------
    >>> order, x, y = curve([0.5, 0.0, 1.0], ["a", "b", "c"], [0.6, 0.9, float("nan")])
    >>> order.tolist(), x.tolist(), y.tolist()
    ([1, 0], [0.0, 0.5], [0.9, 0.6])
    """
    row = as_row(distances, "distances")
    values = as_row(performance, "performance", n=len(row), undefined=True)
    order = by_distance(row, names)
    order = order[np.isfinite(values[order])]
    return order, row[order], moving_average(values[order], window)
