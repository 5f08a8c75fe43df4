"""CLIPSeg given a text, on tiny models of random weights in the hub's format, with a tokenizer of letters."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from howfar.backbones import load_backbone
from howfar.errors import InputError, MissingPathError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests

Folder = Callable[..., Path]


class TestClipSeg(BackboneTests):
    # Patches of 32 in pictures of 352, and the class token; eight values each, three layers.
    length = 3 * (11 * 11 + 1) * 8

    @pytest.fixture(autouse=True)
    def _folders(self, hub_model: Folder) -> None:
        self.saved = hub_model

    def make(self, **options: Any) -> Backbone:
        return load_backbone("clipseg", **({"weights": self.saved("clipseg")} | options))

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return {"weights": self.saved("clipseg", 1)}, {"prompt": "a crack"}, {"pool": True}, {"fit": "crop"}, {"via": 448}


@pytest.mark.parametrize("prompt", [None, "cracks on a road"])
@pytest.mark.parametrize("pool", [False, True])
def test_agrees_with_plain_transformers(prompt: str | None, pool: bool, hub_model: Folder) -> None:
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


def test_the_papers_text_is_the_default(hub_model: Folder) -> None:
    folder = hub_model("clipseg")
    default = load_backbone("clipseg", weights=folder)
    assert default.identity == load_backbone("clipseg", weights=folder, prompt="line structures").identity
    other = load_backbone("clipseg", weights=folder, prompt="a road")
    assert other.identity["weights"] == default.identity["weights"], "the text is told apart from the weights"
    assert other.identity["layer"] == "decoder hidden states 1, 2, 3 given 'a road'"


def test_pickled_it_is_the_same(hub_model: Folder) -> None:
    backbone = load_backbone("clipseg", weights=hub_model("clipseg"))
    batch = np.random.default_rng(0).integers(0, 256, (2, 352, 352, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(backbone)).embed(batch), backbone.embed(batch))


def test_the_hubs_cache(hub_model: Folder, cache_model: Callable[..., Path]) -> None:
    folder = cache_model("CIDAS/clipseg-rd64-refined", hub_model("clipseg"))
    assert load_backbone("clipseg").identity == load_backbone("clipseg", weights=hub_model("clipseg")).identity
    (folder / "merges.txt").unlink()
    text = (
        r"\(HF_HUB_OFFLINE is set\): download config.json, model.safetensors, vocab.json, merges.txt \(603 MB\) of "
        "CIDAS/clipseg-rd64-refined elsewhere into one folder and pass weights=FOLDER"
    )
    with pytest.raises(MissingPathError, match=text):
        load_backbone("clipseg")


def test_what_is_refused(hub_model: Folder, tmp_path: Path) -> None:
    folder = hub_model("clipseg")
    with pytest.raises(InputError, match="weights must be a folder, as clipseg needs its tokenizer too, got"):
        load_backbone("clipseg", weights=folder / "model.safetensors")
    with pytest.raises(InputError, match=r"prompt must be at most 77 tokens, got 82: shorten it"):
        load_backbone("clipseg", weights=folder, prompt="a" * 80)
    with pytest.raises(InputError, match="prompt must be text, got ' '"):
        load_backbone("clipseg", weights=folder, prompt=" ")
    with pytest.raises(InputError, match="sam takes no prompt"):
        load_backbone("sam", pretrained=False, prompt="a road")
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "vocab.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="the tokenizer of clipseg cannot be read") as caught:
        load_backbone("clipseg", weights=tmp_path)
    assert "\n" not in str(caught.value)
