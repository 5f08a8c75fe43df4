"""Compute permutation and conformal p-values, percentiles and interval half-widths, and correct for many hypotheses."""

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_groups, as_row, check_level, spans
from howfar.errors import InputError, check_at_least
from howfar.significance.bootstrap import interval, resample_counts

ROUNDING = 1e-10
"""Values of a statistic that differ by less than this share of the largest are ties, where they are sums in float64."""
SINGLE_ROUNDING = 2e-5
"""The same where distances and products are float32."""


def relabellings(
    m: int, n: int, draws: int, rng: np.random.Generator, groups: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.uint8]:
    """Draw random labels of m + n pooled images, (m + n, draws) uint8: 1 for m images of S, 0 for n images of P.

    The same state of `rng` gives the same labels. With `groups`, (m + n,) numbers from 0 of which S's come first, labels are
    those of groups: as many are S's as S has, each with all of its images, so that columns may have other sums. Raises
    `InputError` for fewer than one image on a side, or fewer than one draw.

    Examples
    --------
    >>> labels = relabellings(2, 4, 5, np.random.default_rng(0))
    >>> labels.shape, labels.sum(axis=0).tolist()
    ((6, 5), [2, 2, 2, 2, 2])
    """
    check_at_least(1, m=m, n=n, draws=draws)
    if groups is not None:
        of_s = int(groups[:m].max()) + 1
        of_images: NDArray[np.uint8] = relabellings(of_s, int(groups.max()) + 1 - of_s, draws, rng)[groups]
        return of_images
    labels = np.repeat(np.array([1, 0], np.uint8), [m, n])
    return rng.permuted(np.tile(labels[:, None], draws), axis=0)


def assignments(m: int, n: int, draws: int, rng: np.random.Generator) -> Float64Array:
    """Draw signed weights of m + n pooled images under random labels, (m + n, draws): 1/m for S, −1/n for P.

    With u such a column and D the distances between all pooled images, −uᵀ D u is the energy distance between the images called
    S and those called P; when S and P come from one distribution, every labelling is as likely as the true one. Source: Székely
    & Rizzo, "Energy statistics: A class of statistics based on distances", J. Stat. Plan. Inference 143 (2013). Arguments and
    errors are those of `relabellings`.

    Examples
    --------
    >>> u = assignments(2, 4, 5, np.random.default_rng(0))
    >>> u.shape, (u > 0).sum(axis=0).tolist(), bool(np.allclose(u.sum(axis=0), 0.0))
    ((6, 5), [2, 2, 2, 2, 2], True)
    """
    return np.where(relabellings(m, n, draws, rng), 1.0 / m, -1.0 / n)


def p_value(observed: float, null: ArrayLike, *, rounding: float = ROUNDING) -> float:
    """Compute the permutation p-value, (1 + #{null ≥ observed}) / (1 + draws).

    `observed` is the statistic under the true labels, large if different, `null` (draws,) its values under random labels.
    Values that differ by less than the share `rounding` of the largest count as ties: the same labelling, summed in another
    order. Source: Phipson & Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9 (2010). Raises
    `InputError` for no draws, or values that are not finite.

    Examples
    --------
    >>> p_value(3.0, [1.0, 2.0, 3.0, 4.0])
    0.6
    """
    values = as_row(null, "null", least=1)
    statistic = float(as_row([observed], "observed")[0])
    slack = rounding * max(abs(statistic), float(np.abs(values).max()))
    return float((1 + np.count_nonzero(values >= statistic - slack)) / (1 + len(values)))


# (n + 1) · level and k · error_rate / m are often whole or equal in exact arithmetic, and off by a rounding in floats.
_RANK_ROUNDING = 1e-9


