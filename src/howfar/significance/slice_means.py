"""Compare the mean of each slice of a dataset with the mean of the rest, by bootstrap intervals and a permutation test."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.significance.bootstrap import interval, resample_counts
from howfar.significance.permutation import p_value

FEWEST: Final = 10
"""Photographs below which nothing is said of a slice: their interval and p-value would say little."""
_COUNTS_AT_ONCE: Final = 1 << 24


class SliceMean(NamedTuple):
    """Hold the mean of a slice, its 95 % interval, its difference from the mean of the rest, and the p-value of that.

    `n` values of `photographs` photographs are in it; None stands where a number is undefined, or the slice is small.
    """

    n: int
    photographs: int
    mean: float | None
    ci: tuple[float, float] | None
    difference: float | None
    p_value: float | None


def slice_means(
    values: ArrayLike,
    slices: ArrayLike,
    photographs: ArrayLike | None = None,
    *,
    bootstrap: int = 1000,
    permutations: int = 999,
    fewest: int = FEWEST,
    rng: np.random.Generator,
) -> dict[int, SliceMean]:
    r"""Compute the mean of each slice of one dataset, and test whether it differs from the mean of the rest.

    The images of one photograph are drawn, and exchanged, together. The interval of a slice's mean is the percentile
    interval over its photographs drawn anew (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). The
    test exchanges the slices' labels among all photographs of the dataset; its statistic is \|mean of the slice − mean of the
    rest\| (Good, "Permutation, Parametric, and Bootstrap Tests of Hypotheses", 3rd edition 2005, chapter 3).

    Parameters
    ----------
    values
        (n,) numbers of the images; NaN where one is undefined, which is left out.
    slices
        (n,) numbers of the images' slices, whole.
    photographs
        (n,) what photograph each image is of; by default each is of its own.
    bootstrap, permutations
        Draws; 0 leaves the intervals, or the p-values, out.
    fewest
        Slices of fewer photographs have a mean and neither interval nor test, nor have those that are the whole dataset a
        test.
    rng
        Where the randomness comes from.

    Returns
    -------
    dict
        By slice, in the order of their numbers.

    Raises
    ------
    InputError
        Arrays of unlike length.

    Examples
    --------
    >>> values = np.r_[np.full(20, 1.0), np.full(20, 3.0)] + np.linspace(0, 0.1, 40)
    >>> found = slice_means(values, np.repeat([0, 1], 20), rng=np.random.default_rng(0))
    >>> [(round(each.mean, 2), round(each.difference, 2), each.p_value) for each in found.values()]
    [(1.02, -2.05, 0.001), (3.08, 2.05, 0.001)]
    """
    each, labels = np.asarray(values, dtype=np.float64), np.asarray(slices)
    groups = np.arange(len(each)) if photographs is None else np.unique(np.asarray(photographs), return_inverse=True)[1]
    if not each.shape == labels.shape == groups.shape:
        raise InputError.of("slices", f"must have one entry a value, {each.shape}", labels.shape)
    known = np.isfinite(each)
    sums, counts, units = _units(each[known], labels[known], groups[known])
    null = _shuffled(sums, counts, units, permutations, rng) if permutations else {}
    found = {}
    for label in np.unique(labels):
        inside = units == label
        found[int(label)] = _of_slice(sums, counts, inside, null.get(int(label)), bootstrap, fewest, rng)
    return found


def _units(
    values: Float64Array, labels: NDArray[np.int64], groups: NDArray[np.intp]
) -> tuple[Float64Array, Float64Array, NDArray[np.int64]]:
    """Sum and count the values of each photograph within each slice, and say which slice that is."""
    pairs, unit = np.unique(np.stack([labels, groups], axis=1), axis=0, return_inverse=True)
    unit = unit.reshape(-1)
    sums = np.bincount(unit, weights=values, minlength=len(pairs)).astype(np.float64)
    return sums, np.bincount(unit, minlength=len(pairs)).astype(np.float64), pairs[:, 0].astype(np.int64)


def _of_slice(
    sums: Float64Array,
    counts: Float64Array,
    inside: NDArray[np.bool_],
    null: Float64Array | None,
    bootstrap: int,
    fewest: int,
    rng: np.random.Generator,
) -> SliceMean:
    n, units = int(counts[inside].sum()), int(inside.sum())
    if not n:
        return SliceMean(0, 0, None, None, None, None)
    mean, others = float(sums[inside].sum() / n), counts[~inside].sum()
    if units < fewest:
        return SliceMean(n, units, mean, None, None, None)
    ci = interval(_resampled(sums[inside], counts[inside], bootstrap, rng)) if bootstrap else None
    if not others:
        return SliceMean(n, units, mean, ci, None, None)
    difference = float(mean - sums[~inside].sum() / others)
    p = None if null is None else p_value(abs(difference), null)
    return SliceMean(n, units, mean, ci, difference, p)


def _resampled(sums: Float64Array, counts: Float64Array, draws: int, rng: np.random.Generator) -> Float64Array:
    """Draw photographs anew, and compute the mean of their values in each draw."""
    step, means = max(1, _COUNTS_AT_ONCE // len(sums)), []
    for start in range(0, draws, step):
        drawn = resample_counts(len(sums), min(step, draws - start), rng).T.astype(np.float64)
        means.append((drawn @ sums) / (drawn @ counts))
    return np.concatenate(means)


def _shuffled(
    sums: Float64Array, counts: Float64Array, units: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> dict[int, Float64Array]:
    """Exchange the slices' labels among photographs, and compute each time |mean of the slice − mean of the rest|."""
    labels, own = np.unique(units, return_inverse=True)
    if len(labels) < 2:
        return {}
    differences = np.empty((draws, len(labels)))
    for draw in range(draws):
        shuffled = rng.permutation(own)
        total, n = (np.bincount(shuffled, weights=part, minlength=len(labels)) for part in (sums, counts))
        differences[draw] = np.abs(total / n - (sums.sum() - total) / (counts.sum() - n))
    return {int(label): differences[:, column] for column, label in enumerate(labels)}
