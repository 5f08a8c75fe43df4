"""Check that an argument is one row of finite numbers, before statistics are computed of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from howfar.arrays import Float64Array
from howfar.errors import InputError


def as_scores(x: ArrayLike, name: str, *, undefined: bool = False) -> Float64Array:
    """Return `x` as a (k,) float64 array of at least one finite number.

    `name` is the argument's name, for the error line; `undefined` lets NaN and infinity stand for undefined values, so long as
    one is finite. Raises `InputError` for what is not numeric, not one-dimensional, empty, or not finite.
    """
    try:
        scores = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error
    if scores.ndim != 1 or len(scores) == 0:
        raise InputError.of(name, "must be one row of at least one number", scores.shape)
    finite = np.isfinite(scores)
    if undefined and not finite.any():
        raise InputError.of(name, "must hold at least one finite number", f"none of {len(scores)}", "ask for more draws")
    if not undefined and not finite.all():
        raise InputError.of(name, "must be finite", f"NaN or infinity at position {int(np.argmin(finite))}")
    return scores
