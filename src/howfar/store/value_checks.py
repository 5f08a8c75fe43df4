"""Check that a store can hold features, before they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.errors import InputError, StoreError
from howfar.store.shards import STORED


def as_stored(rows: ArrayLike, contents: Sequence[str], paths: Sequence[str], dtype: str, length: int) -> NDArray[Any]:
    """Convert features to what is written: shape (b, q), contiguous, of the stored type; float32 keeps every bit as float32.

    `contents` and `paths` are those of each row, and `length` is q. Raises `InputError` where the shapes do not agree or the
    features are not floating-point numbers, and `StoreError` where a feature is NaN, infinite or too large for the stored type.

    Examples
    --------
    >>> as_stored([[0.5, 65504.0]], ["c"], ["c.png"], "float16", 2).dtype
    dtype('float16')
    """
    array = np.asarray(rows)
    if array.dtype.kind != "f":
        raise InputError.of("rows", "must be floating-point", array.dtype, "pass float32")
    if array.ndim != 2 or array.shape[1] != length or not len(array) == len(contents) == len(paths):
        raise InputError.of(
            "rows",
            f"must be ({len(contents)} contents, {length} features) with a path each",
            (*array.shape, f"{len(paths)} paths"),
        )
    not_text = [content for content in contents if not isinstance(content, str)]
    if not_text:
        raise InputError.of("contents", "must be text, the hash of an image's bytes", not_text[0])
    if array.size:
        _refuse_beyond(array, paths, dtype)
    return np.ascontiguousarray(array, STORED[dtype])


def _refuse_beyond(array: NDArray[Any], paths: Sequence[str], dtype: str) -> None:
    limit = float(np.finfo(STORED[dtype]).max)
    # NaN fails this comparison too. Minimum and maximum, unlike abs, need no second array of that size.
    if max(-array.min(), array.max()) <= limit:
        return
    for row, path in zip(array, paths, strict=True):
        if not np.isfinite(row).all():
            raise StoreError(f"the features of {path} hold NaN or infinity: check that image and the model's weights")
        largest = float(np.abs(row).max())
        if largest > limit:
            cure = 'use dtype="float32"' if dtype == "float16" else "scale the features down"
            raise StoreError(f"the features of {path} reach {largest:.6g}, beyond {limit:,.6g}, the end of {dtype}: {cure}")
