"""Lay the rows of two datasets out as compiled loops read them: about a centre, in one unit, some rows side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.compiled import compiled
from howfar.distances.scaling import Single, centre_of, unit_of


def packed_pair(s: NDArray[Any], p: NDArray[Any], by_s: int, by_p: int) -> tuple[Single, Single, float, float]:
    """Lay rows of S (m, z) out as (m / by_s, z, by_s) and rows of P (n, z) as (n / by_p, z, by_p): components side by side.

    The numbers are those of `howfar.distances.scaling.in_units`, which takes some times as long in NumPy's passes, and serves
    where numba is not loaded; rows of zeros fill up.
    Returns the rows of S, those of P, their unit, and the length of the longest row of S plus that of P, in units.
    """
    centre = centre_of(p)
    rows_s, rows_p = np.ascontiguousarray(s), np.ascontiguousarray(p)
    unit = unit_of(max(_farthest(rows_s, centre), _farthest(rows_p, centre)))
    a, b = (np.empty((-(-len(rows) // by), rows.shape[1], by), np.float32) for rows, by in ((rows_s, by_s), (rows_p, by_p)))
    reach = _pack(rows_s, centre, unit, a) ** 0.5 + _pack(rows_p, centre, unit, b) ** 0.5
    return a, b, unit, reach


@compiled
def _farthest(rows: NDArray[Any], centre: Float64Array) -> float:
    """Find how far any component of any row is from the centre's."""
    farthest = 0.0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            farthest = max(farthest, abs(rows[i, j] - centre[j]))
    return farthest


@compiled
def _pack(rows: NDArray[Any], centre: Float64Array, unit: float, out: Single) -> float:
    """Write rows about the centre, in units, to `out` (rows / k, z, k), and find the longest one's square."""
    count, z, k = rows.shape[0], rows.shape[1], out.shape[2]
    longest, squares = 0.0, np.empty(k)
    for group in range(out.shape[0]):
        first, filled = group * k, min(k, count - group * k)
        squares[:] = 0.0
        out[group, :, filled:] = 0.0
        for j in range(z):
            for r in range(filled):
                value = np.float32((rows[first + r, j] - centre[j]) / unit)
                out[group, j, r] = value
                squares[r] += np.float64(value) * np.float64(value)
        longest = max(longest, squares.max())
    return longest
