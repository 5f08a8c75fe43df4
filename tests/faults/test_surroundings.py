"""What changes around a run: the dataset under its hands, the clock, the network."""

import os
import re
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
from recorded_faults import RECORD, Recorded

SMALL_DEMO = """
import sys
from functools import partial
import howfar.demo
howfar.demo.write_demo = partial(howfar.demo.write_demo, n_primary=24, n_secondary=12)
from howfar.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
PRUNE_IN_A_LOOP = """
import sys
from contextlib import suppress
from pathlib import Path
from howfar.errors import MissingPathError
from howfar.store import prune
removed = 0
while not Path(sys.argv[2]).exists():
    with suppress(MissingPathError):
        removed += len(prune(sys.argv[1], max_size=0).removed)
print(removed)
"""
NETWORKED = ("io", "data", "store", "weights", "backbones", "explore")
ROOT = Path(__file__).resolve().parents[2]
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
    matrix = ["matrix", "roads", "near", "far", *COLOUR, "--bootstrap", "9", "--store", "store", "--out", "first", "--json"]
    compare = ["compare", "roads", "near", "far", *COLOUR, *QUICK, "--out", "new", "--json"]
    assert ask(folder, [*compare[:-2], "before", "--json"]).code == 0
    assert ask(folder, matrix).code == 0
    for name in ("first", "store", "roads"):
        age(folder / name, seconds)
    found = ask(folder, compare)
    assert found.code == 0
    assert found.err.count("from store=28") == 1 or "from store" not in found.err
    expected = ask(folder, [*compare[:-3], "--out", "other", "--store", "fresh", "--json"])
    assert numbers(found.out) == numbers(expected.out)
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


def test_the_fast_tests_pass_without_any_network(tmp_path: Path, recorded: Recorded) -> None:
    """Those of the folders that know of URLs, buckets, hubs and servers; where nothing is recorded, of one file.

    Servers of their own, on the machine itself, are all that they reach.
    """
    unshared = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*unshared, "true"], capture_output=True).returncode:
        pytest.skip("no process can be started without a network here")
    places = [f"tests/{name}" for name in NETWORKED] if RECORD in os.environ else ["tests/io/test_url_guard.py"]
    command = [*unshared, sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider", *places]
    # What these tests were started with is not for those: a folder for temporary files, say, which would be emptied.
    command += ["--basetemp", str(tmp_path / "nested")]
    environment = {name: value for name, value in os.environ.items() if name != RECORD and not name.startswith("PYTEST_")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    recorded("no network", f"the fast tests of {', '.join(NETWORKED)}", 1, f"{int(passed[1]):,} tests pass as they do with one")


def test_pruning_in_a_loop_takes_nothing_from_a_run(ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder, runs = place("pruned"), 3
    compare = ["compare", "roads", "near", "far", *COLOUR, *QUICK, "--json"]
    expected = numbers(ask(folder, compare).out)
    pruning = [sys.executable, "-c", PRUNE_IN_A_LOOP, str(folder / "store"), str(folder / "enough")]
    with subprocess.Popen(pruning, stdout=subprocess.PIPE, text=True) as pruner:
        try:
            done = [ask(folder, compare) for _ in range(runs)]
        finally:
            (folder / "enough").touch()
        removed = int(pruner.communicate()[0])
    assert [one.err for one in done if one.code] == []
    assert [numbers(one.out) for one in done] == [expected] * runs
    # It did remove features, once and again, between the runs.
    assert removed > 1
    recorded("prune in a loop", "compare", runs, "features in use are left; the numbers are those of an undisturbed run")
