"""Say what a certificate is asked, and answer from the labels of its sample: a mean, a ratio, a zone, a difference."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.metrics import THRESHOLDS
from howfar.results.certificate_result import DECIDED, Certificate, SampledImage, Step, Zone
from howfar.sampling import ConfidenceSequence, Estimate, Sample, Until, difference, mean, ods, ratio, sequence, zone_tests
from howfar.streams import stream
from howfar.tasks.task import Measure, Pair, SampleMeasures

_BARE = re.compile(r"\d*\.?\d+")
_FORMS = 'write ±0.05 (+-0.05, 0.05) or "F >= 0.6"'
_AHEAD, _FUTURES = 400, 5
"""How many labels ahead are looked, in how many futures."""
ORDER, PERFORMANCE, SIZE, ZONE, DIFFER = "order", "performance", "size", "zone", "differ"
"""How a sample may be drawn."""
OF_IMAGES = ("mean", "mean_f", "f", "ods", "accuracy", "mean_f1")
"""Measures of which an image's own value is its performance, as estimators predict it."""


@dataclass(frozen=True)
class Goal:
    """Hold a rule that ends labelling, None to name the better of two models, and its text."""

    rule: Until | None
    text: str


VALUES = Measure("mean", "mean performance", "mean")
"""The mean of values in memory."""
SHORT = {
    "mean_f": "F", "mean_iou": "IoU", "mean_precision": "precision", "mean_recall": "recall", "ois": "OIS", "mean_f1": "F1",
}  # fmt: skip
"""What people call a metric in a question."""


def parse_until(text: str | float | None, metric: str | None = None, short: str = "F") -> Goal | None:
    """Parse the goal that ends labelling (a half width, or a level of `metric`, also named `short`); None without a goal."""
    if text is None:
        return None
    written = str(text).strip()
    if written == DECIDED and metric is not None:
        return Goal(None, DECIDED)
    try:
        rule = Until.parse(f"±{written}" if _BARE.fullmatch(written) else written)
    except InputError as error:
        raise InputError.of("until", "must be a half width or a performance between 0 and 1", text, _FORMS) from error
    if rule.kind == "half width":
        return Goal(rule, f"±{rule.value:g}")
    name = (re.match(r"[A-Za-z]\w*", written) or [short])[0]
    if metric is not None and name.lower() not in (metric.lower(), short.lower()):
        remedy = f"write '{short} >= 0.6', or certify another metric"
        raise InputError.of("until", f"must be asked of what is certified ({metric})", text, remedy)
    return Goal(rule, f"{name} {'>=' if rule.kind == 'at least' else '<='} {rule.value:g}")


@dataclass(frozen=True)
class Question:
    """Hold the question to certify: the measure, the interval's level, and the goal that ends labelling.

    `zone` is the performance asked for and the share of images that may have less; `against` the predictions of a second model.
    """

    measure: Measure
    level: float
    goal: Goal | None
    zone: tuple[float, float] | None = None
    against: str | Path | None = None


def design_of(question: Question) -> str:
    """Return the design of a sample: for zones, for two models, in random order if each label is looked at, else in strata."""
    if question.zone is not None:
        return ZONE
    if question.against is not None:
        return DIFFER
    return ORDER if question.goal is not None else PERFORMANCE if question.measure.kind == "mean" else SIZE


@dataclass(frozen=True, eq=False)
class Looks:
    """Hold the estimate after each number of labels, and each labelled image's own value (nan if undefined)."""

    steps: tuple[Step, ...]
    values: Float64Array
    needed: int | None = None
    notes: tuple[str, ...] = ()
    zone: Zone | None = None

    @property
    def last(self) -> Step:
        """Return the most recent estimate."""
        return self.steps[-1] if self.steps else Step(0, None, None, None)


def look(
    question: Question,
    measured: SampleMeasures,
    drawn: Sequence[SampledImage],
    proxies: Float64Array,
    zone: Zone | None = None,
    expected: Pair | None = None,
) -> Looks:
    """Answer a question after each label; the labelled images are the first of the drawn ones.

    `measured` holds differences where two models are compared. `zone` are the zones that the sample was drawn to test.
    """
    values, level, goal = measured.values, question.level, question.goal
    if zone is not None:
        return _look_for_zone(zone, values)
    if question.against is not None:
        return _look_at_difference(question, values, proxies, [one.index for one in drawn])
    sample = sample_of(drawn)
    if goal is None and question.measure.kind == "best":
        return _best(question, measured, sample, expected)
    if goal is None:
        counts = range(1, len(measured) + 1)
        found = [_estimate(question, measured, count, proxies, sample, expected) for count in counts]
        return Looks(tuple(_step(count, one) for count, one in zip(counts, found, strict=True)), values)
    if not len(measured):
        return Looks((), values)
    steps = _followed(sequence(values, proxies, sample.indices, level=level, until=goal.rule))
    needed = labels_needed(values, proxies, sample.indices, level, goal) if steps[-1].settled is None else None
    return Looks(steps, values, needed)


def _look_for_zone(zone: Zone, values: Float64Array) -> Looks:
    tested = replace(zone, tests=zone_tests(zone, values))
    known = tested.certified or any(test.passed is False for test in tested.tests)
    steps = (Step(len(values), tested.certified / len(zone.ranking), None, None),) if known else ()
    blank = int(np.isnan(values).sum())
    are = "1 labelled image has" if blank == 1 else f"{blank} labelled images have"
    note = f"{are} nothing to find, and no performance: counted as not below {zone.at_least:g}"
    return Looks(steps, values, notes=(note,) if blank else (), zone=tested)


