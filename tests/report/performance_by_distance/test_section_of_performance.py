"""The section of performance by distance: tables 3 to 5 as the paper prints them, verdicts, and figs 4 to 6."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from howfar.paper import performance_by_distance_report
from howfar.paper.performance_by_distance import PERFORMANCE, PerformanceSettings
from howfar.paper.performance_by_distance_report import lead, section, sentences
from howfar.report.section import Context, FigurePart, TablePart
from howfar.results.segmenter_studies import Adaptations, PerformanceByDistance

SYMBOLS = {"roads": "S_1", "walls": "S_4", "training & <set>": "P"}


@pytest.fixture(scope="module")
def result(several: Adaptations) -> PerformanceByDistance:
    inputs = SimpleNamespace(results={"gain": several})
    made = PERFORMANCE.run(PerformanceSettings(of="gain", bootstrap=40), inputs)
    assert isinstance(made, PerformanceByDistance)
    return made


def test_figures_and_tables_carry_the_papers_numbers_of_their_segmenters(
    result: PerformanceByDistance, run_folder: Path
) -> None:
    made = section(result, Context(run_folder / "performance", SYMBOLS))
    labels = {part.name: part.label for part in made.parts if part.label}
    assert labels == {
        "parts-unetplusplus": "Table 3",
        "parts-deepcrack": "Table 4",
        "parts-adsam, 1024 px": "Table 5",
        "curves-unetplusplus": "Figure 5",
        "curves-deepcrack": "Figure 4",
        "curves-adsam, 1024 px": "Figure 6",
    }


def test_without_the_study_of_adaptation_the_curves_alone_are_missing(result: PerformanceByDistance, tmp_path: Path) -> None:
    made = section(result, Context(tmp_path / "performance"))
    assert [part.name for part in made.parts if isinstance(part, FigurePart)] == ["slopes"]
    assert "does not lie beside this one" in made.limits[-1]
    assert len([part for part in made.parts if isinstance(part, TablePart)]) == 3 + 2 + 3


def test_printed_numbers_are_those_of_the_datasets_kind(result: PerformanceByDistance) -> None:
    table = performance_by_distance_report.printed(result, "unetplusplus", SYMBOLS)
    assert table is not None
    assert [row[0].text for row in table.rows] == ["S1 (roads)", "S4 (walls)"]
    assert [cell.text for cell in table.rows[1][1:]] == [
        "0.241 (0.03, 0.02)",
        "0.061 (0.40, 0.23)",
        "0.283 (0.02, 0.01)",
        "0.021 (0.50, 0.17)",
    ]
    assert performance_by_distance_report.printed(result, "unetplusplus", {"roads": "S_5"}) is None
    assert performance_by_distance_report.printed(result, "other", SYMBOLS) is None


def test_a_verdict_that_hangs_on_the_threshold_is_told(result: PerformanceByDistance) -> None:
    slopes = result.slopes.copy()
    changed = (slopes["segmenter"] == "deepcrack") & (slopes["model"] == "far-7") & (slopes["measure"] == "f")
    slopes.loc[changed, "kind"] = "none"
    told = [line for line in sentences(replace(result, slopes=slopes)) if "At the threshold tuned on P" in line]
    assert len(told) == 1
    assert told[0].startswith("deepcrack, far-7")


def test_what_has_no_slope_is_said(result: PerformanceByDistance) -> None:
    slopes = result.slopes.assign(**dict.fromkeys(("slope", "low", "high", "change"), np.nan), kind="none")
    assert "by an undefined amount (no evidence)" in lead(replace(result, slopes=slopes))
