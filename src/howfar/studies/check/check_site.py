"""Measure new datasets by a saved reference profile, decide by rules whether the model may run, and log the decisions."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import pandas as pd

from howfar.arrays import Float64Array, group_numbers
from howfar.backbones import BackboneArgument
from howfar.data import content_hash, read_bytes
from howfar.data.compact_item_table import Item
from howfar.errors import ImageError, InputError, option
from howfar.image_reading_options import counted_as
from howfar.io.file_location import absolute, ready_folder
from howfar.metrics.classification import CORRECT
from howfar.metrics.multiclass import METRIC as CLASSES
from howfar.option_checks_and_signatures import command_words, with_options
from howfar.options_by_function import ScorerOptions, ScoringOptions
from howfar.pipeline.profile_file import Profile, place_of
from howfar.pipeline.profile_scorer import FAR, OWN_SUBSPACE, Group, NewImages, arrivals
from howfar.relation.site_judge import judgement_of
from howfar.results import Evaluation
from howfar.results.certificate_result import Certificate
from howfar.results.check_result import Check, CheckedDataset, Decision, LogRow, Outcome, worst
from howfar.results.scores import Scores
from howfar.studies.check import log_and_alarm as logs
from howfar.studies.check.log_and_alarm import alarm_decision, read_alarm
from howfar.studies.check.rules import RuleFacts, Rules, decisions_of, failing_of, interval_of, judged_of, moment, read_rules
from howfar.studies.performance.image_performance import Performances, match, read_performances, scores_of
from howfar.tasks.detection_task import BOXES

_SEVERITY: Final[tuple[Outcome, ...]] = ("pass", "undecided", "breach")
_OF_MAE = float(np.sqrt(np.pi / 2))
"""A normal error's standard deviation over its mean absolute value."""


@with_options(ScorerOptions)
def check(
    profile: Profile | str | Path,
    new: NewImages | None = None,
    rules: Rules | Mapping[str, Any] | str | Path | None = None,
    *,
    certificate: Any = None,
    performance: Performances | Sequence[Performances] | None = None,
    keep: bool = False,
    log: str | Path | None = None,
    since: str | None = None,
    backbone: BackboneArgument | None = None,
    **options: Unpack[ScorerOptions],
) -> Check:
    """Check new datasets with a profile against rules on harm: pass, breach, or undecided until some images are labelled.

    Parameters
    ----------
    profile
        What `howfar.profile` made, or its file.
    new
        A dataset argument, or a list of such; None looks at the log alone.
    rules
        A YAML or TOML file, or its content as a mapping; ``howfar check --new`` writes a start.
    certificate
        What `howfar.certify` made, or its file, or a list of such: counts in place of the estimate for its dataset.
    performance
        Performance of the images that are labelled, for the alarm over time: what `howfar.evaluate` made, its file, or a table
        with the columns image and performance. The images must have been drawn at random from each dataset.
    keep, log
        Whether a row is added to the profile's own log, which lies beside its file; another file that it is added to.
    since
        Date or time (ISO 8601) from which on the log's rows are shown and judged by the alarm, in place of the rules' own;
        alone it adds no row.
    backbone
        A loaded backbone, a torch module or a named function; by default the profile's own is loaded.

    Raises
    ------
    HowfarError
        Rules that are missing or wrong, a dataset, certificate or performance that is missing or of other images, a log
        that cannot be written; and whatever `howfar.Profile.score` raises.

    Examples
    --------
    >>> from howfar.studies.profile_dataset import profile
    >>> rng = np.random.default_rng(0)
    >>> roads = profile(rng.normal(size=(50, 8)))
    >>> rules = {"images": {"at_least": 20}, "distance": {"at_most_share": 0.1}}
    >>> found = check(roads, rng.normal(9.0, 1.0, size=(30, 8)), rules)
    >>> [(decision.rule, decision.shown) for decision in found.decisions], found.exit_code
    ([('images', 'pass'), ('distance', 'warn')], 0)
    """
    loaded = profile if isinstance(profile, Profile) else Profile.load(_path("profile", profile))
    if since is None if new is None else rules is None:
        words = "new images or a date since which the log is judged"
        missing = f"{option('rules')} must be given, and {words}: howfar check --new writes a start" if rules is None else ""
        raise InputError(missing or f"{words} must be given ({option('since')})")
    asked = Rules() if rules is None else read_rules(rules)
    # The log: the file that is named, or the profile's own, which lies beside its file.
    file: Path | None = None
    if log is not None:
        file = Path(_path("log", log))
    elif keep or since is not None:
        if isinstance(profile, Profile):
            rule = "must be given where the profile is in memory, as a profile's own log lies beside its file"
            raise InputError.of("log", rule)
        path = absolute(place_of(profile))
        file = path.with_name(path.name + logs.ENDING)
    write = keep or log is not None
    if file is not None and write and file.parent.is_dir():
        ready_folder("log", file.parent)
    begin = judged_since(asked, since)
    read = None if performance is None else read_performances(performance)
    certified = _read_certificates(certificate, loaded)
    if new is None:
        for name, idle in (("certificate", certificate), ("performance", performance)):
            if idle is not None:
                raise InputError.of(name, "is of use only to new images", "some", "pass them, or leave it out")
        return _with_history(Check(loaded.primary, ()), asked, file, (), begin, write=write)

    scores, groups = loaded.score(new, backbone, **options), arrivals(new)
    # The images of the datasets as they are called in scores.
    items = {
        (group.dataset.name, arrival.image): item
        for group in groups
        if group.dataset is not None
        for arrival, item in zip(group.items, group.dataset.items, strict=True)
    }
    clusters = [items[key].group if (key := (score.dataset, score.image)) in items else None for score in scores.images]
    measured = None if read is None else _measured(loaded, scores, items, read)
    _check_certificates(certified, scores, groups)
    given = [new] if isinstance(new, (str, Path)) else list(new) if isinstance(new, Sequence) else []
    # Image files that follow each other are one group.
    pairs: list[tuple[Any, Group]] = list(zip(given, groups, strict=True)) if len(given) == len(groups) else []
    places = {of.dataset.name: str(place) for place, of in pairs if isinstance(place, (str, Path)) and of.dataset is not None}
    commands = {name: certifying(loaded, profile, places, name, options) for name in _names(scores)}
    return decided(loaded, asked, scores, file, begin, certified, measured, commands, clusters, write=write)