def _look_at_difference(question: Question, values: Float64Array, bounds: Float64Array, images: Sequence[int]) -> Looks:
    rule = None if question.goal is None else question.goal.rule
    if not images:  # equal predictions differ by nothing
        return Looks((Step(0, 0.0, 0.0, 0.0),), values)
    if not len(values):
        return Looks((), values)
    half = None if rule is None else rule.value
    return Looks(_followed(difference(values, bounds, images, level=question.level, half_width=half)), values)


def _followed(known: ConfidenceSequence) -> tuple[Step, ...]:
    settled = known.settled or ("undecided",) * len(known.value)
    rows = zip(known.value.tolist(), known.low.tolist(), known.high.tolist(), settled, strict=True)
    return tuple(
        Step(count, value, low, high, None if said == "undecided" else said)
        for count, (value, low, high, said) in enumerate(rows, start=1)
    )


def share_below(certificate: Certificate, limit: float) -> tuple[Estimate, int] | None:
    """Estimate the share of a site's images with performance below a limit by a certificate's labels; return it with the count.

    None if the certificate's values are no performance.
    """
    drawn = [one for one in certificate.sample if one.labelled]
    sample = first(sample_of(certificate.sample), len(drawn)) if drawn else None
    if (
        certificate.metric not in OF_IMAGES
        or certificate.design in (ZONE, DIFFER)
        or sample is None
        or all(one.performance is None for one in drawn)
    ):
        return None
    values, proxies = (
        np.array([math.nan if value is None else float(value < limit) for value in several])
        for several in ([one.performance for one in drawn], certificate.site.proxies)
    )
    if certificate.anytime:
        known = sequence(values, proxies, sample.indices, level=certificate.level)
        estimate = Estimate(float(known.value[-1]), float(known.low[-1]), float(known.high[-1]))
    else:
        estimate = mean(values, proxies, sample, level=certificate.level)
    return estimate, int(np.nansum(values))


def labels_needed(
    values: Float64Array, proxies: Float64Array, order: NDArray[np.int64], level: float, goal: Goal
) -> int | None:
    """Estimate the number of further labels that settle the question if the site continues as it began.

    The median of five futures, whose labels repeat the residuals of known ones; None if unsettled within 400 labels.
    """
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return None
    predicted = np.where(np.isnan(proxies), np.nanmean(proxies) if np.isfinite(proxies).any() else 0.5, proxies)
    own = predicted[order[known]]
    slope = float(np.clip(np.cov(values[known], own)[0, 1] / np.var(own, ddof=1), 0, 1)) if np.ptp(own) > 0 else 0.0
    residuals = values[known] - slope * own
    count = len(values)
    rest = np.setdiff1d(np.arange(len(predicted)), order[:count])
    rng = stream(count, "labels still needed")
    needed = []
    for _ in range(_FUTURES):
        coming = rng.permutation(rest)[:_AHEAD]
        future = np.clip(slope * predicted[coming] + rng.choice(residuals, len(coming)), 0.0, 1.0)
        images = np.concatenate([order[:count], coming])
        stop = sequence(np.concatenate([values, future]), proxies, images, level=level, until=goal.rule).stop
        needed.append(np.inf if stop is None else stop - count)
    middle = float(np.median(needed))
    return None if middle == np.inf else max(1, round(middle))


def sample_of(drawn: Sequence[SampledImage]) -> Sample:
    """Convert the recorded sample to the form that estimators take."""
    return Sample(
        np.array([one.index for one in drawn], dtype=np.int64),
        np.array([one.probability for one in drawn]),
        np.array([one.stratum for one in drawn], dtype=np.int64),
    )


def first(sample: Sample, count: int) -> Sample | None:
    """Return the first `count` images in random order as a sample; None if a stratum would be empty.

    The first c_h images of a stratum are a simple random sample of it, each with the chance c_h / N_h.
    """
    strata = sample.strata[:count]
    if set(strata.tolist()) != set(sample.strata.tolist()):
        return None
    sizes = {h: np.sum(sample.strata == h) / sample.probabilities[sample.strata == h][0] for h in set(strata.tolist())}
    shares = np.array([np.sum(strata == h) / sizes[h] for h in strata.tolist()])
    return Sample(sample.indices[:count], shares, strata)


def _estimate(
    question: Question, measured: SampleMeasures, count: int, proxies: Float64Array, sample: Sample, expected: Pair | None
) -> Estimate | None:
    """Estimate from the first `count` labels; return None if they are too few."""
    part, values = first(sample, count), measured.values[:count]
    if part is None or not np.isfinite(values).any():
        return None
    if measured.parts is None:
        return mean(values, proxies, part, level=question.level)
    above, below = (side[:count, 0] for side in measured.parts)
    return ratio(above, below, _stacked(expected)[..., 0], part, level=question.level) if below.any() else None


def _best(question: Question, measured: SampleMeasures, sample: Sample, expected: Pair | None) -> Looks:
    """Estimate the best ratio over thresholds from all labels."""
    part = first(sample, len(measured)) if len(measured) else None
    if part is None or measured.parts is None or not measured.parts[1][:, 0].any():
        return Looks((), measured.values)
    found, place = ods(*measured.parts, _stacked(expected), part, level=question.level)
    notes = (
        f"the best threshold is {THRESHOLDS[place]:.2f} by these labels; the best of many estimates lies above the true best "
        "on average, the more the fewer labels",
    )
    return Looks((_step(len(measured), found),), measured.values, notes=notes)


def _stacked(expected: Pair | None) -> Float64Array:
    """Return expected numerators and denominators as one array, (2, m, t)."""
    return np.stack(expected) if expected is not None else np.zeros((2, 0, 0))


def _step(count: int, found: Estimate | None) -> Step:
    return Step(count, None, None, None) if found is None else Step(count, found.value, found.low, found.high)
