"""Log one row for each checked batch, and raise an alarm if performance has fallen, judged from all batches together."""

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from howfar.errors import InputError, StoreError, one_line
from howfar.io.file_location import absolute
from howfar.io.file_locks import locked
from howfar.results.check_result import OVER_TIME, AlarmReading, CheckedDataset, Decision, LogRow, Outcome
from howfar.results.display_and_shared_records import plain
from howfar.significance import sequential_alarm as alarms
from howfar.studies.check.rules import AlarmRule, moment

FORMAT: Final = 1
ENDING: Final = ".log.jsonl"


def append(file: str | Path, make: Callable[[tuple[LogRow, ...]], Iterable[LogRow]]) -> tuple[LogRow, ...]:
    """Append the rows made from a log's existing rows, locked and synced; a line that a kill left unfinished is ended first."""
    path = absolute(file)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError.of("log", "must be a file in a folder that is there", str(file))
    try:
        with locked(path), path.open("a+b") as opened:
            opened.seek(0)
            data = opened.read()
            earlier = _parsed(data, path)[0]
            text = ""
            for row in make(earlier):
                # Fields that earlier versions do not know are left out where they say nothing.
                values, silent = plain(row), {"groups": [], "unit": "image"}
                batch = {name: value for name, value in values["batch"].items() if name not in silent or value != silent[name]}
                document = {"format": FORMAT, **values, "batch": batch}
                # Without bare line breaks and surrogates, whatever a name holds.
                text += f"{json.dumps(document, ensure_ascii=True, allow_nan=False)}\n"
            opened.write((b"\n" if data and not data.endswith(b"\n") else b"") + text.encode("utf-8"))
            opened.flush()
            os.fsync(opened.fileno())
        return earlier
    except OSError as error:
        raise InputError.of("log", f"must be a file that can be written ({one_line(error)})", str(file)) from error


def read(file: str | Path) -> tuple[tuple[LogRow, ...], int]:
    """Read a log's rows in order, the last of the same images, and count its damaged lines; a missing file has no rows."""
    path = absolute(file)
    try:
        return _parsed(path.read_bytes(), path)
    except FileNotFoundError:
        return (), 0
    except OSError as error:
        raise InputError.of("log", f"must be a file that can be read ({one_line(error)})", str(file)) from error


def _parsed(data: bytes, path: Path) -> tuple[tuple[LogRow, ...], int]:
    """Parse a log's rows, the last of each key, and count the damaged lines."""
    rows: dict[str, LogRow] = {}
    damaged = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            document: dict[str, Any] = json.loads(line, parse_constant=_refused)
            if document.pop("format") > FORMAT:
                raise StoreError(f"{path} was written by a later howfar: update howfar to read it")
            batch = document.pop("batch")
            measured = tuple(float(value) for value in batch.pop("measured"))
            predicted = tuple(None if value is None else float(value) for value in batch.pop("predicted"))
            groups = tuple(int(number) for number in batch.pop("groups", ()))
            row = LogRow(**document, batch=CheckedDataset(**batch, measured=measured, predicted=predicted, groups=groups))
            moment(row.time)
            # Each value has a valid type and range.
            of = row.batch
            texts = (row.primary, row.key, of.dataset, of.source, of.unit, *row.decisions, *row.decisions.values())
            counts = (of.n, of.unreadable, of.judged, of.failures, of.far)
            numbers = (of.mean_predicted, of.value, of.low, of.high, of.level, *predicted)
            sound = (
                len(measured) == len(predicted)
                and len(groups) in (0, len(measured))
                and all(isinstance(text, str) for text in texts)
                and all(type(count) is int and count >= 0 for count in counts)
                and all(number is None or (type(number) in (int, float) and math.isfinite(number)) for number in numbers)
                and all(0 <= value <= 1 for value in measured)
                and (of.gate is None or isinstance(of.gate, bool))
                and row.outcome in get_args(Outcome)
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            sound = False
        if sound:
            rows.pop(row.key, None)
            rows[row.key] = row
        else:
            damaged += 1
    return tuple(rows.values()), damaged


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} stands where JSON has a number or null")


_ONE_SIDED = 1.6448536269514722
"""The 95 % quantile of the normal distribution."""


