"""Perceptual hashes stay nearly the same where a picture was altered a little, and are unlike for other pictures."""

from __future__ import annotations

import io
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from howfar.backbones import load_backbone
from howfar.backbones.handcrafted import has_structure, mirrored
from howfar.errors import InputError
from howfar.protocols import Backbone
from howfar.testing.backbone_suite import BackboneTests


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


def test_it_is_the_hash_of_the_library() -> None:
    picture = photograph(0)
    np.testing.assert_array_equal(hashed(picture)[0] > 0, imagehash.phash(picture, hash_size=16).hash.ravel())


def test_altered_pictures_agree_and_others_do_not() -> None:
    picture, buffer = photograph(1), io.BytesIO()
    picture.save(buffer, "jpeg", quality=60)
    saved, small = Image.open(buffer), picture.resize((90, 70))
    original, *altered, other = hashed(picture, saved, small, photograph(2))
    assert [(original == signs).mean() > 0.9 for signs in altered] == [True, True]
    assert (original == other).mean() < 0.65


def test_a_mirrored_picture_is_found_by_its_hash() -> None:
    picture = photograph(3)
    original, flipped = hashed(picture, ImageOps.mirror(picture))
    assert (mirrored(original[None])[0] == flipped).mean() > 0.9
    assert (original == flipped).mean() < 0.65


@pytest.mark.parametrize("colour", ["black", "white", "grey"])
def test_a_blank_picture_has_no_structure(colour: str) -> None:
    assert has_structure(hashed(Image.new("RGB", (80, 60), colour), photograph(4))).tolist() == [False, True]


def test_wrong_batches() -> None:
    with pytest.raises(InputError, match=r"batch must have the shape \(b, 256\)"):
        load_backbone("perceptual_hash").embed(np.zeros((2, 16)))
