"""Read the rules of `howfar check` (YAML or TOML), and decide them: pass, breach or undecided."""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, Final, Literal, NamedTuple, Self, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from scipy.stats import norm

from howfar.errors import InputError, one_line, rule_broken
from howfar.formatting_and_escaping import format_interval, per, share_interval
from howfar.io.atomic_writes import write_new_text
from howfar.io.file_location import settings_text
from howfar.option_checks_and_signatures import nearest
from howfar.pipeline.profile_scorer import CONSTANT
from howfar.relation.gate import CERTIFY
from howfar.relation.site_judge import SiteJudge
from howfar.results.certificate_result import Certificate
from howfar.results.check_result import CheckedDataset, Decision, Outcome, Severity
from howfar.results.relation_result import Gate, SetEstimate
from howfar.results.scores import Score
from howfar.significance.sequential_alarm import DROP, HORIZON, RATE
from howfar.studies.certification.certified_quantity import share_below

LARGEST: Final = 1 << 16
"""Bytes of a rules file at most."""
DEEPEST: Final = 8
_START: Final = "howfar check --new writes a start"


class _Rule(BaseModel):
    """Refuse unknown keys and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PerformanceRule(_Rule):
    """Ask for a mean performance of the dataset, estimated or certified."""

    at_least: float = Field(ge=0, le=1)
    bound: Literal["low", "value"] = "low"
    severity: Severity = "breach"


class ShareRule(_Rule):
    """Ask that at most a share of a dataset's images has a fault."""

    at_most_share: float = Field(ge=0, le=1)
    severity: Severity = "breach"


class DistanceRule(ShareRule):
    """Ask that at most a share of the images lies beyond 95 % of the primary's; it can only warn, as distance is no harm."""

    severity: Literal["warn"] = "warn"


class ImagesRule(_Rule):
    """Ask for a number of images that could be scored."""

    at_least: int = Field(ge=1)
    severity: Severity = "breach"


class GateRule(_Rule):
    """Ask that the dataset lies inside the range of the labelled ones."""

    must_be: Literal["inside"] = "inside"
    severity: Severity = "breach"


class AlarmRule(_Rule):
    """Ask that performance has not fallen over the batches of the log."""

    at_least: float | None = Field(None, gt=0, lt=1)
    tolerated_drop: float | None = Field(None, ge=0, lt=1)
    drop: float = Field(DROP, gt=0, lt=1)
    false_alarms: float = Field(RATE, gt=0, lt=1)
    horizon: int = Field(HORIZON, ge=1)
    spread: Literal["any", "in_control"] = "any"
    since: str | None = None
    severity: Severity = "breach"

    @field_validator("since")
    @classmethod
    def _a_date(cls, text: str | None) -> str | None:
        if text is not None:
            moment(text)
        return text

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if (self.at_least is None) == (self.tolerated_drop is None):
            raise ValueError("give at_least, or tolerated_drop below the mean before `since`, and not both")
        return self

    @property
    def compares(self) -> bool:
        """Return whether the rule needs the batches before `since`, for their mean or spread."""
        return self.tolerated_drop is not None or self.spread == "in_control"


class Rules(_Rule):
    """Hold the rules of one file; a rule that is not in it is not asked for."""

    performance: PerformanceRule | None = None
    failures: ShareRule | None = None
    gate: GateRule | None = None
    distance: DistanceRule | None = None
    unreadable: ShareRule | None = None
    images: ImagesRule | None = None
    alarm: AlarmRule | None = None


