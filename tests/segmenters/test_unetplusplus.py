from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from howfar.errors import InputError, MissingPathError
from howfar.segmenters import build_segmenter
from howfar.segmenters.architectures import UNETPLUSPLUS
from howfar.testing import SegmenterTests
from howfar.weights.published import packaged_file, timm_name


class TestLite0(SegmenterTests):
    family = UNETPLUSPLUS


class TestB3(SegmenterTests):
    family = UNETPLUSPLUS
    idle = ("network.encoder._conv_head.", "network.encoder._bn1.")

    def options(self) -> Mapping[str, Any]:
        return {"encoder": "b3"}


@pytest.mark.parametrize("shape", [(1, 3, 48, 64), (1, 3, 64, 33), (1, 3, 16, 16), (1, 1, 64, 64), (3, 64, 64), (0, 3, 64, 64)])
def test_pictures_that_the_poolings_do_not_divide(shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = build_segmenter("unetplusplus", pretrained=False)
        for call in (network, network.logits, network.encode):
            with pytest.raises(
                InputError, match=r"unetplusplus's pictures must be \(b, 3, h, w\) with h and w multiples of 32, got"
            ):
                call(torch.rand(shape))


def test_millions_of_parameters_with_b3() -> None:
    with torch.device("meta"):
        network = build_segmenter("unetplusplus", {"encoder": "b3"}, pretrained=False)
    assert round(sum(one.numel() for one in network.parameters()) / 1e6, 1) == 13.6


def test_length_with_b3_at_448() -> None:
    with torch.device("meta"):
        network = build_segmenter("unetplusplus", {"encoder": "b3"}, pretrained=False).eval()
        maps = network.encode(torch.rand(1, 3, 448, 448))
    assert [tuple(one.shape[1:]) for one in maps] == [
        (40, 224, 224),
        (32, 112, 112),
        (48, 56, 56),
        (136, 28, 28),
        (384, 14, 14),
    ]
    assert sum(one.numel() for one in maps) == 2_740_864


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
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingPathError, match="HF_HUB_OFFLINE is set"):
        build_segmenter("unetplusplus", {"encoder": "b3"})
