"""Centre two datasets and scale them to a unit that float32 holds, so that they lose the fewest digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array

Single = NDArray[np.float32]
_VALUES = 1 << 22
_CACHED = 1 << 15
_FEWEST, _MOST = 15, 1001


def centre_of(p: NDArray[Any]) -> Float64Array:
    """Find a point amid the rows of P, (z,): each component's median over up to a thousand of the rows, fewer where z is long.

    One row far beyond all others drags the mean away from them, and about it they would have no digits left.
    """
    count = max(_FEWEST, min(_MOST, _VALUES // p.shape[1]))
    some = p[:: -(-len(p) // count)]
    centre: Float64Array = np.median(some.astype(np.float64, copy=False), axis=0)
    return centre


def in_units(s: NDArray[Any], p: NDArray[Any]) -> tuple[Single, Single, float]:
    """Take rows of S and of P about P's centre in float32, in a unit that is a power of two, not below the largest number.

    Squares cannot overflow then, and the division moves no digit. What is below 1e-19 of the largest vanishes when squared.
    """
    centre = centre_of(p)
    unit = unit_of(max(_largest(s, centre), _largest(p, centre)))
    return _in_unit(s, centre, unit), _in_unit(p, centre, unit), unit


def unit_of(largest: float) -> float:
    """Choose the unit of numbers up to `largest`: the power of two above it."""
    _, exponent = np.frexp(largest)
    return float(np.ldexp(1.0, int(exponent)))


def _largest(rows: NDArray[Any], centre: Float64Array) -> float:
    """Find how far any component of any row is from the centre's."""
    if not len(rows):
        return 0.0
    return float(max(np.abs(rows.max(axis=0) - centre).max(), np.abs(rows.min(axis=0) - centre).max()))


def _in_unit(rows: NDArray[Any], centre: Float64Array, unit: float) -> Single:
    """Take rows about the centre, some at a time, so that the differences in float64 stay in the processor's cache."""
    single, step = np.empty(rows.shape, np.float32), max(1, _CACHED // rows.shape[1])
    for start in range(0, len(rows), step):
        single[start : start + step] = (rows[start : start + step] - centre) / unit
    return single
