"""The section of the study of identity: its sentences say what its table holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from believable_identity import make
from howfar.paper.identity_report import section
from howfar.paper.printed_values import TABLE_9
from howfar.report.section import Context, TablePart
from howfar.report.study import write_section_report
from howfar.results.distance_studies import Identity


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make(tmp_path_factory.mktemp("people"))


def made(identity: Identity) -> Any:
    return section(identity, Context(Path("run")))


def test_tables_and_figures_carry_the_papers_numbers(identity: Identity) -> None:
    parts = made(identity).parts
    assert [part.label for part in parts] == ["Appendix E", "Table 9", "Figure 30", *["Figure 31"] * 2, *["Figure 32"] * 2]
    claims, variations = (part for part in parts if isinstance(part, TablePart))
    assert len(claims.table.rows) == 8
    assert variations.printed is TABLE_9
    assert [cell.text for cell in variations.table.rows[0]] == ["view", "3", "6", "6", "3", "1, 2 and 3"]


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
