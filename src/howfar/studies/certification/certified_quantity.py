"""Define what a certificate states (a mean, a ratio, a zone of good images, two models' difference), computed from labels."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar import sampling
from howfar.arrays import Float64Array, group_numbers
from howfar.data.image_and_mask_folders import path_text
from howfar.errors import InputError, option
from howfar.metrics import THRESHOLDS
from howfar.random_streams import stream
from howfar.results.certificate_result import DECIDED, Certificate, SampledImage, Step, Zone
from howfar.sampling.design import filled
from howfar.significance.bootstrap import FEW_GROUPS, widening
from howfar.tasks.task import Measure, Pair, SampleMeasures

_BARE = re.compile(r"\d*\.?\d+")
_FORMS = 'write ±0.05 (+-0.05, 0.05) or "F >= 0.6"'
_AHEAD, _FUTURES = 400, 5
"""How many labels ahead are looked, in how many futures."""
ORDER, PERFORMANCE, SIZE, ZONE, DIFFER = "order", "performance", "size", "zone", "differ"
"""How a sample may be drawn."""
OF_IMAGES = ("mean", "mean_f", "f", "ods", "accuracy", "mean_f1")
"""Measures of which an image's own value is its performance, as estimators predict it."""


VALUES = Measure("mean", "mean performance", "mean")
"""The mean of values in memory."""
SHORT = {
    "mean_f": "F", "mean_iou": "IoU", "mean_precision": "precision", "mean_recall": "recall", "ois": "OIS", "mean_f1": "F1",
}  # fmt: skip
"""What people call a metric in a question."""


def parse_until(
    text: str | float | None, metric: str | None = None, short: str = "F"
) -> tuple[str | None, sampling.Until | None]:
    """Parse the goal that ends labelling (a half width, or a level of `metric`, also named `short`): its text, and its rule."""
    if text is None:
        return None, None
    written = str(text).strip()
    if written == DECIDED and metric is not None:
        return DECIDED, None
    try:
        rule = sampling.Until.parse(f"±{written}" if _BARE.fullmatch(written) else written)
    except InputError as error:
        raise InputError.of("until", "must be a half width or a performance between 0 and 1", text, _FORMS) from error
    if rule.kind == "half width":
        return f"±{rule.value:g}", rule
    name = (re.match(r"[A-Za-z]\w*", written) or [short])[0]
    if metric is not None and name.lower() not in (metric.lower(), short.lower()):
        remedy = f"write '{short} >= 0.6', or certify another metric"
        raise InputError.of("until", f"must be asked of what is certified ({metric})", text, remedy)
    return f"{name} {'>=' if rule.kind == 'at least' else '<='} {rule.value:g}", rule


@dataclass(frozen=True)
class Question:
    """Hold the question to certify: the measure, the interval's level, and the goal that ends labelling with its rule.

    `zone` is the performance asked for and the share of images that may have less; `against` the predictions of a second model.
    """

    measure: Measure
    level: float
    until: str | None = None
    rule: sampling.Until | None = None
    zone: tuple[float, float] | None = None
    against: str | Path | None = None

    @property
    def design(self) -> str:
        """Return how its sample is drawn: for zones, for two models, in random order to look at each label, or in strata."""
        if self.zone is not None:
            return ZONE
        if self.against is not None:
            return DIFFER
        return ORDER if self.until is not None else PERFORMANCE if self.measure.kind == "mean" else SIZE

    def words(self, measure: str) -> str:
        """Describe the certified quantity in words: the measure, a zone of images by the measure, or two models' difference."""
        if self.zone is not None:
            limit, wrong = self.zone
            name = measure.removeprefix("mean ")
            return f"zone in which at most {100 * wrong:g} % of images score less than {limit:g} in {name}"
        return measure if self.against is None else f"{measure}, less that of {path_text(Path(self.against))}"


