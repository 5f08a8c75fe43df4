"""Each stage is killed at drawn changes of the disk and at drawn moments; run again it ends with the undisturbed numbers."""

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import howfar
from faults.conftest import COLOUR, QUICK, TINY, Ask, Done, numbers
from howfar.errors import HowfarError
from howfar.results import Comparison
from howfar.results.checksums_and_overwrite_guard import run_of_table, runs_of_picture
from recorded_faults import Recorded

KILLED = -9
RELATE = ["relate", "run", "--performance", "roads.parquet", "--performance", "near.parquet", "--bootstrap", "9", "--json"]
MAPS = ["--model", "model.safetensors", "--device", "cpu"]
STORED = [*COLOUR, "--store", "store"]
CHOSEN = ["select", "run", "--dataset", "near", "-k", "2", "--strategy", "far", "--out", "new", "--json"]
COMMANDS: dict[str, list[str]] = {
    "embed": ["embed", "roads", "near", "far", *COLOUR, "--store", "store", "--batch-size", "2"],
    "distances": ["compare", "roads.npy", "near.npy", "far.npy", *QUICK, "--out", "new", "--json"],
    "evaluate": ["evaluate", "far", "--predictions", "maps/far", "-o", "far.parquet", "--json"],
    "relate": RELATE,
    "matrix": ["matrix", "roads.npy", "near.npy", "far.npy", "--bootstrap", "9", "--out", "new", "--json"],
    "adapt": ["adapt", "roads", "near", *TINY, "-o", "new", "--shots", "1", "--bootstrap", "9", "--json"],
    "study": ["study", "mine.toml", "--out", "new", "--json"],
    "report": ["report", "run"],
    "assess": ["assess", "roads", "near", "--predictions", "maps", *STORED, "--bootstrap", "9", "-o", "new", "--json"],
    "certify": ["certify", "near", "--predictions", "maps/near", "-k", "4", "--labels", "near/masks", "--out", "new", "--json"],
    "corrupt": ["corrupt", "roads", "-o", "new", "--only", "noise,gamma", *MAPS, "--json"],
    "select": CHOSEN,
    "select with links": [*CHOSEN, "--with-images", "link"],
    "labels": ["labels", "import", "near/masks", "--images", "near", "-o", "new", "--json"],
    "profile": ["profile", "roads", *STORED, "-o", "new.howfar", "--json"],
    "check": ["check", "roads.howfar", "near", "--rules", "rules.yaml", "--log", "log.jsonl", "--store", "store", "--json"],
    "train": ["train", "roads", *TINY, "-o", "new.safetensors", "--json"],
    "predict": ["predict", "model.safetensors", "near", "-o", "new", "--device", "cpu", "--json"],
    "export to Parquet": ["export", "roads", "near", *STORED, "-o", "new.parquet", "--json"],
    "export to Lance": ["export", "roads", "near", *STORED, "-o", "new.lance", "--json"],
    "bundle": ["study", "mine.toml", "--bundle", "new.zip"],
}
ENDS = (0, 3)
"""Exit codes of a command that ends, one of them where a rule is breached."""
KILLS = int(os.environ.get("HOWFAR_TESTS_KILLS", "1"))
"""How often each stage is killed, half of the times at a change of the disk, else at a moment; 0 is once at each change."""


def written(place: Path) -> set[str]:
    """The files that a command leaves, but those of stores and of a Lance dataset, whose names are drawn."""
    files = (file.relative_to(place) for file in place.rglob("*") if file.is_file())
    return {file.as_posix() for file in files if not {"store", "new.lance"} & {*file.parts}}


def found(stage: str, place: Path, done: Done) -> Any:
    """What a stage leaves, without what differs between two runs."""
    if stage == "embed":
        names = ("roads", "near", "far")
        kept = [howfar.embed(place / name, "colour_moments", store=place / "store", progress=False) for name in names]
        return [features.rows.rows(0, len(features)).tolist() for features in kept]
    if stage == "report":
        return {file.name: file.read_bytes() for file in (place / "run").rglob("*") if file.suffix in (".png", ".html")}
    document = numbers(done.out.replace(str(place), "")) if done.out.startswith("{") else {}
    # The log of a check counts a check that ended before the kill, too, and maps that were made before it are kept.
    return {name: value for name, value in document.items() if name not in ("rows", "kept", "written")}


def is_told(done: Done) -> bool:
    """A reader gives its answer, or one line that names a remedy; never a bug in howfar."""
    lines = [line for line in done.err.splitlines() if line.startswith("howfar: ")]
    return done.code == 0 or (done.code in (1, 2) and len(lines) == 1 and "bug in howfar" not in lines[0])


