import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError, StoreError
from howfar.results.check_result import CheckedDataset, LogRow
from howfar.studies.check import log
from howfar.studies.check.log import alarm_decision, read_alarm
from howfar.studies.check.rules import AlarmRule, moment


def row(key: str, time: str = "2026-01-01T00:00:00+00:00", name: str = "site") -> LogRow:
    return LogRow(
        time, "roads", key, CheckedDataset(name, 3, measured=(0.5, 1.0), predicted=(0.4, None)), {"gate": "pass"}, "pass"
    )


def add(file: Path, *rows: LogRow) -> None:
    log.append(file, lambda earlier: rows)


def write_many(file: Path, count: int) -> None:
    """Append rows that are named by how many there are: two at once would give one name twice."""
    for _ in range(count):
        log.append(file, lambda earlier: [row(str(len(earlier)))])


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    file, odd = tmp_path / "log.jsonl", row("b", name='od"d\n\u2028 name \udcff')
    add(file, row("a"), odd)
    assert log.read(file) == ((row("a"), odd), 0)
    assert log.read(tmp_path / "none.jsonl") == ((), 0)


def test_groups_come_back_and_rows_without_them_are_those_of_before(tmp_path: Path) -> None:
    file, plain = tmp_path / "log.jsonl", row("a")
    grouped = replace(plain, key="b", batch=replace(plain.batch, groups=(0, 0), unit="frame"))
    add(file, plain, grouped)
    assert log.read(file) == ((plain, grouped), 0)
    first, second = (json.loads(line)["batch"] for line in file.read_text().splitlines())
    assert (set(second) - set(first), second["groups"]) == ({"groups", "unit"}, [0, 0])


def test_images_of_one_group_are_one_piece_of_evidence() -> None:
    """Four clips that fail say little of other clips, however many of their frames are labelled."""
    raised = []
    for groups in ((), (0,) * 8):
        failing = [replace(one, batch=replace(one.batch, groups=groups)) for one in [each([0.0] * 8)] * 4]
        reading = read_alarm(AlarmRule(at_least=0.4), (), failing)
        assert reading is not None
        assert reading.images == 32
        raised.append(reading.raised is not None)
    assert raised == [True, False]


def each(values: list[float]) -> LogRow:
    """Return a row whose labelled images have these values, all predicted as 0.5."""
    batch = CheckedDataset("site", 8, mean_predicted=0.5, measured=tuple(values), predicted=(0.5,) * len(values))
    return LogRow("2026-01-01T00:00:00+00:00", "roads", "a", batch, {}, "pass")


def test_a_batch_that_is_checked_again_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"), row("b"))
    add(file, row("a", "2026-02-01T00:00:00+00:00"))
    rows, _ = log.read(file)
    assert [(each.key, each.time[:7]) for each in rows] == [("b", "2026-01"), ("a", "2026-02")]


@pytest.mark.parametrize("torn", [b'{"format": 1, "time": "20', b"\xff\xfe", b"null", b"[1]", b'{"format": 1}', b"[" * 5000])
def test_a_torn_line_spoils_no_other(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"))
    with file.open("ab") as opened:
        opened.write(torn)
    assert log.read(file) == ((row("a"),), 1)
    add(file, row("b"))
    assert log.read(file) == ((row("a"), row("b")), 1)


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    writers = [multiprocessing.get_context("fork").Process(target=write_many, args=(file, 60)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows, damaged = log.read(file)
    assert ([each.key for each in rows], damaged) == ([str(number) for number in range(120)], 0)


def test_a_later_format_and_wrong_places_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"format": 99}\n')
    with pytest.raises(StoreError, match="later howfar"):
        log.read(file)
    for wrong in (tmp_path, tmp_path / "none" / "log.jsonl"):
        with pytest.raises(InputError, match="log must be a file"):
            add(wrong, row("a"))
    with pytest.raises(InputError, match="can be read"):
        log.read(tmp_path)


def test_rows_are_split_at_a_moment() -> None:
    rows = [row("a", "2026-01-01T00:00:00+00:00"), row("b", "2026-01-02T00:00:00+00:00")]
    before, after = log.split(rows, moment("2026-01-02"))
    assert [each.key for each in before], [each.key for each in after] == (["a"], ["b"])
    assert log.split(rows, None) == ((), tuple(rows))


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean_predicted", "a"), ("mean_predicted", float("nan")), ("value", {}), ("n", "3"), ("n", -1), ("gate", 5),
     ("dataset", None), ("predicted", [True, float("inf")]), ("measured", [2.0, 0.5]), ("measured", [0.5]),
     ("measured", ["x", 0.5]), ("time", "0001-01-01T00:00:00+23:59"), ("time", "9999-12-31T23:59:59-23:59")],
)  # fmt: skip
def test_a_row_of_other_types_or_values_counts_as_damaged(tmp_path: Path, name: str, value: object) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"))
    written = json.loads(file.read_text(encoding="utf-8"))
    (written if name == "time" else written["batch"])[name] = value
    file.write_text(json.dumps(written) + "\n", encoding="utf-8")
    assert log.read(file) == ((), 1)


