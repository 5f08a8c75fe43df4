"""EfficientNet-B3 unpooled and MobileCLIP: the way they are built, on tiny networks of timm."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
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
from howfar.backbones.family import BackboneFamily
from howfar.backbones.timm import ENET, MOBILECLIP, TimmModel, build_timm_model
from howfar.errors import InputError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

CONFIG = {"input_size": (3, 64, 64), "interpolation": "bicubic", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}


def small(family: BackboneFamily, **create: Any) -> BackboneFamily:
    """The family, of a network that is quick to run."""
    row = TimmModel(family.card.name, "test_efficientnet", "1 MB", create, CONFIG)
    return BackboneFamily(family.card, partial(build_timm_model, row), family.takes, family.defaults)


def saved(path: Path, seed: int = 5, **create: Any) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_file(timm.create_model("test_efficientnet", pretrained=False, **create).state_dict(), path)
    return path


class TestEnet(BackboneTests):
    family = small(ENET, num_classes=0)
    length = 256 * 2 * 2

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, **options: Any) -> Backbone:
        given = {"weights": str(saved(self.folder / "net.safetensors"))}
        return self.family.build(self.family.options(given | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        other = str(saved(self.folder / "other.safetensors", 6))
        return {"weights": other}, {"pool": True}, {"fit": "crop"}, {"via": 448}


class TestMobileClip(TestEnet):
    # The head stays, being the projection.
    family = small(MOBILECLIP, num_classes=12)
    length = 12

    def make(self, **options: Any) -> Backbone:
        given = {"weights": str(saved(self.folder / "net.safetensors", num_classes=12))}
        return self.family.build(self.family.options(given | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"weights": str(saved(self.folder / "other.safetensors", 6, num_classes=12))}, {"fit": "crop"}


@pytest.mark.parametrize("pool", [False, True])
def test_the_map_before_the_head(pool: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.safetensors")
    family = small(ENET, num_classes=0)
    backbone = family.build(family.options({"weights": path, "pool": pool}))
    network = timm.create_model("test_efficientnet", pretrained=False, checkpoint_path=str(path)).eval()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    pixels = np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    scaled = (pixels - np.float32(CONFIG["mean"])) / np.float32(CONFIG["std"])
    with torch.no_grad():
        maps = network.forward_features(torch.from_numpy(scaled.transpose(2, 0, 1).copy())[None])[0].numpy()
    expected = maps.mean(axis=(1, 2)) if pool else maps.reshape(-1)
    np.testing.assert_allclose(backbone.embed(backbone.prepare(picture)[None])[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("offline")
def test_out_of_reach(tmp_path: Path) -> None:
    for name, repository in (
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
    with pytest.raises(
        InputError, match=r"weights do not fit the network: .* lacks conv_stem.weight, bn1.weight, bn1.bias and"
    ):
        load_backbone("enet", weights=_other(tmp_path / "other.safetensors"))


def _other(path: Path) -> Path:
    save_file({"a": torch.zeros(1)}, path)
    return path


def test_the_hubs_cache(cache_model: Callable[..., Path], tmp_path: Path) -> None:
    source = tmp_path / "repository"
    source.mkdir()
    torch.manual_seed(5)
    state = timm.create_model("efficientnet_b3", pretrained=False).state_dict()
    save_file(state, source / "model.safetensors")
    cache_model("timm/efficientnet_b3.ra2_in1k", source)
    found = load_backbone("enet", via=448)
    assert found.identity == load_backbone("enet", weights=source / "model.safetensors", via=448).identity
    assert found.layers == (301_056,)
    assert found.identity["preprocessing"]["size"] == [448, 448]
