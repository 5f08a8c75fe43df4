"""`howfar adapt` as a user runs it: every option reaches the study, what is printed where, the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from howfar import registry
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.results.adaptation import Adaptation

TINY = ("--model", "deepcrack", "--option", "width=4", "--size", "32", "--epochs", "1", "--device", "cpu", "--bootstrap", "20")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapt")
    counts = {"roads": 10, "site": 8, "bare": 4}
    return {name: write_dataset(root / name, count, seed=k, size=32) for k, (name, count) in enumerate(counts.items())}


def howfar(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run(["adapt", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_table_the_verdict_and_the_folder_are_printed(
    sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--shots", "0,1", "--strategy", "far", "--strategy", "random", "--random-seeds", "1")
    code, stdout, err = howfar(capsys, sets["roads"], sets["site"], "-o", tmp_path / "study", *TINY, *more)
    assert code == 0, err
    found = Adaptation.load(tmp_path / "study")
    lines = stdout.splitlines()
    assert lines[0] == found.caption()
    assert [line.split()[0] for line in lines[2:6]] == ["M", "norm", "far-1", "random-1"]
    assert found.verdict()
    assert found.verdict() in " ".join(stdout.split())
    assert lines[-2:] == [f"study: {tmp_path / 'study'}", f"report: {tmp_path / 'study' / 'report.html'}"]


def test_how_long_all_will_take_is_said_once(
    sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("howfar.training.compute.STEPS", 1)
    monkeypatch.setattr("howfar.training.compute.SECONDS", 0)
    arguments = (sets["roads"], sets["site"], "-o", tmp_path, *TINY, "--shots", "1,2", "--json")
    _, _, err = howfar(capsys, *arguments)
    said = [line for line in err.splitlines() if line.startswith("training takes at least ")]
    assert len(said) == 1
    assert "; 3 models like this at least " in said[0]
    # One of them is trained again: the others lie in the folder.
    (tmp_path / "models" / "seed0" / "far-2.safetensors").unlink()
    _, _, err = howfar(capsys, *arguments)
    said = [line for line in err.splitlines() if line.startswith("training takes at least ")]
    assert len(said) == 1
    assert "models like this" not in said[0]


def test_json_is_one_document(sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, stdout, err = howfar(capsys, sets["roads"], sets["site"], "-o", tmp_path, *TINY, "--shots", "1", "--json")
    assert code == 0, err
    assert json.loads(stdout) == Adaptation.load(tmp_path).to_dict()
    assert stdout.count("\n") == 1
    assert (tmp_path / "report.html").is_file()


def test_every_option_reaches_the_study(
    sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def study(*names: Any, **given: Any) -> Any:
        seen.update(given, names=names)
        raise KeyboardInterrupt

    monkeypatch.setattr("howfar.studies.adaptation.adapt.adapt", study)
    spelt = (
        "p a b --model adsam --option base=sam --shots 0,2,4 --strategy all --seeds 2 --random-seeds 3 --pool 0.4 "
        "--background bg --background-shots 3,7 --blind x --blind y --tuned --size 64 --epochs 5 --batch 3 --holdout 0.2 "
        "--precision bf16 --weights none --bootstrap 99 --group (a) --device cpu"
    )
    code, _, _ = howfar(capsys, *spelt.split(), "-o", tmp_path)
    assert code == 130
    assert seen["names"] == ("p", ["a", "b"], "adsam")
    strategies = seen.pop("strategies")
    assert {"far", "random", "probcover"} <= set(strategies)
    assert list(strategies) == list(registry.names("strategies"))
    assert seen.pop("runner").processes is False
    assert {name: list(value) if isinstance(value, range) else value for name, value in seen.items() if name != "names"} == {
        "out": tmp_path, "shots": [2, 4], "seeds": [0, 1], "random_seeds": [2, 3, 4], "pool_share": 0.4, "background": "bg",
        "background_shots": [3, 7], "blind": ["x", "y"], "options": {"base": "sam"}, "pretrained": False, "start": "tuned",
        "bootstrap": 99, "group": "(a)", "device": "cpu", "size": 64, "epochs": 5, "batch": 3, "holdout": 0.2,
        "precision": "bf16",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{roads}"], ["SECONDARY"]),
        (["{roads}", "{site}"], ["--out"]),
        (["{roads}", "{site}", "-o", "{out}", "--shots", "1,x"], ["shots must be whole numbers", "'1,x'", "write 1,3,7"]),
        (["{roads}", "{site}", "-o", "{out}", "--shots", "0"], ["shots must hold a number above 0, got '0'"]),
        (["{roads}", "{site}", "-o", "{out}", "--strategy", "furthest"], ["furthest", "far"]),
        (["{roads}", "{roads}", "-o", "{out}"], ["roads"]),
        (["{roads}", "{site}", "-o", "{out}", "--random-seeds", "2"], ["--random-seeds are of use only where random"]),
        (["{roads}", "{site}", "-o", "{out}", "--background-shots", "3"], ["--background-shots are of no use without"]),
        (["{roads}", "{site}", "-o", "{out}", "--background", "{bare}", "--background-shots", "9"], ["at most the 4 images"]),
        (["{roads}", "/no/such", "-o", "{out}"], ["/no/such"]),
        (["{roads}", "{site}", "-o", "{roads}/images/0001.jpg"], ["out must be a folder that can be made"]),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: list[str], sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spelt = [one.format(**sets, out=tmp_path / "study") for one in arguments]
    code, stdout, err = howfar(capsys, *spelt, *TINY)
    assert (code, stdout) == (2, "")
    assert err.splitlines()[-1].startswith("howfar: ")
    for word in words:
        assert word in err.splitlines()[-1]
