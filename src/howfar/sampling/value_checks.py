"""Check what sampling is given: predictions, measured values, photographs and levels."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError, one_line
from howfar.sampling.sample import Sample

_LARGEST = 1e100
"""Sizes above it are none, and their sum would overflow."""


def as_numbers(x: ArrayLike, name: str, length: int | None = None) -> Float64Array:
    """Return `x` as one row of numbers, a float64 copy, of a given length; NaN may stand in it, infinity may not."""
    try:
        values = np.array(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error
    if values.ndim != 1 or not len(values):
        raise InputError.of(name, "must be one row of at least one number", values.shape)
    if length is not None and len(values) != length:
        raise InputError.of(name, f"must hold {length} numbers, one an image", len(values))
    if np.isinf(values).any():
        raise InputError.of(name, "must not hold infinity", f"one at position {int(np.argmax(np.isinf(values)))}")
    return values


def as_shares(x: ArrayLike, name: str, length: int | None = None) -> Float64Array:
    """Return `x` as one row of numbers in [0, 1] or NaN."""
    values = as_numbers(x, name, length)
    outside = (values < 0.0) | (values > 1.0)
    if outside.any():
        raise InputError.of(
            name, "must lie in [0, 1]", float(values[outside][0]), "give performance as a share, not in percent"
        )
    return values


def as_proxy(proxy: ArrayLike) -> Float64Array:
    """Return predicted performance as one row of numbers in [0, 1] or NaN."""
    return as_shares(proxy, "proxy")


def filled(proxy: Float64Array) -> Float64Array:
    """Put the mean of the known predictions where there is none: an estimate is unbiased with any number there."""
    known = proxy[np.isfinite(proxy)]
    return np.where(np.isnan(proxy), known.mean() if len(known) else 0.5, proxy)


def as_groups(groups: ArrayLike, length: int) -> NDArray[np.int64]:
    """Return names of photographs as numbers from 0."""
    names = np.asarray(groups)
    if names.shape != (length,):
        raise InputError.of("groups", f"must name {length} photographs, one an image", names.shape)
    try:
        return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)
    except TypeError as error:
        raise InputError.of("groups", "must be names of one kind", one_line(error), "pass text") from error


def as_sizes(sizes: ArrayLike, length: int) -> Float64Array:
    """Return expected sizes of images as one row of numbers, none below 0, not all 0."""
    values = as_numbers(sizes, "sizes", length)
    if not (values >= 0.0).all() or not values.any():
        wrong = values[~(values >= 0.0)]
        raise InputError.of("sizes", "must be numbers of 0 or more, not all 0", float(wrong[0]) if len(wrong) else 0.0)
    if values.max() > _LARGEST:
        raise InputError.of("sizes", f"must be at most {_LARGEST:g}", float(values.max()), "give them in pixels")
    return values


def as_count(x: int, name: str) -> int:
    """Return a number of images, a whole number of at least 1."""
    if isinstance(x, bool) or not isinstance(x, Integral):
        raise InputError.of(name, "must be a whole number", x, "pass 16")
    if x < 1:
        raise InputError.of(name, "must be at least 1", x)
    return int(x)


def as_rng(seed: int | np.random.Generator) -> np.random.Generator:
    """Return the generator that a seed stands for, or the one that was given."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InputError.of("seed", "must be a whole number of at least 0, or a generator", seed, "pass 0") from error


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if not isinstance(level, Real) or not 0.0 < level < 1.0:
        raise InputError.of("level", "must lie between 0 and 1", level, "pass 0.9")


def check_sample(sample: Sample) -> None:
    """Refuse what is no sample."""
    if not isinstance(sample, Sample):
        raise InputError.of("sample", "must be what howfar.sampling.draw returned", type(sample).__name__)


def check_fits(sample: Sample, length: int, name: str = "proxy") -> None:
    """Refuse a sample that was drawn from another number of images than `length`."""
    if sample.population != length:
        raise InputError.of(name, f"must have the {sample.population} images that the sample was drawn from", length)
    if int(sample.indices.max()) >= length:
        raise InputError.of("sample", f"must name images below {length}", int(sample.indices.max()))
