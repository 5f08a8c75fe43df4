"""The maps that a trained segmenter's encoder hands on, as a backbone."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from howfar.backbones import load_backbone
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.protocols import Backbone
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint
from howfar.segmenters.checkpoint import CheckpointCard as Described
from howfar.testing import BackboneTests
from howfar.weights.state_dicts import hash_state_dict

SIDE = 64
OPTIONS: dict[str, dict[str, Any]] = {"deepcrack": {"width": 4}, "unetplusplus": {}}


@cache
def checkpoint(name: str, seed: int = 0) -> Path:
    """A file of random weights."""
    torch.manual_seed(seed)
    state = build_segmenter(name, OPTIONS[name], pretrained=False).state_dict()
    data = {"primary": "roads", "images": 1, "contents": [], "held_out": []}
    card = Described(name, OPTIONS[name], SIDE, hash_state_dict(state), {}, data, (), None)
    return Checkpoint(card, state).save(Path(mkdtemp()) / f"{name}-{seed}.safetensors")


@cache
def loaded(name: str) -> Backbone:
    return load_backbone(name, weights=checkpoint(name))


class SegmenterBackboneTests(BackboneTests):
    segmenter: ClassVar[str]

    def make(self, **options: Any) -> Backbone:
        given = {"weights": checkpoint(self.segmenter), "engine": "torch", **options}
        return load_backbone(self.segmenter, **given) if options else loaded(self.segmenter)

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"weights": checkpoint(self.segmenter, 1)}, {"pool": True}, {"via": 20}


class TestDeepCrackBackbone(SegmenterBackboneTests):
    segmenter = "deepcrack"
    length = 4 * (32**2 + 2 * 16**2 + 4 * 8**2 + 8 * 4**2 + 8 * 2**2)


class TestUnetPlusPlusBackbone(SegmenterBackboneTests):
    segmenter = "unetplusplus"
    # Lite0's widths from half to a 32nd of the sides.
    length = 16 * 32**2 + 24 * 16**2 + 40 * 8**2 + 112 * 4**2 + 320 * 2**2


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("pool", [None, True])
def test_the_feature_is_the_encoders_maps(name: str, pool: bool | None) -> None:
    given = {} if pool is None else {"pool": pool}
    backbone = load_backbone(name, weights=str(checkpoint(name)), device="cpu", engine="torch", **given)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    network = Checkpoint.load(checkpoint(name)).build()
    x = torch.from_numpy(np.asarray(picture, np.float32).transpose(2, 0, 1) / 255)[None]
    with torch.no_grad():
        maps = network.encode(x)
    # Flattened but for pool=True: a segmenter's own way, whatever others pool by.
    parts = [one.mean(dim=(2, 3)) if pool else one for one in maps]
    assert backbone.layers == tuple(one.numel() for one in parts)
    wanted = torch.cat([one.flatten() for one in parts]).numpy()
    np.testing.assert_allclose(backbone.embed(backbone.prepare(picture)[None])[0], wanted, rtol=1e-4, atol=1e-4)
    assert backbone.identity["pooling"] == ("mean" if pool else "none")


@pytest.mark.parametrize(
    ("name", "options", "kind", "words"),
    [
        ("deepcrack", {}, InputError, "weights must name a checkpoint of deepcrack, got None: howfar train --model deepcrack"),
        ("deepcrack", {"weights": "none.safetensors"}, MissingPathError, "none.safetensors"),
        ("deepcrack", {"weights": "{unet}"}, InputError, "weights must name a checkpoint of deepcrack, got 'unetplusplus'"),
        ("deepcrack", {"weights": "{tampered}"}, StoreError, "is damaged"),
        ("deepcrack:x", {"weights": "{own}"}, InputError, "deepcrack takes no model, got 'x'"),
    ],
)
def test_weights_that_are_no_checkpoint_of_it(name, options, kind, words, tmp_path):
    (tmp_path / "text.safetensors").write_text("text")
    data = bytearray(checkpoint("deepcrack").read_bytes())
    data[-1] ^= 1
    (tmp_path / "tampered.safetensors").write_bytes(data)
    files = {
        "{unet}": checkpoint("unetplusplus"),
        "{own}": checkpoint("deepcrack"),
        "{text}": tmp_path / "text.safetensors",
        "{tampered}": tmp_path / "tampered.safetensors",
    }
    with pytest.raises(kind) as caught:
        load_backbone(name, **{key: files.get(value, value) for key, value in options.items()})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
