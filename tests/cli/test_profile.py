"""`howfar profile` and `howfar score` as commands: what goes where, exit codes, and paths that arrive one at a time."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.cli.main import run

HOWFAR = str(Path(sys.executable).parent / "howfar")


@pytest.fixture(scope="module")
def file(demo_folders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("profile") / "roads.howfar"
    store = out.parent / "store"
    assert run(["profile", str(demo_folders[0]), "--backbone", "colour_moments", "-o", str(out), "--store", str(store)]) == 0
    return out


@pytest.fixture
def labelled(demo_folders, tmp_path) -> Path:
    """A profile with estimators, from a table of made-up performances."""
    table = tmp_path / "performance.csv"
    lines = [
        f"{folder.name},{image.name},{0.9 - 0.2 * place - 0.01 * number:.2f}"
        for place, folder in enumerate(demo_folders[1:4])
        for number, image in enumerate(sorted((folder / "images").iterdir()))
    ]
    table.write_text("\n".join(["dataset,image,performance", *lines]))
    out = tmp_path / "labelled.howfar"
    sets = [part for folder in demo_folders[1:4] for part in ("--labelled", str(folder))]
    arguments = ["profile", str(demo_folders[0]), "--backbone", "colour_moments", "-o", str(out), *sets]
    assert run([*arguments, "--performance", str(table), "--tau", "0.6"]) == 0
    return out


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def arrive(monkeypatch: pytest.MonkeyPatch, paths: Sequence[str | Path]) -> None:
    data = b"".join(os.fsencode(path) + b"\n" for path in paths)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_lines_for_people(labelled, demo_folders, tmp_path, capsys):
    capsys.readouterr()
    folders = [str(demo_folders[4]), str(demo_folders[0])]
    assert run(["score", str(labelled), *folders, "--estimator", "knn"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].split() == ["relative", "kNN", "percentile", "p", "predicted", "flag", "image", "why"]
    assert lines[-1].startswith("36 images scored, ")
    assert all(("FLAG" in line) == ("is below 0.6" in line) for line in lines[1:-1])
    assert any("FLAG" in line for line in lines[1:-1])
    assert "note: " in shown.err
    assert "with each of 3 labelled datasets left out in turn" in shown.err
    (tmp_path / "maps").mkdir()
    for image in (demo_folders[4] / "images").iterdir():
        np.save(tmp_path / "maps" / f"{image.stem}.npy", np.full((8, 8), np.nan))
    assert run(["score", str(labelled), folders[0], "--predictions", str(tmp_path / "maps")]) == 0
    assert all("NaN or infinity among the probabilities" in line for line in capsys.readouterr().out.splitlines()[1:-2])


def test_an_unreadable_image_is_a_line_and_the_rest_goes_on(file, demo_folders, tmp_path, capsys):
    good = next((demo_folders[1] / "images").iterdir())
    (tmp_path / "bad.png").write_text("no picture")
    arguments = [str(tmp_path / "bad.png"), str(good), str(tmp_path / "gone.png")]
    assert run(["score", str(file), *arguments, "--json"]) == 0
    found = lines_of(capsys.readouterr().out)
    assert [one.get("error") for one in found] == ["not an image that Pillow can read", None, "no such file"]
    assert list(found[0]) == ["dataset", "image", "error"]
    assert [one["image"] for one in found] == arguments
    assert run(["score", str(file), *arguments]) == 0
    answered = capsys.readouterr()
    # A reader of JSON has the profile's notes alone.
    assert "not with those of `howfar compare`" in answered.err
    shown = answered.out.splitlines()
    assert shown[1] == f"{tmp_path / 'bad.png'}  error: not an image that Pillow can read"
    flagged = sum("FLAG" in line for line in shown)
    assert shown[-1] == f"1 image scored, {flagged} flagged, 2 left out"
    assert run(["score", str(file), str(tmp_path / "bad.png"), "--json"]) == 2
    shown = capsys.readouterr()
    assert len(lines_of(shown.out)) == 1
    assert shown.err.splitlines()[-1] == "howfar: no image could be scored: 1 could not be read"


@pytest.mark.parametrize("asked", [["-"], ["--stdin"]])
def test_paths_from_stdin(asked, file, demo_folders, tmp_path, monkeypatch, capsys):
    images = sorted((demo_folders[1] / "images").iterdir())[:2]
    odd = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(images[0], odd)
    arrive(monkeypatch, [images[0], "", tmp_path / "gone.png", odd, images[1]])
    assert run(["score", str(file), *asked, "--json"]) == 0
    found = lines_of(capsys.readouterr().out)
    assert [one.get("error") for one in found] == [None, "no such file", None, None]
    assert found[2]["image"].endswith("caf\\xe9.png")
    assert found[2]["i_dist"] == found[0]["i_dist"]
    arrive(monkeypatch, [])
    assert run(["score", str(file), *asked, "--json"]) == 0
    assert capsys.readouterr().out == ""
    assert run(["score", str(file), *asked, "--window", "64"]) == 2
    assert "cut files that are named as NEW, got 64: leave --stdin out" in capsys.readouterr().err


def test_each_path_is_answered_before_the_next_is_sent(file, demo_folders):
    images = sorted((demo_folders[1] / "images").iterdir())[:3]
    command = [HOWFAR, "score", str(file), "-", "--json"]
    # Where Python is told not to buffer, lines that nobody flushes would come all the same.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    # A shell may have started the tests deaf to Ctrl+C, and what they start inherits that.
    pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for image in images:
            process.stdin.write(f"{image}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["image"] == str(image)
        process.send_signal(signal.SIGINT)
        rest, error = process.stdout.read(), process.stderr.read()
    assert (process.returncode, rest) == (130, "")
    assert error.splitlines()[-1].startswith("howfar: stopped after 3 images scored, ")
    assert "Traceback" not in error
