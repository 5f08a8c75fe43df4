from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from howfar.report.check_report_formats import junit_text, markdown_text, prometheus_text
from howfar.results.check_result import AlarmReading, Check, CheckedDataset, Decision, LogRow

ODD = 'a<b>&"c"\'|`d`\\e\x00\x1f\ufffe\udcff\n*f*_g_<script>🛣'


def made(name: str = ODD) -> Check:
    batch = CheckedDataset(name, 30, 2, 30, 5, 4, 0.5, 0.6, 0.5, 0.7, 0.9, "estimated", None, (0.5,), (0.4,))
    decisions = (
        Decision(name, "images", "breach", "pass", "at least 20", 30, None, None, "30 images were scored"),
        Decision(name, "performance", "breach", "undecided", "at least 0.6", 0.6, 0.5, 0.7, name, "label 24 images", 24),
        Decision(name, "gate", "breach", "breach", "inside", None, None, None, "farther", "label 8"),
        Decision(name, "distance", "warn", "breach", "at most 20 %", 0.3, None, None, "far", "look"),
    )
    row = LogRow("2026-01-01T00:00:00+00:00", name, "key", batch, {"gate": "breach"}, "breach")
    alarm = AlarmReading("labels", 0.6, 0.05, "any", 1, 1, (0.25,), None)
    return Check(name, decisions, (batch,), alarm=alarm, rows=(row,), log="log.jsonl", notes=(name,))


@pytest.mark.parametrize("name", ["site", ODD])
def test_junit_is_xml_whatever_the_names(name: str) -> None:
    text = junit_text(made(name))
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert list(cases) == ["images", "performance", "gate", "distance"]
    assert cases["gate"].find("failure") is not None
    assert cases["performance"].find("error") is not None
    assert (cases["distance"].findtext("system-out") or "").startswith("warn: ")
    if name == "site":
        assert text.splitlines()[0] == '<?xml version="1.0" encoding="utf-8"?>'
        assert cases["images"].get("classname") == "site.site"
        (fault,) = cases["performance"]
        expected = {"type": "undecided", "message": "site"}, "must be at least 0.6; label 24 images"
        assert (fault.attrib, fault.text) == expected
    assert "🛣" in (root[0].get("name") or "") or name == "site"


def test_markdown_shows_names_as_they_are_and_breaks_no_table() -> None:
    text = markdown_text(made())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    cells = {line.replace("\\\\", "").replace("\\|", "").count("|") for line in rows}
    assert cells == {7, 8}  # six columns of decisions, seven of the log
    assert "<script>" not in text.replace("\\<", "")
    assert "\x00" not in text
    assert text.splitlines()[0].startswith("## howfar check: BREACH")
    text.encode("utf-8")
    rows = [line for line in markdown_text(made("site")).splitlines() if line.startswith("|")]
    assert rows[:2] == ["| dataset | rule | must | value | decision | why |", "|---|---|---|---|---|---|"]
    assert rows[2] == "| site | images | at least 20 | 30 | pass | 30 images were scored |"


def test_prometheus_escapes_labels_and_leaves_out_what_is_not_known() -> None:
    text = prometheus_text(made('a"b\\c\nd\udcff'))
    text.encode("utf-8")
    assert 'primary="a\\"b\\\\c\\nd?"' in text
    lines = text.splitlines()
    moment = prometheus_text(Check("roads", ()), datetime(2026, 1, 1, tzinfo=UTC)).splitlines()
    assert moment[3:6] == [
        "# HELP howfar_check_timestamp_seconds Time of the check, in seconds since 1970.",
        "# TYPE howfar_check_timestamp_seconds gauge",
        'howfar_check_timestamp_seconds{primary="roads"} 1767225600',
    ]
    names = [line.split("{")[0] for line in lines if not line.startswith("#")]
    assert "howfar_check_inside_gate" not in names
    # Each metric is one block, with its help and type once before it.
    blocks = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert list(dict.fromkeys(names)) == blocks == [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert len(set(blocks)) == len(blocks)
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
    assert {value for key, value in values.items() if key.startswith("howfar_check_rule_outcome")} == {0.0, 3.0, 4.0}
    assert next(value for key, value in values.items() if "labels_to_decide" in key) == 24
    assert next(value for key, value in values.items() if "alarm_evidence" in key) == 0.25
