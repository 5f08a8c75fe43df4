"""Validate feature arrays, convert group names to integers, read arrays by rows or columns, and divide safely by 0."""

import itertools
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.errors import InputError, one_line
from howfar.protocols import Rows

LARGEST = 1e100
FloatArray: TypeAlias = NDArray[np.floating[Any]]
Float64Array: TypeAlias = NDArray[np.float64]


def as_features(x: ArrayLike, name: str) -> FloatArray:
    """Return `x` as a finite (n, q) float32 or float64 array; raise `InputError` for any other, or values beyond 1e100."""
    try:
        array = np.asarray(x)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numeric with rows of one length: {error}") from error
    if array.ndim != 2:
        raise InputError.of(name, "must have two axes (images, features)", array.shape, "reshape to (n, q)")
    if 0 in array.shape:
        raise InputError.of(name, "must have at least one row and one column", array.shape)
    # NaN and infinity show in the extremes, which are needed anyway.
    lowest, highest = float(array.min()), float(array.max())
    if not np.isfinite(lowest) or not np.isfinite(highest):
        bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError.of(name, "must be finite", f"NaN or infinity in row {bad}", "drop or mend that row")
    largest = max(highest, -lowest)
    if largest > LARGEST:
        raise InputError.of(name, f"must lie within ±{LARGEST:g}, so that squares do not overflow", largest, "rescale")
    return array


def as_pair(s: ArrayLike, p: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return secondary and primary features; raise `InputError` as `as_features`, or for different numbers of columns."""
    secondary, primary = as_features(s, "s"), as_features(p, "p")
    if secondary.shape[1] != primary.shape[1]:
        raise InputError.of(
            "s and p", "must have the same number of columns", (secondary.shape, primary.shape), "use one backbone"
        )
    return secondary, primary


def as_row(x: ArrayLike, name: str, *, length: int | None = None, undefined: bool = False, least: int = 0) -> Float64Array:
    """Return `x` as a finite (n,) float64 array, n at least `least`, or raise `InputError`; `undefined` allows NaN."""
    try:
        row = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error
    if row.ndim != 1 or len(row) < least:
        raise InputError.of(name, f"must be one row of {'at least one number' if least else 'numbers'}", row.shape)
    if length is not None and len(row) != length:
        raise InputError.of(name, f"must have {length} values, one an image", len(row))
    wrong = np.isinf(row) if undefined else ~np.isfinite(row)
    if wrong.any():
        position = int(np.argmax(wrong))
        raise InputError.of(name, "must be finite", f"{row[position]} at position {position}", "leave that image out")
    return row


def as_groups(groups: ArrayLike, length: int) -> NDArray[np.int64]:
    """Convert names of groups, one an image, to numbers from 0; raise `InputError` unless there are `length` of one kind."""
    names = np.asarray(groups)
    if names.shape != (length,):
        raise InputError.of("groups", f"must name {length} groups, one an image", names.shape)
    try:
        return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)
    except TypeError as error:
        raise InputError.of("groups", "must be names of one kind", one_line(error), "pass text") from error


def group_numbers(groups: Sequence[str | None]) -> NDArray[np.int64] | None:
    """Number the groups of images from 0; None where no two images share one. An image without a group (None) has its own."""
    named = {name: None for name in groups if name is not None}
    numbers = dict(zip(named, range(len(named)), strict=True))
    alone = itertools.count(len(named))
    row = np.array([next(alone) if name is None else numbers[name] for name in groups], dtype=np.int64)
    return None if not len(row) or int(row.max()) + 1 == len(row) else row


def check_level(level: float, name: str = "level", remedy: str = "pass 0.9") -> None:
    """Raise `InputError` for a confidence level, or another share, that does not lie between 0 and 1."""
    if not isinstance(level, Real) or not 0.0 < level < 1.0:
        raise InputError.of(name, "must lie between 0 and 1", level, remedy)


class ArrayRows:
    """Read features held in memory as a store's features are read: by rows or by column blocks."""

    def __init__(self, array: FloatArray) -> None:
        self._array = array
        self.shape: tuple[int, int] = (array.shape[0], array.shape[1])

    def rows(self, start: int, stop: int) -> FloatArray:
        """Return rows `start` to `stop`, shape (stop - start, q)."""
        return self._array[start:stop]

    def columns(self, start: int, stop: int) -> FloatArray:
        """Return columns `start` to `stop` of every row, shape (n, stop - start)."""
        return self._array[:, start:stop]


def as_rows(x: ArrayLike | Rows, name: str) -> Rows:
    """Return features that read by rows and by columns, an array as `ArrayRows`; raise `InputError` as `as_features`."""
    if isinstance(x, Rows):
        return x
    return ArrayRows(as_features(x, name))


def quotient(numerator: ArrayLike, denominator: ArrayLike, undefined: float = np.nan) -> Float64Array:
    """Divide elementwise in float64, with `undefined` wherever the denominator is not above 0."""
    above, below = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    return np.asarray(np.divide(above, below, out=np.full(above.shape, undefined), where=below > 0), np.float64)


def spans(length: int, step: int) -> list[slice]:
    """Split `length` positions, in order, into slices of `step` positions; the last may be shorter."""
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


_SMALLEST = 1e-290
"""Numbers below this are not rounded: the power of ten that would scale them overflows."""


def significant(values: ArrayLike, digits: int) -> Float64Array:
    """Round numbers to `digits` significant digits; infinities, NaN and numbers below 1e-290 in size stay unchanged."""
    exact = np.asarray(values, dtype=np.float64)
    plain = np.isfinite(exact) & (np.abs(exact) >= _SMALLEST)
    exponent = np.floor(np.log10(np.abs(np.where(plain, exact, 1.0))))
    unit = 10.0 ** (digits - 1 - exponent)
    return np.asarray(np.where(plain, np.round(exact * unit) / unit, exact), dtype=np.float64)
