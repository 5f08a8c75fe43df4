"""The small SAM among the examples is one that SAM-Adapter can be built over without weights, and answers to its pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from howfar.segmenters import segmenter_family
from howfar.segmenters.sam_adapter_network import side_of

BASE = Path(__file__).resolve().parents[2] / "examples" / "tiny-sam"


def test_its_maps_depend_on_the_picture() -> None:
    pytest.importorskip("transformers")
    family = segmenter_family("adsam")
    assert side_of(str(BASE)) == 128
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = family.build(family.options.model_validate({"base": str(BASE)}), False)
    pictures = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        maps = network.eval()(pictures)
    found = maps if isinstance(maps, torch.Tensor) else maps[0]
    assert found.shape[-2:] == (128, 128)
    # With weights as small as SAM's own every map would be flat.
    assert float((found[0] - found[1]).abs().max()) > 1e-3
