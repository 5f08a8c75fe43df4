"""The section of performance by distance: tables 3 to 5 as the paper prints them, verdicts, and figs 4 to 6."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from howfar.paper import adapted_models_report
from howfar.paper.adapted_models import PERFORMANCE, PerformanceSettings
from howfar.paper.adapted_models_report import performance_section as section
from howfar.report.section import Context, FigurePart, TablePart
from howfar.results.adaptation_result import Adaptations
from howfar.results.segmenter_studies import PerformanceByDistance

SYMBOLS = {"roads": "S_1", "walls": "S_4", "training & <set>": "P"}


@pytest.fixture(scope="module")
def result(several: Adaptations) -> PerformanceByDistance:
    inputs = SimpleNamespace(results={"gain": several})
    made = PERFORMANCE.run(PerformanceSettings(of="gain", bootstrap=40), inputs)
    assert isinstance(made, PerformanceByDistance)
    return made


def test_a_cell_is_f_with_mean_and_spread_of_distance_over_the_seeds(result: PerformanceByDistance) -> None:
    table = adapted_models_report.parts(result, "deepcrack", ["M"])
    (row,) = [row for row in table.rows if row[0].text == "walls"]
    own = result.strata.query("segmenter == 'deepcrack' and model == 'M' and dataset == 'walls' and part == '67–100 %'")
    own = own[own["seed"] < 3]
    assert len(own) == 3
    f, mean, std = (own[name].mean() for name in ("ods", "distance_mean", "distance_std"))
    assert row[-1].text == f"{f:.3f} ± {own['ods'].std():.3f} ({mean:.2f}, {std:.2f})"
    assert row[-1].sort == pytest.approx(f)


@pytest.mark.parametrize("measure", ["f_ods", "f"])
def test_the_table_of_slopes_is_of_one_f_with_its_verdicts(result: PerformanceByDistance, measure: str) -> None:
    table = adapted_models_report.slopes(result, measure)
    titles = [column.title for column in table.columns]
    (row,) = [row for row in table.rows if [cell.text for cell in row[:3]] == ["deepcrack", "far-7", "all"]]
    found = dict(zip(titles, row, strict=True))
    (own,) = result.slopes.query(
        "segmenter == 'deepcrack' and model == 'far-7' and dataset == 'all' and measure == @measure"
    ).to_dict("records")
    assert found["slope"].sort == pytest.approx(own["slope"])
    assert found["span"].sort == pytest.approx(own["span"])
    assert found["by distance"].text == adapted_models_report.WORDS[own["kind"]]
    assert found["less M's"].strong == bool(own["change_low"] > 0 or own["change_high"] < 0)
    assert not [row for row in table.rows if "-B" in row[1].text]
    assert "seeds" in titles
    assert "seeds" not in [
        column.title for column in adapted_models_report.slopes(replace(result, seeds=(0,)), measure).columns
    ]


def test_without_the_study_of_adaptation_the_curves_alone_are_missing(result: PerformanceByDistance, tmp_path: Path) -> None:
    made = section(result, Context(tmp_path / "performance"))
    assert [part.name for part in made.parts if isinstance(part, FigurePart)] == ["slopes"]
    assert "does not lie beside this one" in made.limits[-1]
    assert len([part for part in made.parts if isinstance(part, TablePart)]) == 3 + 2 + 3


def test_printed_numbers_are_those_of_the_datasets_kind(result: PerformanceByDistance) -> None:
    table = adapted_models_report.printed(result, "unetplusplus", SYMBOLS)
    assert table is not None
    assert [row[0].text for row in table.rows] == ["S1 (roads)", "S4 (walls)"]
    assert table.rows[1][-1].text == "0.021 (0.50, 0.17)"
    assert adapted_models_report.printed(result, "unetplusplus", {"roads": "S_5"}) is None
    assert adapted_models_report.printed(result, "other", SYMBOLS) is None
