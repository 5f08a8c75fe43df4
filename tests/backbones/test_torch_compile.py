"""Compiled by torch: the features are those of the network itself, whatever the batch, or that goes on alone and says so."""

import logging
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from worlds.small_backbone import pictures, small


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


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (lambda x: x * 1.01, "torch.compile's features differ from torch's by up to"),
        (lambda x: x * float("nan"), "torch.compile's features differ from torch's by up to nan"),
        (lambda x: x[:, 1:], "torch.compile gives features of shape"),
    ],
)
def test_what_differs_is_not_believed(result, said, monkeypatch, caplog):
    compiles_to(monkeypatch, result)
    fast, slow = small(engine="compile"), small(engine="torch")
    with caplog.at_level(logging.WARNING, "howfar"):
        for _ in range(2):
            np.testing.assert_array_equal(fast.embed(pictures(5)), slow.embed(pictures(5)))
    (line,) = caplog.messages
    assert line.startswith(f"small is run by torch without compiling, which may be slower: {said}")
    assert fast.engine == "torch"
