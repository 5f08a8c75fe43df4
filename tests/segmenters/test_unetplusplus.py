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
from worlds.hub import go_offline


class TestLite0(SegmenterTests):
    family = UNETPLUSPLUS


class TestB3(SegmenterTests):
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
