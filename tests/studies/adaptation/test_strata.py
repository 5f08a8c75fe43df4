"""Halves, thirds and slopes of every model: the paper's F beside the one at the model's own threshold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.data import Dataset
from howfar.demo import write_dataset
from howfar.metrics import at_threshold, ods
from howfar.relation.performance_by_distance import PerformancePoints, split
from howfar.relation.trend import trend
from howfar.results import Evaluation
from howfar.results.adaptation_result import SLOPES, STRATA, Adaptation
from howfar.studies.adaptation.adapt import adapt
from howfar.studies.adaptation.tables import slopes_of, strata_of
from howfar.studies.performance.image_performance import counts_of

TINY: dict[str, Any] = {"size": 32, "epochs": 1, "batch": 8, "options": {"width": 2}, "bootstrap": 20, "progress": False}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """P, a secondary, and a blind set with masks."""
    root = tmp_path_factory.mktemp("roads")
    sizes = {"road": 10, "site": 12, "new": 3}
    return [
        write_dataset(root / name, count, seed=k, shift=0.3 * (k == 1), size=40)
        for k, (name, count) in enumerate(sizes.items())
    ]


@pytest.fixture(scope="module")
def done(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Adaptation, Path]:
    out = tmp_path_factory.mktemp("study")
    found = adapt(
        folders[0], [folders[1]], "deepcrack", out=out, blind=[folders[2]], shots=(1,), strategies=("far",), seeds=(0,), **TINY
    )
    return found, out


def of(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    return table[np.logical_and.reduce([table[name] == value for name, value in values.items()])]


@pytest.fixture(scope="module")
def evaluated(done: tuple[Adaptation, Path], folders: list[Path]) -> Callable[[str], Evaluation]:
    """The maps that a model left, scored anew from its files at its own threshold."""
    found, out = done

    def evaluate(model: str) -> Evaluation:
        names = set(of(found.images, model=model, dataset="site")["image"])
        whole = Dataset.from_folder(folders[1])
        part = replace(whole, items=tuple(item for item in whole.items if item.name in names))
        threshold = float(of(found.models, model=model)["threshold"].iloc[0])
        return howfar.evaluate(part, out / f"maps/seed0/{model}/site", threshold=threshold, progress=False)

    return evaluate


@pytest.mark.parametrize("model", ["M", "far-1"])
def test_f_ods_is_f_at_the_datasets_best_threshold(
    model: str, done: tuple[Adaptation, Path], evaluated: Callable[[str], Evaluation]
) -> None:
    again = evaluated(model)
    score = of(done[0].scores, model=model, dataset="site").iloc[0]
    assert score["ods_threshold"] == again.scores["ods_threshold"]
    expected = at_threshold(counts_of(again.images), score["ods_threshold"])
    rows = of(done[0].images, model=model, dataset="site")
    assert rows["image"].tolist() == again.images["image"].tolist()
    np.testing.assert_allclose(rows["f_ods"], expected.per_image_f)
    assert score["mean_f_ods"] == pytest.approx(expected.mean_f)
    assert score["ods"] == pytest.approx(expected.f)
    np.testing.assert_allclose(rows["f"], again.images["performance"])


@pytest.mark.parametrize("model", ["M", "far-1"])
def test_parts_are_scored_as_if_each_were_a_dataset(
    model: str, done: tuple[Adaptation, Path], evaluated: Callable[[str], Evaluation]
) -> None:
    again = evaluated(model)
    counts, threshold = counts_of(again.images), again.threshold
    assert threshold is not None
    rows = of(done[0].images, model=model, dataset="site")
    distance = rows["distance"].to_numpy()
    found = of(done[0].strata, model=model, dataset="site")
    assert found["part"].tolist() == ["0–50 %", "50–100 %", "0–33 %", "33–67 %", "67–100 %"]
    chosen = [part for count in (2, 3) for part in split(distance, rows["image"].tolist(), count)]
    for row, part in zip(found.to_dict("records"), chosen, strict=True):
        own = counts.take(part)
        assert (row["ods"], row["ods_threshold"]) == pytest.approx(ods(own))
        at = at_threshold(own, threshold)
        assert (row["n"], row["f"], row["mean_f"]) == (len(part), pytest.approx(at.f), pytest.approx(at.mean_f))
        assert (row["distance_mean"], row["distance_std"]) == pytest.approx((distance[part].mean(), distance[part].std()))
        assert row["ods"] >= row["f"]


def test_every_model_has_a_slope_of_both_fs(done: tuple[Adaptation, Path]) -> None:
    found = done[0]
    assert found.slopes[["model", "dataset", "measure"]].to_numpy().tolist() == [
        [model, "site", measure] for model in ("M", "norm", "far-1") for measure in ("f", "f_ods")
    ]
    for row in found.slopes.to_dict("records"):
        images = of(found.images, model=row["model"], dataset="site")
        fitted = np.polyfit(images["distance"], images[row["measure"]], 1)[0]
        assert row["slope"] == pytest.approx(fitted)
        assert row["low"] <= row["slope"] <= row["high"]
        assert (row["n"], row["photographs"]) == (len(images), images["photograph"].nunique())


def test_a_slope_of_tiles_is_drawn_by_photograph() -> None:
    rng = np.random.default_rng(0)
    distance, f = rng.random(24), rng.random(24)
    photograph = [f"p{k // 3}" for k in range(24)]
    images = pd.DataFrame({"seed": 0, "model": "M", "dataset": "a", "photograph": photograph, "distance": distance, "f": f})
    found = slopes_of(images.assign(f_ods=1.0), 50).set_index("measure")
    assert found["photographs"].tolist() == [8, 8]
    alone = slopes_of(images.assign(f_ods=1.0, photograph=[str(k) for k in range(24)]), 50).set_index("measure")
    assert found.loc["f", "high"] != alone.loc["f", "high"]
    assert found.loc["f_ods", ["slope", "low", "high"]].tolist() == [0.0, 0.0, 0.0]
    points = PerformancePoints.of(distance, f, groups=np.array(photograph))
    expected = trend(points, np.random.default_rng(0), 0)
    assert expected is not None
    assert found.loc["f", "slope"] == expected.slope.value


def test_blind_sets_have_both_fs_and_no_parts(done: tuple[Adaptation, Path]) -> None:
    found = done[0]
    assert of(found.images, dataset="new")["f_ods"].notna().all()
    assert "new" in set(found.scores["dataset"])
    assert set(found.strata["dataset"]) == set(found.slopes["dataset"]) == {"site"}


def test_few_images_have_no_thirds_and_no_slope(evaluated: Callable[[str], Evaluation], done: tuple[Adaptation, Path]) -> None:
    whole = evaluated("M")
    two = replace(whole, images=whole.images.iloc[:2])
    rows = of(done[0].images, model="M", dataset="site").iloc[:2]
    assert [row["part"] for row in strata_of(two, rows, 0.5)] == ["0–50 %", "50–100 %"]
    assert strata_of(two, rows.assign(distance=np.nan), 0.5) == []
    none = slopes_of(rows, 20)
    assert list(none.columns) == list(SLOPES)
    assert none.empty


def test_images_without_a_mask_count_in_no_part(evaluated: Callable[[str], Evaluation], done: tuple[Adaptation, Path]) -> None:
    whole = evaluated("M")
    images = whole.images.copy()
    images[["predicted", "hits_predicted", "hits_true"]] = images[["predicted", "hits_predicted", "hits_true"]].astype(object)
    images.at[0, "true"] = np.nan
    for name in ("predicted", "hits_predicted", "hits_true"):
        images.at[0, name] = None
    rows = of(done[0].images, model="M", dataset="site")
    halves = strata_of(replace(whole, images=images), rows, 0.5)[:2]
    assert sum(row["n"] for row in halves) == len(rows) - 1


def test_an_earlier_folder_has_no_strata_and_slopes(done: tuple[Adaptation, Path], tmp_path: Path) -> None:
    found, folder = done[0], done[0].save(tmp_path / "again")
    pd.testing.assert_frame_equal(Adaptation.load(folder).strata, found.strata)
    document = {name: value for name, value in found.to_dict().items() if name not in ("strata", "slopes")}
    (folder / "adaptation.json").write_text(json.dumps({**document, "run": found.run_id}), encoding="utf-8")
    for name in ("strata.parquet", "slopes.parquet"):
        (folder / name).unlink()
    old = Adaptation.load(folder)
    assert (list(old.strata), list(old.slopes)) == (list(STRATA), list(SLOPES))
    assert len(old.strata) == len(old.slopes) == 0
    assert old.scores.equals(found.scores)
