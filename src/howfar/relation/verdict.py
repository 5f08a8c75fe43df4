"""A trend in words: falls, rises, is consistent, or nothing can be told, with the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from howfar.errors import InputError
from howfar.relation.bootstrap_intervals import FEWEST
from howfar.relation.trend import FEWEST_IMAGES
from howfar.results import Coefficient, Trend, Verdict

Kind: TypeAlias = Literal["falls", "rises", "consistent", "none"]

SPAN = "from the nearest to the farthest image"


def verdict(
    trend: Trend | None, mean: float | None, *, tau: float, flat: float = 0.2, metric_name: str = "F", sets: int = 1
) -> Verdict:
    """Say how performance goes with distance, by the interval of its slope.

    Wholly below 0: it falls. Wholly above: it rises. Where the interval holds 0 performance is consistent only if mean
    performance is at least `tau`, as flat and low is flat too, **and** the whole interval lies within ±`flat`, as a few
    images give an interval that holds 0 and everything else. In all other cases there is no evidence either way, and the
    sentence says which condition failed.

    Parameters
    ----------
    trend
        As `howfar.relation.trend` gives it; None where there are too few images.
    mean
        Mean performance of the images; None where unknown.
    tau
        τ, the least mean performance that counts as consistent.
    flat
        The largest change over the whole range of distances that counts as none.
    metric_name
        What performance is called in the sentence.
    sets
        How many sets the trend is pooled over.

    Returns
    -------
    Verdict
        The kind and one sentence.

    Raises
    ------
    InputError
        `flat` is not positive, or `sets` below 1.

    Examples
    --------
    >>> falling = Trend(120, 120, Coefficient(-0.52, -0.65, -0.37), Coefficient(-0.36), Coefficient(-0.31, -0.4, -0.22), None)
    >>> print(verdict(falling, 0.62, tau=0.5).text)
    F falls with distance: it changes by −0.31 [−0.40, −0.22] from the nearest to the farthest image (mean F 0.62,
    Spearman −0.52 [−0.65, −0.37], 120 images)
    >>> few = Trend(9, 9, Coefficient(-0.1, -0.7, 0.6), Coefficient(-0.1), Coefficient(-0.05, -0.6, 0.5), None)
    >>> print(verdict(few, 0.8, tau=0.5).text)
    No evidence either way: the change of F from the nearest to the farthest image, −0.05 [−0.60, +0.50], may be 0 but also
    more than ±0.2 (mean F 0.80, Spearman −0.10 [−0.70, +0.60], 9 images)
    """
    if not flat > 0.0:
        raise InputError.of("flat", "must be above 0", flat)
    if sets < 1:
        raise InputError.of("sets", "must be at least 1", sets)
    missing = _missing(trend, metric_name)
    if trend is None or missing:
        return Verdict("none", f"No evidence either way: {missing}")
    known = None if mean is None or math.isnan(mean) else mean
    kind = _kind(trend.slope, known, tau, flat)
    words = _Words(trend, known, tau, flat, metric_name, sets)
    return Verdict(kind, f"{words.claim(kind)} ({words.numbers()}){words.besides(kind)}")


def summary(verdicts: Iterable[Verdict], metric_name: str = "F") -> str:
    """In how many of several sets performance falls, rises, is consistent, or tells nothing: one sentence.

    Parameters
    ----------
    verdicts
        One a set, at least one.
    metric_name
        What performance is called in the sentence.

    Raises
    ------
    InputError
        No verdict.

    Examples
    --------
    >>> summary([Verdict("falls", ""), Verdict("none", ""), Verdict("falls", ""), Verdict("rises", "")])
    'F falls with distance in 2 of 4 sets, rises in 1, gives no evidence either way in 1'
    """
    kinds = [one.kind for one in verdicts]
    if not kinds:
        raise InputError.of("verdicts", "must hold at least one", kinds)
    verbs = {"falls": "falls", "rises": "rises", "consistent": "is consistent", "none": "gives no evidence either way"}
    counts = [(verb, kinds.count(kind)) for kind, verb in verbs.items() if kind in kinds]
    of_all = f" of {len(kinds)} set{'' if len(kinds) == 1 else 's'}"
    parts = [f"{verb} in {count}" for verb, count in counts]
    first = parts[0].replace(" in ", " with distance in ", 1) if counts[0][0] in ("falls", "rises") else parts[0]
    return f"{_start(metric_name)} {', '.join([first + of_all, *parts[1:]])}"


@dataclass(frozen=True)
class _Words:
    """The pieces of one sentence."""

    trend: Trend
    mean: float | None
    tau: float
    flat: float
    metric: str
    sets: int

    def claim(self, kind: Kind) -> str:
        """What is said, with the slope."""
        change, within = _with_interval(self.trend.slope), " within sets" if self.sets > 1 else ""
        if kind in ("falls", "rises"):
            return f"{_start(self.metric)} {kind} with distance{within}: it changes by {change} {SPAN}"
        of_metric = f"the change of {self.metric} {SPAN}, {change},"
        if kind == "consistent":
            return (
                f"{_start(self.metric)} is consistent over distance{within}: {of_metric} may be 0 and is no more than "
                f"±{self.flat:g}, and mean {self.metric} is at least {self.tau:g}"
            )
        low = "is unknown" if self.mean is None else f"is below {self.tau:g}"
        if _flat(self.trend.slope, self.flat):
            return f"No evidence either way{within}: {of_metric} is no more than ±{self.flat:g}, but mean {self.metric} {low}"
        more = "" if _high(self.mean, self.tau) else f", and mean {self.metric} {low}"
        return f"No evidence either way{within}: {of_metric} may be 0 but also more than ±{self.flat:g}{more}"

    def numbers(self) -> str:
        """What else was measured."""
        images = f"{self.trend.n:,} images"
        of = "" if self.trend.groups == self.trend.n else f" of {self.trend.groups:,} photographs"
        found = [] if self.mean is None else [f"mean {self.metric} {self.mean:.2f}"]
        if self.trend.spearman.value is not None:
            found.append(f"Spearman {_with_interval(self.trend.spearman)}")
        return ", ".join([*found, images + of + (f" in {self.sets} sets" if self.sets > 1 else "")])

    def besides(self, kind: Kind) -> str:
        """What ranks say where it is something else, and whether the foreground share explains it."""
        ranks, fixed = _sign(self.trend.spearman), _sign(self.trend.partial)
        if not ranks:
            unsure = kind in ("falls", "rises") and ranks == 0
            return "; ranks alone do not show it, as Spearman's interval holds 0" if unsure else ""
        way = "falls" if ranks < 0 else "rises"
        text = ""
        if kind in ("falls", "rises") and kind != way:
            text = f"; Spearman contradicts it: by rank {self.metric} {way}"
        elif kind != way:
            text = f"; by rank {self.metric} {way}{', if by little' if _flat(self.trend.slope, self.flat) else ''}"
        if fixed is None or fixed == ranks:
            return text
        partial = f"partial Spearman {_with_interval(self.trend.partial)}" if self.trend.partial is not None else ""
        outcome = "the trend is not there" if fixed == 0 else "the trend goes the other way"
        return f"{text}; {outcome} once the foreground share is held fixed ({partial})"


def _missing(trend: Trend | None, metric: str) -> str:
    """Why there is no interval to judge by; empty where there is one."""
    if trend is None:
        return f"fewer than {FEWEST_IMAGES} images have a performance"
    if trend.slope.value is None:
        return "all images are equally far"
    if trend.slope.low is None or trend.slope.high is None:
        change = f"{metric} changes by {signed(trend.slope.value)} {SPAN}"
        what = "images" if trend.groups == trend.n else "photographs"
        if trend.groups < FEWEST:
            return f"{change}, but {trend.groups} {what} are too few for an interval (at least {FEWEST})"
        return f"{change}, but there is no interval that would tell how sure that is"
    return ""


def _kind(slope: Coefficient, mean: float | None, tau: float, flat: float) -> Kind:
    sign = _sign(slope)
    if sign:
        return "falls" if sign < 0 else "rises"
    return "consistent" if _high(mean, tau) and _flat(slope, flat) else "none"


def _high(mean: float | None, tau: float) -> bool:
    return mean is not None and mean >= tau


def _flat(slope: Coefficient, flat: float) -> bool:
    """Whether the whole interval lies within ±flat."""
    return slope.low is not None and slope.high is not None and -flat <= slope.low and slope.high <= flat


def _sign(one: Coefficient | None) -> int | None:
    """On which side of 0 the interval lies, 0 where it holds 0; None where there is none."""
    if one is None or one.low is None or one.high is None:
        return None
    return -1 if one.high < 0.0 else 1 if one.low > 0.0 else 0


def _with_interval(one: Coefficient) -> str:
    if one.value is None:
        return "undefined"
    if one.low is None or one.high is None:
        return signed(one.value)
    return f"{signed(one.value)} [{signed(one.low)}, {signed(one.high)}]"


def signed(value: float) -> str:
    """A number with its sign, to two decimals, or as many more as show that it is not 0, up to four.

    Examples
    --------
    >>> signed(0.123), signed(-0.5), signed(0.0), signed(-0.0031), signed(-1e-9)
    ('+0.12', '−0.50', '0.00', '−0.003', '−0.0000')
    """
    if value == 0.0:
        return "0.00"
    decimals = next((count for count in (2, 3) if round(value, count)), 4)
    return f"{value:+.{decimals}f}".replace("-", "−")


def _start(metric: str) -> str:
    return metric[:1].upper() + metric[1:]
