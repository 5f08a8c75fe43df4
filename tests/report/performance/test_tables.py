from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from howfar.figures.style import look
from howfar.report import estimates as tables_estimates
from howfar.report import failures as tables_failures
from howfar.report import performance as tables_performance
from howfar.report.section import Cell, Table
from howfar.results import DistancePart, Relation


def column(table: Table, title: str) -> list[Cell]:
    place = [one.title for one in table.columns].index(title)
    return [row[place] for row in table.rows]


def shown(table: Table, title: str) -> list[str]:
    return [cell.text for cell in column(table, title)]


def test_every_column_of_the_judgements_is_explained(related: Relation) -> None:
    table = tables_estimates.judgements(related)
    assert all(one.explanation for one in table.columns)
    assert [row[0].text for row in table.rows] == [one.estimator for one in related.judgements]
    assert [cell.sort for cell in column(table, "error, image")] == [one.mae_image for one in related.judgements]
    assert [cell.sort for cell in column(table, "coverage")] == [one.coverage for one in related.judgements]
    assert [row[0].text for row in table.rows if row[0].strong] == ["signals"]
    assert column(table, "AUROC")[0] == Cell("–")


def test_on_how_many_images_stands_only_where_it_differs(related: Relation) -> None:
    assert "sets" not in [one.title for one in tables_estimates.judgements(related).columns]
    first, *rest = related.judgements
    fewer = tables_estimates.judgements(replace(related, judgements=(replace(first, sets=2, images=1030), *rest)))
    assert shown(fewer, "sets")[0] == "2"
    assert shown(fewer, "images")[:2] == ["1,030", "412"]
    assert all(one.explanation for one in fewer.columns)


def test_errors_by_dataset(related: Relation) -> None:
    table = tables_estimates.set_errors(related)
    one = related.judgements[3]
    assert [cell.sort for cell in table.rows[3][1:]] == list(one.set_errors.values())
    bare = replace(related, judgements=(replace(one, set_errors={"a": -0.5}), replace(one, set_errors={"b": 0.25})))
    assert [[cell.text for cell in row[1:]] for row in tables_estimates.set_errors(bare).rows] == [
        ["−0.500", "–"],
        ["–", "+0.250"],
    ]


def test_estimates_of_labelled_and_unlabelled_sets(related: Relation) -> None:
    table = tables_estimates.estimates(related)
    (new,) = [row for row in table.rows if row[0].text == "street photographs"]
    assert [cell.text for cell in new[-3:]] == ["–", "–", "–"]
    assert [cell.sort for cell in column(table, "estimated mean")] == [one.predicted for one in related.estimates]
    assert shown(table, "level") == ["80 %"] * 4 + ["83 %", "80 %"]
    one = related.estimates[0]
    assert one.measured is not None
    missed = replace(related, estimates=(replace(one, low=one.measured + 0.01, high=1.0),))
    (cell,) = column(tables_estimates.estimates(missed), "held")
    assert cell == Cell("no", strong=True)
    assert column(tables_estimates.estimates(missed), "error")[0].sort == pytest.approx(one.predicted - one.measured)


def test_levels_and_their_thresholds(related: Relation) -> None:
    table = tables_performance.levels(related)
    assert all(one.explanation for one in table.columns[1:])
    for title, attribute in (("mean", "mean"), ("pooled", "pooled"), ("ODS", "ods"), ("at threshold", "ods_threshold")):
        assert [cell.sort for cell in column(table, title)] == [getattr(one, attribute) for one in related.datasets]
    assert shown(table, "verdict")[0] == "falls with distance"


def test_datasets_have_the_colours_of_their_place_in_the_run(related: Relation) -> None:
    for table in (tables_performance.levels(related), tables_performance.parts(related, "halves")):
        assert table.rows[-1][0] == Cell("one", colour=look(5).colour)
    lists = tables_failures.lists(related)
    assert [row[0].colour for row in lists.rows] == [look(place).colour for place in range(6)]


def test_trends_with_intervals_and_the_pooled_row_last(related: Relation) -> None:
    table = tables_performance.trends(related)
    one = related.datasets[0].trend
    assert one is not None
    assert one.slope.value is not None
    assert one.slope.low is not None
    assert column(table, "slope")[0].sort == one.slope.value
    assert shown(table, "slope")[0].startswith(f"−{abs(one.slope.value):.2f} [−{abs(one.slope.low):.2f}, ")
    assert table.rows[-1][0] == Cell("all, each within itself", strong=True)
    assert column(table, "Spearman")[-1].text == "−0.14 [−0.22, −0.06]"
    assert "one" not in [row[0].text for row in table.rows]
    assert "groups" in [title.title for title in table.columns]
    single = replace(one, groups=one.n)
    plain = tables_performance.trends(replace(related, datasets=(replace(related.datasets[0], trend=single),)))
    assert "groups" not in [title.title for title in plain.columns]
    alone = replace(related, datasets=related.datasets[:1])
    assert len(tables_performance.trends(alone).rows) == 1