def read_rules(given: Rules | Mapping[str, Any] | str | Path) -> Rules:
    """Read rules from a YAML or TOML file, chosen by its ending, or check rules in memory."""
    if isinstance(given, Rules):
        return given
    if isinstance(given, Mapping):
        return _checked(given, "rules")
    if not isinstance(given, (str, Path)):
        raise InputError.of("rules", "must be a file, or its content as a mapping", type(given).__name__, _START)
    import yaml

    text = settings_text("rules", given, _START, LARGEST)
    try:
        if Path(given).suffix.lower() == ".toml":
            return _checked(tomllib.loads(text), str(given))
        # Plain YAML: no tags, no repeated keys, and no aliases, with which a small file can expand enormously. It is looked at
        # as it is read: a reader of deep nesting takes minutes over some thousand brackets.
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"it is nested deeper than {DEEPEST} levels, in line {event.start_mark.line + 1}")
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"aliases are not read: *{event.anchor} in line {event.start_mark.line + 1}")
        _check_keys(yaml.compose(text, yaml.SafeLoader))
        return _checked(yaml.safe_load(text), str(given))
    except InputError as error:
        raise InputError(f"{given}: {error}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        rule = f"must be a YAML or TOML file that can be read ({one_line(error)})"
        raise InputError.of("rules", rule, str(given), _START) from error


def moment(text: str) -> datetime:
    """Parse an ISO 8601 date or time, as UTC without a zone; raise `ValueError` for other texts."""
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{text!r} is no date: write 2026-01-31") from None


def _check_keys(node: Any) -> None:
    """Raise `ValueError` for a repeated key in a YAML mapping, of which YAML would keep the last."""
    pairs = node.value if node is not None and node.id == "mapping" else []
    names = [str(key.value) for key, _ in pairs]
    twice = next((key for key, _ in pairs if names.count(str(key.value)) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice.value} stands there twice, first in line {twice.start_mark.line + 1}")
    for _, value in pairs:
        _check_keys(value)


def _checked(written: Any, name: str) -> Rules:
    if not isinstance(written, Mapping) or not written:
        what = "nothing" if written in (None, {}, "") else type(written).__name__
        raise InputError.of("rules", "must hold at least one rule by name", what, _START)
    gate = written.get("gate", "inside")
    if not isinstance(gate, Mapping) and gate not in ("inside", None):
        raise InputError.of("gate", "must be inside", gate, "write gate: inside, or leave the rule out")
    values = {key: {"must_be": value} if key == "gate" and isinstance(value, str) else value for key, value in written.items()}
    none = next((key for key, value in values.items() if value is None), None)
    if none in Rules.model_fields:
        raise InputError.of(f"rule {none}", "must have a value", None, _START)
    try:
        return Rules.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        # An unknown key is often the reason for one that is missing.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        location = [str(part) for part in first["loc"]]
        place, received = ".".join(location), first["input"]
        rule, remedy = rule_broken(first), ""
        if first["type"] == "missing":
            raise InputError(f"{place} must be given in the rules, and is missing: {_START}") from error
        if first["type"] == "extra_forbidden":
            above: Any = Rules if len(location) == 1 else get_args(Rules.model_fields[location[0]].annotation)[0]
            place, rule = f"key of {'rules' if len(location) == 1 else f'rule {location[0]}'}", "must be a known one"
            received, remedy = location[-1], nearest(location[-1], list(above.model_fields), "keys")
        elif place == "distance.severity":
            rule, remedy = "must be warn", "distance is no harm: put a rule on performance beside it"
        raise InputError.of(place, rule, received, remedy) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError.of("rules", f"must hold plain values ({one_line(error)})", name, _START) from error


TEMPLATE: Final = Path(__file__).with_name("start.yaml")


def write_start(file: str | Path) -> Path:
    """Write a commented template of rules as YAML, and return the path; an existing file is not replaced."""
    if Path(file).suffix.lower() not in (".yaml", ".yml"):
        raise InputError.of("rules", "must end in .yaml or .yml for a start", str(file))
    return write_new_text(file, TEMPLATE.read_text(encoding="utf-8"), "rules")


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

    def part(self, found: SourcedInterval) -> str:
        """State how many of the images a certificate covers; return "" if it covers all."""
        certificate, n = self.certificate, self.batch.n
        partial = found.source == CERTIFIED and certificate is not None and certificate.n != n
        return f", of {certificate.n} of {n} images" if partial and certificate is not None else ""


class Verdict(NamedTuple):
    """Hold what one rule says of a dataset; `ends` are the value and its interval."""

    outcome: Outcome
    must: str
    words: str
    remedy: str = ""
    ends: tuple[float | None, float | None, float | None] = (None, None, None)
    labels: int | None = None


def decisions_of(rules: Rules, known: RuleFacts) -> tuple[Decision, ...]:
    """Decide every rule about a single dataset; the alarm rule, about many batches, is excluded."""
    asked: dict[str, Callable[[Any, RuleFacts, Rules], Verdict]] = {
        "images": _images,
        "unreadable": _counted_share,
        "gate": _gate,
        "performance": _performance,
        "failures": _failures,
        "distance": _counted_share,
    }
    decisions = []
    for name, decide in asked.items():
        rule = getattr(rules, name)
        if rule is not None:
            said = decide(rule, known, rules)
            outcome = (said.outcome, said.must, *said.ends, said.words, said.remedy, said.labels)
            decisions.append(Decision(known.batch.dataset, name, rule.severity, *outcome))
    return tuple(decisions)


def interval_of(certificate: Certificate | None, estimate: SetEstimate | None) -> SourcedInterval | None:
    """Return the mean performance that counts: certified if available, otherwise estimated; None without either."""
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


def _performance(rule: PerformanceRule, known: RuleFacts, rules: Rules) -> Verdict:
    found, must = interval_of(known.certificate, known.estimate), f"at least {rule.at_least:g}"
    if found is None and known.certificate is not None:
        words = "the certificate has no value yet"
        return Verdict("undecided", must, words, "label the images that were drawn, and certify again")
    if found is None:
        remedy = f"make the profile with --labelled and --performance, or certify: {known.certifying(16)}"
        return Verdict("undecided", must, "its mean performance is not known", remedy)
    metric = known.certificate.metric if found.source == CERTIFIED and known.certificate is not None else "mean_f"
    source = found.source if metric == "mean_f" else f"{found.source} {metric}"
    interval = format_interval(found.value, found.low, found.high)
    words = f"{per(source, known.batch.unit)} {interval} ({100 * found.level:g} % interval{known.part(found)})"
    ends = (found.value, found.value) if rule.bound == "value" else (found.low, found.high)
    outcome, breach = compared(*ends, rule.at_least), "do not use the model here as it is"
    said = Verdict(outcome, must, words, breach, (found.value, found.low, found.high))
    return _settled(said, known, found, rule.at_least, known.spread, told=rules.gate is not None)


def _settled(
    said: Verdict, known: RuleFacts, found: SourcedInterval, limit: float, spread: float | None, *, told: bool
) -> Verdict:
    """Complete a verdict, with its remedy for a breach: doubt an estimate outside the gate, and count labels that decide.

    The doubt comes with its reasons unless another rule has `told` them.
    """
    if found.source == ESTIMATED and known.gate is not None and known.gate.inside is False:
        # What an estimate says outside the gate tells nothing of how near the limit the truth is.
        reasons = "" if told else f": {'; '.join(reading.words for reading in known.gate.outside)}"
        words = f"{said.words}, not to be trusted outside the gate{reasons}"
        return said._replace(outcome="undecided", words=words, remedy=_label(known, FEWEST, found), labels=FEWEST)
    if found.source == ESTIMATED and known.gate is not None and known.gate.missing and said.outcome != "undecided":
        words = f"{said.words}, not to be trusted yet: {known.gate.unchecked()}"
        return said._replace(outcome="undecided", words=words, remedy=_unchecked_remedy(known, known.gate))
    said = said._replace(ends=(found.value, found.low, found.high))
    if said.outcome == "undecided":
        n, k = known.batch.n, found.labelled
        if k > 1 and n > k:  # an image's standard deviation, from the certificate's interval
            width = (found.high - found.low) / 2 / float(norm.ppf((1 + found.level) / 2))
            spread = width * math.sqrt(k / (1 - k / n))
        elif spread is None:  # no values in [0, 1] with this mean spread wider (Bhatia & Davis 2000)
            spread = math.sqrt(max(found.value * (1 - found.value), 0.01))
        labels = labels_to_decide(found.value, limit, spread, n, found.level, k)
        return said._replace(remedy=_label(known, labels, found), labels=labels)
    return said if said.outcome == "breach" else said._replace(remedy="")


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
    again = f"label about {count} images, all drawn anew at random (those drawn again keep their labels)"
    return f"{again}: {known.certifying(count)} --out {folder}"


def _counted(count: int) -> str:
    return "image" if count == 1 else "images"


def _failures(rule: ShareRule, known: RuleFacts, rules: Rules) -> Verdict:
    found, must = known.failing, _at_most(rule)
    if found is None:
        words, remedy = "no estimator looks at the images one by one", "make the profile with --labelled and --performance"
        if known.estimate is not None:
            words, remedy = f"{words} without the model's maps of them", "pass these (--predictions MAPS)"
        return Verdict("undecided", must, words, remedy)
    count, of = found.counted
    how = "predicted to fail" if found.source == ESTIMATED else f"labelled {_counted(of)} fail"
    words = f"{count} of {of} {how}: {share_interval(found.value, found.low, found.high)}{known.part(found)}"
    outcome = compared(-found.high, -found.low, -rule.at_most_share)
    said = Verdict(outcome, must, words, "look at the flagged images: howfar score lists them")
    told = rules.gate is not None or rules.performance is not None
    return _settled(said, known, found, rule.at_most_share, None, told=told)


def _counted_share(rule: ShareRule, known: RuleFacts, rules: Rules) -> Verdict:
    """Decide on the share of images that cannot be read or, for a rule on distance, that are far."""
    batch = known.batch
    if isinstance(rule, DistanceRule):
        count, of, are = batch.far, batch.n, "are farther than 95 % of the primary dataset's images"
        remedy = "look at the far images, and check the model on them: howfar certify"
    else:
        count, of, are = batch.unreadable, batch.n + batch.unreadable, "could not be read"
        remedy = "mend the files: howfar score names each with the reason"
    if of == 0:
        return Verdict("undecided", _at_most(rule), "there is no image to count", "pass images that can be read")
    kept = count / of <= rule.at_most_share
    words, ends = f"{count} of {of} {are}", (count / of, None, None)
    return Verdict("pass" if kept else "breach", _at_most(rule), words, "" if kept else remedy, ends)


def _at_most(rule: ShareRule) -> str:
    return f"at most {100 * rule.at_most_share:g} %"


def _images(rule: ImagesRule, known: RuleFacts, rules: Rules) -> Verdict:
    n = known.batch.n
    enough = n >= rule.at_least
    remedy = "" if enough else "collect more before anything is decided by them"
    words = f"{n:,} {'image was' if n == 1 else 'images were'} scored"
    return Verdict("pass" if enough else "breach", f"at least {rule.at_least:,}", words, remedy, (n, None, None))


def _gate(rule: GateRule, known: RuleFacts, rules: Rules) -> Verdict:
    gate, interval = known.gate, interval_of(known.certificate, known.estimate)
    if interval is not None and interval.source == CERTIFIED:
        # What the gate asks is whether an estimate may be believed, which a certificate does not rest on.
        return Verdict("pass", rule.must_be, "settled by certificate")
    if gate is None or gate.inside is None:
        remedy = "make the profile with labelled datasets, so that their range is known"
        return Verdict("undecided", rule.must_be, "the labelled range is not known", remedy)
    if gate.inside:
        words = "; ".join(filter(None, ["inside the range of the labelled datasets", gate.unchecked()]))
        if not gate.missing:
            return Verdict("pass", rule.must_be, words)
        return Verdict("undecided", rule.must_be, words, _unchecked_remedy(known, gate))
    certify = f"label about {FEWEST} images, drawn at random: {known.certifying(FEWEST)}"
    remedies = (certify if reading.remedy == CERTIFY else reading.remedy for reading in gate.outside if reading.remedy)
    words = "; ".join(reading.words for reading in gate.outside)
    return Verdict("breach", rule.must_be, words, "; or ".join(dict.fromkeys(remedies)))


def _unchecked_remedy(known: RuleFacts, gate: Gate) -> str:
    """Say what lets the gate check what it could not."""
    if gate.missing == ("tiles",):
        return "pass its maps by tiles (--tiles DIR)"
    certify = f"label about {FEWEST} images, drawn at random: {known.certifying(FEWEST)}"
    return "pass the model's maps (--predictions MAPS)" if "share" in gate.missing else certify


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
