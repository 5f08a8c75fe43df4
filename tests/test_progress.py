"""A bar moves at a terminal and in a notebook; elsewhere a long job says now and then how far it is."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import pytest

from howfar.progress import bar


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
def test_where_it_is_seen(
    terminal: bool,
    notebook: bool,
    progress: bool,
    seen: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    assert list(bar(range(3), progress=progress, desc="counting")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("counting: 100%" in captured.err) is seen


def test_what_is_said_is_said_in_a_log_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    with bar(always=True, total=7, desc="counting") as shown:
        shown.set_postfix({"kept": 3}, refresh=False)
        shown.update(7)
    assert "7/7" in (err := capsys.readouterr().err)
    assert "kept=3" in err


def test_in_a_log_a_long_job_says_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr("howfar.progress.SELDOM", 0.05)
    for _ in bar(range(4), desc="counting", unit="image"):
        time.sleep(0.06)
    err = capsys.readouterr().err
    assert "counting:  50%" in err
    assert "image/s" in err


@pytest.mark.parametrize("seconds", [0.0, 1.3])
def test_a_patient_bar_is_silent_on_short_work(
    seconds: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for _ in bar(range(3), patient=True, desc="counting"):
        time.sleep(seconds / 2)
    assert ("counting" in capsys.readouterr().err) is (seconds > 1)