def decided(
    profile: Profile,
    rules: Rules,
    scores: Scores,
    file: Path | None = None,
    begin: datetime | None = None,
    certificates: Mapping[str, Certificate] | None = None,
    measured: Float64Array | None = None,
    commands: Mapping[str, str] | None = None,
    clusters: Sequence[str | None] = (),
    *,
    write: bool = True,
    key: str = "",
) -> Check:
    """Decide by rules on datasets that are scored, and log the decisions in a file.

    `measured` is the performance of the scored images, nan if unknown, `clusters` name their groups, `commands` certify each
    dataset; a dataset that grows keeps its row in the log by a `key`.
    """
    decisions, rows = list[Decision](), list[LogRow]()
    for name in _names(scores):
        certificate, certify = (certificates or {}).get(name), (commands or {}).get(name, "")
        estimate = next((each for each in scores.estimates if each.dataset == name), None)
        gate = next((each for each in scores.gates if each.dataset == name), None)
        indices = [index for index, score in enumerate(scores.images) if score.dataset == name]
        images = [scores.images[index] for index in indices]
        judged = judged_of(images)
        predicted = [image.predicted for image in images if image.predicted is not None]
        labelled = [] if measured is None else [index for index in indices if np.isfinite(measured[index])]
        groups = group_numbers([clusters[index] for index in labelled]) if clusters else None
        interval = interval_of(certificate, estimate)
        ends: dict[str, Any] = {end: getattr(interval, end) for end in ("value", "low", "high", "level", "source") if interval}
        batch = CheckedDataset(
            dataset=name,
            n=len(images),
            unreadable=sum(each.dataset == name for each in scores.skipped),
            judged=len(judged),
            failures=sum(bool(image.flag) for image in judged),
            far=sum(image.p_value is not None and image.p_value <= FAR for image in images),
            # Of some images alone it would not be the mean that labelled ones are held against.
            mean_predicted=float(np.mean(predicted)) if predicted and len(predicted) == len(images) else None,
            **ends,
            gate=None if gate is None or (gate.inside and gate.missing) else gate.inside,
            measured=() if measured is None else tuple(float(measured[index]) for index in labelled),
            predicted=tuple(scores.images[index].predicted for index in labelled),
            groups=() if groups is None else tuple(groups.tolist()),
            unit=counted_as([image.image for image in images]),
        )
        # How far single images lie from the estimator's predictions, as judged on held-out datasets.
        judgement = None if profile.judge is None or estimate is None else judgement_of(profile.judge, estimate.estimator)
        spread = None if judgement is None else _OF_MAE * judgement.mae_image
        failing = failing_of(profile.judge, images, certificate)
        own = decisions_of(rules, RuleFacts(batch, estimate, certificate, gate, spread, certify, failing))
        # The distance tells images of one name apart that a camera has written over.
        shown = sorted(f"{image.image}\0{image.i_dist:.6g}" for image in images)
        named = "\n".join([profile.primary, name, *shown]).encode("utf-8", "backslashreplace")
        time, row_key = datetime.now(UTC).isoformat(timespec="seconds"), key or hashlib.sha256(named).hexdigest()[:16]
        counts = {decision.rule: decision.counts for decision in own}
        rows.append(LogRow(time, profile.primary, row_key, batch, counts, worst(own)))
        decisions += own
    notes = (*scores.notes, *(() if rules.distance is None else (OWN_SUBSPACE,)))
    found = Check(profile.primary, tuple(decisions), tuple(row.batch for row in rows), scores.skipped, notes=notes)
    return _with_history(found, rules, file, rows, begin, write=write)


