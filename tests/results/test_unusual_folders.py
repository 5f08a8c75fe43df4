"""Folders under short or empty names, and documents that hold what JSON has not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import howfar
from howfar.errors import InputError, StoreError
from howfar.results import Comparison


def test_a_tilde_stands_for_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    run = howfar.compare(
        rng.normal(size=(9, 3)), {"site": rng.normal(size=(9, 3))}, out="~/run", bootstrap=0, permutations=0, progress=False
    )
    assert (tmp_path / "run" / "report.html").is_file()
    run.save("~/saved")
    assert Comparison.load("~/saved").datasets == Comparison.load(tmp_path / "run").datasets


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(InputError, match=r"^out must name a folder, got ''"):
        howfar.compare(np.eye(3), {"site": np.eye(3)}, out="")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}', '{"format": Infinity}'])
def test_a_document_that_is_no_json_value_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(StoreError, match=r"(RecursionError|ValueError).*run compare again"):
        Comparison.load(tmp_path)
