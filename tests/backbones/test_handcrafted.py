"""Pixels and perceptual hashes: nearly the same where a picture was altered a little, and unlike for other pictures."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from howfar.backbones import load_backbone
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


class TestPerceptualHash(BackboneTests):
    length = 256

    def make(self, **options: Any) -> Backbone:
        return load_backbone("perceptual_hash", **options)


def photograph(seed: int) -> Image.Image:
    """Coarse structure with texture on it."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((200, 160), Image.Resampling.BICUBIC)
    return Image.fromarray((0.9 * np.asarray(coarse) + 0.1 * rng.integers(0, 256, (160, 200, 3))).astype(np.uint8))


def hashed(*pictures: Image.Image) -> np.ndarray:
    backbone = load_backbone("perceptual_hash")
    signs: np.ndarray = backbone.embed(np.stack([backbone.prepare(picture) for picture in pictures]))
    return signs


def test_altered_pictures_agree_and_others_do_not() -> None:
    picture, buffer = photograph(1), io.BytesIO()
    picture.save(buffer, "jpeg", quality=60)
    saved, small = Image.open(buffer), picture.resize((90, 70))
    original, *altered, other = hashed(picture, saved, small, photograph(2))
    assert [(original == signs).mean() > 0.9 for signs in altered] == [True, True]
    assert (original == other).mean() < 0.65