def certifying(
    loaded: Profile, profile: Profile | str | Path, places: Mapping[str, str], dataset: str, options: Mapping[str, Any]
) -> str:
    """Build the command that certifies a dataset; return "" if it has no path, or a measure of the user's own."""
    metric = "" if loaded.judge is None else loaded.judge.metric
    task = "detection" if metric.startswith(BOXES) else {CORRECT: "classification", CLASSES: "multiclass"}.get(metric, "")
    if dataset not in places or (loaded.judge is not None and loaded.judge.threshold is None and not task):
        return ""
    words = ["howfar", "certify", places[dataset], "--predictions", str(options.get("predictions") or f"MAPS/{dataset}")]
    words += ["--task", task] if task else []
    words += command_words(ScoringOptions, {name: options.get(name) for name in ("columns", "classes")})
    if not isinstance(profile, Profile):
        words += ["--flipped", str(options["flipped"])] if options.get("flipped") else []
        words += ["--profile", str(profile)]
    return shlex.join(words)


def _path(argument: str, given: Any) -> str | Path:
    if not isinstance(given, (str, Path)) or not str(given):
        raise InputError.of(argument, "must be the path of a file", given)
    return given


def judged_since(rules: Rules, since: str | None = None) -> datetime | None:
    """Return the moment from which on the alarm judges a log's rows; raise `InputError` if it needs one that is not given."""
    text = since if since is not None or rules.alarm is None else rules.alarm.since
    if text is None:
        if rules.alarm is not None and rules.alarm.compares:
            raise InputError.of(
                "since",
                "must be given for an alarm that compares with earlier batches (tolerated_drop, spread: in_control): "
                "the date up to which all was well",
            )
        return None
    try:
        return moment(text)
    except ValueError as error:
        raise InputError(f"since: {error}") from error


def _with_history(
    found: Check, rules: Rules, file: Path | None, new: Sequence[LogRow], begin: datetime | None, *, write: bool
) -> Check:
    """Add the log's rows from `begin` on and the alarm's decision on all rows to a check, and write the new rows."""
    if file is None:
        if rules.alarm is None:
            return found
        decision = replace(alarm_decision(rules.alarm, None), words="there is no log", remedy="pass --keep, or --log FILE")
        return replace(found, decisions=(*found.decisions, decision))

    def judged(earlier: Sequence[LogRow]) -> Check:
        """Apply the alarm rule, if any, to the log's rows and the new rows together."""
        keys = {row.key for row in new}
        own = [row for row in earlier if row.key not in keys and row.primary == found.primary]
        every = [*own, *new]
        before, after = list[LogRow](), list[LogRow]()
        for row in every:
            (before if begin is not None and moment(row.time) < begin else after).append(row)
        if rules.alarm is None:
            return replace(found, rows=tuple(after))
        reading = read_alarm(rules.alarm, before, after)
        decisions = (*found.decisions, alarm_decision(rules.alarm, reading))
        return replace(found, decisions=decisions, alarm=reading, rows=tuple(after))

    def rows(earlier: Sequence[LogRow]) -> Sequence[LogRow]:
        """Add the decisions about the whole log to its new rows."""
        more = judged(earlier).decisions[len(found.decisions) :]
        extra = {decision.rule: decision.counts for decision in more}
        outcomes = [max(row.outcome, worst(more), key=_SEVERITY.index) for row in new]
        pairs = zip(new, outcomes, strict=True)
        return [replace(row, decisions={**row.decisions, **extra}, outcome=outcome) for row, outcome in pairs]

    earlier, damaged = logs.read(file)
    if new and write:
        # Read anew with the log locked: another check may have added rows meanwhile.
        earlier = logs.append(file, rows)
    notes = (f"{damaged} lines of {file} are damaged and left out",) if damaged else ()
    return replace(judged(earlier), notes=(*found.notes, *notes), log=str(file))