def asked(measure: Measure, means: str, given: Mapping[str, Any], against: str | Path | None) -> Question:
    """Build the question that checked options ask; raise `InputError` for one that cannot be asked.

    `means` lists the task's measures that are means.
    """
    zone = zone_asked(given)
    until = DECIDED if against is not None and given["until"] is None else given["until"]
    text, ends = parse_until(until, measure.name, SHORT.get(measure.name, measure.name))
    for name in ("zone", "against") if measure.kind != "mean" or given["group"] is not None else ():
        if {"zone": zone, "against": against}[name] is not None:
            other, rule = ("metric", f"must be {means}") if measure.kind != "mean" else ("group", "must be left out")
            raise InputError.of(other, f"{rule} with {option(name)}", given[other] or measure.name)
    if zone is not None and (against is not None or text is not None):
        other = "against" if against is not None else "until"
        raise InputError.of("zone", f"cannot be asked with {option(other)}", "both", "leave one of them out")
    if against is not None and ends is not None and ends.kind != "half width":
        raise InputError.of("until", "must be decided or a half width where two models are compared", given["until"])
    if against is None and text is not None and ends is None:
        raise InputError.of("until", "can be decided between two models only", given["until"], "pass --against DIR")
    if text is not None and measure.kind != "mean":
        remedy = f"certify {means}, or leave it out"
        raise InputError.of("until", "can be asked of a mean over images only", measure.name, remedy)
    if text is not None and given["group"] is not None:
        raise InputError.of("group", "is of no use where one looks after each label", given["group"], "leave it out")
    return Question(measure, given["level"], text, ends, zone, against)


