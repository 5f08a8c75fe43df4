"""A training that goes on has the threads that it had; what the user chose stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from howfar.training import compute
from howfar.training.compute import ENTRY, threads_of


@pytest.fixture(autouse=True)
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


@pytest.mark.parametrize("content", [b"", b"no state", None])
def test_a_state_that_does_not_say_changes_nothing(content: bytes | None, tmp_path: Path) -> None:
    state = tmp_path / "a.state"
    torch.save({"history": []}, state) if content is None else state.write_bytes(content)
    assert inside(state) == 2
