"""How long a training takes is said once, after its first steps, with how many models follow."""

from __future__ import annotations

import pytest
import torch

from howfar.training import compute
from howfar.training.compute import TrainingEstimate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make time pass by steps of the test's."""
    now = [0.0]
    monkeypatch.setattr(compute.time, "monotonic", lambda: now[0])
    return now


def told(clock: list[float], capsys: pytest.CaptureFixture[str], models: int, seconds: float, steps: int = 20) -> list[str]:
    shown = TrainingEstimate(models)
    shown.begin(600)
    for _ in range(steps):
        clock[0] += seconds
        shown.step()
    return capsys.readouterr().err.splitlines()


def test_it_is_said_once_after_some_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    count = torch.get_num_threads()
    threads = f"{count} thread{'' if count == 1 else 's'}"
    line = f"training takes at least 5 min 0 s: 600 steps of 0.50 s with {threads}"
    assert told(clock, capsys, 1, 0.5) == [line]
    assert told(clock, capsys, 4, 0.5) == [f"{line}; 4 models like this at least 20 min 0 s"]
    assert told(clock, capsys, 0, 0.5) == []
    assert told(clock, capsys, 1, 0.5, steps=4) == []
    assert told(clock, capsys, 1, 3, steps=3) == []
    assert len(told(clock, capsys, 1, 3, steps=4)) == 1


def test_the_first_step_is_not_measured(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = TrainingEstimate()
    shown.begin(600)
    for seconds in (60.0, 0.5, 0.5, 0.5, 0.5):
        clock[0] += seconds
        shown.step()
    assert "600 steps of 0.50 s" in capsys.readouterr().err