def rows(count: int, k: int, fall: float = 0.0, seed: int = 0, mean: float = 0.8) -> list[LogRow]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        predicted = np.clip(rng.normal(mean, 0.1, 60), 0, 1)
        measured = np.clip(predicted + rng.normal(-fall, 0.07, 60), 0, 1)
        batch = CheckedDataset("site", 60, mean_predicted=float(predicted.mean()))
        batch = replace(batch, measured=tuple(measured[:k].tolist()), predicted=tuple(predicted[:k].tolist()))
        made.append(LogRow(f"2026-02-{number + 1:02}T00:00:00+00:00", "roads", f"{seed}-{number}", batch, {}, "pass"))
    return made


@pytest.mark.parametrize(
    "asked", [{"at_least": 0.78}, {"tolerated_drop": 0.01}, {"tolerated_drop": 0.01, "spread": "in_control"}]
)
def test_a_fall_is_a_breach_and_none_is_a_pass(asked: dict[str, Any]) -> None:
    before, well = rows(6, 20, seed=1), rows(20, 5, seed=2)
    for since, outcome in ((well, "pass"), ([*well[:5], *rows(15, 5, fall=0.2, seed=3)], "breach")):
        reading = read_alarm(AlarmRule(**asked), before, since)
        assert (reading.basis, reading.batches, reading.images) == ("labels", 20, 100)
        decision = alarm_decision(AlarmRule(**asked), reading)
        assert decision.outcome == outcome
        assert "at most 5 % false alarms over all time" in decision.words
        assert ("no wider than before" in decision.words) == (asked.get("spread") == "in_control")
        assert (reading.raised is not None) == (outcome == "breach")
        assert (max(reading.evidence) >= 1) == (outcome == "breach")


def test_an_alarm_stays_raised() -> None:
    fallen = [*rows(10, 8, fall=0.2, seed=3), *rows(80, 8, seed=4, mean=0.9)]
    reading = read_alarm(AlarmRule(at_least=0.78), [], fallen)
    assert reading.evidence[-1] < 1
    assert alarm_decision(AlarmRule(at_least=0.78), reading).outcome == "breach"


def test_without_labels_the_estimate_is_judged_and_proves_no_harm() -> None:
    for mean, outcome in ((0.8, "pass"), (0.3, "undecided")):
        unlabelled = [replace(row, batch=replace(row.batch, measured=(), predicted=())) for row in rows(25, 0, mean=mean)]
        reading = read_alarm(AlarmRule(at_least=0.7), [], unlabelled)
        assert reading.basis == "estimates"
        decision = alarm_decision(AlarmRule(at_least=0.7), reading)
        assert decision.outcome == outcome
        assert "nothing is known of true performance without labels" in decision.words


def test_too_little_to_judge_by_is_undecided() -> None:
    for asked, before in (({"tolerated_drop": 0.0}, rows(2, 10)), ({"at_least": 0.7}, [])):
        since = rows(3, 5) if before else []
        decision = alarm_decision(AlarmRule(**asked), read_alarm(AlarmRule(**asked), before, since))
        assert decision.outcome == "undecided"
        assert decision.remedy


def test_the_spread_in_control_needs_predictions() -> None:
    since = [replace(row, batch=replace(row.batch, predicted=(None,) * 5)) for row in rows(3, 5)]
    with pytest.raises(InputError, match="in_control needs predictions of every labelled image"):
        read_alarm(AlarmRule(at_least=0.7, spread="in_control"), rows(6, 20), since)
    assert read_alarm(AlarmRule(at_least=0.7), rows(6, 20), since) is not None


def test_a_level_that_tolerates_all_is_refused() -> None:
    with pytest.raises(InputError, match="tolerate a smaller drop"):
        read_alarm(AlarmRule(tolerated_drop=0.9), rows(6, 20), rows(3, 5))
