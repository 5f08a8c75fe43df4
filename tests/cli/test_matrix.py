"""`howfar matrix` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from howfar.cli.main import run
from howfar.results.comparison import Matrix

QUICK = ("--backbone", "colour_moments", "--components", "4")


def test_prints_table_notes_and_report(demo_folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(["matrix", *map(str, demo_folders[:3]), *QUICK, "--limit", "9", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    found = Matrix.load(out)
    for row in found.table()[1]:
        for cell in row:
            assert cell in printed
    assert f"note: {found.notes[0]}" in printed.replace("\n", " ")
    assert str(out / "report.html") in printed.replace("\n", "")
    (out / "report.html").unlink()
    assert run(["report", str(out)]) == 0
    assert (out / "report.html").is_file()


def test_json_is_one_document(demo_folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["matrix", *map(str, demo_folders[:3]), *QUICK, "--bootstrap", "20", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["datasets"]] == [folder.name for folder in demo_folders[:3]]
    assert len(document["pairs"]) == 3
    assert document["settings"]["bootstrap"] == 20
    assert all(row["energy_ci_low"] <= row["energy"] for row in document["pairs"])


@pytest.mark.parametrize(
    ("option", "setting", "value"),
    [
        (("--projection", "joint"), "projection", "joint"),
        (("--scale", "layers"), "scale", "layers"),
        (("--seed", "3"), "seed", 3),
        (("--components", "2"), "components", 2),
        (("--limit", "7"), "limit", 7),
    ],
)
def test_options_reach_the_study(
    option: tuple[str, str], setting: str, value: object, demo_folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["matrix", *map(str, demo_folders[:2]), *QUICK, *option, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"][setting] == value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "DATASET must be at least two, got 1"),
        (("no-such-folder",), "no-such-folder"),
        (("{other}", "--projection", "primary"), "projection must be pair, joint or none in a matrix"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], words: str, demo_folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one.format(other=demo_folders[1]) for one in arguments]
    assert run(["matrix", str(demo_folders[0]), *given, *QUICK]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_budget_that_is_too_small_is_one_line_before_any_work(
    demo_folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets, store = [str(folder) for folder in demo_folders[:2]], ("--store", str(tmp_path / "store"))
    for command in (
        ["matrix", *sets],
        ["compare", *sets],
        ["embed", *sets],
        ["profile", sets[0], "-o", str(tmp_path / "p.howfar")],
    ):
        assert run([*command, "--backbone", "colour_moments", *store, "--memory", "1MB"]) == 2
        line = capsys.readouterr().err.strip()
        assert "memory must be at least" in line
        assert line.count("\n") == 0
    assert not list((tmp_path / "store").rglob("*.npy"))
    assert run(["matrix", *sets, *QUICK, *store, "--memory", "some"]) == 2
    assert "write 512MB, 2GB" in capsys.readouterr().err
