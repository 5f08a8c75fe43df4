"""Compute conformal p-values, percentiles and interval half-widths, and reject hypotheses at a false discovery rate."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_groups, as_row, check_level
from howfar.errors import InputError

# (n + 1) · level and k · error_rate / m are often whole or equal in exact arithmetic, and off by a rounding in floats.
_ROUNDING = 1e-9


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
    rank = math.ceil((len(ordered) + 1) * level - _ROUNDING)
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
    for position in np.flatnonzero((p < 0.0) | (p > 1.0))[:1]:
        raise InputError.of(f"p_values[{position}]", "must lie between 0 and 1", float(p[position]))
    rising = np.sort(p[~np.isnan(p)])
    allowed = np.arange(1, len(rising) + 1) * error_rate / max(len(rising), 1)
    below = np.flatnonzero(rising <= allowed * (1.0 + _ROUNDING))
    return np.asarray(p <= (rising[below[-1]] if len(below) else -1.0))
