"""Rows, columns and places of the page: what stands in them, and what follows a run of another shape."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

import howfar
from explore_names import SITES
from howfar.explore import widget
from howfar.explore.points import MOST_CATEGORIES, UNKNOWN, points_of
from howfar.results import Comparison, Relation
from howfar.results.relation import Gate, GateReading


def test_rows_are_secondaries_then_the_primary(comparison: Comparison, relation: Relation) -> None:
    points = points_of(comparison, relation)
    assert points.secondary_count == 24
    assert len(points) == 36
    assert points.datasets == (*SITES, "roads")
    assert list(points.rows["dataset"]) == [SITES[0]] * 14 + [SITES[1]] * 10 + ["roads"] * 12
    assert all(points.rows["prediction"][:24])
    assert not any(points.rows["prediction"][24:])


def test_columns_agree_with_the_tables(comparison: Comparison, relation: Relation) -> None:
    columns = {column.name: column for column in points_of(comparison, relation).columns}
    own = {dataset.name: dataset.self_distance for dataset in comparison.datasets}
    expected = [row.i_dist_mean / own[row.dataset] for row in comparison.images.itertuples()]
    assert np.allclose(columns["distance"].values[:24], expected)
    assert np.allclose(columns["performance"].values[:24], relation.images["performance"], equal_nan=True)
    assert np.isnan(columns["performance"].values[24:]).all()
    assert np.array_equal(columns["percentile"].values[:24], comparison.images["percentile"])


def test_each_pair_has_a_panel_with_all_of_the_primary(comparison: Comparison) -> None:
    points = points_of(comparison, None)
    assert points.places.panels == SITES
    for panel, count in enumerate((14, 10)):
        rows = points.places.row[points.places.panel == panel]
        assert (rows < 24).sum() == count
        assert sorted(rows[rows >= 24]) == list(range(24, 36))
    second = comparison.primary_images[comparison.primary_images["against"] == SITES[1]]
    here = (points.places.panel == 1) & (points.places.row >= 24)
    assert np.allclose(points.places.planes[0].x[here], second["pc1"])


def test_a_shared_space_is_one_panel() -> None:
    rng = np.random.default_rng(0)
    sites = {name: rng.normal(size=(9, 4)) for name in ("a", "b")}
    run = howfar.compare(rng.normal(size=(8, 4)), sites, projection="joint", bootstrap=0, permutations=0)
    points = points_of(run, None)
    assert points.places.panels == ("",)
    assert len(points.places.row) == 26


def test_further_columns_of_the_table_are_shown(comparison: Comparison) -> None:
    images = comparison.images.assign(
        camera=["left", None] * 12, exposure=np.arange(24.0), note=[f"{i}" for i in range(24)],
        wet=[True, False] * 12, dry=[True, None, False] * 8, lit=[pd.NA] * 24,
    )  # fmt: skip
    grown = replace(comparison, images=images.astype({"lit": "boolean"}))
    columns = {column.name: column for column in points_of(grown, None).columns}
    assert columns["camera"].categories == ("left",)
    assert list(columns["camera"].values[:3]) == [0, -1, 0]
    assert columns["exposure"].kind == "number"
    assert columns["wet"].kind == "flag"
    assert list(columns["dry"].values) == [1, UNKNOWN, 0] * 8 + [UNKNOWN] * 12
    assert list(columns["lit"].values) == [UNKNOWN] * 36
    assert list(columns["wet"].values) == [1, 0] * 12 + [UNKNOWN] * 12
    assert len(columns["note"].categories) == 24
    assert "pc1" not in columns
    assert MOST_CATEGORIES > 24


def test_estimates_outside_the_gate_are_not_shown_where_nothing_was_measured(
    comparison: Comparison, relation: Relation
) -> None:
    estimated = relation.images.dropna(subset=["estimate"])
    names = list(dict.fromkeys(estimated["dataset"]))
    outside = tuple(Gate(name, (GateReading("distance", 9.0, None, 1.0, False, "far"),)) for name in names)
    unmeasured = tuple(replace(row, measured=None) for row in relation.estimates if row.dataset == names[0])
    measured = tuple(replace(row, measured=0.5) for row in relation.estimates if row.dataset != names[0])
    images = relation.images.assign(listed=True)
    doubted = replace(relation, gates=outside, estimates=(*unmeasured, *measured), images=images)
    points = points_of(comparison, doubted)
    columns = {column.name: column for column in points.columns}
    of_first = (points.rows["dataset"] == names[0]).to_numpy()
    others = points.rows["dataset"].isin(names[1:]).to_numpy()
    for name in ("estimate", "estimate_low", "estimate_high"):
        assert np.isnan(columns[name].values[of_first]).all()
    assert (columns["listed"].values[of_first] == UNKNOWN).all()
    assert (columns["listed"].values[others] == np.where(np.isfinite(columns["estimate"].values[others]), 1, UNKNOWN)).all()
    assert np.isfinite(columns["estimate"].values[others]).any() == others.any()
    table = widget._table(SimpleNamespace(points=points), comparison.images)
    assert table["listed"].isna().equals(table["estimate"].isna())
    assert table["listed"].isna().any()
    assert [columns["gate"].categories[code] for code in columns["gate"].values[of_first]] == ["OUTSIDE"] * int(of_first.sum())


def test_the_nearest_images_of_the_primary_are_those_that_the_run_names(comparison: Comparison) -> None:
    points = points_of(comparison, None)
    assert points.nearest.shape[0] == points.secondary_count
    for row in (0, points.secondary_count - 1):
        named = [comparison.images.iloc[row][f"nearest{k}"] for k in range(1, points.nearest.shape[1] + 1)]
        assert list(points.rows["image"].iloc[points.nearest[row]]) == named
        assert (points.nearest[row] >= points.secondary_count).all()
    without = comparison.images.drop(columns=[name for name in comparison.images if name.startswith("nearest")])
    assert points_of(replace(comparison, images=without), None).nearest.size == 0
    assert not {"x", "y", "nearest1", "nearest1_distance"} & {column.name for column in points.columns}
