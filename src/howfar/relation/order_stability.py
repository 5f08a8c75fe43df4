"""Measure how far the order of datasets by distance survives a change of their images (appendix D)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation.paired_images import Distances, interval_of, paired_means

_NUMBERS = 1 << 20
"""Differences of pairs that are held at once, so that memory does not grow with the draws."""


@dataclass(frozen=True)
class OrderStability:
    """Hold the agreement of two orders of the same datasets; each interval is of percentiles over resampled images.

    Attributes
    ----------
    kendall, kendall_interval
        Kendall's τ_b of the datasets' distances before and after.
    overlap, overlap_interval
        Share of the k nearest datasets before that are among the k nearest after.
    """

    kendall: float
    kendall_interval: tuple[float, float]
    overlap: float
    overlap_interval: tuple[float, float]


def order_stability(
    before: Distances, after: Distances, k: int = 5, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> OrderStability:
    """Compare the order of datasets before and after their images were changed.

    A dataset's distance is the mean of its images' (O^dist, eq. 7). A draw takes every dataset's images anew, the same ones
    before and after.

    Parameters
    ----------
    before, after
        I^dist of each image, (m,), by the dataset's name: the same datasets with the same images in the same order.
    k
        How many of the nearest datasets are compared; at most their number.
    draws
        Resamples behind the intervals.
    level
        Level of the intervals.
    seed
        Seed of the resamples.

    Raises
    ------
    InputError
        Fewer than two datasets, or the datasets or numbers of images differ.

    Examples
    --------
    >>> near, far = np.linspace(1, 2, 50), np.linspace(3, 4, 50)
    >>> order_stability({"a": near, "b": far}, {"a": far, "b": near}, k=1).kendall
    -1.0
    """
    drawn = agreements(before, after, k, draws=draws, seed=seed)
    (kendall, overlap), of_kendall, of_overlap = drawn[0], interval_of(drawn[:, 0], level), interval_of(drawn[:, 1], level)
    return OrderStability(float(kendall), of_kendall, float(overlap), of_overlap)


def agreements(before: Distances, after: Distances, k: int = 5, *, draws: int = 1000, seed: int = 0) -> Float64Array:
    """Compute Kendall's τ_b and the overlap of the k nearest, as measured and in each resample of the images.

    The arguments and errors are those of `order_stability`. Returns (draws + 1, 2), as measured first. Two calls with datasets
    of the same sizes in the same order resample the same images, so that their difference can be drawn too.

    Examples
    --------
    >>> near, far = np.linspace(1, 2, 50), np.linspace(3, 4, 50)
    >>> agreements({"a": near, "b": far}, {"a": near, "b": far}, k=1, draws=1).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    names = list(before)
    if len(names) < 2 or set(names) != set(after):
        raise InputError.of("after", "must hold the same two or more datasets as before", sorted(set(names) ^ set(after)))
    means = paired_means(before, after, draws, seed)
    if not 1 <= k <= len(names):
        raise InputError.of("k", f"must lie between 1 and the number of datasets, {len(names)}", k)
    return np.stack([_kendall(means[:, 0], means[:, 1]), _overlap(means[:, 0], means[:, 1], k)], axis=1)


def _kendall(before: Float64Array, after: Float64Array) -> Float64Array:
    """Compute Kendall's τ_b of each row, (draws, datasets): Σ s t / √(Σ s² Σ t²) over the signs of all pairs' differences."""
    draws, count = before.shape
    first, second = np.triu_indices(count, 1)
    block = max(1, _NUMBERS // len(first))
    tau = np.empty(draws)
    for start in range(0, draws, block):
        rows = slice(start, start + block)
        s, t = (np.sign(values[rows][:, first] - values[rows][:, second]) for values in (before, after))
        together, of_s, of_t = (np.einsum("dp,dp->d", a, b) for a, b in ((s, t), (s, s), (t, t)))
        with np.errstate(invalid="ignore"):
            tau[rows] = together / np.sqrt(of_s * of_t)
    return tau


def _overlap(before: Float64Array, after: Float64Array, k: int) -> Float64Array:
    """Compute the share of the k nearest that two orders have in common, of each row."""
    near = [np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1) < k for values in (before, after)]
    share: Float64Array = (near[0] & near[1]).sum(axis=1) / k
    return share
