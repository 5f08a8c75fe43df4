"""Families of segmenters: their options, their first weights, and DeepCrack against its paper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
import torchvision
from safetensors.torch import save_file
from torch import nn

from howfar import registry
from howfar.errors import InputError, MissingPathError
from howfar.segmenters import (
    DEEPCRACK,
    UNETPLUSPLUS,
    ArchitectureOptions,
    SegmenterFamily,
    TrainingDefaults,
    build_segmenter,
    segmenter_family,
)
from howfar.segmenters.deepcrack_network import UnpoolingDecoder, upsampled_convolution
from howfar.weights.efficientnet_lite0 import packaged_file, timm_name
from worlds.built_once import BuiltOnce
from worlds.hub import go_offline


class Plain(ArchitectureOptions):
    depth: int = 2
    kind: str = "a"


def family(options: type[ArchitectureOptions] = Plain) -> SegmenterFamily:
    return SegmenterFamily("plain", options, lambda chosen, pretrained: (chosen, pretrained), TrainingDefaults(), "nothing")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"dept": 3}, "option must be one of plain, got 'dept': did you mean depth?"),
        ({"zzz": 3}, "option must be one of plain, got 'zzz': the options are depth, kind"),
        ({"depth": "deep"}, "plain's depth must be a whole number"),
        ({"kind": 3}, "plain's kind must be text, got 3"),
    ],
)
def test_a_wrong_option_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        family().checked(given)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_another_packages_segmenter(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[str, Any] = {"plain": family(), "odd": "no family"}
    monkeypatch.setattr(registry, "load", lambda kind, name: registered[name])
    chosen, pretrained = build_segmenter("plain", {"depth": 7}, pretrained=False)
    assert (chosen.depth, pretrained) == (7, False)
    assert build_segmenter("plain")[1] is True
    with pytest.raises(
        InputError, match=r"segmenter 'odd' must be registered as a howfar\.segmenters\.SegmenterFamily, got 'str'"
    ):
        segmenter_family("odd")


class TestLite0(BuiltOnce):
    family = UNETPLUSPLUS


class TestB3(BuiltOnce):
    family = UNETPLUSPLUS
    idle = ("network.encoder._conv_head.", "network.encoder._bn1.")

    def options(self) -> Mapping[str, Any]:
        return {"encoder": "b3"}


def test_lite0_begins_with_its_package() -> None:
    packaged = {timm_name(name): one for name, one in torch.load(packaged_file(), weights_only=True).items()}
    held = {
        name.removeprefix("model."): one for name, one in build_segmenter("unetplusplus").network.encoder.state_dict().items()
    }
    # All but timm's classification head.
    assert {name.split(".")[0] for name in packaged.keys() - held.keys()} == {"conv_head", "bn2", "classifier"}
    assert held.keys() <= packaged.keys()
    assert all(torch.equal(one, packaged[name]) for name, one in held.items())


def test_a_file_in_the_librarys_own_names(tmp_path: Path) -> None:
    state = build_segmenter("unetplusplus", {"encoder": "b3"}, pretrained=False).network.encoder.state_dict()
    save_file(state, tmp_path / "b3.safetensors")
    made = build_segmenter("unetplusplus", {"encoder": "b3"}, pretrained=tmp_path / "b3.safetensors")
    assert all(torch.equal(state[name], one) for name, one in made.network.encoder.state_dict().items())
    with pytest.raises(InputError):
        build_segmenter("unetplusplus", {"encoder": "lite0"}, pretrained=tmp_path / "b3.safetensors")


def test_b3_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go_offline(monkeypatch, tmp_path)
    with pytest.raises(MissingPathError, match=r"HF_HUB_OFFLINE is set\): download model.safetensors of smp-hub"):
        build_segmenter("unetplusplus", {"encoder": "b3"})


class TestDeepCrack(BuiltOnce):
    family = DEEPCRACK
    length = 8 * (32**2 + 2 * 16**2 + 4 * 8**2 + 8 * 4**2 + 8 * 2**2)

    def options(self) -> Mapping[str, Any]:
        return {"width": 8}


def whole() -> Any:
    with torch.device("meta"):
        return build_segmenter("deepcrack", pretrained=False)


def test_millions_of_parameters() -> None:
    # Without batch norm: the weights of every convolution, and the biases of those that no norm follows. By hand, VGG-16's
    # 13 convolutions, the 13 of its mirror, five of 3×3 from both maps to 64, five of 64 to 1, and one of 5 to 1.
    encoder = 9 * sum(a * b for a, b in ((3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 512)))
    encoder += 9 * (2 * 256 * 256 + 5 * 512 * 512)
    decoder = 9 * (5 * 512 * 512 + 512 * 256 + 2 * 256 * 256 + 256 * 128 + 128 * 128 + 128 * 64 + 2 * 64 * 64)
    fusions = 9 * 64 * ((64 + 64) + (128 + 64) + (256 + 128) + (512 + 256) + (512 + 512)) + 5 * (64 + 1) + 5 + 1
    found = sum(one.numel() for part in whole().modules() if isinstance(part, nn.Conv2d) for one in part.parameters())
    assert found == encoder + decoder + fusions == 30_894_091
    assert round(found / 1e6, 1) == 30.9


def test_unpooling_keeps_positions() -> None:
    # One bright value in each window, at a corner of its own; a decoder that hands maps through gives it back in place.
    x = torch.zeros(1, 1, 4, 4)
    places = ((0, 1), (1, 2), (3, 0), (2, 3))
    for value, (row, column) in enumerate(places, start=1):
        x[0, 0, row, column] = value
    pooled, indices = functional.max_pool2d(x, 2, return_indices=True)
    decoder = UnpoolingDecoder((1,), (1,)).eval()
    with torch.no_grad():
        for module in decoder.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
                module.weight[0, 0, 1, 1] = 1
        (found,) = decoder(pooled, [indices])
    torch.testing.assert_close(found, x, rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [1, 2, 4, 16])
def test_convolution_of_the_upsampled(scale: int) -> None:
    torch.manual_seed(scale)
    x, weight = torch.randn(2, 5, 3, 4, dtype=torch.float64), torch.randn(7, 5, 3, 3, dtype=torch.float64)
    leaves = [one.clone().requires_grad_() for one in (x, weight)], [one.clone().requires_grad_() for one in (x, weight)]
    found = upsampled_convolution(*leaves[0], scale)
    larger = functional.interpolate(leaves[1][0], scale_factor=scale, mode="bilinear", align_corners=False)
    expected = functional.conv2d(larger, leaves[1][1], padding=1)
    torch.testing.assert_close(found, expected)
    for result in (found, expected):
        (result * torch.arange(result.numel()).view_as(result)).sum().backward()
    for one, other in zip(*leaves, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_an_encoder_that_begins_with_vgg16(tmp_path: Path, suffix: str) -> None:
    vgg = vgg16_with_statistics()
    file = tmp_path / f"vgg{suffix}"
    # The classifier's 124 million values are left out, and the counts, as old files do.
    state = {name: one for name, one in vgg.state_dict().items() if "num_batches" not in name}
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    network = build_segmenter("deepcrack", pretrained=file).eval()
    pictures = torch.rand(2, 3, 32, 64)
    with torch.no_grad():
        found = network.encode(pictures)
        x, pooled = network.normalise(pictures), []
        for layer in vgg.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
    for one, other in zip(found, pooled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def vgg16_with_statistics() -> Any:
    torch.manual_seed(3)
    with torch.device("meta"):
        vgg = torchvision.models.vgg16_bn()
    vgg.classifier = nn.Identity()
    vgg = vgg.to_empty(device="cpu").eval()
    for name, one in vgg.state_dict().items():
        if one.ndim == 4:
            nn.init.kaiming_normal_(one)
        elif one.is_floating_point():
            one.uniform_(0.5, 1.5) if name.endswith(("running_var", "weight")) else one.normal_(0, 0.3)
    return vgg
