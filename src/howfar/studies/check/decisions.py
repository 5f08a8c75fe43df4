"""Decide by rules whether a dataset passes, breaches a rule, or is undecided and needs more labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

import numpy as np
from scipy.stats import norm

from howfar.pipeline.scorer import CONSTANT
from howfar.relation.site_judge import SiteJudge
from howfar.results.certificate_result import Certificate
from howfar.results.check_result import CheckedDataset, Decision, Outcome, Severity
from howfar.results.relation_result import Gate, SetEstimate
from howfar.results.scores import Score
from howfar.studies.certification.certified_values import share_below
from howfar.studies.check.rules import Rules, ShareRule
from howfar.wording import format_interval, share_interval

LEVEL: Final = 0.9
CERTIFIED: Final = "certified"
ESTIMATED: Final = "estimated"
FEWEST: Final = 8
"""Fewer labels than these are never said to suffice: an interval of fewer is as wide as all that is possible."""


@dataclass(frozen=True)
class SourcedInterval:
    """Hold a mean performance, or a share with its (failed, counted) images, its interval, source and number of labels."""

    value: float
    low: float
    high: float
    level: float
    source: str
    labelled: int = 0
    counted: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class RuleFacts:
    """Hold the facts about a dataset on which rules decide.

    `spread` is the standard deviation of an image's performance around its prediction, `failing` the share of images that fail,
    and `certify` the command that certifies the dataset, without the number of images.
    """

    batch: CheckedDataset
    estimate: SetEstimate | None = None
    certificate: Certificate | None = None
    gate: Gate | None = None
    spread: float | None = None
    certify: str = ""
    failing: SourcedInterval | None = None

    def certifying(self, labels: int) -> str:
        """Build the command that certifies the dataset with `labels` labels."""
        return f"{self.certify or f'howfar certify {quote(self.batch.dataset)}'} -k {labels}"

    def decision(
        self,
        rule: str,
        severity: Severity,
        outcome: Outcome,
        must: str,
        words: str,
        remedy: str = "",
        ends: tuple[float | None, float | None, float | None] = (None, None, None),
        labels: int | None = None,
    ) -> Decision:
        """Return a rule's decision about the dataset; `ends` are the value and its interval."""
        return Decision(self.batch.dataset, rule, severity, outcome, must, *ends, words, remedy, labels)

    @property
    def doubted(self) -> bool:
        """Return whether the dataset lies outside the gate, so that estimates are not to be believed."""
        return self.gate is not None and self.gate.inside is False


def decisions_of(rules: Rules, known: RuleFacts) -> tuple[Decision, ...]:
    """Decide every rule about a single dataset; the alarm rule, about many batches, is excluded."""
    makers = (_images, _unreadable, _gate, _performance, _failures, _distance)
    return tuple(decision for make in makers if (decision := make(rules, known)) is not None)


def interval_of(known: RuleFacts) -> SourcedInterval | None:
    """Return the mean performance that counts: certified if available, otherwise estimated; None without either."""
    certificate, estimate = known.certificate, known.estimate
    if certificate is not None and None not in (certificate.value, certificate.low, certificate.high):
        value, low, high = (float(number or 0) for number in (certificate.value, certificate.low, certificate.high))
        return SourcedInterval(value, low, high, certificate.level, CERTIFIED, certificate.labelled)
    if estimate is not None:
        return SourcedInterval(estimate.predicted, estimate.low, estimate.high, estimate.level, ESTIMATED)
    return None


def compared(low: float, high: float, limit: float) -> Outcome:
    """Decide "at least `limit`" for an interval: pass above the limit, breach below, undecided across it."""
    return "pass" if low >= limit else ("breach" if high < limit else "undecided")


def labels_to_decide(value: float, limit: float, spread: float, n: int, level: float = LEVEL, labelled: int = 0) -> int:
    r"""Compute the expected number of further labels that show whether a mean is above or below a limit.

    k = n k₀ / (n + k₀), k₀ = (z · spread / δ)², for the distance δ from the limit (Cochran, "Sampling Techniques", 1977, 4.7).
    """
    reach = float(norm.ppf((1 + level) / 2)) * spread
    apart = abs(value - limit)
    first = math.inf if apart == 0 else (reach / apart) ** 2
    needed = n if math.isinf(first) else math.ceil(n * first / (n + first))
    return min(max(needed - labelled, FEWEST), max(n - labelled, 1))


