"""The section of distances says what the numbers say: order, marks, printed numbers, evidence of the trivial backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.paper import distance_table_answers
from howfar.paper.distance_table_answers import orders
from howfar.paper.distance_table_report import section
from howfar.report.section import Context
from howfar.results import BackboneSummary, Comparison
from howfar.results.backbones import BackboneFeature, DistanceTable
from howfar.results.records import Provenance
from howfar.studies.backbones import by_image, with_agreement

SETS = ("north", "south", "birds", "boats")
SYMBOLS = {"roads": "P", "north": "S_1", "south": "S_3", "birds": "S_5", "boats": "S_6"}
rng = np.random.default_rng(0)
ROADS = rng.normal(size=(30, 6))


def measured(label: str, shifts: Sequence[float], draws: int = 99) -> Comparison:
    """Compare rows that lie so far from those of P; bootstrapped."""
    secondaries = {
        name: rng.normal(size=(20, 6)) + np.array([shift, *[0] * 5]) for name, shift in zip(SETS, shifts, strict=True)
    }
    options: dict[str, Any] = {"bootstrap": 60, "permutations": draws, "rivals": False, "components": 4}
    found = howfar.compare(ROADS, secondaries, **options)
    summary = BackboneSummary(label, 6, (6,), {})
    return replace(found, backbone=summary, primary=replace(found.primary, name="roads"))


def made(shifts: Mapping[str, Sequence[float]], trivial: Sequence[str] = ("pixels",)) -> DistanceTable:
    comparisons = tuple(measured(label, values) for label, values in shifts.items())
    comparison = with_agreement(
        comparisons, {each.backbone.name: by_image(each) for each in comparisons}, comparisons[0].settings
    )
    features = tuple(BackboneFeature(label, label, "a feature", 6, "", label in trivial) for label in shifts)
    return DistanceTable(comparison, features, Provenance.now())


@pytest.fixture(scope="module")
def table() -> DistanceTable:
    return made({"net": (1, 2, 5, 6), "other": (1, 5, 2, 6), "pixels": (1, 2, 7, 5)})


def test_the_order_is_asked_of_every_backbone(table: DistanceTable) -> None:
    answers = orders(table, SYMBOLS)
    assert {name: answer.holds for name, answer in answers.items()} == {"net": True, "other": False, "pixels": True}
    assert {name: answer.trivial for name, answer in answers.items()} == {"net": False, "other": False, "pixels": True}
    assert (answers["net"].nearest.name, answers["net"].farthest.name) == ("birds", "south")
    assert (answers["other"].nearest.name, answers["other"].farthest.name) == ("birds", "south")
    assert answers["net"].apart
    ratio = answers["pixels"].nearest.o_dist_mean / answers["pixels"].farthest.o_dist_mean
    assert answers["pixels"].ratio == pytest.approx(ratio)
    rows = distance_table_answers.without_cracks(answers).rows
    assert [row[4].text for row in rows] == ["yes", "no", "yes"]
    assert rows[2][0].text == "pixels (trivial)"


def test_nothing_is_asked_without_such_datasets(table: DistanceTable) -> None:
    assert orders(table, {}) == {}
    assert orders(table, dict.fromkeys(SETS, "S_5")) == {}
    assert "without cracks" not in section(table, Context(Path(), {})).lead


def test_words_of_the_order(table: DistanceTable) -> None:
    answers = orders(table, SYMBOLS)
    assert distance_table_answers.lead(table, answers) == (
        "Every dataset without cracks is farther than every other by 1 of 2 backbones (net) and by the trivial one (pixels)."
    )
    assert "no evidence that a model sees more than colour" in distance_table_answers.evidence_sentence(answers)
    own = {name: answer for name, answer in answers.items() if not answer.trivial}
    assert "No trivial backbone is listed" in distance_table_answers.evidence_sentence(own)
    assert "by no backbone (other)" in distance_table_answers.lead(table, {"other": answers["other"]})
    assert "by both backbones (net and again)" in distance_table_answers.lead(
        table, {"net": answers["net"], "again": answers["net"]}
    )
    failing = {**own, "pixels": replace(answers["pixels"], holds=False)}
    assert "which see colour and layout alone, give another order" in distance_table_answers.evidence_sentence(failing)
    close = {**answers, "net": replace(answers["net"], apart=False)}
    assert distance_table_answers.apart_sentence(close).startswith("By net the intervals")
    turned = {**own, "other": replace(answers["other"], relative=True)}
    assert "the other one by other" in distance_table_answers.relative_sentence(turned)


def test_the_last_third_spans_what_numpy_says() -> None:
    scaled = pd.Series(np.linspace(0, 1, 10) ** 2)
    found = made({"net": (1, 2, 5, 6)}).comparison["net"]
    images = pd.DataFrame({"dataset": ["north"] * 10 + ["few"] * 2, "i_dist_scaled": [*scaled[::-1], 0.0, 1.0]})
    spans = distance_table_answers.spans_of(replace(found, images=images))
    assert spans == {"north": pytest.approx(1 - (7 / 9) ** 2), "few": None}


def test_agreement_and_p_values_in_words(table: DistanceTable) -> None:
    values = [table.comparison.agreed(*pair)[0] for pair in (("net", "other"), ("net", "pixels"), ("other", "pixels"))]
    low, high = (f"{value:+.2f}" for value in (min(filter(None, values)), max(filter(None, values))))
    assert f"from {low} to {high} for the order of the datasets" in distance_table_answers.agreement_sentence(table)
    assert distance_table_answers.agreement_sentence(made({"net": (1, 2, 5, 6)})) == ""
    near = made({"net": (0, 4, 5, 6)})
    assert (
        distance_table_answers.p_sentence(near)
        == "Not told from roads by the permutation test (p above 0.05 after Holm): north by net."
    )
    assert distance_table_answers.p_sentence(made({"net": (4, 4, 5, 6)})).startswith(
        "Every dataset differs from roads by every backbone"
    )
    few = replace(near, comparison=replace(near.comparison, comparisons=(measured("net", (0, 4, 5, 6), 19),)))
    assert distance_table_answers.p_sentence(few).startswith("With 19 permutations no dataset can be told from roads")
