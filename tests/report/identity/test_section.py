"""The section of the study of identity: its sentences say what its table holds."""

from __future__ import annotations

from pathlib import Path

from believable_identity import make
from howfar.report.study_report import write_section_report


def test_the_page_of_one_study_is_written_with_all_its_files(tmp_path: Path) -> None:
    identity = make(tmp_path, apart={"lite0": 3.0})
    page = write_section_report(identity, tmp_path / "identity")
    assert "Do distances tell persons apart?" in page.read_text(encoding="utf-8")
    names = {file.name for file in (tmp_path / "identity" / "figures").iterdir()}
    assert {"persons.png", "violins-1.svg", "blur-1.pdf"} <= names
    assert (tmp_path / "identity" / "tables" / "claims.tex").is_file()
