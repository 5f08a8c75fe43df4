"""Measure how far the order of datasets by distance survives a change of their images (appendix D)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from howfar.errors import InputError

Distances = Mapping[str, NDArray[np.float64]]


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
    names = list(before)
    if len(names) < 2 or set(names) != set(after):
        raise InputError.of("after", "must hold the same two or more datasets as before", sorted(set(names) ^ set(after)))
    for name in names:
        if len(before[name]) != len(after[name]):
            raise InputError.of(f"after[{name!r}]", f"must hold {len(before[name])} images, as before", len(after[name]))
    if not 1 <= k <= len(names):
        raise InputError.of("k", f"must lie between 1 and the number of datasets, {len(names)}", k)
    rng = np.random.default_rng([seed, 83])
    means = np.empty((draws + 1, 2, len(names)))
    for place, name in enumerate(names):
        pair = np.stack([before[name], after[name]]).astype(np.float64)
        means[0, :, place] = pair.mean(axis=1)
        m = pair.shape[1]
        counts = rng.multinomial(m, np.full(m, 1 / m), size=draws)
        means[1:, :, place] = counts @ pair.T / m
    agreement = np.array([_agreement(first, second, k) for first, second in means])
    low, high = np.quantile(agreement[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    (kendall, overlap), (low_kendall, low_overlap), (high_kendall, high_overlap) = agreement[0], low, high
    return OrderStability(
        float(kendall), (float(low_kendall), float(high_kendall)), float(overlap), (float(low_overlap), float(high_overlap))
    )


def _agreement(before: NDArray[np.float64], after: NDArray[np.float64], k: int) -> tuple[float, float]:
    """Compute Kendall's τ_b and the overlap of the k nearest."""
    nearest = [set(np.argsort(values, kind="stable")[:k].tolist()) for values in (before, after)]
    return float(stats.kendalltau(before, after).statistic), len(nearest[0] & nearest[1]) / k
