"""Dilate masks and maps by a disc, so that pixels within a tolerance of each other count as a match."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError

Scalar = TypeVar("Scalar", np.uint8, np.bool_)


def as_tolerance(tolerance: float) -> float:
    """Return a tolerance in pixels as a float.

    Raises `InputError` for what is not a finite number of at least 0.
    """
    try:
        value = float(tolerance)
    except (TypeError, ValueError) as error:
        raise InputError.of("tolerance", "must be a number of pixels", tolerance) from error
    if not (math.isfinite(value) and value >= 0.0):
        raise InputError.of("tolerance", "must be a finite number of pixels of at least 0", tolerance)
    return value


def disc_maximum(values: NDArray[Scalar], radius: float) -> NDArray[Scalar]:
    """Find the largest value within `radius` pixels (Euclidean, the border included) of each pixel: grey dilation by a disc.

    For a mask it is the set of pixels whose distance from the mask is at most the radius. The disc is cut into its rows,
    runs whose maxima are built up one from another: 4·radius + 1 passes over the image, whatever it holds.

    `values` is (h, w) uint8 or bool; `radius` is in pixels, at least 0. Returns (h, w) of the same type.
    """
    height, width = values.shape
    widths = _half_widths(radius, height, width)
    result = values.copy()
    run, reach = values, 0
    for dy in reversed(range(len(widths))):
        while reach < widths[dy]:
            reach += 1
            run = _widened(values, run, reach)
        _raise(result[: height - dy], run[dy:])
        _raise(result[dy:], run[: height - dy])
    return result


def _half_widths(radius: float, height: int, width: int) -> list[int]:
    """Compute the half-widths of the disc's rows at 0, 1, 2 … pixels from its centre, no longer than the image."""
    across = np.arange(width, dtype=np.float64) ** 2
    rows = range(min(height - 1, math.floor(radius)) + 1)
    return [int(np.count_nonzero(np.sqrt(across + dy * dy) <= radius)) - 1 for dy in rows]


def _widened(values: NDArray[Scalar], run: NDArray[Scalar], reach: int) -> NDArray[Scalar]:
    """Compute maxima over rows of 2·reach + 1 pixels from those over two fewer."""
    wider = run.copy()
    _raise(wider[:, reach:], values[:, :-reach])
    _raise(wider[:, :-reach], values[:, reach:])
    return wider


def _raise(target: NDArray[Scalar], other: NDArray[Scalar]) -> None:
    np.maximum(target, other, out=target)