def p_values(scores: ArrayLike, calibration: ArrayLike, groups: ArrayLike | None = None) -> Float64Array:
    """Compute the conformal p-value of each score: (1 + #{calibration ≥ score}) / (n + 1).

    `scores` (m,) are distances of new images, `calibration` (n,) those of the primary dataset P's own images, each from the
    others. A small p-value means farther than P's images are. For an image exchangeable with the calibration images, the chance
    of a p-value of at most α is at most α. Source: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005);
    for outliers: Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal p-values", Ann. Stat. 51 (2023).
    Leave-one-out distances are such a calibration up to 1/n: an image of P is measured against n − 1 others, a new one against
    n.

    With `groups`, (n,) the group of each calibration image, each group counts as one: (1 + Σ_g share of g's calibration ≥
    score) / (G + 1). This holds for an image of a new group, exchangeable with these groups, however much the images of one
    depend on each other (Lee, Barber & Willett, "Distribution-free inference with hierarchical data", arXiv:2306.06342); their
    distances must then be from the other groups' images.

    Returns (m,) float64, between 1 / (n + 1) and 1. Raises `InputError` for input that is not one-dimensional, empty, or not
    finite.

    Examples
    --------
    >>> p_values([0.0, 2.0, 9.0], [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.75, 0.25]
    """
    known, values = as_row(calibration, "calibration", least=1), as_row(scores, "scores", least=1)
    numbers = np.arange(len(known)) if groups is None else as_groups(groups, len(known))
    order, sizes = np.argsort(known, kind="stable"), np.bincount(numbers)
    above = np.concatenate([np.cumsum((1.0 / sizes[numbers[order]])[::-1])[::-1], [0.0]])
    shares = above[np.searchsorted(known[order], values, side="left")]
    return np.asarray((1.0 + shares) / (len(sizes) + 1), dtype=np.float64)


def percentiles(scores: ArrayLike, calibration: ArrayLike) -> Float64Array:
    """Compute each score's percentile among calibration scores, 0 to 100: the share below plus half the share equal.

    Arguments and errors are those of `p_values`. Returns (m,) float64, 0 (nearer than every image of P) to 100 (farther than
    all).

    Examples
    --------
    >>> percentiles([0.0, 2.0, 9.0], [1.0, 2.0, 3.0]).tolist()
    [0.0, 50.0, 100.0]
    """
    ordered, values = np.sort(as_row(calibration, "calibration", least=1)), as_row(scores, "scores", least=1)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray(50.0 * (below + up_to) / len(ordered), dtype=np.float64)


def quantile(residuals: ArrayLike, level: float) -> float:
    """Compute the half-width of a conformal interval: the ⌈(n + 1) · level⌉-th smallest residual, infinite for too small n.

    The interval estimate ± half-width holds the truth of a new image with a chance of at least `level`, where its residual is
    exchangeable with these. n residuals allow a level of at most n / (n + 1). Source: Lei, G'Sell, Rinaldo, Tibshirani &
    Wasserman, "Distribution-free predictive inference for regression", JASA 113 (2018), algorithm 2.
    """
    check_level(level)
    if np.shape(residuals) == (0,):
        return float("inf")
    ordered = np.sort(as_row(residuals, "residuals"))
    if ordered[0] < 0.0:
        raise InputError.of("residuals", "must be at least 0", float(ordered[0]), "pass absolute differences")
    rank = math.ceil((len(ordered) + 1) * level - _RANK_ROUNDING)
    return float("inf") if rank > len(ordered) else float(ordered[max(rank, 1) - 1])


def select(p_values: ArrayLike, error_rate: float) -> NDArray[np.bool_]:
    """Select the hypotheses rejected by the Benjamini-Hochberg procedure at false discovery rate `error_rate`.

    Rejected are those with the k smallest p-values, k the largest for which the k-th is at most k · error_rate / m; NaN is none
    of the m. Source: Benjamini & Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57 (1995). With conformal
    p-values: Jin & Candès, "Selection by prediction with conformal p-values", JMLR 24 (2023), https://arxiv.org/abs/2210.01408.
    """
    check_level(error_rate, "error_rate", "pass 0.2")
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise InputError.of("p_values", "must be one row of numbers", p.shape)
    _check_shares(p)
    rising = np.sort(p[~np.isnan(p)])
    allowed = np.arange(1, len(rising) + 1) * error_rate / max(len(rising), 1)
    below = np.flatnonzero(rising <= allowed * (1.0 + _RANK_ROUNDING))
    return np.asarray(p <= (rising[below[-1]] if len(below) else -1.0))


