"""The section of scenes: its answer, its labels by the paper's numbers, and its tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from categories import NAMES, write_categories, write_study
from howfar.paper import printed_values
from howfar.paper.scenes_report import section
from howfar.report.section import Context, FigurePart, TablePart
from howfar.results.distance_studies import Scenes
from howfar.studies.study_file.study import study


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    folder = write_categories(tmp_path_factory.mktemp("categories"), 5)
    body = 'primaries = ["campus", "kitchen"]\nk = 2'
    done: Any = study(write_study(folder, "scenes", body), out=folder / "out", progress=False)
    assert (folder / "out" / "report.html").is_file()
    assert (folder / "out" / "tables" / "scenes-ends-2.tex").is_file()
    assert (folder / "out" / "figures" / "scenes-violins-1.svg").is_file()
    return done["scenes"]


def test_the_answer_names_the_closest_and_the_agreement(result: Scenes) -> None:
    lead = section(result, Context(Path())).lead
    near, far = result.closest("campus", "pixels"), result.closest("kitchen", "pixels")
    assert lead.startswith(
        f"By pixels the 2 closest categories to campus are {near[0]} and {near[1]}, and to kitchen {far[0]} and"
    )
    low, high = result.agreement["kendall"].min(), result.agreement["kendall"].max()
    assert f"Kendall's τ {low:.2f} to {high:.2f}.".replace("-", "−") in lead


def test_what_all_backbones_say_is_said(result: Scenes) -> None:
    sentences = section(result, Context(Path())).sentences
    for primary, sentence in zip(result.primaries, sentences, strict=False):
        shared = set(result.closest(primary, "pixels")) & set(result.closest(primary, "colours"))
        assert all(name in sentence for name in shared)
        assert ("No category" in sentence) == (not shared)


def test_figures_bear_the_papers_numbers_where_the_primary_is_the_papers(result: Scenes) -> None:
    parts = [part for part in section(result, Context(Path())).parts if isinstance(part, FigurePart)]
    labels = {part.name: part.label for part in parts}
    assert labels == {
        "violins-1": "As Figure 18",
        "closest-1": "As Figure 19",
        "farthest-1": "As Figure 20",
        "violins-2": "As Figure 18",
        "closest-2": "Figure 24",
        "farthest-2": "Figures 26 and 27",
    }
    assert all(name in parts[1].caption.alternative for name in result.at_the_end("campus", "pixels", "closest")["image"])


def test_the_tables_hold_categories_backbones_ends_distances_and_agreement(result: Scenes) -> None:
    tables = {part.name: part for part in section(result, Context(Path())).parts if isinstance(part, TablePart)}
    categories = [[cell.text for cell in row] for row in tables["categories"].table.rows]
    assert categories[0] == ["campus", "5", "yes", "yes"]
    assert categories[1] == ["highway", "5", "–", "–"]
    assert (tables["categories"].label, tables["backbones"].label) == ("Table 7", "Table 8")
    assert [row[3].text for row in tables["backbones"].table.rows] == ["27,648", "6"]
    first = tables["ends-1"].table.rows[0]
    row = result.measured("campus", "pixels").iloc[0]
    assert first[2].text == row["dataset"]
    assert (first[3].sort, first[4].sort) == (row["o_dist_mean"], row["relative"])
    assert f"[{row['relative_low']:.3f}, {row['relative_high']:.3f}]" in first[4].text
    assert [cells[0].text for cells in tables["distances-2"].table.rows] == result.order("kitchen", "pixels")
    assert [cells[2].sort for cells in tables["distances-2"].table.rows] == [1, 2, 3, 4]
    assert [row[1].text for row in tables["agreement"].table.rows] == ["pixels and colours"] * 2


def test_one_backbone_has_no_table_of_agreement(result: Scenes) -> None:
    alone = replace(result, backbones=result.backbones[:1], agreement=pd.DataFrame(columns=result.agreement.columns))
    found = section(alone, Context(Path()))
    assert found.lead.endswith(".")
    assert "τ" not in found.lead
    assert not found.sentences
    assert "agreement" not in {part.name for part in found.parts}


def test_a_primary_of_one_image_has_no_relative_distances(result: Scenes) -> None:
    undefined = dict.fromkeys(("self_distance", "relative", "relative_low", "relative_high"), float("nan"))
    found = section(replace(result, distances=result.distances.assign(**undefined)), Context(Path()))
    ends = next(part for part in found.parts if part.name == "ends-1")
    assert isinstance(ends, TablePart)
    assert ends.table.rows[0][4].text == "–"


def test_the_paper_has_fifty_categories() -> None:
    assert len(printed_values.CATEGORIES) == 50
    assert {name for name in NAMES if printed_values.is_listed(name)} == {"campus", "kitchen"}
    assert printed_values.label(printed_values.VIOLINS, "field", "Figure 18") == "Figure 18"


def test_of_many_primaries_the_one_closest_category_is_named(result: Scenes) -> None:
    many = replace(result, primaries=("campus", "kitchen") * 2)
    assert f"By pixels the closest category to campus is {result.closest('campus', 'pixels')[0]}, to kitchen " in (
        section(many, Context(Path())).lead
    )


def test_what_relative_distances_would_change_is_said(result: Scenes) -> None:
    order = result.order("campus", "pixels")
    swapped = result.distances.assign(relative=result.distances["rank"].astype(float))
    assert not any("in place of" in line for line in section(replace(result, distances=swapped), Context(Path())).sentences)
    where = (swapped["primary"] == "campus") & (swapped["backbone"] == "pixels") & (swapped["dataset"] == order[3])
    swapped.loc[where, "relative"] = 0.0
    said = section(replace(result, distances=swapped), Context(Path())).sentences[-1]
    assert said == f"By relative distance in place of O^dist, {order[3]} would be among the 2 closest to campus by pixels."
