from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import pytest

from howfar.errors import InputError, StoreError
from howfar.results.check import CheckedDataset, LogRow
from howfar.studies.check import log
from howfar.studies.check.rules import moment


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


def test_what_is_appended_is_made_of_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    seen: list[int] = []

    def make(earlier: Sequence[LogRow]) -> Sequence[LogRow]:
        seen.append(len(earlier))
        return [row(str(len(earlier)))]

    for _ in range(3):
        log.append(file, make)
    assert seen == [0, 1, 2]


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
    [
        ("mean_predicted", "a"),
        ("mean_predicted", []),
        ("mean_predicted", float("nan")),
        ("value", {}),
        ("n", "3"),
        ("n", -1),
        ("gate", 5),
        ("dataset", None),
        ("predicted", [True, float("inf")]),
        ("measured", [2.0, 0.5]),
        ("measured", [0.5]),
        ("measured", ["x", 0.5]),
        ("time", "0001-01-01T00:00:00+23:59"),
        ("time", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_a_row_of_other_types_or_values_counts_as_damaged(tmp_path: Path, name: str, value: object) -> None:
    file = tmp_path / "log.jsonl"
    add(file, row("a"))
    written = json.loads(file.read_text(encoding="utf-8"))
    (written if name == "time" else written["batch"])[name] = value
    file.write_text(json.dumps(written) + "\n", encoding="utf-8")
    assert log.read(file) == ((), 1)
