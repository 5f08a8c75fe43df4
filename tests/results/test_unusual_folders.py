"""Folders under short or empty names, and documents that hold what JSON has not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar.cli.main import run
from howfar.errors import InputError, StoreError
from howfar.results import Comparison, Relation
from howfar.results.result import _check_columns
from howfar.studies import run_folder


def test_a_tilde_stands_for_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    made = howfar.compare(
        rng.normal(size=(9, 3)), {"site": rng.normal(size=(9, 3))}, out="~/run", bootstrap=0, permutations=0, progress=False
    )
    assert (tmp_path / "run" / "report.html").is_file()
    made.save("~/saved")
    assert Comparison.load("~/saved").datasets == Comparison.load(tmp_path / "run").datasets


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(InputError, match=r"^out must name a folder, got ''"):
        howfar.compare(np.eye(3), {"site": np.eye(3)}, out="")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}', '{"format": Infinity}'])
def test_a_document_that_is_no_json_value_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(StoreError, match=r"(RecursionError|ValueError).*run compare again"):
        Comparison.load(tmp_path)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of two arrays."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("compared")
    site = {"site": rng.normal(size=(9, 3))}
    made = howfar.compare(rng.normal(size=(9, 3)), site, bootstrap=0, permutations=0, progress=False)
    return made.save(folder / "run")


def test_a_run_of_no_dataset_is_damaged(compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(compared, tmp_path / "run"))
    document = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**document, "datasets": []}))
    assert run(["report", str(folder)]) == 1
    told = capsys.readouterr().err
    assert "is damaged (TypeError: datasets: must hold something): run compare again" in told
    assert told.count("\n") == 1


def test_a_table_that_cannot_be_drawn_is_one_line(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise KeyError("pc1")

    monkeypatch.setattr(run_folder, "draw", stumble)
    folder = Path(shutil.copytree(compared, tmp_path / "run"))
    assert run(["report", str(folder)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"howfar: {folder} cannot be drawn (KeyError: 'pc1'): its files are not as they were written")
    assert told.count("\n") == 1


def test_a_curve_without_its_columns_is_damaged() -> None:
    curves = pd.DataFrame({"dataset": ["a"], "image": ["1"], "distance": [1.0], "performance": [1.0]})
    with pytest.raises(ValueError, match=r"^curves\.parquet has no column smoothed$"):
        _check_columns(curves, Relation.COLUMNS["curves"], "curves.parquet")
