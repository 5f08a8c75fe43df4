"""Networks of timm, with its own weights and with weights from files."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from howfar.backbones import load_backbone
from howfar.backbones.backbone_family import BackboneFamily
from howfar.backbones.timm_backbones import ENET, build_timm_model
from howfar.errors import InputError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

NAME = "timm:test_resnet"


def saved(path: Path, model: str = "test_resnet", seed: int = 5, **create: Any) -> Path:
    """A whole network's state dict, classifier included, in the format that the suffix says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = timm.create_model(model, pretrained=False, **create).state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def feature(backbone: Backbone, seed: int = 0) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(seed).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    return backbone.embed(backbone.prepare(Image.fromarray(values))[None])[0]


class TestRandomResnet(BackboneTests):
    length = 96

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, **options: Any) -> Backbone:
        return load_backbone(NAME, **({"pretrained": False} | ({"engine": "torch"} if options else {}) | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        weights = saved(self.folder / "other.pth")
        return ({"weights": weights}, {"pool": False}, {"fit": "crop"}, {"via": 448})


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("pool", [True, False])
def test_agrees_with_plain_timm(tmp_path: Path, suffix: str, pool: bool) -> None:
    path = saved(tmp_path / f"weights{suffix}")
    backbone = load_backbone(NAME, weights=str(path), pool=pool)
    network = timm.create_model("test_resnet", pretrained=False).eval()
    saved_state = torch.load(saved(tmp_path / "plain.pth"), weights_only=True)
    network.load_state_dict(saved_state)
    values = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    # timm's configuration of test_resnet: 160 px, bilinear, mean and std 0.5.
    pixels = np.asarray(Image.fromarray(values).resize((160, 160), Image.Resampling.BILINEAR)).astype(np.float32)
    config = network.pretrained_cfg
    scaled = (pixels / 255 - np.float32(config["mean"])) / np.float32(config["std"])
    with torch.no_grad():
        maps = network.forward_features(torch.from_numpy(scaled).permute(2, 0, 1)[None].contiguous())[0].numpy()
    expected = maps.mean(axis=(1, 2)) if pool else maps.reshape(-1)
    np.testing.assert_allclose(feature(backbone), expected, rtol=1e-4, atol=1e-5)


def test_names_of_the_first_authors(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", "test_convnext")
    expected = load_backbone("timm:test_convnext", weights=path)
    foreign = {}
    for name, value in torch.load(path, weights_only=True).items():
        for ours, theirs in (
            ("stem.", "downsample_layers.0."),
            (".blocks.", "."),
            ("conv_dw", "dwconv"),
            ("mlp.fc", "pwconv"),
            ("head.norm", "norm"),
            ("head.fc", "head"),
        ):
            name = name.replace(ours, theirs)
        parts = name.split(".")
        if "downsample" in parts:
            name = ".".join(["downsample_layers", parts[1], *parts[3:]])
        foreign[name] = value
    assert foreign.keys() != torch.load(path, weights_only=True).keys()
    torch.save({"model": foreign}, path)
    found = load_backbone("timm:test_convnext", weights=path)
    assert found.identity == expected.identity
    np.testing.assert_array_equal(feature(found), feature(expected))


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth")
    state = torch.load(path, weights_only=True)
    cases = {
        "lacks conv1.0.weight": {k: v for k, v in state.items() if k != "conv1.0.weight"},
        "has another shape for bn1.weight": {**state, "bn1.weight": torch.zeros(3)},
        "has no place for extra.weight": {**state, "extra.weight": torch.zeros(3)},
    }
    for text, changed in cases.items():
        torch.save(changed, path)
        with pytest.raises(InputError, match=text):
            load_backbone(NAME, weights=path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timm", "timm must name a network"),
        ("timm:resnet99", r"got 'resnet99': the nearest are resnet\d+, resnet\d+, resnet\d+"),
        (
            "timm:resnet18.a9_in1k",
            r"must name published weights of resnet18, or none, got .*: the nearest are resnet18\.a\d_in1k",
        ),
        ("timm:test_coatnet", r"must have published weights, got 'none': pass weights=FILE, or pretrained=False"),
    ],
)
def test_names_that_cannot_be_loaded(name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        load_backbone(name)


CONFIG = {"input_size": (3, 64, 64), "interpolation": "bicubic", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}


def small(family: BackboneFamily, **create: Any) -> BackboneFamily:
    """The family, of a network that is quick to run."""
    build = partial(build_timm_model, family.card.name, "test_efficientnet", "1 MB", create, CONFIG)
    return BackboneFamily(family.card, build, family.takes, family.defaults)


class TestEnet(BackboneTests):
    family = small(ENET, num_classes=0)
    length = 256 * 2 * 2

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, **options: Any) -> Backbone:
        given = {"weights": str(saved(self.folder / "net.safetensors", "test_efficientnet"))}
        return self.family.build(self.family.options(given | ({"engine": "torch"} if options else {}) | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        other = str(saved(self.folder / "other.safetensors", "test_efficientnet", 6))
        return {"weights": other}, {"pool": True}, {"fit": "crop"}, {"via": 448}


@pytest.mark.usefixtures("offline")
def test_out_of_reach(tmp_path: Path) -> None:
    for name, repository in (
        ("timm:resnet18", "of timm/resnet18.a1_in1k"),
        ("enet", "(49 MB) of timm/efficientnet_b3.ra2_in1k"),
        ("mobileclip", "(46 MB) of timm/fastvit_mci0.apple_mclip2_dfndr2b"),
    ):
        text = (
            rf"the weights of {name} are not on this machine and cannot be fetched \(HF_HUB_OFFLINE is set\): "
            rf"download model.safetensors {re.escape(repository)} elsewhere and pass weights=FILE"
        )
        with pytest.raises(MissingPathError, match=text):
            load_backbone(name)
    with pytest.raises(MissingPathError, match=r"weights must be a file, and .* is a folder"):
        load_backbone("enet", weights=tmp_path)
