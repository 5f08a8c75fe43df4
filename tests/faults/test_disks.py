"""Disks that are full, can only be read, or take no large file: one line with path and remedy, and nothing is lost."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.conftest import COLOUR, QUICK, Ask, numbers
from howfar.results import Comparison
from recorded_faults import Recorded

DISTANCES = ["compare", "roads.npy", "near.npy", "far.npy", *QUICK, "--json"]
EMBED = ["embed", "roads", "near", *COLOUR, "--store", "disk/store", "--json"]


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of that size; the test is skipped where none may be mounted."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def filled(folder: Path) -> Path:
    """Fill a disk to its last byte, and return the file that does."""
    file = folder / "filling"
    with file.open("wb", buffering=0) as opened:
        try:
            while opened.write(bytes(4096)):
                pass
        except OSError:
            return file


def line(err: str) -> str:
    """The one line of a command that fails."""
    (told,) = [line for line in err.splitlines() if line.startswith("howfar: ")]
    assert "Traceback" not in err
    assert "bug in howfar" not in told
    return told


def test_a_disk_that_is_full_is_found_out_before_the_work(ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("full")
    commands = {
        "compare": [*DISTANCES, "--out", "disk/run"],
        "matrix": ["matrix", "roads.npy", "near.npy", "far.npy", "--out", "disk/matrix"],
        "evaluate": ["evaluate", "far", "--predictions", "maps/far", "-o", "disk/far.parquet"],
        "select": ["select", "run", "--dataset", "near", "-k", "2", "--out", "disk/chosen"],
        "profile": ["profile", "roads", *COLOUR, "-o", "disk/roads.howfar"],
        "predict": ["predict", "absent.safetensors", "near", "-o", "disk/maps"],
        "train": ["train", "roads", "--model", "deepcrack", "-o", "disk/model.safetensors"],
        "adapt": ["adapt", "roads", "near", "--model", "deepcrack", "-o", "disk/adaptation"],
        "study": ["study", "mine.toml", "--out", "disk/study"],
    }
    with disk(folder / "disk", "64k") as full:
        filled(full)
        for name, command in commands.items():
            done = ask(folder, command)
            assert (done.code, done.out) == (2, ""), (name, done)
            told = line(done.err)
            assert "No space left on device" in told
            assert "disk" in told
            assert told.endswith(("name another", "make room, or name another"))
    recorded("full disk", f"--out of {', '.join(commands)}", len(commands), "one line before the work")


def test_a_disk_that_fills_up_keeps_the_earlier_run(ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("filling")
    with disk(folder / "disk", "16m") as small:
        assert ask(folder, [*DISTANCES, "--out", "disk/run"]).code == 0
        before = Comparison.load(small / "run").to_dict()
        kept = filled(small)
        # Room for a part of the new run.
        with kept.open("r+b") as opened:
            opened.truncate(kept.stat().st_size - 12 * 1024)
        failed = ask(folder, ["overwrite", "run", "disk/run"])
        assert failed.code == 1
        told = line(failed.err)
        assert "no space is left on the disk of" in told
        assert str(small / "run") in told
        assert "make room; then run the same command again" in told
        assert Comparison.load(small / "run").to_dict() == before
        kept.unlink()
        again = ask(folder, [*DISTANCES, "--seed", "3", "--out", "disk/run"])
        assert again.code == 0
        assert Comparison.load(small / "run").settings.seed == 3
    recorded(
        "disk that fills up",
        "overwrite",
        1,
        "one line; the earlier run stays whole, and the same command ends after room is made",
    )


def test_a_store_on_a_full_disk_goes_on_when_there_is_room(ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("store")
    with disk(folder / "disk", "8m") as small:
        full = filled(small)
        done = ask(folder, EMBED)
        assert (done.code, done.out) == (1, "")
        told = line(done.err)
        assert "o space" in told
        assert str(small) in told
        full.unlink()
        again = ask(folder, EMBED)
        assert again.code == 0
        whole = ask(folder, [word.replace("disk/store", "other") for word in EMBED])
        assert numbers(again.out)["datasets"] == numbers(whole.out)["datasets"]
    recorded("full disk", "store", 1, "one line; the same command goes on when there is room")


def test_a_disk_that_can_only_be_read(ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("read-only")
    with disk(folder / "disk", "16m") as small:
        shutil.copytree(folder / "run", small / "run")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        writers = (
            [*DISTANCES, "--out", "disk/new"],
            [*DISTANCES, "--out", "disk/run"],
            ["relate", "disk/run", "--performance", "near.parquet"],
            ["select", "disk/run", "--dataset", "near", "-k", "2"],
            ["report", "disk/run"],
            EMBED,
        )
        for command in writers:
            done = ask(folder, command)
            assert (done.code in (1, 2), done.out) == (True, ""), done
            told = line(done.err)
            assert "disk" in told
            assert "ead-only" in told or "only be read" in told or "can be written to" in told, told
        # What is only read can be used from there.
        assert ask(folder, ["select", "disk/run", "--dataset", "near", "-k", "2", "--out", "chosen"]).code == 0
    recorded(
        "read-only disk", "compare, relate, select, report, store", len(writers), "one line before the work; reading goes on"
    )


@pytest.mark.parametrize("limit", [2_000, 20_000])
def test_a_limit_of_the_size_of_files(limit: int, ask: Ask, place: Callable[[str], Path], recorded: Recorded) -> None:
    folder = place("limited")
    before = Comparison.load(folder / "run").to_dict()
    done = ask(folder, ["compare", "roads", "near", "far", *COLOUR, *QUICK, "--seed", "3", "--out", "run"], limit=limit)
    told = line(done.err)
    assert done.code in (1, 2)
    assert str(folder / "run") in told or "got 'run'" in told
    assert json.dumps(Comparison.load(folder / "run").to_dict()) == json.dumps(before)
    recorded("limit of file sizes", "compare", 1, "one line; the earlier run stays whole")