def zone_asked(given: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the performance asked of a zone's images and the share that may have less; None if no zone is asked for."""
    if given["zone"] and given["at_least"] is None:
        raise InputError.of("at_least", "must be given with a zone", None, "pass --at-least 0.6")
    if given["at_least"] is not None and not given["zone"]:
        raise InputError.of("at_least", "is of use only to a zone", given["at_least"], "pass --zone")
    return (given["at_least"], given["wrong"]) if given["zone"] else None


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
    values, level, rule = measured.values, question.level, question.rule
    if zone is not None:
        tested = replace(zone, tests=sampling.zone_tests(zone, values))
        known = tested.certified or any(test.passed is False for test in tested.tests)
        tests = (Step(len(values), tested.certified / len(zone.ranking), None, None),) if known else ()
        blank = int(np.isnan(values).sum())
        are = "1 labelled image has" if blank == 1 else f"{blank} labelled images have"
        note = f"{are} nothing to find, and no performance: counted as not below {zone.at_least:g}"
        return Looks(tests, values, notes=(note,) if blank else (), zone=tested)
    if question.against is not None and not drawn:  # equal predictions differ by nothing
        return Looks((Step(0, 0.0, 0.0, 0.0),), values)
    if (question.until is not None or question.against is not None) and not len(values):
        return Looks((), values)
    images = np.array([one.index for one in drawn], dtype=np.int64)
    if question.against is not None:
        half = None if rule is None else rule.value
        return Looks(_followed(sampling.difference(values, proxies, images, level=level, half_width=half)), values)
    if question.until is not None:
        steps = _followed(sampling.sequence(values, proxies, images, level=level, until=rule))
        return Looks(steps, values, None if steps[-1].settled else labels_needed(values, proxies, images, level, rule))
    # The best ratio over thresholds is looked at once, with all labels.
    sample, best = sample_of(drawn), question.measure.kind == "best"
    expected_parts = np.zeros((2, 0, 0)) if expected is None else np.stack(expected)
    looks, notes = list[Step](), list[str]()
    for count in range(max(1, len(measured)) if best else 1, len(measured) + 1):
        part, found = first(sample, count), None
        above, below = (side[:count] for side in measured.parts or (np.zeros((0, 1)), np.zeros((0, 1))))
        if part is not None and best and below[:, 0].any():
            found, place = sampling.ods(above, below, expected_parts, part, level=level)
            notes.append(
                f"the best threshold is {THRESHOLDS[place]:.2f} by these labels; the best of many estimates lies above the "
                "true best on average, the more the fewer labels"
            )
        elif part is not None and not best and np.isfinite(values[:count]).any():
            if measured.parts is None:
                found = sampling.mean(values[:count], proxies, part, level=level)
            elif below[:, 0].any():
                found = sampling.ratio(above[:, 0], below[:, 0], expected_parts[..., 0], part, level=level)
        if found is not None:
            looks.append(Step(count, found.value, found.low, found.high))
        elif not best:
            looks.append(Step(count, None, None, None))
    return Looks(tuple(looks), values, notes=tuple(notes))


def _followed(known: sampling.ConfidenceSequence) -> tuple[Step, ...]:
    settled = known.settled or ("undecided",) * len(known.value)
    rows = zip(known.value.tolist(), known.low.tolist(), known.high.tolist(), settled, strict=True)
    return tuple(
        Step(count, value, low, high, None if said == "undecided" else said)
        for count, (value, low, high, said) in enumerate(rows, start=1)
    )


def share_below(certificate: Certificate, limit: float) -> tuple[sampling.Estimate, int] | None:
    """Estimate by a certificate's labels the share of images below a limit, and count them; None if it is of no performance."""
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
        known = sampling.sequence(values, proxies, sample.indices, level=certificate.level)
        estimate = sampling.Estimate(float(known.value[-1]), float(known.low[-1]), float(known.high[-1]))
    else:
        estimate = sampling.mean(values, proxies, sample, level=certificate.level)
    return estimate, int(np.nansum(values))


def labels_needed(
    values: Float64Array, proxies: Float64Array, order: NDArray[np.int64], level: float, rule: sampling.Until | None
) -> int | None:
    """Estimate the number of further labels that settle the question if the site continues as it began.

    The median of five futures, whose labels repeat the residuals of known ones; None if unsettled within 400 labels.
    """
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return None
    predicted = filled(proxies)
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
        stop = sampling.sequence(np.concatenate([values, future]), proxies, images, level=level, until=rule).stop
        needed.append(np.inf if stop is None else stop - count)
    middle = float(np.median(needed))
    return None if middle == np.inf else max(1, round(middle))


def sample_of(drawn: Sequence[SampledImage]) -> sampling.Sample:
    """Convert the recorded sample to the form that estimators take."""
    columns = (np.array([getattr(one, name) for one in drawn]) for name in ("index", "probability", "stratum"))
    return sampling.Sample(*columns)


def first(sample: sampling.Sample, count: int) -> sampling.Sample | None:
    """Return the first `count` images in random order as a sample; None if a stratum would be empty.

    The first c_h images of a stratum are a simple random sample of it, each with the chance c_h / N_h.
    """
    strata = sample.strata[:count]
    if set(strata.tolist()) != set(sample.strata.tolist()):
        return None
    sizes = {h: np.sum(sample.strata == h) / sample.probabilities[sample.strata == h][0] for h in set(strata.tolist())}
    shares = np.array([np.sum(strata == h) / sizes[h] for h in strata.tolist()])
    return sampling.Sample(sample.indices[:count], shares, strata)


def group_notes(question: Question, found: Looks, drawn: Sequence[SampledImage], groups: Sequence[str]) -> Iterator[str]:
    """Say what the labels show of further groups (scenes, patients, clips) than a site's own, where its images have groups."""
    numbers = group_numbers(groups)
    if numbers is None or not len(found.values):
        return
    own = f"the answer is of the site's own {len(groups):,} images, and holds however alike those of one group are"
    part = first(sample_of(drawn), len(found.values)) if question.design == PERFORMANCE else None
    if part is None or not np.isfinite(found.values).any():
        yield f"{own}; of other groups it says nothing"
        return
    beyond = sampling.further_groups(found.values, part, numbers, level=question.level)
    labelled = numbers[part.indices[np.isfinite(found.values)]]
    count = len(np.unique(labelled))
    few = ""
    if 1 < count < FEW_GROUPS:
        few = f": {count} labelled groups make that {widening([1.0], [count], question.level):.2g} times as wide as many would"
    yield f"{own}; for other groups like these the interval is {beyond.low:.2f} to {beyond.high:.2f}{few}"
