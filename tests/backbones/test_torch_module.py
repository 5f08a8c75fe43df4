"""A torch module at hand, by a layer's name."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.backbones import module
from howfar.backbones.preprocessing import Preprocess
from howfar.backbones.torch_module_and_structure_hash import hash_structure
from howfar.errors import InputError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.body = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.words = nn.TransformerEncoderLayer(4, 2, 4, batch_first=True)
        self.split = Split()
        self.unused = nn.Linear(1, 1)
        self.shape = Shape()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(self.stem(x))
        tokens: Tensor = self.words(maps.flatten(2).transpose(1, 2))
        self.shape(maps)
        first, _ = self.split(tokens.mean(dim=1))
        return first


class Split(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, :1], x[:, 1:]


class Shape(nn.Module):
    def forward(self, x: Tensor) -> str:
        return str(tuple(x.shape))


def net(seed: int = 0) -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Net()


def made(seed: int = 0, layer: Any = "body", **options: Any) -> Backbone:
    preprocess = Preprocess((16, 20), fit=options.pop("fit", "stretch"))
    return module(net(seed), layer, preprocess, **{"mean": (0.5,) * 3, "std": (0.5,) * 3, **options})


class TestModule(BackboneTests):
    length = 4 * 7 * 9

    def make(self, **options: Any) -> Backbone:
        return made(**options)

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"seed": 1}, {"layer": "stem"}, {"layer": ["stem", "body"]}, {"pool": True}, {"fit": "crop"}, {"std": (1, 1, 1)}


def test_layers_and_their_order() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 16, 20, 3), dtype=np.uint8)
    network = net().eval()
    x = (torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        stem = network.stem(x)
        body = network.body(stem)
        words = network.words(body.flatten(2).transpose(1, 2))
    backbone = made(layer=["words", "stem", "split"])
    assert backbone.layers == (7 * 9 * 4, 4 * 7 * 9, 1, 3)
    expected = torch.cat([words.flatten(1), stem.flatten(1), words.mean(dim=1)], dim=1)
    np.testing.assert_allclose(backbone.embed(batch), expected.numpy(), rtol=1e-4, atol=1e-5)
    pooled = torch.cat([words.mean(dim=1), stem.mean(dim=(2, 3)), words.mean(dim=1)], dim=1)
    found = made(layer=["words", "stem", "split"], pool=True)
    np.testing.assert_allclose(found.embed(batch), pooled.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("bdy", r"layer must be one of network.named_modules\(\), got 'bdy': it has stem, body, body.0, body.1, body.2, words"),
        ("unused", r"layer unused must give tensors of \(b, ...\), got 'nothing: it was not run'"),
        ("shape", r"layer shape must give tensors of \(b, ...\), got 'str': name a layer below or above it"),
    ],
)
def test_layers_that_are_refused(layer: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        module(net(), layer, (16, 20))


# Two networks of equal weights have one hash where they compute the same, in every process, and else two

SCALE = 2.0


def double(x: Tensor) -> Tensor:
    return SCALE * x


class Counted(nn.Module):
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


def counted(**given: Any) -> nn.Module:
    return Counted(**given)


CHANGES: dict[str, Callable[[Any], object]] = {
    "a number": lambda network: setattr(network, "power", 3.0),
    "a function of torch": lambda network: setattr(network, "act", functional.gelu),
    "a function": lambda network: setattr(network, "act", lambda x: x**2),
    "another constant in it": lambda network: setattr(network, "act", lambda x: x**3),
    "an array": lambda network: setattr(network, "table", np.arange(4)),
    "a tensor": lambda network: setattr(network, "table", torch.arange(3.0) + 1),
    "within a mapping": lambda network: network.names["a"].append(5),
    "a further layer": lambda network: network.add_module("more", nn.ReLU()),
    "a layer's setting": lambda network: setattr(network.conv, "padding", (1, 1)),
    "forward of one instance": lambda network: setattr(network, "forward", lambda x: x),
}


def test_each_change_has_a_hash_of_its_own() -> None:
    networks = [counted() for _ in range(len(CHANGES) + 1)]
    for network, change in zip(networks, CHANGES.values(), strict=False):
        change(network)
    assert len({hash_structure(network) for network in networks}) == len(networks)


def test_what_forward_names_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_structure(counted())
    monkeypatch.setitem(double.__globals__, "SCALE", 3.0)
    other = hash_structure(counted())
    assert other != before
    monkeypatch.setattr(Counted, "forward", lambda self, x: self.conv(x))
    assert hash_structure(counted()) not in (before, other)
    monkeypatch.undo()
    monkeypatch.setattr(Counted, "kind", "other")
    assert hash_structure(counted()) not in (before, other)
    monkeypatch.undo()
    assert hash_structure(counted()) == before


LOADED = """
import importlib.util, sys
name, file = sys.argv[1:]
spec = importlib.util.spec_from_file_location(name, file)
sys.modules[name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.hash_structure(module.counted()))
"""


def test_another_process_gives_the_same() -> None:
    command = [sys.executable, "-c", LOADED, __name__, __file__]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == hash_structure(counted())
