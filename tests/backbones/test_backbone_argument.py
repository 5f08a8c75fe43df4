"""A backbone argument is a name, a torch module, a function or a backbone; anything else is refused in one line."""

from __future__ import annotations

import gc
import pickle
import threading
import time
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import howfar
from howfar.backbones import as_backbone, function, is_stored, load_backbone, module
from howfar.errors import HowfarError, InputError, UnknownNameError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

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


# A function of a batch is a backbone; its features are stored where it has a name, and else kept for one run


def means(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean colour of rows."""
    return batch.mean(axis=2)


def by_torch(batch: NDArray[np.uint8]) -> torch.Tensor:
    """The same by a network that could record gradients."""
    weight = torch.nn.Parameter(torch.ones(1))
    return torch.from_numpy(np.array(batch)).float().mean(dim=2) * weight


class TestFunction(BackboneTests):
    length = 3 * 24

    def make(self, **options: Any) -> Backbone:
        options.pop("device", None)
        return function(means, **{"name": "means", "size": (24, 32), **options})

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"size": (24, 48)}, {"fit": "crop"}, {"via": 8}


class TestTorchFunction(TestFunction):
    def make(self, **options: Any) -> Backbone:
        options.pop("device", None)
        return function(by_torch, **{"name": "means", "size": (24, 32), **options})


def test_the_name_is_the_identity() -> None:
    one, other, again = function(means, "v1"), function(means, "v2"), function(lambda batch: means(batch) + 1, "v1")
    assert one.identity != other.identity
    assert one.identity == again.identity


def test_without_a_name_no_two_are_the_same() -> None:
    one, other = function(means), function(means)
    assert one.name == other.name == "means"
    assert one.identity != other.identity
    assert [is_stored(one), is_stored(function(means, "means"))] == [False, True]


def test_a_batch_is_uint8_rgb_and_one_at_a_time() -> None:
    seen, inside = list[Any](), threading.Lock()

    def call(batch: NDArray[np.uint8]) -> Any:
        assert inside.acquire(blocking=False), "two batches at a time"
        time.sleep(0.002)
        seen.append((batch.dtype, batch.shape))
        inside.release()
        return batch.reshape(len(batch), -1)[:, :2]

    backbone = function(call, size=16)
    batch = np.zeros((3, 16, 16, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(backbone.embed, [batch] * 8))
    assert seen == [(np.uint8, (1, 16, 16, 3)), *[(np.uint8, (3, 16, 16, 3))] * 8]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda batch: 3, r"must return an array or tensor of \(b, q\) numbers, here \(1, q\), got int"),
        (lambda batch: np.zeros(5), r"got float64 values of shape \(5,\)"),
        (lambda batch: np.zeros((2, 5)), r"got float64 values of shape \(2, 5\)"),
        (lambda batch: {"out": batch}, "got a dict of out"),
        (lambda batch: np.full((1, 3), np.inf), "must return finite numbers, got NaN or infinity"),
        (lambda batch: np.zeros((1, 0)), "must return finite numbers, got none"),
        (lambda batch: 1 / 0, r"failed on uint8 \(1, 224, 224, 3\) \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_a_function_that_gives_no_features_is_refused_in_one_line(call: Any, line: str) -> None:
    with pytest.raises(HowfarError, match=f"the function <lambda> .*{line}"):
        function(call)


def test_options_that_are_wrong() -> None:
    for options, line in (
        ({"size": 0}, "size must be"),
        ({"fit": "cut"}, "fit must be one of"),
        ({"name": " "}, "name must be text"),
    ):
        with pytest.raises(InputError, match=line):
            function(means, **options)  # type: ignore[arg-type]


def test_pickled_it_is_the_same() -> None:
    backbone = function(means, size=16)
    again = pickle.loads(pickle.dumps(backbone))
    assert again.identity == backbone.identity
    batch = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(again.embed(batch), backbone.embed(batch))


def test_features_of_a_function_without_a_name_are_kept_for_one_run(
    demo_folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_features_of_a_named_function_are_found_again(demo_folders: list[Path], tmp_path: Path) -> None:
    howfar.embed(demo_folders[0], function(means, "means", size=16), tmp_path, progress=False)

    def broken(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
        assert len(batch) == 1, "an image was embedded again"
        return means(batch)

    found = howfar.embed(demo_folders[0], function(broken, "means", size=16), tmp_path, progress=False)
    assert not found.notes


def test_a_profile_needs_a_function_with_a_name(demo_folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have a name that stands for it, since new images are to be scored by the same"):
        howfar.profile(demo_folders[0], means, progress=False)
    named = function(means, "means", size=16)
    profile = howfar.profile(demo_folders[0], named, progress=False, store=tmp_path)
    assert len(profile.score(demo_folders[1], named)) == len(howfar.Dataset.from_folder(demo_folders[1]))
    with pytest.raises(
        HowfarError, match="was profiled with means, which is no registered backbone: score in Python, and pass it"
    ):
        profile.score(demo_folders[1])
    with pytest.raises(InputError, match=r"backbone other must give the features that .* was profiled with"):
        profile.score(demo_folders[1], function(means, "other", size=16))
