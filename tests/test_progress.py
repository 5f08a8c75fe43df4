"""A bar moves at a terminal and in a notebook; elsewhere a long job says now and then how far it is."""

import math
import os
import sys
import time
from types import ModuleType

import pytest

from howfar import progress
from howfar.progress import bar, begin, end, silence, stage, tell


@pytest.mark.parametrize(
    ("terminal", "notebook", "progress", "seen"),
    [
        (True, False, True, True),
        (True, False, False, False),
        (False, False, True, False),
        (False, True, True, True),
        (False, True, False, False),
    ],
)
def test_where_it_is_seen(terminal, notebook, progress, seen, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    assert list(bar(range(3), progress=progress, desc="counting")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("counting: " in captured.err) is seen


def test_in_a_log_a_long_job_says_how_far_it_is_in_whole_lines(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(progress, "SOON", 0.25)
    monkeypatch.setattr(progress, "SELDOM", 0.5)
    monkeypatch.setattr(progress._Spinner, "_last", -math.inf)
    for _ in range(2):
        with bar(total=4, desc="counting", unit="image") as shown:
            shown.set_postfix({"kept": 3}, refresh=False)
            for _ in range(4):
                time.sleep(0.11)
                shown.update()
    first, *others = capsys.readouterr().err.splitlines(keepends=True)
    assert first.startswith("counting:  75%")
    assert "image/s, kept=3]\n" in first
    # Bars that follow each other share the pace, but for the line with which one that has a postfix ends.
    assert len(others) == 1 + 2


def test_what_is_done_has_a_name_at_once_and_leaves_nothing_behind(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    begin("compare: loading")
    assert "compare: loading" in capsys.readouterr().err
    with stage("drawing the report"):
        time.sleep(0.25)
    time.sleep(0.25)
    drawn = capsys.readouterr().err
    assert "drawing the report" in drawn
    # What was done before goes on.
    assert "compare: loading" in drawn.rpartition("drawing the report")[2]
    end()
    last = capsys.readouterr().err
    assert last.rpartition("\r")[2] == ""
    assert last.rstrip("\r").rpartition("\r")[2].isspace()
    time.sleep(0.25)
    assert capsys.readouterr().err == ""


def test_the_clock_of_a_bar_moves_during_a_long_step(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progress, "MOVES", 0.1)
    begin("compare: loading")
    for number in bar(range(2), desc="counting"):
        if number == 0:
            time.sleep(1.2)
            assert "0/2 [00:01<?" in capsys.readouterr().err
    end()


def test_a_bar_that_is_about_to_be_made_stops_nothing(capsys, monkeypatch):
    """While tqdm is being loaded, its module has no bars; while a bar is being made, it does not say whether it is shown."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm.std", ModuleType("tqdm.std"))
    begin("compare: loading")
    end()
    assert "compare: loading" in capsys.readouterr().err
    half = ModuleType("tqdm.std")
    half.tqdm = type("tqdm", (), {"_instances": {object()}})  # type: ignore[attr-defined]  # what it has then
    monkeypatch.setitem(sys.modules, "tqdm.std", half)
    begin("compare: loading")
    end()
    assert "compare: loading" in capsys.readouterr().err


def test_in_a_log_a_long_stage_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    monkeypatch.setattr(progress._Spinner, "_last", -math.inf)
    with stage("drawing the report"):
        time.sleep(0.3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress._Spinner, "_last", -math.inf)
    monkeypatch.setattr(progress, "SOON", 0.05)
    with stage("drawing the report"):
        time.sleep(0.3)
        begin("report: loading")
        time.sleep(0.3)
    assert capsys.readouterr().err == "drawing the report: 0 s\n"
    end()


def test_silence_is_silence(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    silence(True)
    try:
        begin("compare: loading")
        with stage("drawing the report"):
            list(bar(range(3), desc="counting"))
            tell("3 steps")
            time.sleep(0.15)
    finally:
        silence(False)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system starts processes otherwise")
def test_a_forked_process_can_go_on(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    begin("compare: loading")
    for _ in range(5):
        child = os.fork()
        if child == 0:
            end()
            os._exit(7 if progress._Spinner.stages or progress._Spinner._thread else 0)
        assert os.waitpid(child, 0)[1] == 0
    end()
    assert "compare: loading" in capsys.readouterr().err