@pytest.mark.parametrize("stage", COMMANDS)
def test_killed_and_run_again_it_ends_with_the_same_numbers(stage, ask, place, recorded):
    whole = place("whole")
    undisturbed = ask(whole, COMMANDS[stage])
    assert undisturbed.code in ENDS, undisturbed.err
    expected, files = found(stage, whole, undisturbed), written(whole)
    drawn = random.Random(stage)
    changes = [drawn.randrange(1, undisturbed.changes + 1) for _ in range(KILLS - KILLS // 2)]
    moments = [drawn.uniform(0.05, undisturbed.seconds) for _ in range(KILLS // 2)]
    changes = changes if KILLS else list(range(1, undisturbed.changes + 1))
    struck = 0
    for number, (at, after) in enumerate([(at, None) for at in changes] + [(0, after) for after in moments]):
        folder = place(f"killed-{number}")
        killed = ask(folder, COMMANDS[stage], at, after)
        # A moment may come after the end.
        assert killed.code == KILLED or after is not None
        struck += killed.code == KILLED
        again = ask(folder, COMMANDS[stage])
        assert again.code == undisturbed.code, again.err
        assert found(stage, folder, again) == expected
        assert written(folder) == files
    recorded("SIGKILL", stage, struck, "run again it ends with the numbers of an undisturbed run")


def test_an_overwritten_run_is_the_old_one_or_the_new_one_or_says_that_it_is_not_finished(ask, made, tmp_path, recorded):
    runs = {name: tmp_path / name for name in ("old", "new")}
    for seed, folder in enumerate(runs.values()):
        arguments = ["roads.npy", "near.npy", "far.npy", *QUICK, "--out", str(folder), "--seed", str(seed)]
        assert ask(made, ["compare", *arguments]).code == 0
    spare = shutil.copytree(runs["old"], tmp_path / "counted")
    changes = ask(tmp_path, ["overwrite", "new", str(spare)]).changes
    seen: Counter[str] = Counter()
    for at in range(1, changes + 1, 10):
        folder = Path(shutil.copytree(runs["old"], tmp_path / f"killed-{at}"))
        assert ask(tmp_path, ["overwrite", "new", str(folder)], at).code == KILLED
        seen[state(folder, runs)] += 1
        if at % 50 == 1:
            told = ask(tmp_path, ["report", str(folder)])
            assert is_told(told), told.err
            assert ask(tmp_path, ["overwrite", "new", str(folder)]).code == 0
            assert state(folder, runs) == "the whole new run"
            assert [path.name for path in folder.glob(".*")] in ([], [".thumbnails"])  # which a run folder keeps
    assert set(seen) == {"the whole old run", "the whole new run", "a line that it is not finished"}
    words = ", ".join(f"{what} ({count} times)" for what, count in sorted(seen.items()))
    recorded("SIGKILL", "overwrite", sum(seen.values()), f"{words}; never a mixture")


def state(folder: Path, runs: dict[str, Path]) -> str:
    """What a reader meets in a run folder; every file must be of the one run, by its numbers and by the id that it carries."""
    try:
        run = Comparison.load(folder)
    except HowfarError as error:
        told = str(error) == f"{folder} is not finished, its writing was cut off: run compare again"
        return "a line that it is not finished" if told else str(error)
    name = ("old", "new")[run.settings.seed]
    for table in ("datasets.parquet", "images.parquet", "primary.parquet"):
        assert pd.read_parquet(folder / table).equals(pd.read_parquet(runs[name] / table))
        assert run_of_table(folder / table) == run.run_id
    for file in (folder / "report.html", *(folder / "figures").iterdir()):
        assert not file.exists() or runs_of_picture(file) == (run.run_id,), file
    return f"the whole {name} run"


def test_files_of_two_runs_are_one_line(ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("mixed")
    run = Comparison.load(folder / "run")
    replace(run, notes=()).save(folder / "other")
    shutil.copy(folder / "other" / "images.parquet", folder / "run")
    readers = [["report", "run"], RELATE, ["select", "run", "--dataset", "near", "-k", "2"]]
    for reader in readers:
        told = ask(folder, reader)
        assert (told.code, told.out) == (1, "")
        assert told.err == f"howfar: {folder / 'run'} is of two runs, images.parquet and result.json: run compare again\n"
    recorded("files of two runs", "report, relate, select", len(readers), "one line that names the files and the command")