def read_alarm(rule: AlarmRule, before: Sequence[LogRow], rows: Sequence[LogRow]) -> AlarmReading | None:
    """Apply the alarm rule to a log's rows, with those of the reference period (`before`); None with too little to judge.

    Without labels the mean predictions are judged, which bounds false alarms about the *estimate* alone.
    """
    labelled = [row for row in rows if row.batch.measured]
    known = [row for row in before if row.batch.measured]
    if rule.compares and sum(len(_batch(row).measured) for row in known) < alarms.FEWEST:
        return None
    if rule.at_least is not None:
        level = rule.at_least
    else:
        # With any spread, the lower end of the mean's one-sided 95 % interval; otherwise the bet accounts for its error.
        values = np.concatenate([_batch(row).adjusted() for row in known])
        error = _ONE_SIDED * values.std(ddof=1) / math.sqrt(len(values)) if rule.spread == "any" else 0.0
        level = float(values.mean() - error) - (rule.tolerated_drop or 0.0)
    if not 0 < level < 1:
        remedy = "tolerate a smaller drop"
        raise InputError.of("alarm level", "must lie between 0 and 1", round(level, 3), remedy)
    judged = labelled or [row for row in rows if row.batch.mean_predicted is not None]
    if not judged:
        return None

    bets: list[alarms.Bet] = [alarms.BoundedBet(level, 0.95)]
    if labelled:
        batches, bets = [_batch(row) for row in labelled], _bets_on_labels(rule, level, known, labelled)
    else:
        batches = [alarms.LabelledBatch(np.clip([row.batch.mean_predicted], 0.0, 1.0)) for row in judged]
    path = alarms.together([alarms.evidence([bet.log_factor(batch) for batch in batches], rule.horizon) for bet in bets])
    at = alarms.first_alarm(path, rule.false_alarms)
    share = np.exp(np.minimum(path + math.log(rule.false_alarms), 700.0))
    return AlarmReading(
        basis="labels" if labelled else "estimates",
        level=level,
        rate=rule.false_alarms,
        spread=rule.spread if labelled else "any",
        batches=len(judged),
        images=sum(len(row.batch.measured) for row in labelled),
        evidence=tuple(share.tolist()),
        raised=None if at is None else judged[at].time,
    )


def _bets_on_labels(rule: AlarmRule, level: float, known: Sequence[LogRow], rows: Sequence[LogRow]) -> list[alarms.Bet]:
    """Bet on labelled batches: that values spread no wider than in the reference period, or only that they are in [0, 1]."""
    if rule.spread != "in_control":
        return [alarms.BoundedBet.of(level, [value for row in known for value in _batch(row).measured], rule.drop)]
    missing = next((row for row in (*known, *rows) if _batch(row).predicted is None), None)
    if missing is not None:
        remedy = "make the profile with labelled datasets, or write spread: any"
        words = "in_control needs predictions of every labelled image"
        raise InputError.of("alarm.spread", words, missing.batch.dataset, remedy)
    earlier = [_batch(row) for row in known]
    values = np.concatenate([batch.measured for batch in earlier])
    residuals = np.concatenate(
        [batch.adjusted() if batch.predicted is None else batch.measured - batch.predicted for batch in earlier]
    )
    # All images a little worse, or some of them lost: which it will be is not known.
    return [alarms.SpreadBet.of(level, residuals, rule.drop, fallen) for fallen in (None, values)]


def alarm_decision(rule: AlarmRule, reading: AlarmReading | None) -> Decision:
    """Turn an alarm reading into a decision; an alarm from estimates alone is undecided and asks for labels."""
    rate = f"{100 * rule.false_alarms:g} % false alarms"
    if reading is None:
        labels = "label images drawn at random, and check their batches with a log"
        remedy = f"check {alarms.FEWEST} labelled images or more before that date" if rule.compares else labels
        words = "there are too few labelled images from before the date" if rule.compares else "the log has nothing to judge"
        return Decision(OVER_TIME, "alarm", rule.severity, "undecided", rate, None, None, None, words, remedy)
    by_labels = reading.basis == "labels"
    of = f"{reading.images} labels in {reading.batches} batches" if by_labels else f"{reading.batches} batches"
    supposed = "" if reading.spread == "any" else ", where values spread no wider than before"
    alone = "" if by_labels else ", about the estimate alone: nothing is known of true performance without labels"
    bound = f"at most {rate} over all time{supposed}{alone}"
    outcome: Outcome = "pass" if reading.raised is None else "breach" if by_labels else "undecided"
    remedy = {
        "pass": "",
        "breach": "find the cause; once it is mended, count from then on: since",
        "undecided": "label 20 images of the last batch, drawn at random, and pass their performance",
    }[outcome]
    alarm = "no alarm" if reading.raised is None else f"alarm at {reading.raised[:19]}"
    must, words = f"mean at least {reading.level:.3g}", f"{alarm} by {of} ({bound})"
    more, last = 20 if outcome == "undecided" else None, reading.evidence[-1]
    return Decision(OVER_TIME, "alarm", rule.severity, outcome, must, last, None, None, words, remedy, more)


def _batch(row: LogRow) -> alarms.LabelledBatch:
    """Return a row's labelled images for the alarm, without predictions if any image lacks one.

    The images of one group (scene, patient, clip) depend on each other: together they are one value, their mean. It stands
    alone, since the mean prediction of the batch's few groups tells no more of other groups than their labels do.
    """
    batch = row.batch
    measured = np.asarray(batch.measured, dtype=np.float64)
    if batch.groups:
        of = np.unique(batch.groups, return_inverse=True)[1]
        means = np.bincount(of, measured) / np.bincount(of)
        return alarms.LabelledBatch(means, np.zeros(len(means)), 0.0)
    if batch.mean_predicted is None or any(value is None for value in batch.predicted):
        return alarms.LabelledBatch(measured)
    return alarms.LabelledBatch(measured, np.asarray(batch.predicted, dtype=np.float64), batch.mean_predicted)
