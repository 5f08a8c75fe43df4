"""Options of architectures in one line, families by their registered names, and UNet++."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from howfar import registry
from howfar.errors import InputError, MissingPathError
from howfar.segmenters import build_segmenter, segmenter_family
from howfar.segmenters.architectures import UNETPLUSPLUS
from howfar.segmenters.segmenter_family import ArchitectureOptions, SegmenterFamily, TrainingDefaults
from howfar.weights.published import packaged_file, timm_name
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


def test_reading_recipes_loads_no_network_library() -> None:
    heavy = ("torch", "transformers", "segmentation_models_pytorch", "torchvision")
    code = (
        "import sys; from howfar.segmenters import segmenter_family; "
        "[segmenter_family(name).options() for name in ('adsam', 'deepcrack', 'frozen', 'unetplusplus')]; "
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


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
