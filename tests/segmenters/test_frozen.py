"""A frozen encoder: its maps are the library's own, it never changes, and what is kept of it changes nothing."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, Dinov2Model, ViTConfig, ViTModel

from howfar.errors import InputError, MissingPathError, UnknownNameError
from howfar.segmenters import FROZEN, build_segmenter, restore_segmenter
from howfar.segmenters.frozen_encoder_network import Encoder, restore_encoder
from howfar.testing import SegmenterTests
from worlds.built_once import BuiltOnce
from worlds.hub import save_dinov2

SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dinov2(tmp_path_factory.mktemp("vit"))


def pictures(count: int = 2, side: int = SIDE) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


class TestLite0(BuiltOnce):
    family = FROZEN
    length = 16 * 32**2 + 24 * 16**2 + 40 * 8**2 + 112 * 4**2 + 320 * 2**2


class TestLinear(BuiltOnce):
    family = FROZEN

    def options(self) -> Mapping[str, Any]:
        return {"decoder": "linear"}


class TestTransformer(SegmenterTests):
    """A ViT from a folder of the hub's format, at twice the side that it was made for."""

    family = FROZEN
    length = 16 * 8**2

    @pytest.fixture(autouse=True)
    def _base(self, folder: Path) -> None:
        self.folder = folder

    def options(self) -> Mapping[str, Any]:
        return {"encoder": str(self.folder), "width": 8}


def test_a_vits_map_is_the_grid_of_its_patches(folder: Path) -> None:
    network = build_segmenter("frozen", {"encoder": str(folder)})
    x = pictures()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        tokens = Dinov2Model.from_pretrained(folder).eval()(pixel_values=(x - mean) / std).last_hidden_state
    (grid,) = network.encode(x)
    assert grid.shape == (2, 16, 8, 8)
    for row in range(8):
        for column in range(8):
            # The first token is the class.
            torch.testing.assert_close(grid[:, :, row, column], tokens[:, 1 + 8 * row + column], rtol=1e-4, atol=1e-5)
    assert (network.multiple, network.encoder.strides) == (8, (8,))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch16_dinov3"])
def test_a_vit_of_timm_takes_other_sizes_as_timm_itself_lets_it(name: str) -> None:
    network = build_segmenter("frozen", {"encoder": f"timm:{name}"}, pretrained=False)
    made = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True).eval()
    made.load_state_dict(network.encoder.network.state_dict())
    x = pictures(1, 96)
    (grid,) = network.encode(x)
    with torch.no_grad():
        wanted = made.forward_intermediates(network.encoder.normalise(x), indices=1, norm=True, intermediates_only=True)[-1]
    assert grid.shape[2:] == (6, 6)
    torch.testing.assert_close(grid, wanted, rtol=1e-4, atol=1e-5)


def counting(network: Any) -> list[int]:
    """Count how many images the encoder is given from now on."""
    seen: list[int] = []
    network.encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    return seen


def test_each_image_is_encoded_once_and_what_is_kept_changes_no_bit(caplog: pytest.LogCaptureFixture) -> None:
    network = build_segmenter("frozen", pretrained=False).eval()
    seen, x = counting(network), pictures(3)
    size = sum(map_[0].nbytes for map_ in network.encode(x))
    seen.clear()
    found, encoded = [], []
    for limit in (10 * size, 2 * size, 0):
        with caplog.at_level(logging.WARNING, "howfar"), network.keeping_features(limit), torch.no_grad():
            found.append([network(x[order]) for order in ([0, 1, 2], [1, 2], [0], [2, 0])])
        encoded.append(sum(seen))
        seen.clear()
    assert encoded == [3, 3 + 2, 8]
    assert all(torch.equal(a, b) for others in found[1:] for a, b in zip(found[0], others, strict=True))
    fills = [record.message for record in caplog.records if "fill the memory" in record.message]
    assert [message.split()[3] for message in fills] == ["2", "0"]
    torch.testing.assert_close(network(x), found[0][0], rtol=1e-3, atol=1e-3)
    assert seen == [3], "features are kept after the block"


@pytest.mark.parametrize("name", ["folder", "timm:resnet18"])
def test_a_description_suffices(name: str, folder: Path) -> None:
    options = {"encoder": str(folder) if name == "folder" else name, "width": 4}
    network = build_segmenter("frozen", options, pretrained=name == "folder").eval()
    described = json.loads(json.dumps(FROZEN.describe(network)))  # type: ignore[misc]  # it has one
    assert (described["encoder_weights"] is None) is (name != "folder")
    assert str(folder) not in json.dumps(described)
    restored = restore_segmenter("frozen", {**options, "encoder": "nowhere"}, described).eval()
    restored.load_state_dict(network.state_dict())
    assert torch.equal(restored(pictures()), network(pictures()))
    assert FROZEN.describe(restored) == described  # type: ignore[misc]  # it has one


NO_DESCRIPTION = (
    r"^the checkpoint does not hold the (description of a frozen encoder|configuration of a model for frozen): train again$"
)


@pytest.mark.parametrize(
    ("described", "line"),
    [
        ({"size": [64, 64]}, NO_DESCRIPTION),
        ({"size": 64, "timm": "resnet18"}, NO_DESCRIPTION),
        ({"size": [64, 0], "timm": "resnet18"}, NO_DESCRIPTION),
        ({"size": [9, 9], "timm": 3}, NO_DESCRIPTION),
        ({"size": [9, 9], "transformers": "Dinov2Model"}, NO_DESCRIPTION),
        ({"size": [9, 9], "transformers": "logging", "config": {}}, NO_DESCRIPTION),
        (
            {"size": [32, 32], "transformers": "Dinov2Model", "config": {"hidden_size": "many"}},
            "^the configuration of Dinov2Model in the checkpoint cannot be read",
        ),
    ],
)
def test_a_damaged_description_is_one_line(described: Mapping[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        restore_segmenter("frozen", {}, described)
    assert "\n" not in str(caught.value)


def test_heads_of_transformers_come_back_and_poolers_are_left_out() -> None:
    small: Any = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32,
        "patch_size": 8,
    }  # fmt: skip
    clip, vit = CLIPVisionModelWithProjection(CLIPVisionConfig(**small)), ViTModel(ViTConfig(**small))
    for network in (clip, vit):
        encoder = Encoder(network, {"mean": (0.0,) * 3, "std": (1.0,) * 3}, (32, 32), None)
        restored = restore_encoder(encoder.describe())
        restored.load_state_dict(encoder.state_dict())
        x = pictures(2, 48)
        assert torch.equal(encoder(x)[0], restored(x)[0])
        assert encoder(x)[0].shape == (2, 16, 6, 6)
        assert not [name for name in encoder.state_dict() if "pooler" in name]


def test_encoders_that_are_none(tmp_path: Path) -> None:
    for name, error, text in (
        ("pixels", InputError, r"frozen's encoder must be a network of timm or transformers .*, got 'pixels'"),
        ("lite7", UnknownNameError, "no backbones named 'lite7'"),
        ("timm:resnet1800", InputError, "timm must name a network of timm"),
        ("./no/such/folder", MissingPathError, "must be a backbone's name, a folder, or a hub id"),
        (str(tmp_path), MissingPathError, r"must be a folder with config\.json"),
    ):
        with pytest.raises(error, match=text) as caught:
            build_segmenter("frozen", {"encoder": name})
        assert "\n" not in str(caught.value)
    for options in ({"views": 3}, {"decoder": "deep"}, {"width": 0}):
        with pytest.raises(InputError, match=f"frozen's {next(iter(options))} (must|is refused)"):
            FROZEN.checked(options)
