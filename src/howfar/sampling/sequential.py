"""Estimate mean performance, or the difference of two models, after each new label, with intervals valid at any stopping time.

Images are labelled in random order. To test that the site's mean is μ, a gambler bets on each next value at odds that are fair
under μ, given all labels so far: of the m − t images that are left the mean must then be what makes the whole come out at μ.
Capital that ever reaches 2 / (1 − level) refutes μ; by Ville's inequality a true μ is refuted, at any time, with a chance of
at most (1 − level) / 2 on each side. So one may look after each label and stop when one likes.

The bet is on y − λ (p − p̄), p̄ the mean prediction of the images that are left, with a λ fitted to the labels before: good
predictions take away most of what varies, bad ones get λ = 0. Capital is the mean over a row of stakes, so that none has to be
guessed. Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86
(2024), section 5 (without replacement), https://arxiv.org/abs/2010.09686; control variates in bets: Waudby-Smith, Stark &
Ramdas, "RiLACS: risk limiting audits via confidence sequences", E-Vote-ID (2021), https://arxiv.org/abs/2107.11323.

The difference d_i of two models' performance on image i cannot exceed a bound b_i in [0, 1] that their predictions give
without a label: 0 where both predict the same. Images are then drawn one after another, each of those left with a chance in
proportion to its bound (successive sampling), so that labels go where predictions differ, and equal predictions cost none.
Under a total difference D the next d / b has the mean (D − Σ d seen) / (Σ b left), and lies in [−1, 1]: the same bet on it
refutes D.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howfar.arrays import Float64Array, as_row, check_level
from howfar.errors import InputError
from howfar.sampling.design import as_count, as_rng, as_shares, filled
from howfar.sampling.estimates import SHARES_STAKED

_TEXT = re.compile(r"(?:(?P<width>±|\+/-|\+-)|(?P<name>[A-Za-z]\w*)?\s*(?P<sign>>=|<=|≥|≤))\s*(?P<value>\d*\.?\d+)")
_SIGNS = {">=": "at least", "≥": "at least", "<=": "at most", "≤": "at most"}


@dataclass(frozen=True)
class Until:
    """Hold a stopping rule for labelling.

    `kind` is "half width" (the interval's half width is at most `value`), or "at least" or "at most" (the mean is, or is not).
    Raises `InputError` for another kind, or a value outside (0, 1).
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in ("half width", "at least", "at most"):
            raise InputError.of("kind", 'must be "half width", "at least" or "at most"', self.kind)
        if not isinstance(self.value, Real) or not 0.0 < self.value < 1.0:
            raise InputError.of("until", "must name a value between 0 and 1", self.value)

    @classmethod
    def parse(cls, text: str) -> Until:
        """Parse a rule from text such as "±0.05" or "F >= 0.6"; raises `InputError` for a text that is no rule."""
        found = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise InputError.of("until", "must read like ±0.05, F >= 0.6 or F <= 0.3", text)
        kind = "half width" if found["width"] else _SIGNS[found["sign"]]
        return cls(kind, float(found["value"]))

    def settled(self, low: float, high: float) -> str:
        """Return whether an interval settles the rule: "yes", "no" or "undecided"."""
        if self.kind == "half width":
            return "yes" if (high - low) / 2.0 <= self.value else "undecided"
        met, broken = (
            (low >= self.value, high < self.value) if self.kind == "at least" else (high <= self.value, low > self.value)
        )
        return "yes" if met else "no" if broken else "undecided"


MEANS = np.linspace(0.0, 1.0, 1001)
_SHARES = np.minimum(SHARES_STAKED, 0.995)[:, None]
_PRIOR_LABELS = 4.0
_TINY = 1e-12
_LIMIT = 1e9


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Hold the estimate and its interval after 1, 2 … t labels, (t,) each; all intervals hold together with the chance `level`.

    `settled` is "yes", "no" or "undecided" after each label; empty where no rule was given.
    """

    value: Float64Array
    low: Float64Array
    high: Float64Array
    settled: tuple[str, ...]
    level: float

    @property
    def stop(self) -> int | None:
        """Return the number of labels after which the rule was settled; None if undecided."""
        return next((count for count, said in enumerate(self.settled, 1) if said != "undecided"), None)


def order(m: int, *, seed: int | np.random.Generator = 0) -> NDArray[np.int64]:
    """Draw the random order in which to label a site's m images until a question is settled.

    Raises `InputError`: fewer than one image.

    Examples
    --------
    >>> from howfar.sampling import order
    >>> sorted(order(4).tolist())
    [0, 1, 2, 3]
    """
    return np.asarray(as_rng(seed).permutation(as_count(m, "m")))


def sequence(
    values: ArrayLike, proxy: ArrayLike, images: ArrayLike, *, level: float = 0.9, until: Until | str | None = None
) -> ConfidenceSequence:
    """Compute the interval of mean performance after each label, and whether the stopping rule is settled.

    `values` (t,) are the performance of the first t images of the order, 0 to 1, NaN for an image that has none; `proxy` (m,)
    is the predicted performance of all images, NaN where there is none; `images` is the order in which images are labelled,
    drawn by `order` before any label was seen: (m,), or its first t or more.

    All intervals together hold at confidence `level`; each end is false with a chance of at most (1 − level) / 2. `until` is an
    `Until` or its text: "±0.05", "F >= 0.6", "F <= 0.3". A rule "F >= 0.6" is said to be met, or broken, wrongly with a chance
    of at most (1 − level) / 2 each. Raises `InputError`: values or predictions outside [0, 1], more values than images in the
    order, or an order that names an image twice or one that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from howfar.sampling import order, sequence
    >>> proxy = np.linspace(0.5, 1, 200)
    >>> images = order(200)
    >>> known = sequence(proxy[images[:30]], proxy, images, until="F >= 0.6")
    >>> known.stop is not None, known.settled[-1], bool(known.low[-1] <= proxy.mean() <= known.high[-1])
    (True, 'yes', True)
    """
    predicted = filled(as_shares(proxy, "proxy"))
    places = as_places(images, len(predicted))
    measured = as_shares(values, "values")
    if len(measured) > len(places):
        raise InputError.of("values", f"must be at most the {len(places)} images of the order", len(measured))
    check_level(level)
    rule = until if until is None or isinstance(until, Until) else Until.parse(until)
    bets, left = Bets(level, MEANS), np.ones(len(predicted), dtype=bool)
    rows = np.empty((3, len(measured)))
    seen, spread = np.zeros(len(MEANS)), float(predicted.var())
    for t, (value, place) in enumerate(zip(measured, places, strict=False)):
        rest = predicted[left]
        weight = _weight(measured[:t], predicted[places[:t]], spread)
        centre = float(rest.mean())
        # Under μ the deviations y − μ of all images sum to 0 (0 where there is no value); the rest make up for those seen.
        owed = -seen / len(rest)
        shift = weight * (predicted[place] - centre)
        deviation = np.where(np.isnan(value), 0.0, value - MEANS)
        ends = weight * (float(rest.min()) - centre), weight * (float(rest.max()) - centre)
        bets.bet(deviation - shift - owed, MEANS + ends[1] + owed, 1.0 - MEANS - ends[0] - owed)
        seen += deviation
        left[place] = False
        known = np.isfinite(measured[: t + 1])
        point = 0.5
        if known.any():
            lead = predicted.mean() - predicted[places[: t + 1][known]].mean()
            point = float(measured[: t + 1][known].mean() + weight * lead)
        rows[:, t] = *bets.ends(), point
    low, high, points = rows[0], rows[1], np.clip(rows[2], rows[0], rows[1])
    if len(measured) == len(predicted) and np.isfinite(measured).any():
        low[-1] = high[-1] = points[-1] = np.nanmean(measured)
    settled = () if rule is None else tuple(rule.settled(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True))
    return ConfidenceSequence(points, low, high, settled, level)


def as_places(images: ArrayLike, m: int) -> NDArray[np.int64]:
    """Validate an order of images as positions below m, each at most once."""
    places = np.asarray(images)
    if places.ndim != 1 or not len(places) or not np.issubdtype(places.dtype, np.integer):
        raise InputError.of("images", "must be one row of positions of images", places.shape, "draw it by order(m)")
    if places.min() < 0 or places.max() >= m or len(np.unique(places)) < len(places):
        raise InputError.of("images", f"must name each image once, by its position from 0 to {m - 1}", "one twice or outside")
    return places.astype(np.int64)


class Bets:
    """Hold the betting capital on a higher and on a lower mean, (2, stakes, means), and the means of a grid that it refutes."""

    def __init__(self, level: float, means: Float64Array) -> None:
        self._means, self._needed = means, 2.0 / (1.0 - level) * len(_SHARES)
        self._low, self._high = float(means[0]), float(means[-1])
        self._staked = np.ones((2, len(_SHARES), len(means)))
        self._refuted = np.zeros((2, len(means)), dtype=bool)

    def bet(self, gains: Float64Array, fall: Float64Array, rise: Float64Array) -> None:
        """Multiply capital by 1 + stake · gain / worst, capped; `fall` and `rise` are the largest possible loss of each bet."""
        worst = np.maximum(np.stack([fall, rise]), _TINY)
        shares = np.clip(np.stack([gains, -gains]) / worst, -1.0, _LIMIT)
        self._staked *= 1.0 + _SHARES * shares[:, None]
        np.minimum(self._staked, _LIMIT, out=self._staked)
        self._refuted |= self._staked.sum(axis=1) >= self._needed

    def ends(self, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
        """Narrow the interval to means not refuted, and to `least` and `most`; ends that cross become their midpoint twice."""
        above, below = (np.flatnonzero(~refuted) for refuted in self._refuted)
        last = len(self._means) - 1
        self._low = max(self._low, least, float(self._means[max(0, above[0] - 1) if len(above) else last]))
        self._high = min(self._high, most, float(self._means[min(last, below[-1] + 1) if len(below) else 0]))
        middle = (self._low + self._high) / 2.0
        return (self._low, self._high) if self._low <= self._high else (middle, middle)


def _weight(values: Float64Array, predicted: Float64Array, spread: float) -> float:
    """Fit λ to the labels so far: cov(y, p) / var(p), clipped to [0, 1], with a prior of a few labels at λ = 0.5."""
    known = np.isfinite(values)
    if spread <= 0.0:
        return 0.0
    prior = _PRIOR_LABELS * spread
    if known.sum() < 2:
        return 0.5
    y, p = values[known] - values[known].mean(), predicted[known] - predicted[known].mean()
    return float(np.clip((float(y @ p) + 0.5 * prior) / (float(p @ p) + prior), 0.0, 1.0))


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
    m, total = len(b), float(b.sum())
    totals = (2.0 * MEANS - 1.0) * total  # every total difference that the bounds allow
    bets, seen, left = Bets(level, totals), 0.0, total
    rows, estimates = np.empty((3, len(measured))), np.empty(len(measured))
    for t, (value, place) in enumerate(zip(measured, places, strict=False)):
        ratio = value / b[place]
        # The mean of the next ratio under each total, which lies within ±1 if the total is possible.
        means = (totals - seen) / max(left, 1e-300)
        bets.bet((ratio - means) / 2.0, (1.0 + means) / 2.0, (1.0 - means) / 2.0)
        estimates[t] = seen + ratio * left
        seen, left = seen + value, max(0.0, left - float(b[place]))
        ends = bets.ends(seen - left, seen + left)
        rows[:, t] = *ends, np.clip(estimates[: t + 1].mean(), *ends)
    if len(measured) and len(measured) == int((b > 0.0).sum()):
        rows[:, -1] = seen
    low, high, points = rows / m
    better = np.where(low > 0.0, "yes", np.where(high < 0.0, "no", "undecided"))
    settled = better if half_width is None else np.where((high - low) / 2.0 <= half_width, "yes", "undecided")
    return ConfidenceSequence(points, low, high, tuple(settled.tolist()), level)


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
        received = f"one at position {int(np.argmax(np.isnan(b)))}"
        raise InputError.of("bounds", "must not hold NaN", received, "pass 1 where unknown")
    return b
