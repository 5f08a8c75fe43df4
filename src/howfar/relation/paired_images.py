"""Draw datasets' images anew, the same ones before and after a change of them, so that what both share cancels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.significance import interval

Distances = Mapping[str, NDArray[np.float64]]


def paired_means(before: Distances, after: Distances, draws: int, seed: int = 0) -> Float64Array:
    """Compute each dataset's mean distance before and after a change, as measured and in resamples of its images.

    The draws depend on the seed and on the numbers of images in the order of `before` alone, so that those of two calls with
    datasets of the same sizes are of the same images.

    Parameters
    ----------
    before, after
        I^dist of each image, (m,), by the dataset's name: the same datasets with the same images in the same order.
    draws
        Number of resamples.
    seed
        Seed of the resamples.

    Returns
    -------
    array
        (draws + 1, 2, datasets) means: before and after, of all images in the first row, then of each resample.

    Raises
    ------
    InputError
        No dataset, or the datasets or numbers of images differ.

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
    rng = np.random.default_rng([seed, 83])
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
    """Compute the mean over datasets of the change of their mean distance, with its interval over the images.

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
    """Compute the percentile interval of the resamples that stand behind a measured value; (nan, nan) where there are none.

    `values` (draws + 1,) begin with the measured one.

    Examples
    --------
    >>> interval_of([5.0, 1.0, 1.0]), interval_of([5.0])
    ((1.0, 1.0), (nan, nan))
    """
    drawn = np.asarray(values, dtype=np.float64)[1:]
    return interval(drawn, level) if np.isfinite(drawn).any() else (float("nan"), float("nan"))