def _performance(rules: Rules, known: RuleFacts) -> Decision | None:
    rule, found, n = rules.performance, interval_of(known), known.batch.n
    if rule is None:
        return None
    must = f"at least {rule.at_least:g}"
    if found is None and known.certificate is not None:
        remedy = "label the images that were drawn, and certify again"
        words = "the certificate has no value yet"
        return known.decision("performance", rule.severity, "undecided", must, words, remedy)
    if found is None:
        remedy = f"make the profile with --labelled and --performance, or certify: {known.certifying(16)}"
        return known.decision("performance", rule.severity, "undecided", must, "its mean performance is not known", remedy)
    outside = found.source == ESTIMATED and known.doubted
    ends = (found.value, found.value) if rule.bound == "value" else (found.low, found.high)
    outcome = "undecided" if outside else compared(*ends, rule.at_least)
    metric = known.certificate.metric if found.source == CERTIFIED and known.certificate is not None else "mean_f"
    called = found.source if metric == "mean_f" else f"{found.source} {metric}"
    interval = format_interval(found.value, found.low, found.high)
    words = f"{called} {interval} ({100 * found.level:g} % interval{_part(found, known)})"
    if outside:
        words = f"{words}, {_not_believed(known, rules.gate is not None)}"
    remedy, labels = "", None
    if outcome == "undecided":
        # What an estimate says outside the gate tells nothing of how near the limit the truth is.
        spread = _spread(found, n, known.spread)
        labels = FEWEST if outside else labels_to_decide(found.value, rule.at_least, spread, n, found.level, found.labelled)
        remedy = _label(known, labels, found)
    elif outcome == "breach":
        remedy = "do not use the model here as it is"
    return known.decision(
        "performance", rule.severity, outcome, must, words, remedy, (found.value, found.low, found.high), labels
    )


def _not_believed(known: RuleFacts, told: bool) -> str:
    """Doubt an estimate outside the gate, with the reasons unless another rule has told them."""
    reasons = "" if told or known.gate is None else f": {'; '.join(reading.words for reading in known.gate.outside)}"
    return f"not to be believed outside the gate{reasons}"


def _part(found: SourcedInterval, known: RuleFacts) -> str:
    """State how many of the images a certificate covers; return "" if it covers all."""
    certificate, n = known.certificate, known.batch.n
    if found.source != CERTIFIED or certificate is None or certificate.n == n:
        return ""
    return f", of {certificate.n} of {n} images"


def _spread(found: SourcedInterval, n: int, judged: float | None) -> float:
    """Return an image's standard deviation: from the certificate's interval, else as judged, else the largest possible."""
    k = found.labelled
    if k > 1 and n > k:
        width = (found.high - found.low) / 2 / float(norm.ppf((1 + found.level) / 2))
        return width * math.sqrt(k / (1 - k / n))
    # No values in [0, 1] with this mean spread wider (Bhatia & Davis 2000).
    return judged if judged is not None else math.sqrt(max(found.value * (1 - found.value), 0.01))


def _label(known: RuleFacts, labels: int, found: SourcedInterval) -> str:
    count = found.labelled + labels
    certificate = known.certificate if found.source == CERTIFIED else None
    if certificate is None or certificate.anytime:
        more = "more " if found.labelled else ""
        return f"label about {labels} {more}{_counted(labels)}, drawn at random: {known.certifying(count)}"
    if certificate.unlabelled:
        rest = certificate.unlabelled
        of = "is 1 drawn image" if rest == 1 else f"are {rest} drawn images"
        return f"there {of} without a label yet: label all that were drawn, and certify again"
    folder = quote(f"certify-{known.batch.dataset}-{count}")
    return f"label about {count} images, all drawn anew at random: {known.certifying(count)} --out {folder}"


def _counted(count: int) -> str:
    return "image" if count == 1 else "images"


def _failures(rules: Rules, known: RuleFacts) -> Decision | None:
    rule, n, found = rules.failures, known.batch.n, known.failing
    if rule is None:
        return None
    must = _at_most(rule)
    if found is None:
        words, remedy = "no estimator looks at the images one by one", "make the profile with --labelled and --performance"
        if known.estimate is not None:
            words, remedy = f"{words} without the model's maps of them", "pass these (--predictions MAPS)"
        return known.decision("failures", rule.severity, "undecided", must, words, remedy)
    count, of = found.counted
    how = "predicted to fail" if found.source == ESTIMATED else f"labelled {_counted(of)} fail"
    words = f"{count} of {of} {how}: {share_interval(found.value, found.low, found.high)}{_part(found, known)}"
    if found.source == ESTIMATED and known.doubted:
        told = rules.gate is not None or rules.performance is not None
        words, remedy = f"{words}, {_not_believed(known, told)}", _label(known, FEWEST, found)
        return known.decision("failures", rule.severity, "undecided", must, words, remedy, labels=FEWEST)
    outcome: Outcome = "pass" if found.high <= rule.at_most_share else "breach"
    remedy, labels = "" if outcome == "pass" else "look at the flagged images: howfar score lists them", None
    if found.low <= rule.at_most_share < found.high:
        spread = _spread(found, n, None)
        labels = labels_to_decide(found.value, rule.at_most_share, spread, n, found.level, found.labelled)
        outcome, remedy = "undecided", _label(known, labels, found)
    ends = (found.value, found.low, found.high)
    return known.decision("failures", rule.severity, outcome, must, words, remedy, ends, labels)


