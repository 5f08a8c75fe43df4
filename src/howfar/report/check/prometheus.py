"""Write what a check decided as metrics of Prometheus, for the textfile collector of its node exporter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from howfar.results.check import EXIT_CODES, Check

_Sample = tuple[Mapping[str, str], float | None]


def prometheus_text(check: Check, now: datetime | None = None) -> str:
    r"""Write all metrics as gauges in the text format 0.0.4; a value that is not known is left out.

    The exit code is 0, 3 or 4, and so is a rule's outcome. `now` is the time of the check, by default this moment.
    Source: https://prometheus.io/docs/instrumenting/exposition_formats.

    Examples
    --------
    >>> text = prometheus_text(Check('the "best" roads', ()), datetime(2026, 1, 1, tzinfo=UTC))
    >>> print(text)
    # HELP howfar_check_exit_code Exit code of the check: 0 pass, 3 breach, 4 undecided.
    # TYPE howfar_check_exit_code gauge
    howfar_check_exit_code{primary="the \"best\" roads"} 0
    # HELP howfar_check_timestamp_seconds Time of the check, in seconds since 1970.
    # TYPE howfar_check_timestamp_seconds gauge
    howfar_check_timestamp_seconds{primary="the \"best\" roads"} 1767225600
    <BLANKLINE>
    """
    at = (datetime.now(UTC) if now is None else now).timestamp()
    whole: dict[str, str] = {"primary": check.primary}
    return "".join(
        [
            _metric("exit_code", "Exit code of the check: 0 pass, 3 breach, 4 undecided.", [(whole, check.exit_code)]),
            _metric("timestamp_seconds", "Time of the check, in seconds since 1970.", [(whole, at)]),
            _metric("labels_to_decide", "Labels expected to decide what is undecided.", [(whole, check.labels)]),
            *_of_rules(check, whole),
            *_of_batches(check, whole),
            *_of_alarm(check, whole),
        ]
    )


def _of_rules(check: Check, whole: Mapping[str, str]) -> list[str]:
    samples = [
        ({**whole, "dataset": each.dataset, "rule": each.rule, "severity": each.severity}, EXIT_CODES[each.outcome])
        for each in check.decisions
    ]
    return [_metric("rule_outcome", "Outcome of a rule: 0 pass, 3 breach, 4 undecided.", samples)]


def _of_batches(check: Check, whole: Mapping[str, str]) -> list[str]:
    named = [({**whole, "dataset": batch.dataset}, batch) for batch in check.batches]
    performance = [
        ({**labels, "bound": bound, "source": batch.source}, getattr(batch, bound))
        for labels, batch in named
        for bound in ("value", "low", "high")
    ]
    return [
        _metric("images", "Images that were scored.", [(labels, batch.n) for labels, batch in named]),
        _metric("unreadable_images", "Files that could not be read.", [(labels, batch.unreadable) for labels, batch in named]),
        _metric("probable_failures", "Images that probably fail.", [(labels, batch.failures) for labels, batch in named]),
        _metric("far_images", "Images beyond 95 % of the primary's own.", [(labels, batch.far) for labels, batch in named]),
        _metric(
            "inside_gate",
            "Whether the dataset is inside the labelled range.",
            [(labels, batch.gate) for labels, batch in named],
        ),
        _metric("performance", "Mean performance and the ends of its interval.", performance),
    ]


def _of_alarm(check: Check, whole: Mapping[str, str]) -> list[str]:
    if check.alarm is None:
        return []
    labels = {**whole, "basis": check.alarm.basis}
    return [
        _metric("alarm_evidence", "Evidence that performance fell; 1 is an alarm.", [(labels, check.alarm.evidence[-1])]),
        _metric("alarm_raised", "Whether the alarm was ever raised.", [(labels, check.alarm.raised is not None)]),
    ]


def _metric(name: str, meaning: str, samples: Iterable[_Sample]) -> str:
    """Write one metric; "" where none of its samples is known."""
    lines = [f"howfar_check_{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples if value is not None]
    return "".join([f"# HELP howfar_check_{name} {meaning}\n# TYPE howfar_check_{name} gauge\n", *lines]) if lines else ""


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    # A lone surrogate, of a file name that is no UTF-8, cannot be written.
    text = value.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))
