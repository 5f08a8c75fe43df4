"""Two networks of equal weights have one hash where they compute the same, in every process, and else two."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.backbones.torch_module import hash_structure

SCALE = 2.0


def double(x: Tensor) -> Tensor:
    return SCALE * x


class Net(nn.Module):
    """A network with attributes of its own, and functions around it."""

    kind = "plain"

    def __init__(self, power: float = 1.0, act: Callable[[Tensor], Tensor] = functional.relu) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.power, self.act, self.table = power, act, np.arange(3)
        self.names = {"a": [1, (2, 3)], "b": {"x", "y"}}

    @property
    def doubled(self) -> Any:
        return double

    def forward(self, x: Tensor) -> Tensor:
        return self.act(double(self.conv(x))) ** self.power


def net(**given: Any) -> nn.Module:
    return Net(**given)


def changed(change: Callable[[Any], object]) -> nn.Module:
    network = net()
    change(network)
    return network


def test_it_says_nothing_of_weights_nor_of_the_mode() -> None:
    assert (
        hash_structure(net()) == hash_structure(net()) == hash_structure(copy.deepcopy(net())) == hash_structure(net().train())
    )


def gelu(network: Any) -> None:
    network.act = functional.gelu


def squared(network: Any) -> None:
    network.act = lambda x: x**2


def cubed(network: Any) -> None:
    network.act = lambda x: x**3


def method(network: Any) -> None:
    network.forward = lambda x: x


CHANGES: dict[str, Callable[[Any], object]] = {
    "a number": lambda network: setattr(network, "power", 3.0),
    "a function of torch": gelu,
    "a function": squared,
    "another constant in it": cubed,
    "an array": lambda network: setattr(network, "table", np.arange(4)),
    "a tensor": lambda network: setattr(network, "table", torch.arange(3.0) + 1),
    "within a mapping": lambda network: network.names["a"].append(5),
    "a further layer": lambda network: network.add_module("more", nn.ReLU()),
    "a layer's setting": lambda network: setattr(network.conv, "padding", (1, 1)),
    "forward of one instance": method,
}


def test_each_change_has_a_hash_of_its_own() -> None:
    hashes = [hash_structure(net()), *(hash_structure(changed(change)) for change in CHANGES.values())]
    assert len(set(hashes)) == len(hashes)


def test_what_forward_names_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_structure(net())
    monkeypatch.setitem(double.__globals__, "SCALE", 3.0)
    other = hash_structure(net())
    assert other != before
    monkeypatch.setattr(Net, "forward", lambda self, x: self.conv(x))
    assert hash_structure(net()) not in (before, other)
    monkeypatch.undo()
    monkeypatch.setattr(Net, "kind", "other")
    assert hash_structure(net()) not in (before, other)
    monkeypatch.undo()
    assert hash_structure(net()) == before


LOADED = """
import importlib.util, sys
name, file = sys.argv[1:]
spec = importlib.util.spec_from_file_location(name, file)
sys.modules[name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.hash_structure(module.net()))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_gives_the_same(seed: str) -> None:
    command = [sys.executable, "-c", LOADED, __name__, __file__]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == hash_structure(net())


def test_a_network_that_holds_itself_ends() -> None:
    network: Any = net()
    network.around = [network.forward, {"again": network.forward}]
    network.names["self"] = network.names
    assert hash_structure(network) == hash_structure(network)