def _distance(rules: Rules, known: RuleFacts) -> Decision | None:
    words = "are farther than 95 % of the primary dataset's images"
    remedy = "look at the far images, and check the model on them: howfar certify"
    return _share(known, "distance", rules.distance, known.batch.far, known.batch.n, words, remedy)


def _unreadable(rules: Rules, known: RuleFacts) -> Decision | None:
    count, remedy = known.batch.unreadable, "mend the files: howfar score names each with the reason"
    return _share(known, "unreadable", rules.unreadable, count, known.batch.n + count, "could not be read", remedy)


def _share(
    known: RuleFacts, name: str, rule: ShareRule | None, count: int, of: int, words: str, remedy: str
) -> Decision | None:
    """Decide on a share of `of` counted images."""
    if rule is None:
        return None
    must = _at_most(rule)
    if of == 0:
        words, remedy = "there is no image to count", "pass images that can be read"
        return known.decision(name, rule.severity, "undecided", must, words, remedy)
    words, ends = f"{count} of {of} {words}", (count / of, None, None)
    if count / of <= rule.at_most_share:
        return known.decision(name, rule.severity, "pass", must, words, ends=ends)
    return known.decision(name, rule.severity, "breach", must, words, remedy, ends)


def _at_most(rule: ShareRule) -> str:
    return f"at most {100 * rule.at_most_share:g} %"


def _images(rules: Rules, known: RuleFacts) -> Decision | None:
    rule, n = rules.images, known.batch.n
    if rule is None:
        return None
    outcome: Outcome = "pass" if n >= rule.at_least else "breach"
    remedy = "" if outcome == "pass" else "collect more before anything is decided by them"
    words = f"{n:,} {'image was' if n == 1 else 'images were'} scored"
    return known.decision("images", rule.severity, outcome, f"at least {rule.at_least:,}", words, remedy, (n, None, None))


def _gate(rules: Rules, known: RuleFacts) -> Decision | None:
    rule, gate, interval = rules.gate, known.gate, interval_of(known)
    if rule is None:
        return None
    outcome: Outcome = "pass"
    words, remedy = "inside the range of the labelled datasets", ""
    if interval is not None and interval.source == CERTIFIED:
        # What the gate asks is whether an estimate may be believed, which a certificate does not rest on.
        words = "settled by certificate"
    elif gate is None or gate.inside is None:
        remedy = "make the profile with labelled datasets, so that their range is known"
        outcome, words = "undecided", "the labelled range is not known"
    elif not gate.inside:
        outcome, words = "breach", "; ".join(reading.words for reading in gate.outside)
        remedy = "; or ".join(dict.fromkeys(reading.remedy for reading in gate.outside if reading.remedy))
    return known.decision("gate", rule.severity, outcome, rule.must_be, words, remedy)


def judged_of(images: Sequence[Score]) -> list[Score]:
    """List the images with a prediction from an estimator that looks at single images."""
    return [image for image in images if image.predicted is not None and image.estimator not in CONSTANT]


def failing_of(judge: SiteJudge | None, images: Sequence[Score], certificate: Certificate | None) -> SourcedInterval | None:
    """Return the share of a dataset's images with performance below the profile's tau; None if unknown.

    Labels of a certificate precede predictions; an image without a prediction may fail or not.
    """
    if judge is None:
        return None
    shown = None if certificate is None else share_below(certificate, judge.terms.tau)
    if certificate is not None and shown is not None:
        estimate, count = shown
        valued = sum(one.labelled and one.performance is not None for one in certificate.sample)
        ends = (estimate.value, estimate.low, estimate.high)
        return SourcedInterval(*ends, certificate.level, CERTIFIED, certificate.labelled, (count, valued))
    judged = judged_of(images)
    if not judged:
        return None
    fit = judge.fits[Counter(str(image.estimator) for image in judged).most_common(1)[0][0]]
    predicted = np.array([image.predicted for image in judged], dtype=np.float64)
    value, low, high = fit.share_below(predicted, judge.terms.tau)
    known = len(judged) / len(images)
    ends = (value, low * known, high * known + 1.0 - known)
    return SourcedInterval(*ends, fit.level, ESTIMATED, counted=(int(np.sum(predicted < judge.terms.tau)), len(judged)))