def _read_certificates(given: Any, profile: Profile) -> dict[str, Certificate]:
    """Read certificates before scoring, by dataset; there may be one per dataset, at the profile's threshold."""
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [] if given is None else [given]
    threshold = None if profile.judge is None else profile.judge.threshold
    read: dict[str, Certificate] = {}
    for each in several:
        found = Certificate.load(each) if isinstance(each, (str, Path)) else each
        if not isinstance(found, Certificate):
            rule = "must be what howfar certify made, or its file"
            raise InputError.of("certificate", rule, type(each).__name__, "pass certificate.json")
        if found.of_false_positives:
            # Much of it would pass for good.
            rule = "must be of performance, of which more is better"
            raise InputError.of("certificate", rule, found.metric, "certify mean_f")
        if found.zone is not None or found.against is not None:
            remedy = "certify it without --zone, --against"
            raise InputError.of("certificate", "must be of the performance on a site", found.words, remedy)
        if found.dataset in read:
            received = f"two of {found.dataset}"
            raise InputError.of("certificate", "must be one for each dataset", received, "pass the one that counts")
        if threshold is not None and found.threshold not in (None, threshold) and found.metric != "ods":
            remedy = f"certify {found.dataset} with --threshold {threshold:g}"
            raise InputError.of("certificate", f"must be at the profile's threshold {threshold:g}", found.threshold, remedy)
        read[found.dataset] = found
    return read


def _check_certificates(read: Mapping[str, Certificate], scores: Scores, groups: Sequence[Group]) -> None:
    """Raise `InputError` for a certificate of other images than those that were scored."""
    names, same = _names(scores), "certify these images"
    for dataset, certificate in read.items():
        if dataset not in names:
            raise InputError.of("certificate", f"must be of one of {', '.join(names)}", dataset, "name it as then: NAME=PATH")
        of = [*(score.dataset for score in scores.images), *(skipped.dataset for skipped in scores.skipped)]
        images = of.count(dataset)
        if certificate.n > images:
            rule = f"must be of the {images} images of {dataset}"
            raise InputError.of("certificate", rule, f"one of {certificate.n}", same)
        # Certified images that are not among the given ones, by content, or by name for embeddings.
        known, contents = certificate.site.images, certificate.site.contents
        features = [group.features for group in groups if group.features is not None and group.features.name == dataset]
        if features or not contents:  # a certificate of values in memory has no images
            there = {name for each in features for name in each.images}
            other = [name for name in known if contents and name not in there and Path(name).name not in there]
        else:
            there = set()
            for arrival in (arrival for group in groups for arrival in group.items if arrival.dataset == dataset):
                with suppress(ImageError):  # those are listed as skipped
                    there.add(content_hash(read_bytes(arrival.path)))
            other = [name for name, content in zip(known, contents, strict=True) if content not in there]
        if other:
            rule = f"must be of the images of {dataset} that are given"
            raise InputError.of("certificate", rule, f"one of {other[0]} too", same)


def _names(scores: Scores) -> list[str]:
    return list(dict.fromkeys([*(score.dataset for score in scores.images), *(each.dataset for each in scores.skipped)]))


def _measured(
    profile: Profile, scores: Scores, items: Mapping[tuple[str, str], Item], read: Sequence[Evaluation]
) -> Float64Array:
    """Return the scored images' performance, nan if unknown; maps are scored at the profile's threshold."""
    named = []
    for score in scores.images:
        item = items.get((score.dataset, score.image))
        named.append((score.dataset, Path(score.image).name if item is None else item.name, ""))
    images = pd.DataFrame(named, columns=["dataset", "image", "content"])
    if images.empty:
        return np.empty(0)
    maps = all(evaluation.task == "segmentation" for evaluation in read)
    threshold = profile.judge.threshold if maps and profile.judge is not None else None
    values = scores_of(match(images, read), read, None, threshold).performance
    wrong = np.flatnonzero((values < 0) | (values > 1))
    if len(wrong):
        raise InputError.of("performance", "must lie between 0 and 1", float(values[wrong[0]]))
    return values
