"""The default strategy is far where relate says that performance falls with distance, else random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.errors import StoreError
from howfar.results import Comparison, Relation, Selection


def rows(seed: int, n: int, shift: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, size=(n, 6))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two secondaries in a folder."""
    sites = {"near": rows(1, 30, 0.3), "site": rows(2, 30, 1.0)}
    comparison = howfar.compare(rows(0, 40, 0.0), sites, bootstrap=0, permutations=0)
    return comparison.save(tmp_path_factory.mktemp("auto") / "run")


def related(run: Path, slope: dict[str, float]) -> None:
    """Relate performances to distance, which change by so much over the distances of each dataset."""
    images = Comparison.load(run).images
    tables = []
    for name, change in slope.items():
        mine = images[images["dataset"] == name]
        values = (0.5 + change * (mine["i_dist_scaled"] - 0.5)).clip(0, 1)
        tables.append(pd.DataFrame({"image": mine["image"], "performance": values, "dataset": name}))
    pd.concat(tables).to_csv(run.parent / "performance.csv", index=False)
    howfar.relate(run, run.parent / "performance.csv", bootstrap=50).save(run)


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Comparison.load(made).save(tmp_path / "run")


def test_without_a_relation_it_is_random(run: Path) -> None:
    found = howfar.select(run, "site", 5)
    assert found.strategy == "random"
    assert found.why == "auto took random: howfar relate has not said of this run that performance falls with distance"
    assert found.footer()[0] == found.remarks()[0] == found.why
    assert howfar.select(Comparison.load(run), "site", 5).picks == found.picks == howfar.select(run, "site", 5, "random").picks
    assert howfar.select(run, "site", 5, "random").why == ""


def test_it_follows_the_dataset_s_own_verdict_and_else_that_of_all(run: Path, tmp_path: Path) -> None:
    related(run, {"near": -0.8})
    assert Relation.load(run).datasets[0].verdict.kind == "falls"
    found = howfar.select(run, "near", 5)
    assert (found.strategy, found.why) == (
        "far", "auto took far: howfar relate says that performance falls with distance in near"
    )  # fmt: skip
    assert found.picks == howfar.select(run, "near", 5, "far").picks
    assert Selection.load(found.save(tmp_path / "out")).why == found.why
    assert howfar.select(run, "site", 5).why.endswith("falls with distance in the labelled datasets")
    related(run, {"near": -0.8, "site": 0.7})
    assert howfar.select(run, "near", 5).strategy == "far"
    site = howfar.select(run, "site", 5)
    assert (site.strategy, site.why) == (
        "random", "auto took random: howfar relate says that performance rises with distance in site"
    )  # fmt: skip


def test_a_relation_of_another_run_is_refused(run: Path, tmp_path: Path) -> None:
    related(run, {"near": -0.8})
    sites = {"near": rows(1, 30, 0.3), "site": rows(2, 30, 1.0)}
    other = howfar.compare(rows(0, 40, 0.0), sites, bootstrap=0, permutations=0).save(tmp_path / "other")
    for name in ("relation.json", "relation.parquet", "curves.parquet", "thresholds.parquet"):
        (other / name).write_bytes((run / name).read_bytes())
    with pytest.raises(StoreError, match=r"relation\.json is of another run than result\.json: run relate again"):
        howfar.select(other, "site", 5)
