"""Compare two models' performance on a site, with an interval after each new label that is valid at any stopping time.

The difference d_i of two models' performance on image i cannot exceed a bound b_i in [0, 1] that their predictions give
without a label: 0 where both predict the same. Images are drawn one after another, each of those left with a chance in
proportion to its bound (successive sampling), so that labels go where predictions differ, and equal predictions cost none.
Under a total difference D the next d / b has the mean (D − Σ d seen) / (Σ b left), and lies in [−1, 1]: the bet of
`howfar.sampling.sequential` on it refutes D. So one may look after each label, and stop when one likes.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_row, check_level
from howfar.errors import InputError
from howfar.sampling.design import as_rng, as_shares
from howfar.sampling.sequential import MEANS, Capital, ConfidenceSequence, as_places, ordered

_ROUNDING = 1e-6


def order_by_bound(bounds: ArrayLike, *, seed: int | np.random.Generator = 0) -> NDArray[np.int64]:
    """Draw the random order in which to label the images on which two models may differ, (j,) positions of those with b > 0.

    Each next image is one of those left with a chance in proportion to its bound: the order of exponential times with these
    rates. Raises `InputError`: bounds outside [0, 1].

    Examples
    --------
    >>> from howfar.sampling import order_by_bound
    >>> sorted(order_by_bound([0.5, 0.0, 0.1]).tolist())
    [0, 2]
    """
    b = _as_bounds(bounds)
    differing = np.flatnonzero(b > 0.0)
    times = as_rng(seed).exponential(size=len(b))[differing] / b[differing]
    return np.asarray(differing[np.argsort(times, kind="stable")], dtype=np.int64)


def difference(
    values: ArrayLike, bounds: ArrayLike, images: ArrayLike, *, level: float = 0.9, half_width: float | None = None
) -> ConfidenceSequence:
    """Compute the interval of the mean difference of two models after each label, and whether the better one is known.

    `values` (t,) are performance of the first model less that of the second on the first t images of the order `images` that
    `order_by_bound` drew, NaN where there is none, which counts as 0; `bounds` (m,) are the largest differences possible. The
    mean is over all m images. All intervals hold together at confidence `level`. `settled` says "yes" where the first model is
    better, "no" where the second is, or "undecided"; with `half_width`, "yes" where the interval is as narrow. With all images
    labelled on which predictions differ, the difference is known exactly. Raises `InputError`: a difference above its bound.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import difference, order_by_bound
    >>> bounds = np.linspace(0, 0.6, 300)
    >>> images = order_by_bound(bounds)
    >>> known = difference(0.5 * bounds[images[:40]], bounds, images)
    >>> known.stop is not None, known.settled[-1], bool(known.low[-1] < 0.15 < known.high[-1])
    (True, 'yes', True)
    """
    b = _as_bounds(bounds)
    places = as_places(images, len(b)) if np.size(images) else np.zeros(0, dtype=np.int64)
    check_level(level)
    measured = np.nan_to_num(as_row(values, "values", undefined=True), nan=0.0) if np.size(values) else np.zeros(0)
    if measured.ndim != 1 or len(measured) > len(places):
        raise InputError.of("values", f"must be at most the {len(places)} images of the order", measured.shape)
    over = np.abs(measured) > b[places[: len(measured)]] + _ROUNDING
    if over.any():
        remedy = "are these the same predictions?"
        raise InputError.of("values", "must not exceed their bounds", float(measured[over][0]), remedy)
    low, high, value = _followed(measured, b, places, level)
    better = np.where(low > 0.0, "yes", np.where(high < 0.0, "no", "undecided"))
    settled = better if half_width is None else np.where((high - low) / 2.0 <= half_width, "yes", "undecided")
    return ConfidenceSequence(value, low, high, tuple(settled.tolist()), level)


def foreground_bound(first: ArrayLike, second: ArrayLike, both: ArrayLike) -> Float64Array:
    """Return the largest difference of two maps' F, whatever the truth, from their numbers of foreground pixels: (m,) each.

    The truth that favours a map of a pixels most is its y = a − c pixels that the other, of b pixels, does not predict, and x
    of the c that both do: its lead is 2 (y + x) / (a + y + x) − 2 x / (b + y + x), x being 0, c or where the derivative is 0.

    Examples
    --------
    >>> from howfar.sampling import foreground_bound
    >>> foreground_bound([10, 10, 0], [10, 10, 5], [10, 0, 0]).tolist()
    [0.0, 1.0, 1.0]
    """
    a, b, c = (np.asarray(x, dtype=np.float64) for x in (first, second, both))
    return np.asarray(np.maximum(_largest_lead(a, b, c), _largest_lead(b, a, c)))


def _largest_lead(a: Float64Array, b: Float64Array, c: Float64Array) -> Float64Array:
    y = a - c
    own, other = np.sqrt(a), np.sqrt(b + y)
    with np.errstate(invalid="ignore", divide="ignore"):
        still = np.nan_to_num((other * (a + y) - own * (b + y)) / (own - other), posinf=0.0, neginf=0.0)
        shared = np.stack([np.zeros_like(c), c, np.clip(still, 0.0, c)])
        leads = np.nan_to_num(2.0 * (y + shared) / (a + y + shared)) - np.nan_to_num(2.0 * shared / (b + y + shared))
    return np.asarray(leads.max(axis=0))


def _as_bounds(bounds: ArrayLike) -> Float64Array:
    b = as_shares(bounds, "bounds")
    if np.isnan(b).any():
        raise InputError.of(
            "bounds", "must not hold NaN", f"one at position {int(np.argmax(np.isnan(b)))}", "pass 1 where unknown"
        )
    return b


def _followed(
    values: Float64Array, bounds: Float64Array, places: NDArray[np.int64], level: float
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Compute the interval's ends and the estimate after each label: low, high, value."""
    m, total = len(bounds), float(bounds.sum())
    totals = (2.0 * MEANS - 1.0) * total  # every total difference that the bounds allow
    rises, falls = Capital(level), Capital(level)
    seen, left = 0.0, total
    low, high = -total, total
    rows, estimates = np.empty((3, len(values))), np.empty(len(values))
    for t, (value, place) in enumerate(zip(values, places, strict=False)):
        ratio = value / bounds[place]
        # The mean of the next ratio under each total, which lies within ±1 if the total is possible.
        means = (totals - seen) / max(left, 1e-300)
        rises.bet((ratio - means) / 2.0, (1.0 + means) / 2.0)
        falls.bet((means - ratio) / 2.0, (1.0 - means) / 2.0)
        estimates[t] = seen + ratio * left
        seen, left = seen + value, max(0.0, left - float(bounds[place]))
        low = max(low, seen - left, float(totals[max(0, rises.leading() - 1)]))
        high = min(high, seen + left, float(totals[min(len(totals) - 1, len(totals) - falls.trailing())]))
        ends = ordered(low, high)
        rows[:, t] = *ends, np.clip(estimates[: t + 1].mean(), *ends)
    if len(values) and len(values) == int((bounds > 0.0).sum()):
        rows[:, -1] = seen
    return rows[0] / m, rows[1] / m, rows[2] / m
