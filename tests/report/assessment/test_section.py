"""The first section of an assessed run's page: what it says, in which order, and when it is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assessed_sites import assessment
from howfar.report import estimates
from howfar.report.estimates import ASSESSMENT
from howfar.report.figures import Figures
from howfar.report.page import fill
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment


def filled(found: Assessment, comparison: Comparison, relation: Relation) -> str:
    content = ASSESSMENT.content(comparison, relation, assessment=found)
    assert content is not None
    return str(fill(ASSESSMENT.template, {"c": comparison, "figures": Figures({}, []), **content}, ASSESSMENT.name))


def test_warnings_come_first_and_labelled_sites_last(six: Comparison, related: Relation) -> None:
    html = filled(assessment(), six, related)
    order = [html.index(f"<strong>{name}</strong>") for name in ("highway", "masonry", "dark", "site")]
    assert order == sorted(order)
    assert html.count('class="caution"') == 1
    assert html.index('class="caution"') < order[0] < html.index('class="inside"')
    assert "howfar certify highway=/data/highway --predictions maps -k 8" in html
    assert "1.png, 2.png" in html
    assert html.index("the answers rest on 1") < html.index("<table")


def test_the_table_brackets_what_is_not_to_be_believed() -> None:
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in estimates.sites(assessment()).rows}
    assert rows["highway"] == ["80", "OUTSIDE", "(0.41)", "(0.32 – 0.50 (90 %))", "4 of 5", "0.031", "–", "(15 %)"]
    header, cells = assessment().table()
    printed = {row[0]: dict(zip(header, row, strict=True)) for row in cells}
    assert (printed["highway"]["expected"], printed["highway"]["listed < 0.5"]) == ("(0.41 [0.32, 0.50])", "(12 of 80)")
    assert printed["site"]["expected"] == "0.60 [0.51, 0.69]"
    assert rows["site"][2:4] == ["0.60", "0.51 – 0.69 (90 %)"]
    assert rows["dark"][1:4] == ["unknown", "–", "–"]


@pytest.mark.parametrize("known", [True, False])
def test_it_is_left_out_without_answers_or_relation(six: Comparison, related: Relation, known: bool) -> None:
    content = ASSESSMENT.content(six, related if known else None, assessment=None if known else assessment())
    assert content is None


def test_answers_of_an_earlier_relation_are_not_shown(related: Relation, tmp_path: Path) -> None:
    from howfar.report.run_results import _assessment_of

    found = assessment()
    estimates = tuple(replace(related.estimates[0], dataset=site.dataset, predicted=site.estimate) for site in found.sites[:3])
    fitting = replace(related, estimates=estimates)
    found.save(tmp_path)
    assert _assessment_of(fitting, tmp_path, None) is not None
    assert _assessment_of(related, tmp_path, None) is None
    assert _assessment_of(None, tmp_path, None) is None
