"""A training's depthwise layers, the estimate of its time, and the threads that a resumed one has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from howfar.training import compute
from howfar.training.compute import ENTRY, TrainingEstimate, depthwise_in_float32, is_depthwise, threads_of


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=4))


def dtypes(layers: nn.Sequential) -> list[torch.dtype]:
    seen: list[torch.dtype] = []
    handles = [layer.register_forward_hook(lambda _, __, out: seen.append(out.dtype)) for layer in layers]
    with torch.autocast("cpu", torch.bfloat16):
        layers(torch.ones(1, 3, 12, 12))
    for handle in handles:
        handle.remove()
    return seen


def test_depthwise_layers_alone_compute_in_float32_and_only_inside() -> None:
    layers = network()
    assert [is_depthwise(layer) for layer in layers] == [False, True, False]
    with depthwise_in_float32(layers):
        assert dtypes(layers) == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert dtypes(layers) == [torch.bfloat16] * 3
    with pytest.raises(KeyError), depthwise_in_float32(layers):
        raise KeyError
    assert "forward" not in vars(layers[1])


def test_gradients_are_those_of_float32() -> None:
    layer = nn.Conv2d(8, 8, 3, groups=8)

    def gradient() -> Tensor:
        layer.zero_grad()
        layer(torch.arange(512.0).reshape(1, 8, 8, 8) / 512).square().sum().backward()
        assert layer.weight.grad is not None
        return layer.weight.grad.clone()

    exact = gradient()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gradient()
        with depthwise_in_float32(layer):
            torch.testing.assert_close(gradient(), exact, rtol=0, atol=0)
    assert not torch.equal(rounded, exact)


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


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give torch the two threads of a machine of two cores, as by default."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(compute, "available_cores", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def inside(state: Path) -> int:
    with threads_of(state):
        found = torch.get_num_threads()
    assert torch.get_num_threads() in (2, 3)
    return found


@pytest.mark.usefixtures("two")
def test_a_state_brings_its_threads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "a.state"
    assert inside(state) == 2
    torch.save({ENTRY: 1, "history": []}, state)
    assert inside(state) == 1
    torch.set_num_threads(3)
    assert inside(state) == 3
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert inside(state) == 2
