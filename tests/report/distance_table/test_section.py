"""The section of distances says what the numbers say: order, marks, printed numbers, evidence of the trivial backbones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from believable_distances import SETS, make, measured
from howfar.paper import backbone_distances_report
from howfar.paper.backbone_distances_report import distance_section as section
from howfar.paper.backbone_distances_report import orders
from howfar.report.section import Context
from howfar.results.backbones_result import DistanceTable

SYMBOLS = {"roads": "P", "north": "S_1", "south": "S_3", "birds": "S_5", "boats": "S_6"}


@pytest.fixture(scope="module")
def table() -> DistanceTable:
    return make(net=(1, 2, 5, 6), other=(1, 5, 2, 6), pixels=(1, 2, 7, 5))


def test_the_order_is_asked_of_every_backbone(table: DistanceTable) -> None:
    answers = orders(table, SYMBOLS)
    assert {name: answer.holds for name, answer in answers.items()} == {"net": True, "other": False, "pixels": True}
    assert {name: answer.trivial for name, answer in answers.items()} == {"net": False, "other": False, "pixels": True}
    assert (answers["net"].nearest.name, answers["net"].farthest.name) == ("birds", "south")
    assert (answers["other"].nearest.name, answers["other"].farthest.name) == ("birds", "south")
    assert answers["net"].apart
    ratio = answers["pixels"].nearest.o_dist_mean / answers["pixels"].farthest.o_dist_mean
    assert answers["pixels"].ratio == pytest.approx(ratio)
    rows = backbone_distances_report.without_cracks(answers).rows
    assert [row[4].text for row in rows] == ["yes", "no", "yes"]
    assert rows[2][0].text == "pixels (trivial)"


def test_nothing_is_asked_without_such_datasets(table: DistanceTable) -> None:
    assert orders(table, {}) == {}
    assert orders(table, dict.fromkeys(SETS, "S_5")) == {}
    assert "without cracks" not in section(table, Context(Path(), {})).lead


def test_words_of_the_order(table: DistanceTable) -> None:
    answers = orders(table, SYMBOLS)
    own = {name: answer for name, answer in answers.items() if not answer.trivial}
    assert "No trivial backbone is listed" in backbone_distances_report.evidence_sentence(own)
    assert "by no backbone (other)" in backbone_distances_report.distance_lead(table, {"other": answers["other"]})
    assert "by both backbones (net and again)" in backbone_distances_report.distance_lead(
        table, {"net": answers["net"], "again": answers["net"]}
    )
    failing = {**own, "pixels": replace(answers["pixels"], holds=False)}
    assert (
        "pixels, which sees colour and layout alone, does not put every dataset without cracks farthest."
        in backbone_distances_report.evidence_sentence(failing)
    )
    close = {**answers, "net": replace(answers["net"], apart=False)}
    assert backbone_distances_report.apart_sentence(close).startswith("By net the intervals")
    turned = {**own, "other": replace(answers["other"], relative=True)}
    assert "the other one by other" in backbone_distances_report.relative_sentence(turned)


def test_the_last_third_spans_what_numpy_says() -> None:
    scaled = pd.Series(np.linspace(0, 1, 10) ** 2)
    found = make(net=(1, 2, 5, 6)).comparison["net"]
    images = pd.DataFrame({"dataset": ["north"] * 10 + ["few"] * 2, "i_dist_scaled": [*scaled[::-1], 0.0, 1.0]})
    spans = backbone_distances_report.spans_of(replace(found, images=images))
    assert spans == {"north": pytest.approx(1 - (7 / 9) ** 2), "few": None}


def test_too_few_permutations_tell_nothing_apart() -> None:
    near = make(net=(0, 4, 5, 6))
    few = replace(near, comparison=replace(near.comparison, comparisons=(measured("net", (0, 4, 5, 6), 19),)))
    assert backbone_distances_report.p_sentence(few).startswith("With 19 permutations no dataset can be told from roads")
