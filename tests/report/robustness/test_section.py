"""The section of robustness: which backbone is best, and from which others the intervals tell it apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from categories import write_categories, write_study
from howfar.paper.robustness_report import difference, lead, section, tells_apart
from howfar.report.section import Context, TablePart
from howfar.results.distance_studies import Robustness
from howfar.studies.study_file.study import study

BODY = 'primary = "campus"\nk = 2\nperturbations = ["darker", "blur"]'


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Robustness:
    folder = write_categories(tmp_path_factory.mktemp("categories"), 5)
    done: Any = study(write_study(folder, "robustness", BODY), out=folder / "out", progress=False)
    assert (folder / "out" / "tables" / "robustness-stability.csv").is_file()
    assert (folder / "out" / "figures" / "robustness-violins-2.pdf").is_file()
    return done["robustness"]


def made(
    result: Robustness, taus: dict[str, float], differences: dict[tuple[str, str], tuple[float, float, float]]
) -> Robustness:
    """Put numbers of our own in the place of the overall ones."""
    overall = [
        {"backbone": name, "kendall": tau, "kendall_low": tau - 0.1, "kendall_high": tau + 0.1} for name, tau in taus.items()
    ]
    apart = [
        {"one": one, "other": other, "kendall": value, "kendall_low": low, "kendall_high": high}
        for (one, other), (value, low, high) in differences.items()
    ]
    nothing = {"overlap": 0.5, "overlap_low": 0.4, "overlap_high": 0.6}
    return replace(result, overall=pd.DataFrame(overall).assign(**nothing), differences=pd.DataFrame(apart).assign(**nothing))


def test_the_best_is_told_apart_from_those_whose_difference_leaves_out_0(result: Robustness) -> None:
    differences = {("a", "b"): (-0.3, -0.5, -0.1), ("a", "c"): (-0.1, -0.2, 0.1), ("b", "c"): (0.2, -0.1, 0.4)}
    found = lead(made(result, {"a": 0.5, "b": 0.8, "c": 0.6}, differences))
    assert found == (
        "b keeps the order of categories from campus best: Kendall's τ 0.80 [0.70, 0.90], averaged over darker and blur; "
        "the intervals tell it apart from a, not from c."
    )
    alike = lead(made(result, {"a": 0.5, "b": 0.4}, {("a", "b"): (0.1, -0.1, 0.2)}))
    assert alike.endswith("the intervals tell it apart from no other backbone.")
    alone = lead(made(result, {"a": 0.5}, {("x", "y"): (0.0, 0.0, 0.0)}))
    assert (
        alone
        == "a keeps the order of categories from campus with Kendall's τ 0.50 [0.40, 0.60], averaged over darker and blur."
    )


def test_a_difference_can_be_turned(result: Robustness) -> None:
    given = made(result, {"a": 0.5, "b": 0.8}, {("a", "b"): (-0.3, -0.5, -0.1)})
    turned = difference(given, "b", "a")
    assert (turned["kendall"], turned["kendall_low"], turned["kendall_high"]) == (0.3, 0.1, 0.5)
    assert tells_apart(turned)
    assert tells_apart(difference(given, "a", "b"))


def test_the_tables_hold_every_backbone_and_perturbation(result: Robustness) -> None:
    tables = {part.name: part.table for part in section(result, Context(Path())).parts if isinstance(part, TablePart)}
    rows = [[cell.text for cell in row] for row in tables["stability"].rows]
    assert [row[:2] for row in rows] == [
        [backbone, text] for backbone in result.backbones for text in ("darker (brightness 0.7)", "blur (sigma 2.0, at 448)")
    ]
    assert [row[2].sort for row in tables["stability"].rows] == result.stability["kendall"].tolist()
    closest = [[cell.text for cell in row] for row in tables["closest"].rows]
    assert [row[1] for row in closest] == ["as they are", "darker", "blur"] * 2
    assert closest[1][2] == ", ".join(result.order("pixels", "darker")[:2])
    assert closest[1][3] == ", ".join(result.order("pixels", "darker")[:1:-1])
    taus = [row[1].sort for row in tables["overall"].rows]
    assert taus == sorted(result.overall["kendall"], reverse=True)
    assert tables["overall"].rows[0][3].text == "–"


def test_the_perturbation_that_changes_the_order_the_most_is_named(result: Robustness) -> None:
    for backbone, sentence in zip(result.backbones, section(result, Context(Path())).sentences, strict=True):
        rows = result.stability[result.stability["backbone"] == backbone].set_index("perturbation")
        assert sentence.startswith(f"By {backbone}, {rows['kendall'].idxmin()} changes the order the most")


def test_perturbations_that_another_backbone_stands_better_are_named(result: Robustness) -> None:
    best = str(result.overall.sort_values("kendall", ascending=False, kind="stable")["backbone"].iloc[0])
    stability = result.stability.copy()
    stability["kendall"] = [0.5 if name == best else 0.4 for name in stability["backbone"]]
    assert "but not under" not in lead(replace(result, stability=stability))
    first = next(iter(result.perturbations))
    stability.loc[(stability["backbone"] != best) & (stability["perturbation"] == first), "kendall"] = 0.9
    assert f"but not under {first};" in lead(replace(result, stability=stability))
