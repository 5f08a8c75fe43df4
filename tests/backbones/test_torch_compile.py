"""Compiled by torch: the features are those of the network itself, whatever the batch, or that goes on alone and says so."""

from __future__ import annotations

import logging
import pickle
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.torch_backbone import Feature, TorchBackbone

SIZE = (32, 24)


class Small(nn.Module):
    """Two maps, with normalisation, so that training mode would show."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.SiLU())
        self.second = nn.Conv2d(4, 8, 3, stride=2)


def maps(network: Any, batch: Tensor) -> list[Tensor]:
    first = network.first(batch)
    return [first, network.second(first)]


def small(**options: Any) -> TorchBackbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Small()
    given: dict[str, Any] = {"preprocess": Preprocess(SIZE), "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7), "device": "cpu"}
    return TorchBackbone(
        name="small", model="small", network=network, feature=Feature(maps, "both", "none"), **given, **options
    )


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batches that what is compiled was given, in place of a compiler."""
    batches: list[int] = []

    def compiled(whole: nn.Module, **_: Any) -> Callable[[Tensor], Tensor]:
        def run(pixels: Tensor) -> Tensor:
            batches.append(len(pixels))
            return whole(pixels)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    return batches


def compiles_to(monkeypatch: pytest.MonkeyPatch, result: Callable[[Tensor], Tensor]) -> None:
    def compiled(whole: nn.Module, **_: Any) -> Callable[[Tensor], Tensor]:
        return lambda pixels: result(whole(pixels))

    monkeypatch.setattr(torch, "compile", compiled)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its own code
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch compiles for a CPU by a C++ compiler")
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_features_are_torchs(precision: Any, caplog: pytest.LogCaptureFixture) -> None:
    fast, slow = small(engine="compile", precision=precision), small(engine="torch", precision=precision)
    assert fast.engine == "not yet chosen"
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if precision == "32" else {"rtol": 0.1, "atol": 0.05}
    for count in (6, 6, 2, 13):
        np.testing.assert_allclose(fast.embed(pictures(count, count)), slow.embed(pictures(count, count)), **tolerance)
    assert fast.engine == "torch.compile"
    assert fast.identity == slow.identity
    assert not [one for one in caplog.records if one.name == "howfar"]


def test_it_is_compiled_for_one_size_and_for_one_far_larger(seen: list[int]) -> None:
    fast, slow = small(engine="compile"), small(engine="torch")
    for count in (5, 2, 9, 10, 3):
        np.testing.assert_array_equal(fast.embed(pictures(count)), slow.embed(pictures(count)))
    # One to check and one that counts, a short one, two for nine, then the same of ten.
    assert seen == [5, 5, 5, 5, 5, 10, 10, 10]


def test_what_an_interrupt_leaves_behind_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_: Tensor) -> Tensor:
        raise KeyboardInterrupt

    fast, slow = small(engine="compile"), small(engine="torch")
    with monkeypatch.context() as patch:
        compiles_to(patch, stopped)
        with pytest.raises(KeyboardInterrupt):
            fast.embed(pictures(3))
    assert fast.engine == "not yet chosen"
    compiles_to(monkeypatch, lambda x: x * 1.01)
    np.testing.assert_array_equal(fast.embed(pictures(3)), slow.embed(pictures(3)))
    assert fast.engine == "torch"


def test_no_picture_is_no_feature(seen: list[int]) -> None:
    fast = small(engine="compile")
    assert fast.embed(pictures(0)).shape == (0, sum(fast.layers))
    assert (fast.engine, seen) == ("not yet chosen", [])


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (lambda x: x * 1.01, "torch.compile's features differ from torch's by up to"),
        (lambda x: x * float("nan"), "torch.compile's features differ from torch's by up to nan"),
        (lambda x: x[:, 1:], "torch.compile gives features of shape"),
    ],
)
def test_what_differs_is_not_believed(
    result: Callable[[Tensor], Tensor], said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiles_to(monkeypatch, result)
    fast, slow = small(engine="compile"), small(engine="torch")
    with caplog.at_level(logging.WARNING, "howfar"):
        for _ in range(2):
            np.testing.assert_array_equal(fast.embed(pictures(5)), slow.embed(pictures(5)))
    (line,) = caplog.messages
    assert line.startswith(f"small is run by torch without compiling, which may be slower: {said}")
    assert fast.engine == "torch"


def test_a_compiler_that_fails_costs_a_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def failing(_: Tensor) -> Tensor:
        raise RuntimeError("no compiler\nhere")

    compiles_to(monkeypatch, failing)
    fast = small(engine="compile")
    np.testing.assert_array_equal(fast.embed(pictures(3)), small(engine="torch").embed(pictures(3)))
    assert [line.endswith("slower: no compiler here") for line in caplog.messages] == [True]


def test_one_that_fails_later_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def failing(x: Tensor) -> Tensor:
        calls.append(len(x))
        if len(calls) == 3:
            raise torch.OutOfMemoryError("out of memory")
        return x

    compiles_to(monkeypatch, failing)
    fast, slow = small(engine="compile"), small(engine="torch")
    for _ in range(3):
        np.testing.assert_array_equal(fast.embed(pictures(3)), slow.embed(pictures(3)))
    assert fast.engine == "torch"
    assert len(caplog.messages) == 1


def test_it_is_pickled_unchecked(seen: list[int]) -> None:
    fast = small(engine="compile")
    wanted = fast.embed(pictures(4))
    again = pickle.loads(pickle.dumps(fast))
    assert again.engine == "not yet chosen"
    np.testing.assert_array_equal(again.embed(pictures(4)), wanted)
    assert again.engine == "torch.compile"


def test_it_moves_with_the_network(seen: list[int]) -> None:
    fast = small(engine="compile")
    fast.embed(pictures(4))
    moved = fast.on("cpu")
    assert (fast.engine, moved.engine) == ("torch.compile", "not yet chosen")
    np.testing.assert_array_equal(moved.embed(pictures(4)), fast.embed(pictures(4)))
