"""What changes around a run: the dataset under its hands, the clock, the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import howfar
from faults.conftest import COLOUR, QUICK, Ask, numbers
from howfar.backbones import load_backbone
from howfar.results import Comparison
from recorded_faults import Recorded

SMALL_DEMO = """
import sys
from functools import partial
import howfar.demo
howfar.demo.write_demo = partial(howfar.demo.write_demo, n_primary=24, n_secondary=12)
from howfar.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
YEARS = 20 * 365 * 86_400


class Meddling:
    """A backbone during whose first batch the dataset changes."""

    def __init__(self, change: Callable[[], None]) -> None:
        self._backbone, self._change = load_backbone("colour_moments"), change
        self.name, self.layers, self.identity = self._backbone.name, self._backbone.layers, self._backbone.identity
        self.prepare = self._backbone.prepare

    def embed(self, batch: Any) -> Any:
        change, self._change = self._change, lambda: None
        change()
        return self._backbone.embed(batch)


def test_a_dataset_that_changes_during_a_run(place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("changing")
    images = sorted((folder / "roads" / "images").iterdir())
    other = sorted((folder / "far" / "images").iterdir())[0].read_bytes()

    def change() -> None:
        images[-1].unlink()
        images[-2].write_bytes(other)
        images[-3].write_bytes(other[: len(other) // 2])
        shutil.copy(images[0], images[0].with_name("new.jpg"))

    given: dict[str, Any] = {"store": folder / "store", "batch_size": 1, "workers": 1, "progress": False}
    during = howfar.embed(folder / "roads", Meddling(change), **given)
    told = {Path(skipped.path).name for skipped in during.skipped}
    assert {images[-1].name, images[-3].name} <= told
    assert len(during) + len(during.skipped) == len(images)
    # What was kept under a content is that content's feature: a run without the store has the same rows.
    after = howfar.embed(folder / "roads", "colour_moments", **given)
    fresh = howfar.embed(folder / "roads", "colour_moments", **{**given, "store": folder / "fresh"})
    assert after.contents == fresh.contents
    assert after.images == fresh.images
    assert (after.to_array() == fresh.to_array()).all()
    recorded(
        "changing dataset",
        "embed",
        4,
        "files that went or were cut are listed as skipped; no feature is kept for another content",
    )


def age(folder: Path, seconds: float) -> None:
    """Move the times of all files, into the future where `seconds` are above 0, as if the clock had gone back since."""
    moment = time.time() + seconds
    for file in [folder, *folder.rglob("*")]:
        os.utime(file, (moment, moment))


@pytest.mark.parametrize("seconds", [YEARS, -YEARS])
def test_the_clock_goes_back(seconds: float, ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("clock")
    matrix = ["matrix", "roads", "near", "far", *COLOUR, "--bootstrap", "9", "--store", "store", "--out", "new", "--json"]
    compare = ["compare", "roads", "near", "far", *COLOUR, *QUICK, "--out", "new", "--json"]
    assert ask(folder, [*compare[:-2], "before", "--json"]).code == 0
    assert ask(folder, matrix).code == 0
    for name in ("new", "store", "roads"):
        age(folder / name, seconds)
    found = ask(folder, compare)
    assert found.code == 0
    assert found.err.count("from store=28") == 1 or "from store" not in found.err
    expected = ask(folder, [*compare[:-3], "--out", "other", "--store", "fresh", "--json"])
    assert numbers(found.out) == numbers(expected.out)
    # Of two results in a folder the one that was written last is reported, whatever the clock says.
    assert ask(folder, ["report", "new"]).code == 0
    assert 'id="distances"' in (folder / "new" / "report.html").read_text(encoding="utf-8")
    assert Comparison.load(folder / "new").datasets == Comparison.load(folder / "other").datasets
    recorded(
        "clock goes back" if seconds > 0 else "clock goes forward", "store, matrix, compare, report", 1, "the same numbers"
    )


def test_the_demo_runs_without_any_network(tmp_path: Path, recorded: Recorded) -> None:
    unshared = ["unshare", "-n"]
    if shutil.which("unshare") is None or subprocess.run([*unshared, "true"], capture_output=True).returncode:
        pytest.skip("no process can be started without a network here")
    command = [*unshared, sys.executable, "-c", SMALL_DEMO, "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "run" / "report.html").is_file()
    recorded("no network", "demo", 1, "it ends as it does with one")