def holm(p_values: Iterable[float | None]) -> list[float | None]:
    """Correct p-values by Holm's method, which controls the chance of any false rejection.

    The i-th smallest of k is multiplied by k − i + 1, then made to rise, and cut at 1; None or NaN is an undefined one, which
    stays None and is not counted. Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6
    (1979). Raises `InputError` for a value outside [0, 1].

    Examples
    --------
    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    raw = np.array([np.nan if value is None else value for value in p_values], dtype=np.float64)
    defined = np.flatnonzero(~np.isnan(raw))
    _check_shares(raw)
    rising = defined[np.argsort(raw[defined], kind="stable")]
    steps = raw[rising] * np.arange(len(rising), 0, -1)
    raw[rising] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [None if np.isnan(value) else float(value) for value in raw]


def _check_shares(p: Float64Array) -> None:
    for position in np.flatnonzero((p < 0.0) | (p > 1.0))[:1]:
        raise InputError.of(f"p_values[{position}]", "must lie between 0 and 1", float(p[position]))


FEWEST: Final = 10
"""Photographs below which nothing is said of a slice: their interval and p-value would say little."""
_COUNTS_AT_ONCE: Final = 1 << 24


class SliceMean(NamedTuple):
    """Hold a slice's mean, its 95 % interval, its difference from the mean of the rest, and the difference's p-value.

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
    """Compute the mean of each slice of one dataset, and test whether it differs from the mean of the rest, by slice number.

    The images of one photograph are drawn, and exchanged, together. The interval is the percentile interval over a slice's
    photographs drawn anew (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). The test exchanges
    slices' labels among all photographs; its statistic is the absolute difference of the means (Good, "Permutation, Parametric,
    and Bootstrap Tests of Hypotheses", 3rd edition 2005, chapter 3).

    `values` (n,) may be NaN where undefined. 0 draws leave intervals or p-values out; slices of less than `fewest` photographs
    have neither.
    """
    each, labels = np.asarray(values, dtype=np.float64), np.asarray(slices)
    groups = np.arange(len(each)) if photographs is None else np.unique(np.asarray(photographs), return_inverse=True)[1]
    known = np.isfinite(each)
    # Sum, count and slice label of the values of each photograph within each slice.
    pairs, unit = np.unique(np.stack([labels[known], groups[known]], axis=1), axis=0, return_inverse=True)
    sums = np.bincount(unit.reshape(-1), weights=each[known], minlength=len(pairs)).astype(np.float64)
    counts = np.bincount(unit.reshape(-1), minlength=len(pairs)).astype(np.float64)
    units = pairs[:, 0].astype(np.int64)
    # Slice labels exchanged among photographs, and |mean of the slice − mean of the rest| each time.
    null: dict[int, Float64Array] = {}
    known_slices, own = np.unique(units, return_inverse=True)
    if permutations and len(known_slices) > 1:
        differences = np.empty((permutations, len(known_slices)))
        for draw in range(permutations):
            shuffled = rng.permutation(own)
            total, n = (np.bincount(shuffled, weights=part, minlength=len(known_slices)) for part in (sums, counts))
            differences[draw] = np.abs(total / n - (sums.sum() - total) / (counts.sum() - n))
        null = {int(label): differences[:, column] for column, label in enumerate(known_slices)}
    found = {}
    for label in map(int, np.unique(labels)):
        inside = units == label
        count, own_units, others = int(counts[inside].sum()), int(inside.sum()), counts[~inside].sum()
        mean = float(sums[inside].sum() / count) if count else None
        ci = difference = p = None
        if own_units >= fewest and mean is not None:
            if bootstrap:
                # Photographs drawn anew, and the mean of the values in each draw.
                step, means = max(1, _COUNTS_AT_ONCE // own_units), []
                for at in spans(bootstrap, step):
                    drawn = resample_counts(own_units, at.stop - at.start, rng).T.astype(np.float64)
                    means.append((drawn @ sums[inside]) / (drawn @ counts[inside]))
                ci = interval(np.concatenate(means))
            if others:
                difference = float(mean - sums[~inside].sum() / others)
                p = p_value(abs(difference), null[label]) if label in null else None
        found[label] = SliceMean(count, own_units, mean, ci, difference, p)
    return found
