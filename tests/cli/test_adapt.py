"""`howfar adapt` as a user runs it: every option reaches the study, what is printed where, the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_world import Command
from howfar.demo import write_dataset
from howfar.results.adaptation_result import Adaptation

TINY = ("--model", "deepcrack", "--option", "width=4", "--size", "32", "--epochs", "1", "--device", "cpu", "--bootstrap", "20")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapt")
    counts = {"roads": 10, "site": 8, "bare": 4}
    return {name: write_dataset(root / name, count, seed=k, size=32) for k, (name, count) in enumerate(counts.items())}


def test_the_table_the_verdict_and_the_folder_are_printed(sets: dict[str, Path], tmp_path: Path, howfar: Command) -> None:
    more = ("--shots", "0,1", "--strategy", "far", "--strategy", "random", "--random-seeds", "1")
    code, stdout, err = howfar("adapt", sets["roads"], sets["site"], "-o", tmp_path / "study", *TINY, *more)
    assert code == 0, err
    found = Adaptation.load(tmp_path / "study")
    lines = stdout.splitlines()
    assert lines[0] == found.caption()
    assert [line.split()[0] for line in lines[2:6]] == ["M", "norm", "far-1", "random-1"]
    assert found.verdict()
    assert found.verdict() in " ".join(stdout.split())
    assert lines[-2:] == [f"study: {tmp_path / 'study'}", f"report: {tmp_path / 'study' / 'report.html'}"]


def test_how_long_all_will_take_is_said_once(
    sets: dict[str, Path], tmp_path: Path, howfar: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("howfar.training.compute.STEPS", 1)
    monkeypatch.setattr("howfar.training.compute.SECONDS", 0)
    arguments = (sets["roads"], sets["site"], "-o", tmp_path, *TINY, "--shots", "1,2", "--json")
    _, _, err = howfar("adapt", *arguments)
    said = [line for line in err.splitlines() if line.startswith("training takes at least ")]
    assert len(said) == 1
    assert "; 3 models like this at least " in said[0]
    # One of them is trained again: the others lie in the folder.
    (tmp_path / "models" / "seed0" / "far-2.safetensors").unlink()
    _, _, err = howfar("adapt", *arguments)
    said = [line for line in err.splitlines() if line.startswith("training takes at least ")]
    assert len(said) == 1
    assert "models like this" not in said[0]