def test_parts_are_the_papers_f_mu_sigma(related: Relation) -> None:
    near, far = (
        DistancePart("", 9, 0.483, 0.35, 0.46, 0.5, 0.2, 0.06),
        DistancePart("", 9, 0.444, 0.41, 0.42, 0.5, 0.54, 0.18),
    )
    table = tables_performance.parts(replace(related, datasets=(replace(related.datasets[0], halves=(near, far)),)), "halves")
    assert [cell.text for cell in table.rows[0]] == [
        "roads-dry",
        "0.460 (0.20, 0.06)",
        "0.483 at 0.35",
        "0.420 (0.54, 0.18)",
        "0.444 at 0.41",
        "−0.040",
    ]
    assert [one.title for one in table.columns][1:3] == ["nearest half (pooled)", "nearest half, re\u2011tuned"]


def test_without_thresholds_nothing_is_re_tuned(related: Relation) -> None:
    one = related.datasets[0]
    same = tuple(replace(part, performance=part.performance_common, threshold=None) for part in one.thirds)
    table = tables_performance.parts(replace(related, datasets=(replace(one, thirds=same),)), "thirds")
    assert [column.title for column in table.columns] == [
        "dataset",
        "nearest third",
        "middle third",
        "farthest third",
        "change",
    ]


def test_empty_parts_are_dashes(related: Relation) -> None:
    row = tables_performance.parts(related, "halves").rows[-1]
    assert [cell.text for cell in row[:3]] == ["one", "–", "–"]
    assert row[-1] == Cell("–")
    assert len(tables_performance.parts(related, "thirds").rows) == len(related.datasets) - 1


def test_listed_images_lowest_first(related: Relation) -> None:
    table = tables_failures.listed(related)
    listed = related.images[related.images["listed"]].sort_values("estimate")
    assert [cell.sort for cell in column(table, "estimate")] == listed["estimate"].tolist()
    assert len(tables_failures.listed(related, 5).rows) == 5
    known = related.images.loc[listed.index, "performance"]
    marked = [cell for cell in column(table, "measured") if cell.strong]
    assert len(marked) == int((known >= 0.5).sum()) == 1
    assert shown(table, "measured").count("–") == int(known.isna().sum())


def test_lists_mark_an_error_above_the_stated_one(related: Relation) -> None:
    table = tables_failures.lists(related)
    errors = column(table, "measured error")
    assert [cell.text for cell in errors] == ["–", "50 %", "0 %", "0 %", "–", "–"]
    assert [cell.strong for cell in errors] == [False, True, False, False, False, False]
    assert shown(table, "found")[2] == "3"
    assert shown(table, "failing")[4] == "–"


def test_settings_are_all_there(related: Relation) -> None:
    facts = {row[0].text: row[1].text for row in tables_performance.relation_settings(related).rows}
    assert facts["common threshold"] == "0.43, tuned on training & <set>"
    assert facts["photograph"] == r"(.*)-\d+"
    bare = replace(related, settings=replace(related.settings, threshold=None, group=None), estimator=None)
    facts = {row[0].text: row[1].text for row in tables_performance.relation_settings(bare).rows}
    assert (facts["common threshold"], facts["photograph"], facts["estimator"]) == ("none", "each image for itself", "none")


def test_undefined_numbers_are_dashes_that_do_not_sort(related: Relation, relations: ModuleType) -> None:
    bare = related.images.assign(estimate_low=np.nan, p_value=np.nan)
    table = tables_failures.listed(replace(related, images=bare))
    assert set(column(table, "interval")) == set(column(table, "p")) == {Cell("–")}
    blank = relations.sized({"blank": 5, "roads": 30}, blank=("blank",))
    assert set(tables_performance.levels(blank).rows[0][3:7]) == {Cell("–")}


def test_only_our_estimators_are_described(related: Relation) -> None:
    mine = replace(related.judgements[0], estimator="mine")
    names = [name for name, _ in tables_estimates.explained(replace(related, judgements=(*related.judgements, mine)))]
    assert names == [one.estimator for one in related.judgements]


def test_columns_of_thresholds_and_foreground_stand_only_where_there_are_such(related: Relation) -> None:
    bare = replace(
        related,
        settings=replace(related.settings, threshold=None),
        datasets=tuple(
            replace(row, trend=None if row.trend is None else replace(row.trend, partial=None)) for row in related.datasets
        ),
    )
    titles = [column.title for column in tables_performance.levels(bare).columns]
    assert titles == ["dataset", "images", "scored", "mean", "verdict"]
    assert {"pooled", "ODS"} <= {column.title for column in tables_performance.levels(related).columns}
    assert all(len(row) == len(titles) for row in tables_performance.levels(bare).rows)
    assert "Spearman, given foreground" in [column.title for column in tables_performance.trends(related).columns]
    assert tables_performance.trends(bare).columns[-1].title == "slope"
    assert all(len(row) == len(tables_performance.trends(bare).columns) for row in tables_performance.trends(bare).rows)
