"""Write the decisions of `howfar check` as JUnit XML, as Markdown, and as metrics for Prometheus."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from howfar.formatting_and_escaping import xml_text
from howfar.results.check_result import EXIT_CODES, HEADER, LOG_HEADER, Check, Decision


def junit_text(check: Check) -> str:
    """Format a check as a suite per dataset and a test per rule; breach is a failure, undecided an error, a warning output.

    The elements and attributes are those of the JUnit XML that Ant's task writes, which all readers take.
    """
    root = ElementTree.Element("testsuites", {"name": "howfar check", **_counts(check.decisions)})
    for name in dict.fromkeys(decision.dataset for decision in check.decisions):
        own = [decision for decision in check.decisions if decision.dataset == name]
        suite = ElementTree.SubElement(root, "testsuite", {"name": xml_text(name), **_counts(own), "skipped": "0"})
        for decision in own:
            named = {"classname": xml_text(f"{check.primary}.{decision.dataset}"), "name": xml_text(decision.rule)}
            case = ElementTree.SubElement(suite, "testcase", named)
            if decision.counts == "pass":
                output = ElementTree.SubElement(case, "system-out")
                output.text = xml_text(f"{decision.shown}: {decision.why()}")
                continue
            tag = "failure" if decision.counts == "breach" else "error"
            fault = ElementTree.SubElement(case, tag, {"type": decision.counts, "message": xml_text(decision.words)})
            fault.text = xml_text("; ".join(filter(None, [f"must be {decision.must}", decision.remedy])))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _counts(decisions: Sequence[Decision]) -> dict[str, str]:
    outcomes = [decision.counts for decision in decisions]
    counts = {"tests": len(outcomes), "failures": outcomes.count("breach"), "errors": outcomes.count("undecided")}
    return {name: str(count) for name, count in counts.items()}


_ROWS = 30
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$@&])")


def markdown_text(check: Check) -> str:
    """Format the verdict, a table of the decisions and, if there is a log, its last rows."""
    lines = [f"## howfar check: {escaped_markdown(check.caption())}", ""]
    if check.decisions:
        lines += markdown_table((*HEADER, "why"), [(*decision.cells(), decision.why()) for decision in check.decisions])
    if check.rows:
        more = f", the last {_ROWS} of {len(check.rows)}" if len(check.rows) > _ROWS else ""
        lines += [f"Batches over time{more}:", "", *markdown_table(LOG_HEADER, [row.cells() for row in check.rows[-_ROWS:]])]
    lines += [f"- {escaped_markdown(note)}" for note in check.notes]
    return "\n".join(lines) + ("\n" if lines[-1] else "")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format a table as lines of Markdown with escaped cells, and a blank line."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *([escaped_markdown(cell) for cell in row] for row in rows))]
    return [lines[0], f"|{'---|' * len(header)}", *lines[1:], ""]


def escaped_markdown(text: str) -> str:
    """Escape text for a Markdown table, on one line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return _SPECIAL.sub(r"\\\1", line).replace(r"\(", "(").replace(r"\)", ")").replace(r"\[", "[").replace(r"\+", "+")


_BATCHES = (
    ("images", "n", "Images that were scored."),
    ("unreadable_images", "unreadable", "Files that could not be read."),
    ("probable_failures", "failures", "Images that probably fail."),
    ("far_images", "far", "Images beyond 95 % of the primary's own."),
    ("inside_gate", "gate", "Whether the dataset is inside the labelled range."),
)
"""Metrics of a batch: name, field, and meaning."""


def prometheus_text(check: Check, now: datetime | None = None) -> str:
    """Format all metrics as gauges in text format 0.0.4; unknown values are left out.

    The exit code is 0, 3 or 4, and so is a rule's outcome. `now` is the time of the check, by default this moment.
    Source: https://prometheus.io/docs/instrumenting/exposition_formats.
    """
    at = (datetime.now(UTC) if now is None else now).timestamp()
    whole: dict[str, str] = {"primary": check.primary}
    rules = [
        ({**whole, "dataset": each.dataset, "rule": each.rule, "severity": each.severity}, EXIT_CODES[each.outcome])
        for each in check.decisions
    ]
    metrics: list[tuple[str, str, Sequence[tuple[Mapping[str, str], float | None]]]] = [
        ("exit_code", "Exit code of the check: 0 pass, 3 breach, 4 undecided.", [(whole, check.exit_code)]),
        ("timestamp_seconds", "Time of the check, in seconds since 1970.", [(whole, at)]),
        ("labels_to_decide", "Labels expected to decide what is undecided.", [(whole, check.labels)]),
        ("rule_outcome", "Outcome of a rule: 0 pass, 3 breach, 4 undecided.", rules),
    ]
    batches = [({**whole, "dataset": batch.dataset}, batch) for batch in check.batches]
    for name, own, meaning in _BATCHES:
        metrics.append((name, meaning, [(labels, getattr(batch, own)) for labels, batch in batches]))
    performance = [
        ({**labels, "bound": bound, "source": batch.source}, getattr(batch, bound))
        for labels, batch in batches
        for bound in ("value", "low", "high")
    ]
    metrics.append(("performance", "Mean performance and the ends of its interval.", performance))
    if check.alarm is not None:
        labels, raised = {**whole, "basis": check.alarm.basis}, check.alarm.raised is not None
        evidence = "Evidence that performance fell; 1 is an alarm."
        metrics.append(("alarm_evidence", evidence, [(labels, check.alarm.evidence[-1])]))
        metrics.append(("alarm_raised", "Whether the alarm was ever raised.", [(labels, raised)]))
    lines = list[str]()
    for name, meaning, samples in metrics:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines += [f"# HELP howfar_check_{name} {meaning}", f"# TYPE howfar_check_{name} gauge"]
        for named, value in known:
            number = str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))
            lines.append(f"howfar_check_{name}{{{_labels(named)}}} {number}")
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    # A lone surrogate, of a file name that is no UTF-8, cannot be written.
    texts = {name: value.encode("utf-8", "replace").decode("utf-8") for name, value in labels.items()}
    escapes = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
    return ",".join(f'{name}="{text.translate(escapes)}"' for name, text in texts.items())
