"""Corrupted versions of the primary's images are left out of what a report shows, and stay where estimators were judged."""

from dataclasses import replace

import pytest

from assessed_sites import assessment
from howfar.report.comparison_report import write_report
from howfar.report.estimates_report import ASSESSMENT
from howfar.report.run_results import RunResults, gates_as_answered, without_corrupted
from howfar.results import Comparison, Relation
from howfar.results.assessment_result import Assessment, LabelledSet
from howfar.results.relation_result import Gate, GateReading


@pytest.fixture
def corrupted(six: Comparison) -> str:
    return six.datasets[1].name


@pytest.fixture
def answers(related: Relation, corrupted: str) -> Assessment:
    """An assessment of the six in which one was made to learn from."""
    some = assessment().sites[0]
    sites = tuple(
        replace(some, dataset=row.dataset, estimate=row.predicted, gate=None, to_label=())
        for row in related.estimates
        if row.dataset != corrupted
    )
    made = LabelledSet(corrupted, "corrupted", 9, 0.5, 0.5, 0.4, 0.6, True, None)
    return replace(assessment(), sites=sites, labelled=(made,))


def test_a_corrupted_set_is_in_no_row(six: Comparison, related: Relation, answers: Assessment, corrupted: str) -> None:
    shown, narrowed = without_corrupted(six, answers), without_corrupted(related, answers)
    assert narrowed is not None
    assert [row.name for row in shown.datasets] == [row.name for row in six.datasets if row.name != corrupted]
    for frame, column in ((shown.images, "dataset"), (shown.primary_images, "against"), (narrowed.images, "dataset")):
        assert set(frame[column]) == {row.name for row in shown.datasets}
    for rows in (narrowed.estimates, narrowed.failures, narrowed.gates):
        assert corrupted not in {row.dataset for row in rows}
    assert narrowed.judgements == related.judgements
    assert narrowed.pooled is None
    assert (shown.run_id, narrowed.run_id) == (six.run_id, related.run_id)
    assert without_corrupted(six, None) is six
    assert without_corrupted(related, replace(answers, labelled=())) is related


@pytest.mark.usefixtures("without_figures")
def test_the_page_shows_it_only_where_estimators_were_judged(six, related, answers, corrupted, tmp_path):
    html = write_report(six, tmp_path, related, answers).read_text(encoding="utf-8")
    parts = {part.partition('"')[0]: part for part in html.split('<section id="')[1:]}
    assert corrupted in parts["estimates"]
    assert not [section for section in ("distances", "images", "performance", "answer") if corrupted in parts[section]]


def test_gates_are_those_that_the_answers_read(related: Relation, answers: Assessment) -> None:
    name, other = related.estimates[0].dataset, related.estimates[1].dataset
    large = GateReading("size", 999.0, None, 500.0, False, "images larger than any labelled dataset")
    near = GateReading("distance", 1.1, None, 1.3, True, "distance 1.1")
    gated = replace(related, gates=(Gate(name, (large, near)), Gate(other, (near,))))
    site = replace(answers.sites[0], dataset=name, gate=Gate(name, (near,)))
    read = gates_as_answered(gated, replace(answers, sites=(site,)))
    assert read is not None
    assert [[gate.inside for gate in each.gates] for each in (gated, read)] == [[False, True], [True, True]]
    assert gates_as_answered(gated, None) is gated


def test_answers_of_an_earlier_relation_are_not_shown(six, related, answers, tmp_path):
    answers.save(tmp_path)
    assert RunResults.of(six, tmp_path, related).assessment is not None
    moved = tuple(replace(row, predicted=row.predicted + 0.2) for row in related.estimates)
    assert RunResults.of(six, tmp_path, replace(related, estimates=moved)).assessment is None
    assert RunResults.of(six, tmp_path).assessment is None
    assert ASSESSMENT.content(six, related, assessment=None) is None
    assert ASSESSMENT.content(six, None, assessment=answers) is None
