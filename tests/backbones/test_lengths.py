"""q of the paper's ten models at full size, by one forward of each, of random weights in its published configuration.

The specification's numbers stand here as they are there. SAM's forward at 1024 pixels, and those of the trained
segmenters, are made of shapes alone (torch's "meta" device); the others run.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from howfar.backbones import cards, load_backbone
from howfar.backbones.published_transformers import SAM, PublishedModel
from howfar.segmenters import build_segmenter

LENGTHS = {
    "sam": 256 * 64 * 64,
    "clipseg": 93_120,
    "enet": 14 * 14 * 1536,
    "clip": 512,
    "dinov2": 257 * 768,
    "convnextv2": 1024 * 7 * 7,
    "swinv2": 36 * 1024,
    "dinov3": 201 * 768,
    "siglip2": 768,
    "mobileclip": 512,
}
SEGMENTERS = {"deepcrack": (6_121_472, 448), "unetplusplus": (2_740_864, 448), "adsam": (1_048_576, 1024)}


def test_cards_say_them() -> None:
    listed = {card.name: card.length for card in cards()}
    assert {name: listed[name] for name in LENGTHS} == LENGTHS
    assert (LENGTHS["sam"], LENGTHS["enet"], LENGTHS["dinov2"]) == (1_048_576, 301_056, 197_376)
    assert (LENGTHS["convnextv2"], LENGTHS["swinv2"]) == (50_176, 36_864)


@pytest.mark.parametrize("name", [name for name in LENGTHS if name not in ("sam", "siglip2", "dinov3")])
def test_length_by_one_forward(name: str) -> None:
    backbone = load_backbone(name, pretrained=False, device="cpu")
    assert sum(backbone.layers) == LENGTHS[name]
    assert len(backbone.layers) == (3 if name == "clipseg" else 1)


@pytest.mark.parametrize("name", ["sam", "siglip2", "dinov3"])
def test_length_by_shapes(name: str) -> None:
    from howfar import registry

    row: PublishedModel = registry.load("backbones", name).build.args[0]
    model: Any = getattr(transformers, row.architecture)
    with torch.device("meta"):
        network = model(model.config_class(**row.config)).eval()
        side = row.side or network.config.image_size
        with torch.no_grad():
            (found,) = row.maps(network, torch.rand(1, 3, side, side))
    assert found.numel() == LENGTHS[name]
    if name == "sam":
        assert (side, tuple(found.shape)) == (1024, (1, 256, 64, 64))


@pytest.mark.parametrize("name", SEGMENTERS)
def test_length_of_trained_segmenters(name: str) -> None:
    length, side = SEGMENTERS[name]
    options = {"encoder": "b3"} if name == "unetplusplus" else {}
    with torch.device("meta"), torch.no_grad():
        network = build_segmenter(name, options, pretrained=False).eval()
        maps = network.encode(torch.rand(1, 3, side, side))
    assert sum(one.numel() for one in maps) == length


def test_random_weights_are_of_one_seed() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first = load_backbone("enet", pretrained=False, pool=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    assert load_backbone("enet", pretrained=False, pool=True).identity == first.identity


def test_sams_random_weights_keep_something_of_the_picture() -> None:
    # With transformers' default deviation, 1e-10, its embedding would be all but constant.
    assert SAM.build.args[0].config["initializer_range"] == 0.02
