"""Check probability maps and masks, and convert maps to integer levels, which count pixels above 100 thresholds exactly.

A map enters the counts as a uint8 map of levels and, for each threshold t_i = i/100, the lowest level that exceeds it:
then a histogram of levels, summed from above, counts the pixels with p > t_i at every threshold.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import spans
from howfar.errors import InputError, blaming

ByteMap: TypeAlias = NDArray[np.uint8]
BoolMap: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]

THRESHOLDS: NDArray[np.float64] = np.arange(100) / 100
THRESHOLDS.setflags(write=False)

# p = value/255 > i/100 in whole numbers: 100·value > 255·i.
_LOWEST_BYTE: IntArray = 255 * np.arange(100) // 100 + 1
_LOWEST_RANK: IntArray = np.arange(100) + 1


def as_levels(prediction: ArrayLike) -> tuple[ByteMap, IntArray]:
    """Convert a map to uint8 levels (h, w); also return the lowest level above each of the 100 thresholds, (100,).

    An 8-bit map is its own levels, since value/255 > i/100 exactly where value > ⌊255·i/100⌋. The level of a floating value is
    the number of thresholds below it.
    """
    values = as_map(prediction)
    if values.dtype == np.uint8:
        return values, _LOWEST_BYTE
    # The thresholds below each value are counted, rounded to the map's dtype: a float32 copy of an 8-bit map is then counted
    # as the 8-bit map, since both roundings of 51/255 = 20/100 are one number.
    wide: NDArray[Any] = values.astype(np.float32 if values.dtype.itemsize < 8 else np.float64, copy=False)
    above = np.append(THRESHOLDS.astype(values.dtype), np.inf).astype(wide.dtype)
    # A threshold is the number nearest to i/100, so a p above it is above i/100 and 100 p is at least i however rounded:
    # the thresholds below p are ⌊100 p⌋ or one more. Searching for them would take 20 times as long.
    ranks: ByteMap = np.multiply(wide, 100, dtype=wide.dtype).astype(np.uint8)
    ranks += wide > above[ranks]
    return ranks, _LOWEST_RANK


def as_map(prediction: ArrayLike, name: str = "prediction") -> NDArray[Any]:
    """Return a probability map as a (h, w) array of uint8 or of floating values in [0, 1]; bool becomes 0 and 255."""
    values = _plane(prediction, name)
    if values.dtype == np.bool_:
        return values.view(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        remedy = "pass map.astype(np.uint8) if its values are 0 to 255"
        raise InputError.of(name, "must be uint8, or floating in [0, 1]", values.dtype.name, remedy)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):
        received, remedy = (low if low < 0.0 else high), "apply a sigmoid to logits"
        if np.isnan(low) or np.isnan(high):
            received, remedy = float("nan"), "mend the model's output"
        elif low >= 0.0 and high <= 255.0:
            received, remedy = high, "divide 8-bit values by 255, or pass them as uint8"
        raise InputError.of(name, "must lie in [0, 1]", received, remedy)
    return values


def as_mask(mask: ArrayLike, name: str = "mask") -> BoolMap:
    """Return a mask as (h, w) bool: bool as it is, uint8 above 127 as foreground; `InputError` for uint8 of only 0 and 1."""
    values = _plane(mask, name)
    rule = "must be bool, or uint8 with more than 127 as foreground"
    if values.dtype == np.bool_:
        return values
    if values.dtype != np.uint8:
        raise InputError.of(name, rule, values.dtype.name, "pass mask > 0 if all but 0 is foreground")
    if values.max() == 1:
        raise InputError.of(name, rule, np.unique(values).tolist(), "pass mask.astype(bool)")
    return values > 127


def as_bytes(prediction: ArrayLike) -> ByteMap:
    """Return a map as 8-bit values: uint8 unchanged, floating p rounded to the nearest value/255 (ties to even)."""
    values = as_map(prediction)
    if values.dtype == np.uint8:
        return values
    return np.rint(values * np.float64(255)).astype(np.uint8)


def above(values: NDArray[Any], threshold: float) -> BoolMap:
    """Return the mask p > threshold of a map from `as_map`, (h, w) bool."""
    if not 0.0 <= threshold <= 1.0:
        raise InputError.of("threshold", "must lie in [0, 1]", threshold)
    if values.dtype == np.uint8:
        # Only 0, 0.2, 0.4, 0.6, 0.8 and 1 are whole numbers of 255ths, and their products are exact.
        return np.asarray(values > 255 * threshold)
    return np.asarray(values > values.dtype.type(threshold))


_AT_ONCE = 1 << 20


def row_blocks(shape: tuple[int, ...]) -> list[slice]:
    """Return blocks of rows of about a million pixels: counting and measuring take many bytes a pixel."""
    return spans(shape[0], max(_AT_ONCE // shape[1], 1))


def _plane(x: ArrayLike, name: str) -> NDArray[Any]:
    with blaming(f"{name} must be numbers in rows of one length", (TypeError, ValueError)):
        values = np.asarray(x)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError.of(name, "must have two axes (height, width) and at least one pixel", values.shape)
    return values
