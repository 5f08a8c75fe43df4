"""Rows, columns and places of the page: what stands in them, and what follows a run of another shape."""

import gzip
import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explore_names import SITES
from howfar.explore import notebook_widget
from howfar.explore.image_rows_and_positions import MOST_CATEGORIES, UNKNOWN, points_of
from howfar.explore.page_data import pack
from howfar.report.explorer import bundle
from howfar.results import Comparison, Relation
from howfar.results.relation_result import Gate, GateReading


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


def test_estimates_outside_the_gate_are_not_shown_where_nothing_was_measured(comparison, relation):
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
    table = notebook_widget._table(SimpleNamespace(points=points), comparison.images)
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


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    raw = gzip.decompress(block)
    assert raw[:4] == b"HFX1"
    length = int.from_bytes(raw[4:8], "little")
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    arrays = {}
    for name, entry in header["arrays"].items():
        assert (entry["at"] + 8 + length) % 4 == 0
        values = np.frombuffer(body, np.dtype(entry["type"]).newbyteorder("<"), entry["length"], entry["at"])
        arrays[name] = np.where(values == 65535, np.nan, entry["low"] + entry["step"] * values) if "low" in entry else values
    return header, arrays


def test_reads_back() -> None:
    values = np.array([0.25, np.nan, -3.5])
    header, arrays = unpack(pack({"names": ["ä", "</script>"]}, {"x": values, "row": np.array([7, 8, 9], np.uint32)}))
    assert header["names"] == ["ä", "</script>"]
    assert np.array_equal(arrays["x"], values, equal_nan=True)
    assert arrays["row"].tolist() == [7, 8, 9]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_quantised_numbers_keep_a_65534th_of_their_range(scale: float) -> None:
    values = np.random.default_rng(0).normal(size=5000) * scale
    values[::7] = np.nan
    _, arrays = unpack(pack({}, {"x": values}, exact=False))
    assert np.array_equal(np.isnan(arrays["x"]), np.isnan(values))
    assert np.nanmax(np.abs(arrays["x"] - values)) <= 0.501 * (np.nanmax(values) - np.nanmin(values)) / 65534


@pytest.mark.parametrize(("name", "asks"), [("bundle.js", ["./$", "data", "picks"]), ("widget.js", [])])
def test_it_compiles_no_text_and_asks_for_nothing_elsewhere(name: str, asks: list[str]) -> None:
    script = str(bundle(name))
    assert script.startswith("/* howfar, Apache-2.0")
    assert not re.search(
        r"\beval\(|new Function|Function\.apply|importScripts|XMLHttpRequest|WebSocket|EventSource|sendBeacon", script
    )
    assert "//" not in re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)
    assert sorted(re.findall(r'fetch\(["`]([\w./$]+)', script)) == asks
    assert script.count("fetch(") == len(asks)


def test_it_sets_names_as_text_alone_and_cannot_end_the_element_that_holds_it() -> None:
    for name in ("bundle.js", "widget.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", str(bundle(name)))
    assert "</script" not in str(bundle("bundle.js")).lower()
    assert "</style" not in str(bundle("bundle.css")).lower()
    assert not any("url(" in str(bundle(name)) for name in ("bundle.css", "widget.css"))


def test_the_widget_styles_nothing_but_itself() -> None:
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@(media|container)[^{]*\{", "", str(bundle("widget.css"))))
    assert len(rules) > 50
    assert {rule for rule in rules if "howfar-explore" not in rule} <= {"#explore"}
