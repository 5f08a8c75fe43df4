"""Any vision model of transformers, by folder or hub id."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image

from howfar.backbones import load_backbone
from howfar.backbones.preprocessing import RESAMPLING
from howfar.backbones.transformers_backbones import model_input
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

Folder = Callable[..., Path]


class TestClassifier(BackboneTests):
    """A checkpoint without a pooler, of which the last hidden state has no need."""

    length = 17 * 32

    @pytest.fixture(autouse=True)
    def _folders(self, hub_model: Folder) -> None:
        self.saved = hub_model

    def make(self, **options: Any) -> Backbone:
        torch_alone = {"engine": "torch"} if options else {}
        return load_backbone(f"transformers:{self.saved('vit_classifier')}", **(torch_alone | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        weights = self.saved("vit_classifier", 1)
        # Pretrained no more, its pooler is made up with the rest.
        return (
            {"weights": weights},
            {"pretrained": False},
            {"fit": "crop"},
            {"via": 448},
            {"mean": (0, 0, 0)},
            {"std": (1, 1, 1)},
        )


def feature(backbone: Backbone) -> Any:
    values = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    return backbone.embed(backbone.prepare(Image.fromarray(values))[None])[0]


@pytest.mark.parametrize("pool", [False, True])
def test_dinov2_by_folder_is_dinov2(pool: bool, hub_model: Folder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hub_model("dinov2"), tmp_path / "dino"))
    processor = {
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "size": {"shortest_edge": 256},
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    found = load_backbone(f"transformers:{folder}", pool=pool)
    np.testing.assert_array_equal(feature(found), feature(load_backbone("dinov2", weights=folder, pool=pool)))


def test_preprocessing_by_the_processors_settings(hub_model: Folder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hub_model("convnextv2"), tmp_path / "net"))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"size": {"shortest_edge": 96}, "resample": 2, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]})
    )
    seen = load_backbone(f"transformers:{folder}", fit="pad").identity["preprocessing"]
    assert seen == {
        "size": [96, 96],
        "fit": "pad",
        "via": None,
        "interpolation": "bilinear",
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "fill": [26, 51, 76],
    }
    other = load_backbone(f"transformers:{folder}", size=(64, 128), mean=(0, 0, 0), std=[1, 1, 1])
    assert other.identity["preprocessing"]["size"] == [64, 128]
    assert other.identity["preprocessing"]["mean"] == [0.0] * 3
    assert other.layers == (16 * 2 * 4,)


@pytest.mark.usefixtures("offline")
def test_what_is_refused(hub_model: Folder, tmp_path: Path) -> None:
    def refused(name: str, kind: type[HowfarError], text: str, **options: Any) -> None:
        with pytest.raises(kind, match=text) as caught:
            load_backbone(name, **options)
        assert "\n" not in str(caught.value)

    vit = f"transformers:{hub_model('vit_classifier')}"
    refused("transformers", InputError, "transformers must name a model, got None: write transformers:facebook/dinov2-small")
    refused("transformers:nowhere", MissingPathError, "must name a local folder or a hub id, and 'nowhere' is neither")
    refused(
        "transformers:owner/other",
        MissingPathError,
        r"the weights of transformers:owner/other are not on this machine and cannot be fetched \(HF_HUB_OFFLINE is set\): "
        r"download config.json, model.safetensors of owner/other elsewhere into one folder and pass weights=FOLDER",
    )
    refused("transformers:owner/other", MissingPathError, "download config.json of owner/other", pretrained=False)
    refused(f"transformers:{hub_model('bert')}", InputError, "must be a model of pictures, got 'bert'")
    refused(vit, InputError, "do not fit the network: .* lacks pooler.dense.bias, pooler.dense.weight", pool=True)
    refused(vit, InputError, r"cannot take pictures of 48×48 \(.*\)", size=48)
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    refused(f"transformers:{tmp_path}", InputError, r"config.json cannot be read \(")


USUAL = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 2, **USUAL}),
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "do_normalize": False}),
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "do_rescale": False, **USUAL}),
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 0, "rescale_factor": 1 / 127.5, **USUAL}),
        (
            "CLIPImageProcessor",
            {"size": {"shortest_edge": 20}, "crop_size": {"height": 20, "width": 20}, "resample": 3, **USUAL},
        ),
        ("EfficientNetImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "include_top": True, **USUAL}),
        ("EfficientNetImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "include_top": False, **USUAL}),
        (
            "EfficientNetImageProcessor",
            {
                "size": {"height": 20, "width": 20},
                "resample": 3,
                "include_top": False,
                "rescale_offset": True,
                "rescale_factor": 1 / 127.5,
                **USUAL,
            },
        ),
    ],
)
def test_agrees_with_the_processor(kind: str, settings: dict[str, Any]) -> None:
    pil = f"{kind}Pil"
    processor = getattr(transformers, pil if hasattr(transformers, pil) else kind)(**settings)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    expected = np.asarray(processor(picture, return_tensors="np")["pixel_values"][0])
    size, interpolation, mean, std = model_input({"image_processor_type": kind, **settings})
    assert size == (20, 20)
    pixels = np.asarray(picture.resize((20, 20), RESAMPLING[interpolation])) / 255
    np.testing.assert_allclose((pixels - mean) / std, expected.transpose(1, 2, 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"resample": 9}, "resample of preprocessor_config.json must be a filter of Pillow's, 0 to 3, got 9"),
        ({"image_mean": [1, 2]}, r"image_mean of preprocessor_config.json must be three numbers, got \[1, 2\]: pass mean"),
        ({"rescale_factor": "1/255"}, "rescale_factor of preprocessor_config.json must be a number above 0"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        model_input(settings)
