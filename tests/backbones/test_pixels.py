from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from howfar.backbones import load_backbone
from howfar.errors import ImageError, InputError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests


class TestPixels(BackboneTests):
    length = 27_648

    def make(self, **options: Any) -> Backbone:
        return load_backbone("pixels", **options)

    def changes(self) -> Iterable[Mapping[str, Any]]:
        return ({"fit": "crop"}, {"fit": "pad"}, {"via": 448})


class TestColourMoments(BackboneTests):
    length = 6

    def make(self, **options: Any) -> Backbone:
        return load_backbone("colour_moments", **options)


def test_pixels_are_the_picture_in_order() -> None:
    values = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    pixels = load_backbone("pixels")
    feature = pixels.embed(pixels.prepare(Image.fromarray(values))[None])[0]
    np.testing.assert_allclose(feature.reshape(96, 96, 3) * 255, values, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (201, 333)])
def test_moments_are_those_of_numpy(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    moments = load_backbone("colour_moments")
    assert moments.layers == (3, 3)
    found = moments.embed(moments.prepare(Image.fromarray(values))[None])[0]
    flat = values.reshape(-1, 3) / 255
    np.testing.assert_allclose(found, [*flat.mean(axis=0), *flat.std(axis=0)], rtol=1e-6, atol=1e-7)


def test_wrong_batches() -> None:
    with pytest.raises(InputError, match=r"batch must be uint8 of shape \(b, 96, 96, 3\)"):
        load_backbone("pixels").embed(np.zeros((2, 96, 96, 3)))
    with pytest.raises(InputError, match=r"batch must have the shape \(b, 2, 3\)"):
        load_backbone("colour_moments").embed(np.zeros((2, 6)))


@pytest.mark.parametrize("name", ["pixels", "colour_moments"])
@pytest.mark.parametrize("mode", ["F", "I;16"])
def test_more_than_eight_bits_are_refused(name: str, mode: str) -> None:
    with pytest.raises(ImageError, match="not 8 bits a channel"):
        load_backbone(name).prepare(Image.new(mode, (4, 4)))


def test_no_torch() -> None:
    code = (
        "import sys, numpy, howfar\n"
        "from PIL import Image\n"
        "for name in ('pixels', 'colour_moments'):\n"
        "    b = howfar.load_backbone(name)\n"
        "    b.embed(b.prepare(Image.new('RGB', (9, 9)))[None])\n"
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
