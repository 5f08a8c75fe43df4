"""Corrupted versions of the primary's images are left out of what a report shows, and stay where estimators were judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from assessed_sites import assessment
from howfar.report.comparison import write_report
from howfar.report.run_results import gates_as_answered, related_without_corrupted, without_corrupted
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment, LabelledSet
from howfar.results.relation import Gate, GateReading


def made_of(related: Relation, name: str) -> Assessment:
    """An assessment of the six in which one was made to learn from."""
    some = assessment().sites[0]
    sites = tuple(
        replace(some, dataset=row.dataset, estimate=row.predicted, gate=None, to_label=())
        for row in related.estimates
        if row.dataset != name
    )
    return replace(assessment(), sites=sites, labelled=(LabelledSet(name, "corrupted", 9, 0.5, 0.5, 0.4, 0.6, True, None),))


def test_a_corrupted_set_is_in_no_row(six: Comparison, related: Relation) -> None:
    name = six.datasets[1].name
    answers = made_of(related, name)
    shown, narrowed = without_corrupted(six, answers), related_without_corrupted(related, answers)
    assert narrowed is not None
    assert [row.name for row in shown.datasets] == [row.name for row in six.datasets if row.name != name]
    for frame, column in ((shown.images, "dataset"), (shown.primary_images, "against"), (narrowed.images, "dataset")):
        assert name not in set(frame[column])
    assert set(shown.images["dataset"]) == {row.name for row in shown.datasets}
    for rows in (narrowed.estimates, narrowed.failures, narrowed.gates):
        assert name not in {row.dataset for row in rows}
    assert narrowed.judgements == related.judgements
    assert narrowed.pooled is None
    assert (shown.run_id, narrowed.run_id) == (six.run_id, related.run_id)


def test_without_corrupted_sets_nothing_is_left_out(six: Comparison, related: Relation) -> None:
    assert without_corrupted(six, None) is six
    assert related_without_corrupted(related, replace(assessment(), labelled=())) is related


def test_gates_are_those_that_the_answers_read(related: Relation) -> None:
    name, other = related.estimates[0].dataset, related.estimates[1].dataset
    large = GateReading("size", 999.0, None, 500.0, False, "images larger than anything labelled")
    near = GateReading("distance", 1.1, None, 1.3, True, "distance 1.1")
    gated = replace(related, gates=(Gate(name, (large, near)), Gate(other, (near,))))
    answers = replace(assessment(), sites=(replace(assessment().sites[0], dataset=name, gate=Gate(name, (near,))),))
    read = gates_as_answered(gated, answers)
    assert read is not None
    assert [gate.inside for gate in gated.gates] == [False, True]
    assert [gate.inside for gate in read.gates] == [True, True]
    assert gates_as_answered(gated, None) is gated


def test_the_page_shows_it_only_where_estimators_were_judged(six: Comparison, related: Relation, tmp_path: Path) -> None:
    name = six.datasets[1].name
    html = write_report(six, tmp_path, related, made_of(related, name)).read_text(encoding="utf-8")
    parts = {part.partition('"')[0]: part for part in html.split('<section id="')[1:]}
    assert name in parts["estimates"]
    assert not [section for section in ("distances", "images", "performance", "answer") if name in parts[section]]
