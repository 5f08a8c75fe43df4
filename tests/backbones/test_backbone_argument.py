"""A backbone argument is a name, a torch module, a function or a backbone; anything else is refused in one line."""

import gc
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import howfar
from howfar.backbones import as_backbone, function, load_backbone, module
from howfar.errors import HowfarError, InputError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

BATCH = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2))


class DataParallel(nn.Module):
    """As torch's: it holds the network as `module`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.module = network

    def forward(self, pictures: Tensor) -> Any:
        return self.module(pictures)


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


def test_the_identity_is_that_of_the_network() -> None:
    assert as_backbone(net()).identity == as_backbone(net()).identity
    assert as_backbone(net()).identity != as_backbone(net(1)).identity
    assert as_backbone(DataParallel(net())).identity == as_backbone(net()).identity


def test_a_module_of_timm_says_how_it_is_fed() -> None:
    network = timm.create_model("resnet10t", pretrained=False, num_classes=0)
    identity = as_backbone(network).identity["preprocessing"]
    config = network.pretrained_cfg
    assert identity["size"] == list(config["input_size"][1:])
    assert (identity["mean"], identity["std"]) == (list(config["mean"]), list(config["std"]))


class Heads(nn.Module):
    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        return {"out": pictures, "aux": pictures}


@pytest.mark.parametrize(
    ("argument", "options", "line"),
    [
        (3, {}, "must be a registered name, a torch module, a function of a batch, or a loaded backbone, got int"),
        (nn.Sequential, {}, "got the class Sequential: pass an instance"),
        (Heads(), {}, "the network must give tensors of .*, got 'a dict of out, aux': name a layer by howfar.backbones.module"),
        (nn.Linear(5, 5), {}, "Linear cannot take pictures of 224×224"),
        (net(), {"prompt": "x"}, "are of no use to a torch module, got 'prompt': it takes device, size, mean"),
        (np.mean, {"mean": (0, 0, 0)}, "are of no use to a function, got 'mean': it takes size, fit, via"),
        (
            load_backbone("pixels"),
            {"size": 3},
            "are of no use to a backbone that is loaded already, got 'size': leave them out",
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")), {}, "must be a module with weights, got '0.weight without values'"),
        (nn.Sequential(nn.LazyConv2d(4, 3)), {}, "must be a module with weights, got '0.weight without values'"),
    ],
)
def test_what_is_no_backbone_is_refused_in_one_line(argument: Any, options: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        as_backbone(argument, options)
    assert "\n" not in str(caught.value)


# A function of a batch is a backbone; its features are stored where it has a name, and else kept for one run


def means(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean colour of rows."""
    return batch.mean(axis=2)


def by_torch(batch: NDArray[np.uint8]) -> torch.Tensor:
    """The same by a network that could record gradients."""
    weight = torch.nn.Parameter(torch.ones(1))
    return torch.from_numpy(np.array(batch)).float().mean(dim=2) * weight


@pytest.mark.parametrize("call", [means, by_torch])
class TestFunction(BackboneTests):
    length = 3 * 24

    @pytest.fixture(autouse=True)
    def _call(self, call: Any) -> None:
        self.call = call

    def make(self, **options: Any) -> Backbone:
        options.pop("device", None)
        return function(self.call, **{"name": "means", "size": (24, 32), **options})

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"size": (24, 48)}, {"fit": "crop"}, {"via": 8}


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda batch: 3, r"must return an array or tensor of \(b, q\) numbers, here \(1, q\), got int"),
        (lambda batch: np.zeros(5), r"got float64 values of shape \(5,\)"),
        (lambda batch: {"out": batch}, "got a dict of out"),
        (lambda batch: np.full((1, 3), np.inf), "must return finite numbers, got NaN or infinity"),
        (lambda batch: 1 / 0, r"failed on uint8 \(1, 224, 224, 3\) \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_a_function_that_gives_no_features_is_refused_in_one_line(call: Any, line: str) -> None:
    with pytest.raises(HowfarError, match=f"the function <lambda> .*{line}"):
        function(call)


def test_features_of_a_function_without_a_name_are_kept_for_one_run(demo_folders, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    called = list[int]()

    def call(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        called.append(len(batch))
        return means(batch)

    features = howfar.embed(demo_folders[0], call, tmp_path / "store", size=16, progress=False)
    (note,) = features.notes
    assert note.startswith("features of the function call were not stored, as nothing tells it from another: howfar.backbones")
    assert len(list(tmp_path.glob("howfar-*"))) == 1
    before = len(called)
    again = howfar.embed(demo_folders[0], call, tmp_path / "store", size=16, progress=False)
    assert len(called) > before  # computed anew
    assert np.array_equal(again.rows.rows(0, 9), features.rows.rows(0, 9))
    del features, again
    gc.collect()
    assert not list(tmp_path.glob("howfar-*"))
    assert not (tmp_path / "store").exists()
