"""`howfar matrix` as a user runs it."""

from __future__ import annotations

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
