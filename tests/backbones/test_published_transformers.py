"""The published models of transformers, on tiny ones of random weights in the hub's format."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from howfar.backbones import load_backbone
from howfar.errors import HowfarError, InputError, MissingExtraError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

Folder = Callable[..., Path]
NAMES = ("sam", "clip", "dinov2", "convnextv2", "swinv2", "dinov3", "siglip2")
SIDES = {"sam": 32, "clip": 32, "siglip2": 32, "dinov2": 224, "convnextv2": 224, "swinv2": 192, "dinov3": 224, "clipseg": 352}
BILINEAR = ("sam", "dinov3", "siglip2")
MEANS = {"clip": 0.48145466, "siglip2": 0.5}


LENGTHS = {
    "sam": 8 * 4 * 4,
    "clip": 16,
    "dinov2": 257 * 32,
    "convnextv2": 16 * 7 * 7,
    "swinv2": 36 * 64,
    "dinov3": 201 * 32,
    "siglip2": 32,
}


@cache
def loaded(name: str, saved: Folder) -> Backbone:
    """The backbone as it is by default, whose engine is chosen once for all tests."""
    return load_backbone(name, weights=saved(name))


def changed(name: str, options: dict[str, Any]) -> Backbone:
    """One with other options, run by torch, since an engine changes no identity."""
    return load_backbone(name, **{"engine": "torch", **options})


@pytest.mark.parametrize("name", NAMES)
class TestPublished(BackboneTests):
    @pytest.fixture(autouse=True)
    def _folders(self, hub_model: Folder, name: str) -> None:
        self.saved, self.name, self.length = hub_model, name, LENGTHS[name]

    def make(self, **options: Any) -> Backbone:
        return changed(self.name, {"weights": self.saved(self.name), **options}) if options else loaded(self.name, self.saved)

    def changes(self) -> Iterable[Mapping[str, Any]]:
        pools = ({"pool": True},) if self.name not in ("clip", "siglip2") else ()
        return {"weights": self.saved(self.name, 1)}, *pools, {"fit": "crop"}, {"via": 20}


def plain(name: str, folder: Path, x: torch.Tensor, pool: bool) -> torch.Tensor:
    """The feature by transformers' own whole model."""
    classes = {
        "sam": transformers.SamModel,
        "clip": transformers.CLIPModel,
        "siglip2": transformers.SiglipModel,
        "dinov2": transformers.Dinov2Model,
        "dinov3": transformers.DINOv3ViTModel,
        "convnextv2": transformers.ConvNextV2Model,
        "swinv2": transformers.Swinv2Model,
    }
    network = classes[name].from_pretrained(folder).eval()
    with torch.no_grad():
        if name in ("clip", "siglip2"):
            return network.get_image_features(pixel_values=x).pooler_output[0]
        if name == "sam":
            embedding = network.get_image_embeddings(x)[0]
            return embedding.mean(dim=(1, 2)) if pool else embedding
        output = network(pixel_values=x)
    return output.pooler_output[0] if pool else output.last_hidden_state[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pool", [False, True])
def test_agrees_with_plain_transformers(name: str, pool: bool, hub_model: Folder) -> None:
    vector = name in ("clip", "siglip2")
    backbone = load_backbone(name, weights=hub_model(name), engine="torch", **({} if vector else {"pool": pool}))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    seen = backbone.identity["preprocessing"]
    side = SIDES[name]
    assert seen["size"] == [side, side]
    assert (seen["interpolation"] == "bilinear", seen["mean"][0]) == (name in BILINEAR, MEANS.get(name, 0.485))
    resampling = getattr(Image.Resampling, seen["interpolation"].upper())
    pixels = np.asarray(picture.resize((side, side), resampling), dtype=np.float32) / 255
    scaled = (pixels - np.float32(seen["mean"])) / np.float32(seen["std"])
    expected = plain(name, hub_model(name), torch.from_numpy(scaled.transpose(2, 0, 1).copy())[None], pool)
    # C order of the model's own layout.
    found = backbone.embed(backbone.prepare(picture)[None])[0]
    np.testing.assert_allclose(found, expected.numpy().reshape(-1), rtol=1e-4, atol=1e-5)
    pooled = "mean" if name == "sam" else "own"
    assert backbone.identity["pooling"] == (pooled if pool and not vector else "none")


def test_what_is_written_beside_the_weights_is_no_part_of_the_identity(hub_model: Folder, tmp_path: Path) -> None:
    source = hub_model("dinov2")
    (tmp_path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    config = json.loads((source / "config.json").read_text())
    config |= {"transformers_version": "5.0.0", "_name_or_path": "elsewhere", "architectures": ["Dinov2ForImageClassification"]}
    config |= {"id2label": {"0": "crack"}, "label2id": {"crack": 0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_backbone("dinov2", weights=tmp_path).identity == load_backbone("dinov2", weights=source).identity
    # The same tensors in other heads are another feature.
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_attention_heads": 4}))
    other = load_backbone("dinov2", weights=tmp_path).identity
    assert other["weights"] == load_backbone("dinov2", weights=source).identity["weights"]
    assert other != load_backbone("dinov2", weights=source).identity


@pytest.mark.usefixtures("offline")
def test_folders_that_are_refused(hub_model: Folder, tmp_path: Path) -> None:
    def refused(folder: Path, kind: type[HowfarError], text: str) -> None:
        with pytest.raises(kind, match=text) as caught:
            load_backbone("dinov2", weights=folder)
        assert "\n" not in str(caught.value)

    source = hub_model("dinov2")
    refused(tmp_path / "none", MissingPathError, "weights must be a file or a folder, and .*none is neither")
    refused(
        tmp_path, MissingPathError, "weights of dinov2 must be a folder with config.json and model.safetensors: .* lacks config"
    )
    (tmp_path / "config.json").write_text("{")
    refused(tmp_path, MissingPathError, "lacks model.safetensors")
    data = (source / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data)
    refused(tmp_path, InputError, r"config.json cannot be read \(")
    refused(hub_model("swinv2"), InputError, "weights of dinov2 must be a model of type dinov2, got 'swinv2'")
    (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(data[:2000])
    refused(tmp_path, InputError, "weights of dinov2 cannot be read: ")
    config = json.loads((source / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(data)
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    refused(tmp_path, InputError, r"weights of dinov2 do not fit the network: .* lacks encoder.layer.2\..* and \d+ more")
    (tmp_path / "config.json").write_text(json.dumps(config | {"mlp_ratio": 2 * config["mlp_ratio"]}))
    refused(
        tmp_path, InputError, r"weights of dinov2 do not fit the network: .* is \(.* there and \(.* and \d+ more: both must be"
    )


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in (*NAMES, "clipseg", "transformers:a/b"):
        with pytest.raises(MissingExtraError, match=rf"{name} needs transformers: pip install 'howfar\[hub\]'"):
            load_backbone(name)


class TestClipSeg(BackboneTests):
    # Patches of 32 in pictures of 352, and the class token; eight values each, three layers.
    length = 3 * (11 * 11 + 1) * 8

    @pytest.fixture(autouse=True)
    def _folders(self, hub_model: Folder) -> None:
        self.saved = hub_model

    def make(self, **options: Any) -> Backbone:
        return changed("clipseg", {"weights": self.saved("clipseg"), **options}) if options else loaded("clipseg", self.saved)

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"weights": self.saved("clipseg", 1)}, {"prompt": "a crack"}, {"pool": True}, {"fit": "crop"}, {"via": 448}


@pytest.mark.parametrize("prompt", [None, "cracks on a road"])
@pytest.mark.parametrize("pool", [False, True])
def test_clipseg_agrees_with_plain_transformers(prompt: str | None, pool: bool, hub_model: Folder) -> None:
    folder = hub_model("clipseg")
    backbone = load_backbone("clipseg", weights=folder, prompt=prompt, pool=pool, engine="torch")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    pixels = np.asarray(picture.resize((352, 352), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    scaled = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    network = transformers.CLIPSegForImageSegmentation.from_pretrained(folder).eval()
    words = transformers.CLIPTokenizer.from_pretrained(folder)([prompt or "line structures"], return_tensors="pt")
    x = torch.from_numpy(scaled.transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        output = network(**words, pixel_values=x, output_hidden_states=True)
    states = output.decoder_output.hidden_states
    assert len(states) == 4
    expected = [state[0].mean(dim=0) if pool else state[0].flatten() for state in states[-3:]]
    np.testing.assert_allclose(
        backbone.embed(backbone.prepare(picture)[None])[0], torch.cat(expected).numpy(), rtol=1e-4, atol=1e-5
    )
    assert backbone.layers == ((8,) * 3 if pool else (976,) * 3)


def test_what_is_refused(hub_model: Folder, tmp_path: Path) -> None:
    folder = hub_model("clipseg")
    with pytest.raises(InputError, match="weights must be a folder, as clipseg needs its tokenizer too, got"):
        load_backbone("clipseg", weights=folder / "model.safetensors")
    with pytest.raises(InputError, match=r"prompt must be at most 77 tokens, got 82: shorten it"):
        load_backbone("clipseg", weights=folder, prompt="a" * 80)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "vocab.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="the tokenizer of clipseg cannot be read") as caught:
        load_backbone("clipseg", weights=tmp_path)
    assert "\n" not in str(caught.value)
