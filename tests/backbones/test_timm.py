from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from howfar.backbones import load_backbone
from howfar.errors import InputError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

NAME = "timm:test_resnet"


def saved(path: Path, model: str = "test_resnet", seed: int = 5) -> Path:
    """A whole network's state dict, classifier included, in the format that the suffix says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = timm.create_model(model, pretrained=False).state_dict()
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
        return load_backbone(NAME, **({"pretrained": False} | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        weights = saved(self.folder / "other.pth")
        return ({"weights": weights}, {"pool": False}, {"fit": "crop"}, {"via": 448})


class TestSavedVit(BackboneTests):
    """Tokens in place of maps, and weights from a file."""

    length = 64

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, **options: Any) -> Backbone:
        weights = saved(self.folder / "vit.safetensors", "test_vit")
        return load_backbone("timm:test_vit", **({"weights": weights} | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return ({"weights": saved(self.folder / "other.safetensors", "test_vit", seed=6)}, {"pool": False})


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


def test_the_file_format_is_no_part_of_the_identity(tmp_path: Path) -> None:
    backbones = [load_backbone(NAME, weights=saved(tmp_path / f"w{suffix}")) for suffix in (".safetensors", ".pth", ".bin")]
    assert backbones[0].identity == backbones[1].identity == backbones[2].identity
    np.testing.assert_array_equal(feature(backbones[0]), feature(backbones[1]))


def test_one_changed_number_changes_the_identity(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth")
    before = load_backbone(NAME, weights=path).identity["weights"]
    state = torch.load(path, weights_only=True)
    last = next(name for name in reversed(state) if name.startswith("layer4") and name.endswith("weight"))
    state[last].view(-1)[-1] += 1e-3
    torch.save(state, path)
    assert load_backbone(NAME, weights=path).identity["weights"] != before


def test_checkpoint_of_a_training_run(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth")
    expected = load_backbone(NAME, weights=path).identity
    torch.save({"epoch": 3, "state_dict": torch.load(path, weights_only=True)}, path)
    assert load_backbone(NAME, weights=path).identity == expected


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


def test_random_weights_are_seeded_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first = load_backbone(NAME, pretrained=False)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    assert load_backbone(NAME, pretrained=False).identity == first.identity


def test_preprocessing_is_timms_own() -> None:
    assert load_backbone(NAME, pretrained=False).identity["preprocessing"] == {
        "size": [160, 160],
        "fit": "stretch",
        "via": None,
        "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    }
    resnet = load_backbone("timm:resnet10t", pretrained=False, fit="pad")
    assert resnet.identity["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert resnet.identity["preprocessing"]["fill"] == [124, 116, 104]
    assert resnet.name == "timm:resnet10t"
    assert resnet.identity["model"] == "resnet10t"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timm", "timm must name a network"),
        ("timm:resnet99", r"got 'resnet99': the nearest are resnet\d+, resnet\d+, resnet\d+"),
        (
            "timm:resnet18.a9_in1k",
            r"must name published weights of resnet18, or none, got .*: the nearest are resnet18\.a\d_in1k",
        ),
        ("timm:zzzzzzzzzzzz", r"timm.list_models\(\) lists them"),
        ("timm:test_coatnet", r"must have published weights, got 'none': pass weights=FILE, or pretrained=False"),
    ],
)
def test_names_that_cannot_be_loaded(name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        load_backbone(name)


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    text = (
        r"the weights of timm:resnet18 are not on this machine and cannot be fetched \(HF_HUB_OFFLINE is set\): "
        r"download model.safetensors of timm/resnet18.a1_in1k elsewhere and pass weights=FILE"
    )
    with pytest.raises(MissingPathError, match=text):
        load_backbone("timm:resnet18")


def test_failing_download_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("bad\ngateway")

    monkeypatch.setattr("howfar.backbones.timm.why_unreachable", lambda *_: None)
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(MissingPathError, match=r"timm:resnet18 .* \(bad gateway\): download model.safetensors"):
        load_backbone("timm:resnet18")
