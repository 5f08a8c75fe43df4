"""`howfar data` as a user runs it: the list, one dataset, a folder checked, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from howfar.cli.main import run
from howfar.data.catalogue import catalogue
from howfar.demo import write_dataset


def test_the_list_names_every_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data"]) == 0
    listed = capsys.readouterr().out
    assert all(entry.name in listed for entry in catalogue())
    assert "non-commercial research and education" in listed
    assert "not verified" in listed
    assert "https://github.com/qinnzou/DeepCrack" in listed


def test_a_narrow_terminal_is_not_filled_with_addresses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("howfar.cli.terminal.PIPED_WIDTH", 90)
    assert run(["data"]) == 0
    listed = capsys.readouterr().out
    assert "finegpr" in listed
    assert "https://" not in listed


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in document] == [entry.name for entry in catalogue()]
    assert document[0]["images"] == 260
    assert document[1]["sizes"] == [[512, 512]]


def test_one_dataset_with_where_and_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "sun397"]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["where"].startswith("https://www.tensorflow.org/datasets/catalog/sun397 ")
    assert lines["terms"] == "research purposes only (https://vision.princeton.edu/projects/2010/SUN/)"
    assert lines["images a category"] == "100 to 200"
    assert "symbol" not in lines
    assert run(["data", "sun397", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["categories"]) == 50


def test_a_folder_that_differs_leaves_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "roads", 3, seed=0, size=64)
    assert run(["data", "crkwh100", str(folder)]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "off: 3 images, the paper has 100",
        "right: 3 masks, one for each image",
        "off: 3 images not of 512×512 pixels but 64×64",
    ]
    assert captured.err == ""
    assert run(["data", "crkwh100", str(folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["name"], document["dataset"], document["agrees"]) == ("crkwh100", "roads", False)
    assert document["findings"][1] == {"agrees": True, "text": "3 masks, one for each image"}


def test_a_folder_that_agrees_leaves_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "concrete", 2, seed=0, size=448)
    assert run(["data", "eugen_muller", f"blind={folder}"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["right", "right"]
