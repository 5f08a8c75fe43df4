"""The section of the study of identity: its sentences say what its table holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from believable_identity import make
from howfar.paper.identity_report import section
from howfar.report.section import Context
from howfar.report.study_report import write_section_report
from howfar.results.distance_studies import Identity


def made(identity: Identity) -> Any:
    return section(identity, Context(Path("run")))


def test_other_variations_than_the_papers_stand_alone(tmp_path: Path) -> None:
    faces = make(tmp_path, persons=tuple("abcde"), single=True, perturbations=())
    assert "Intervals over persons" in made(faces).limits[0]
    assert made(faces).sentences[1:] == []
    named = replace(faces, variations=("picture",), sets=faces.sets.assign(variation="picture"))
    assert made(named).parts[1].printed is None


def test_the_page_of_one_study_is_written_with_all_its_files(tmp_path: Path) -> None:
    identity = make(tmp_path, apart={"lite0": 3.0})
    page = write_section_report(identity, tmp_path / "identity")
    assert "Do distances tell persons apart?" in page.read_text(encoding="utf-8")
    names = {file.name for file in (tmp_path / "identity" / "figures").iterdir()}
    assert {"persons.png", "violins-1.svg", "blur-1.pdf"} <= names
    assert (tmp_path / "identity" / "tables" / "claims.tex").is_file()
