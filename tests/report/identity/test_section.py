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


def with_claims(identity: Identity, **values: Any) -> Identity:
    """Give every blurred row of the table of claims these values."""
    claims = identity.claims.copy()
    for name, value in values.items():
        claims.loc[claims["perturbation"] == "blur", name] = value
    return replace(identity, claims=claims)


def test_the_lead_gives_the_smallest_and_the_largest_share_by_backbone(identity: Identity) -> None:
    claims = identity.claims.assign(violated=[0.0, 0.25, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    lead = made(replace(identity, claims=claims)).lead
    assert lead.startswith(
        "Another of 2 persons is at least as near as the same one in 0 % (view) to 25 % (light) of the pairs by lite0 and 50 % "
        "by pixels; distances that see what varies and not the person would give 67 %."
    )


def test_where_the_claim_holds_wholly_is_named(identity: Identity) -> None:
    none = made(replace(identity, claims=identity.claims.assign(holding=0))).sentences[0]
    claim = "the claim of equations 9 to 11 holds from every primary set"
    assert none == f"Of 4 combinations of a backbone and a variation {claim} for none."
    claims = identity.claims.assign(holding=0)
    claims.loc[1, "holding"] = claims.loc[1, "references"]
    assert "for lite0 under light." in made(replace(identity, claims=claims)).sentences[0]


def test_a_change_counts_beyond_its_interval_alone(identity: Identity) -> None:
    within = with_claims(identity, change=0.01, change_low=-0.02, change_high=0.03)
    assert made(within).sentences[1] == (
        "Every interval of a change of the share of violated pairs by blur holds 0; the largest change is lite0 under view "
        "(+1.0 [−2.0, +3.0])."
    )
    claims = within.claims.copy()
    claims.loc[2, ["change", "change_low"]] = (0.02, 0.01)
    claims.loc[7, ["change", "change_low", "change_high"]] = (-0.1, -0.2, -0.05)
    assert made(replace(within, claims=claims)).sentences[1] == (
        "In percentage points, blur raises the share of violated pairs for lite0 under view (+2.0 [+1.0, +3.0]) and lowers it "
        "for pixels under light (−10.0 [−20.0, −5.0]); the intervals of 2 other changes hold 0."
    )


def test_tables_and_figures_carry_the_papers_numbers(identity: Identity) -> None:
    parts = made(identity).parts
    assert [part.label for part in parts] == ["Appendix E", "Table 9", "Figure 30", *["Figure 31"] * 2, *["Figure 32"] * 2]
    claims, variations = (part for part in parts if isinstance(part, TablePart))
    assert len(claims.table.rows) == 8
    assert variations.printed is TABLE_9
    assert [cell.text for cell in variations.table.rows[0]] == ["view", "3", "6", "6", "3", "1, 2 and 3"]


def test_a_row_of_the_claims_shows_what_was_measured(identity: Identity) -> None:
    row = next(each for each in identity.claims.to_dict("records") if each["perturbation"] == "blur" and each["violated"])
    table = made(identity).parts[0].table
    position = [cell.title for cell in table.columns].index("violated [95 % CI]")
    named = [row["backbone"], row["variation"], "blur"]
    cells = next(cells for cells in table.rows if [cell.text for cell in cells[:3]] == named)
    assert cells[position].sort == row["violated"]
    assert cells[position].text.startswith(f"{100 * row['violated']:.0f} % [")


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
