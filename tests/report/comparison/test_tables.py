from __future__ import annotations

from dataclasses import replace

from howfar.report import comparison
from howfar.report.section import Cell, Table
from howfar.results import Comparison


def column(table: Table, title: str) -> list[Cell]:
    place = [one.title for one in table.columns].index(title)
    return [row[place] for row in table.rows]


def test_neighbours_mark_the_ranks_that_differ(six: Comparison) -> None:
    near, far = six.datasets[0], six.datasets[4]
    images = six.images.copy()
    images.loc[images["dataset"] == near.name, "knn"] += 100.0
    table = comparison.neighbours(replace(six, datasets=(near, far), images=images))
    assert [cell.text for cell in column(table, "rank")] == ["1", "2"]
    assert [cell.text for cell in column(table, "rank by kNN")] == ["2 ≠", "1 ≠"]
    assert comparison.disagreeing(table) == [near.name, far.name]
    assert comparison.disagreeing(comparison.neighbours(replace(six, datasets=(near, far)))) == []


def test_rivals_with_ranks_and_signs(six: Comparison) -> None:
    first, second = (
        replace(d, rivals={"kid": kid, "mine": 1.0}) for d, kid in zip(six.datasets[:2], (-0.5, -0.25), strict=True)
    )
    table = comparison.rivals(replace(six, datasets=(first, second)))
    assert [cell.text for cell in column(table, "KID")] == ["−0.5 (1)", "−0.25 (2)"]
    assert [cell.text for cell in column(table, "mine")] == ["1 (1.5)", "1 (1.5)"]


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
