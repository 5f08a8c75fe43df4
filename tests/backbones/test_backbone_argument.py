"""A backbone argument is a name, a torch module, a function or a backbone; anything else is refused in one line."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

import howfar
from howfar.backbones import as_backbone, load_backbone, module
from howfar.errors import HowfarError, InputError, UnknownNameError

BATCH = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2))


class Wrapped(nn.Module):
    """As DataParallel is: it holds the network as `module`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.module = network

    def forward(self, pictures: Tensor) -> Any:
        return self.module(pictures)


class DataParallel(Wrapped):
    """Named as torch's."""


class Several(nn.Module):
    def forward(self, pictures: Tensor) -> Any:
        return pictures.mean(dim=(2, 3)), pictures[:, :, :2, :2]


def test_a_module_is_given_rgb_of_0_to_1_and_gives_its_output() -> None:
    network = net().eval()
    backbone = as_backbone(network, {"size": 32})
    wanted = network(torch.from_numpy(BATCH).permute(0, 3, 1, 2) / 255).flatten(1).detach().numpy()
    np.testing.assert_allclose(backbone.embed(BATCH), wanted, rtol=1e-5, atol=1e-6)
    assert (backbone.name, backbone.layers) == ("Sequential", (16,))
    assert as_backbone(network).identity["preprocessing"]["size"] == [224, 224]


def test_options_of_a_module() -> None:
    network = net()
    backbone = as_backbone(
        network, {"size": (32, 40), "mean": (0.5,) * 3, "std": (0.2,) * 3, "fit": "pad", "pool": True, "via": 64}
    )
    assert backbone.layers == (4,)
    described = backbone.identity["preprocessing"]
    assert (described["size"], described["fit"], described["via"]) == ([32, 40], "pad", 64)
    assert (described["mean"], described["std"], backbone.identity["pooling"]) == ([0.5] * 3, [0.2] * 3, "mean")
    by_hand = module(network, "", (32, 40), mean=(0.5,) * 3, std=(0.2,) * 3, name="Sequential")
    assert as_backbone(network, {"size": (32, 40), "mean": (0.5,) * 3, "std": (0.2,) * 3}).identity == by_hand.identity


def test_several_outputs_are_one_feature() -> None:
    assert as_backbone(Several(), {"size": 8}).layers == (3, 12)


def test_the_identity_is_that_of_the_network() -> None:
    assert as_backbone(net()).identity == as_backbone(net()).identity
    assert as_backbone(net()).identity != as_backbone(net(1)).identity
    assert as_backbone(DataParallel(net())).identity == as_backbone(net()).identity
    assert as_backbone(Wrapped(net())).identity != as_backbone(net()).identity


def test_a_module_of_timm_says_how_it_is_fed() -> None:
    network = timm.create_model("resnet10t", pretrained=False, num_classes=0)
    identity = as_backbone(network).identity["preprocessing"]
    config = network.pretrained_cfg
    assert identity["size"] == list(config["input_size"][1:])
    assert (identity["mean"], identity["std"]) == (list(config["mean"]), list(config["std"]))


def test_a_module_of_torchscript() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(net().eval())
        backbone = as_backbone(scripted, {"size": 32})
        other = as_backbone(torch.jit.script(nn.Sequential(*net().eval(), nn.ReLU())), {"size": 32})
    np.testing.assert_allclose(backbone.embed(BATCH), as_backbone(net(), {"size": 32}).embed(BATCH), rtol=1e-5, atol=1e-6)
    assert backbone.identity["weights"] == other.identity["weights"]
    assert backbone.identity["model"] != other.identity["model"]


def test_names_and_loaded_backbones() -> None:
    assert as_backbone("pixels", {"fit": "crop"}).identity == load_backbone("pixels", fit="crop").identity
    loaded = load_backbone("pixels")
    assert as_backbone(loaded) is loaded


class Heads(nn.Module):
    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        return {"out": pictures, "aux": pictures}


class Scalar(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.mean()


@pytest.mark.parametrize(
    ("argument", "options", "line"),
    [
        (3, {}, "must be a registered name, a torch module, a function of a batch, or a loaded backbone, got int"),
        (None, {}, "got NoneType"),
        (nn.Sequential, {}, "got the class Sequential: pass an instance"),
        (Heads(), {}, "the network must give tensors of .*, got 'a dict of out, aux': name a layer by howfar.backbones.module"),
        (Scalar(), {}, r"the network must give tensors of \(b, ...\), got 'float32 values of shape \(\)'"),
        (nn.Linear(5, 5), {}, "Linear cannot take pictures of 224×224"),
        (net(), {"prompt": "x"}, "are of no use to a torch module, got 'prompt': it takes device, size, mean"),
        (np.mean, {"mean": (0, 0, 0)}, "are of no use to a function, got 'mean': it takes size, fit, via"),
        (
            load_backbone("pixels"),
            {"size": 3},
            "are of no use to a backbone that is loaded already, got 'size': leave them out",
        ),
        (net(), {"size": -1}, "size must be a side in pixels"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")), {}, "must be a module with weights, got '0.weight without values'"),
        (nn.Sequential(nn.LazyConv2d(4, 3)), {}, "must be a module with weights, got '0.weight without values'"),
    ],
)
def test_what_is_no_backbone_is_refused_in_one_line(argument: Any, options: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        as_backbone(argument, options)
    assert "\n" not in str(caught.value)


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pixels'"):
        as_backbone("pixel")


QUICK: dict[str, Any] = {"baselines": False, "bootstrap": 0, "permutations": 0, "progress": False}


def test_every_study_takes_a_module(demo_folders: list[Path], tmp_path: Path) -> None:
    primary, *others = demo_folders[:3]
    network, store = net(), tmp_path / "store"
    found = howfar.compare(primary, others, network, size=32, store=store, **QUICK)
    assert found.backbone.name == "Sequential"
    both = howfar.compare_backbones(primary, others, ["pixels", module(network, "", 32)], store=store, **QUICK)
    assert both.backbones == ("pixels", "module")
    square = howfar.matrix({"a": primary, "b": others[0]}, network, size=32, store=store, progress=False).square("energy")
    assert square.loc["a", "b"] > 0
    profile = howfar.profile(primary, network, size=32, store=store, progress=False)
    assert profile.score(others[0], network, size=32).images
    with pytest.raises(HowfarError, match=r"must give the features that .* was profiled with"):
        profile.score(others[0], net(1), size=32)
    features = howfar.embed(primary, network, store, size=32, progress=False)
    assert features.identity == found.backbone.identity
