from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from howfar.figures.style import look
from howfar.report import comparison
from howfar.report.section import Cell, Table
from howfar.results import BaselineSummary, Comparison


def column(table: Table, title: str) -> list[Cell]:
    place = [one.title for one in table.columns].index(title)
    return [row[place] for row in table.rows]


def test_summary_table_is_the_results_own_with_every_column_explained(six: Comparison) -> None:
    table = comparison.main(six)
    header, rows = six.table()
    assert [one.title for one in table.columns[:-1]] == list(header)
    assert [[cell.text for cell in row[:-1]] for row in table.rows] == [list(row) for row in rows]
    assert all(one.explanation for one in table.columns[1:])
    assert [cell.sort for cell in column(table, "energy")] == [dataset.energy for dataset in six.datasets]
    assert [cell.sort for cell in column(table, "beyond")] == [dataset.beyond for dataset in six.datasets]


def test_datasets_have_the_colours_of_the_figures(six: Comparison) -> None:
    for table in (
        comparison.main(six),
        comparison.intervals(six),
        comparison.neighbours(six),
        comparison.trivial(six)[0],
        comparison.rivals(six),
    ):
        assert [row[0].colour for row in table.rows] == [look(index).colour for index in range(6)]


def test_neighbours_mark_the_ranks_that_differ(six: Comparison) -> None:
    near, far = six.datasets[0], six.datasets[4]
    images = six.images.copy()
    images.loc[images["dataset"] == near.name, "knn"] += 100.0
    table = comparison.neighbours(replace(six, datasets=(near, far), images=images))
    assert [cell.text for cell in column(table, "rank")] == ["1", "2"]
    assert [cell.text for cell in column(table, "rank by kNN")] == ["2 ≠", "1 ≠"]
    assert comparison.disagreeing(table) == [near.name, far.name]
    assert comparison.disagreeing(comparison.neighbours(replace(six, datasets=(near, far)))) == []


def test_trivial_backbones_by_relative_or_by_the_scaled_distance(six: Comparison, believable: ModuleType) -> None:
    same = tuple(BaselineSummary("pixels", d.name, 1 - d.o_dist_scaled, d.relative, 0.0) for d in six.datasets)
    table, agreements = comparison.trivial(replace(six, baselines=same))
    assert agreements == {"pixels": pytest.approx(1.0)}
    assert [cell.text for cell in column(table, "pixels")] == [cell.text for cell in column(table, "efficientnet_lite0")]
    bare = believable.without_yardstick(replace(six, baselines=same))
    assert comparison.trivial_measure(bare) == "o_dist_scaled"
    assert comparison.trivial(bare)[1] == {"pixels": pytest.approx(-1.0)}


def test_rivals_with_ranks_and_signs(six: Comparison) -> None:
    first, second = (
        replace(d, rivals={"kid": kid, "mine": 1.0}) for d, kid in zip(six.datasets[:2], (-0.5, -0.25), strict=True)
    )
    table = comparison.rivals(replace(six, datasets=(first, second)))
    assert [cell.text for cell in column(table, "KID")] == ["−0.5 (1)", "−0.25 (2)"]
    assert [cell.text for cell in column(table, "mine")] == ["1 (1.5)", "1 (1.5)"]


def test_farthest_images_over_all_sets(six: Comparison) -> None:
    table = comparison.farthest(six, 20)
    own = {dataset.name: dataset.self_distance for dataset in six.datasets}
    over = six.images["i_dist_mean"] / six.images["dataset"].map(own)
    expected = over.sort_values(ascending=False).head(20)
    assert [cell.sort for cell in column(table, "over P's own")] == pytest.approx(expected.tolist())
    assert table.rows[0][0].text == six.images.loc[expected.index[0], "image"]
    assert table.rows[0][1].text == six.images.loc[expected.index[0], "dataset"]
    assert len(comparison.farthest(six, 10_000).rows) == len(six.images)


def test_undefined_numbers_are_dashes_that_do_not_sort(six: Comparison, believable: ModuleType) -> None:
    bare = believable.without_yardstick(six)
    for table, title in [
        (comparison.farthest(bare), "p"),
        (comparison.farthest(bare), "over P's own"),
        (comparison.main(bare), "beyond"),
    ]:
        assert {(cell.text, cell.sort) for cell in column(table, title)} == {("–", None)}


def test_identity_is_laid_out_flat(six: Comparison) -> None:
    identity = {"name": "efficientnet_lite0", "preprocessing": {"size": [224, 224], "via": None}}
    table = comparison.backbone(replace(six, backbone=replace(six.backbone, identity=identity, layers=(1000, 280))))
    facts = {row[0].text: row[1].text for row in table.rows}
    assert facts == {
        "name": "efficientnet_lite0",
        "feature length (q)": "1,280",
        "layers": "1,000 + 280",
        "preprocessing: size": "224, 224",
        "preprocessing: via": "none",
    }


def test_every_setting_is_shown(six: Comparison) -> None:
    shown = {row[0].text: row[1].text for row in comparison.settings(six).rows}
    assert shown["bootstrap resamples"] == "1,000"
    assert shown["limit"] == "none set"
    assert shown["projection"] == "pair"
