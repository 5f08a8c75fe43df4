"""Measure the stability of rankings: of datasets by distance (appendix D of the paper), and of models by score."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from howfar.arrays import Float64Array, spans
from howfar.errors import InputError
from howfar.random_streams import stream
from howfar.significance import interval

Distances = Mapping[str, NDArray[np.float64]]


def paired_means(before: Distances, after: Distances, draws: int, seed: int = 0) -> Float64Array:
    """Compute each dataset's mean distance before and after a change, measured and in bootstrap resamples of its images.

    `before` and `after` hold I^dist of each image, (m,), by the dataset's name: the same datasets with the same images in the
    same order. The draws depend on the seed and on the numbers of images in the order of `before` alone, so that those of two
    calls with datasets of the same sizes are of the same images. Returns (draws + 1, 2, datasets): before and after, of all
    images in the first row, then of each resample. Raises `InputError` for no dataset, or datasets or numbers of images that
    differ.

    Examples
    --------
    >>> paired_means({"a": np.array([1.0, 3.0])}, {"a": np.array([2.0, 4.0])}, draws=0).ravel().tolist()
    [2.0, 3.0]
    """
    names = list(before)
    if not names or set(names) != set(after):
        raise InputError.of("after", "must hold the same datasets as before", sorted(set(names) ^ set(after)))
    for name in names:
        if len(before[name]) != len(after[name]):
            raise InputError.of(f"after[{name!r}]", f"must hold {len(before[name])} images, as before", len(after[name]))
    rng = stream(seed, "rank stability")
    means = np.empty((draws + 1, 2, len(names)))
    for place, name in enumerate(names):
        pair = np.stack([before[name], after[name]]).astype(np.float64)
        means[0, :, place] = pair.mean(axis=1)
        m = pair.shape[1]
        counts = rng.multinomial(m, np.full(m, 1 / m), size=draws)
        means[1:, :, place] = counts @ pair.T / m
    return means


def mean_change(
    before: Distances, after: Distances, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Compute the mean change in the datasets' mean distances, with its interval over resampled images.

    The arguments are those of `paired_means`; `level` is the level of the interval, which is nan without draws.

    Examples
    --------
    >>> change, (low, high) = mean_change({"a": np.array([1.0, 3.0])}, {"a": np.array([2.0, 4.0])})
    >>> change, low, high
    (1.0, 1.0, 1.0)
    """
    means = paired_means(before, after, draws, seed)
    changes = (means[:, 1] - means[:, 0]).mean(axis=1)
    return float(changes[0]), interval_of(changes, level)


def interval_of(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Compute the percentile interval of the resamples that follow a measured value; (nan, nan) without resamples.

    `values` (draws + 1,) begin with the measured one.

    Examples
    --------
    >>> interval_of([5.0, 1.0, 1.0]), interval_of([5.0])
    ((1.0, 1.0), (nan, nan))
    """
    drawn = np.asarray(values, dtype=np.float64)[1:]
    return interval(drawn, level) if np.isfinite(drawn).any() else (float("nan"), float("nan"))


_NUMBERS = 1 << 20
"""Differences of pairs that are held at once, so that memory does not grow with the draws."""


@dataclass(frozen=True)
class OrderStability:
    """Hold the agreement of two orders of the same datasets, with percentile intervals over resampled images.

    `kendall` is Kendall's τ_b of the datasets' distances before and after; `overlap` the share of the k nearest datasets before
    that are among the k nearest after.
    """

    kendall: float
    kendall_interval: tuple[float, float]
    overlap: float
    overlap_interval: tuple[float, float]


def order_stability(
    before: Distances, after: Distances, k: int = 5, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> OrderStability:
    """Compare the order of datasets by distance before and after their images were changed.

    A dataset's distance is the mean of its images' (O^dist, eq. 7). A draw takes every dataset's images anew, the same ones
    before and after. `before` and `after` are those of `paired_means`; `k` says how many of the nearest datasets are compared,
    `level` is that of the intervals. Raises `InputError` for fewer than two datasets, or datasets or numbers of images that
    differ.

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
    """Compute Kendall's τ_b and the overlap of the k nearest datasets, measured and in each resample of the images.

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
    # Kendall's τ_b of each row, Σ s t / √(Σ s² Σ t²), where s and t are the signs of the differences of pairs.
    first, second = np.triu_indices(len(names), 1)
    tau = np.empty(len(means))
    for at in spans(len(means), max(1, _NUMBERS // len(first))):
        rows = means[at]
        s, t = np.sign(rows[:, :, first] - rows[:, :, second]).transpose(1, 0, 2)
        together, of_s, of_t = (np.einsum("dp,dp->d", a, b) for a, b in ((s, t), (s, s), (t, t)))
        with np.errstate(invalid="ignore"):
            tau[at] = together / np.sqrt(of_s * of_t)
    near = np.argsort(np.argsort(means, axis=2, kind="stable"), axis=2) < k
    overlap = near.all(axis=1).sum(axis=1) / k
    return np.stack([tau, overlap], axis=1)


LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Ranking:
    """Hold the ranks of k models, 1 for the best, with 95 % intervals, (k,) each.

    Equal models share the better rank. `low` and `high` are the 2.5 and 97.5 % quantiles over draws; `first` is the share of
    the draws in which a model is first, and models that share the first place share the draw.
    """

    rank: Float64Array
    low: Float64Array
    high: Float64Array
    first: Float64Array


def ranks_of(scores: ArrayLike) -> Float64Array:
    """Rank models in every draw, 1 for the highest of the scores (k, draws); ties share the better rank, and NaN ranks last."""
    values = np.asarray(scores, dtype=np.float64)
    filled = np.where(np.isnan(values), -np.inf, values)
    return np.asarray(rankdata(-filled, method="min", axis=0), dtype=np.float64)


def ranking(scores: ArrayLike, draws: ArrayLike) -> Ranking:
    """Rank k models by their scores (k,), with intervals of the ranks from the scores in b draws of images, (k, b).

    The draws have to be paired, each model scored on the same drawn images, as a difficult image lowers all models alike and
    then tells little of their order. Source: Goldstein & Spiegelhalter, "League tables and their limitations" (JRSS A 159,
    1996).
    """
    measured, drawn = np.asarray(scores, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if measured.ndim != 1 or drawn.ndim != 2 or len(drawn) != len(measured) or drawn.shape[1] < 1:
        raise InputError.of("draws", f"must have shape ({measured.size}, b), one row a model", drawn.shape)
    ranks = ranks_of(drawn)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(ranks, [tail, 1 - tail], axis=1, method="inverted_cdf")
    leads = ranks == 1
    return Ranking(ranks_of(measured[:, None])[:, 0], low, high, (leads / leads.sum(axis=0)).mean(axis=1))
