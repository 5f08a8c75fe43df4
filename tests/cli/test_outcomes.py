"""Whatever a command raises is one line and an exit code; what nobody foresaw is kept in a file to send in."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from howfar.cli.exit_codes import DEBUG, outcome
from howfar.cli.main import run

HOWFAR = str(Path(sys.executable).parent / "howfar")


def refused(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.fixture
def broken(tmp_path, monkeypatch) -> Path:
    """Two datasets that can be compared, but for a fault in the study; errors are kept in a folder of the test's own."""
    for name in ("p", "s"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(9, 3)))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("howfar.studies.compare_datasets.compared", lambda *_, **__: {}["no such key"])
    return tmp_path


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_the_unforeseen_is_one_line_and_a_file(json, broken, capsys, monkeypatch):
    monkeypatch.delenv(DEBUG, raising=False)
    arguments = ["compare", str(broken / "p.npy"), str(broken / "s.npy"), "--out", str(broken / "run"), *json]
    assert [run(arguments), run(arguments)] == [1, 1]
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("howfar: ")]
    assert (out, len(lines)) == ("", 2)
    assert "Traceback" not in err
    assert "this is a bug in howfar (KeyError: 'no such key'): please send in" in lines[0]
    kept = sorted((broken / "temporary").glob("howfar-error-*.txt"))
    assert len(kept) == 2  # a second one is not written over the first
    text = kept[0].read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert f"howfar {' '.join(arguments)}" in text
    assert "numpy" in text
    assert not (broken / "run").exists()


def test_the_debug_variable_prints_the_traceback(broken, capsys, monkeypatch):
    monkeypatch.setenv(DEBUG, "1")
    assert run(["compare", str(broken / "p.npy"), str(broken / "s.npy"), "--json"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert run(["compare", str(broken / "absent.npy"), str(broken / "s.npy")]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "stopped; run the same command to go on"),
        (MemoryError(), 1, "memory ran out: pass a smaller --batch-size"),
        (np.linalg.LinAlgError("odd"), 1, "a bug in howfar (LinAlgError: odd)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "memory ran out (DefaultCPUAllocator"),
        (RecursionError("maximum depth"), 1, "a value is nested too deep, or a bug in howfar"),
        (refused(errno.ENOSPC, "/runs/a"), 1, "no space is left on the disk of /runs/a: make room, or name another"),
        (refused(errno.ENAMETOOLONG, "/a"), 1, "/a is longer than the system lets a path be: pass a shorter one"),
        (refused(errno.ENOSPC), 1, "no space is left on the disk of the output: make room"),
        (refused(errno.EROFS, "/cd/a"), 1, "/cd/a lies on a disk that can only be read: name a folder elsewhere"),
        (refused(errno.EMFILE, "/a"), 1, "too many files are open to open /a: raise the limit (ulimit -n 4096)"),
        (refused(errno.EFBIG, "/a"), 1, "/a would be larger than the system lets a file be: raise the limit"),
        (refused(errno.EACCES, "/a"), 1, "/a must not be opened by this user: change its permissions"),
        (refused(errno.ELOOP, "/a"), 1, "[Errno 40] Too many levels of symbolic links: '/a'"),
    ],
)
def test_what_the_system_refuses_has_a_line_of_its_own(error, code, words, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("howfar.cli.exit_codes._close_output", lambda: None)
    assert outcome(error, ["compare"], {"out": "--out", "store": "--store"}) == code
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert bool(list(tmp_path.iterdir())) == ("bug in howfar" in words)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["backbones", "--json"]])
def test_an_output_that_takes_nothing_is_one_line(arguments, monkeypatch):
    monkeypatch.setenv("CI", "true")  # where help stayed in the buffer once, for Python to stumble over at its end
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([HOWFAR, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    kept = "make room; then run the same command again: what was done is kept"
    line = f"howfar: no space is left on the disk of the output: {kept}\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize(
    ("flags", "full", "read_only"),
    [
        ({}, "make room; then run", "copy it to a disk that can be written to"),
        ({"store": "--store"}, "make room; then run", "copy it to a disk that can be written to"),
        ({"out": "--out"}, "make room, or name another disk by --out; then run", "name a folder elsewhere by --out"),
    ],
)
def test_a_remedy_names_the_flags_that_the_command_has(flags, full, read_only, capsys):
    assert outcome(refused(errno.ENOSPC, "/runs/a"), ["report"], flags) == 1
    assert f"no space is left on the disk of /runs/a: {full}" in capsys.readouterr().err
    assert outcome(refused(errno.EROFS, "/cd/a"), ["report"], flags) == 1
    assert capsys.readouterr().err == f"howfar: /cd/a lies on a disk that can only be read: {read_only}\n"


def test_a_reader_that_ends_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run([HOWFAR, "backbones", "--json"], stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_stdout_that_the_caller_closed_is_no_fault():
    done = subprocess.run([HOWFAR, "backbones"], stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_runs_as_a_module_too():
    said = subprocess.run([sys.executable, "-m", "howfar", "explain", "no such word"], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr.startswith("howfar: ")) == (2, "", True)
