"""Settings of processors against transformers' own processors of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image

from howfar.backbones.preprocessing import RESAMPLING
from howfar.backbones.transformers import model_input
from howfar.errors import InputError

USUAL = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 2, **USUAL}),
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "do_normalize": False}),
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "do_rescale": False, **USUAL}),
        ("ViTImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 0, "rescale_factor": 1 / 127.5, **USUAL}),
        (
            "CLIPImageProcessor",
            {"size": {"shortest_edge": 20}, "crop_size": {"height": 20, "width": 20}, "resample": 3, **USUAL},
        ),
        ("EfficientNetImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "include_top": True, **USUAL}),
        ("EfficientNetImageProcessor", {"size": {"height": 20, "width": 20}, "resample": 3, "include_top": False, **USUAL}),
    ],
)
def test_agrees_with_the_processor(kind: str, settings: dict[str, Any]) -> None:
    pil = f"{kind}Pil"
    processor = getattr(transformers, pil if hasattr(transformers, pil) else kind)(**settings)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    expected = np.asarray(processor(picture, return_tensors="np")["pixel_values"][0])
    found = model_input({"image_processor_type": kind, **settings})
    assert found.size == (20, 20)
    pixels = np.asarray(picture.resize((20, 20), RESAMPLING[found.interpolation])) / 255
    np.testing.assert_allclose((pixels - found.mean) / found.std, expected.transpose(1, 2, 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"size": 30}, (30, 30)),
        ({"size": {"height": 30, "width": 40}}, (30, 40)),
        ({"size": {"shortest_edge": 30}}, (30, 30)),
        ({"size": {"longest_edge": 1024}}, (1024, 1024)),
        ({"size": {"shortest_edge": 40}, "crop_size": 30}, (30, 30)),
        ({"size": {"shortest_edge": 40}, "crop_size": {"height": 30, "width": 20}, "do_center_crop": True}, (30, 20)),
        ({"size": {"shortest_edge": 40}, "crop_size": 30, "do_center_crop": False}, (40, 40)),
        ({}, (7, 7)),
    ],
)
def test_sizes(settings: dict[str, Any], size: tuple[int, int]) -> None:
    assert model_input(settings, 7).size == size


def test_nothing_said_is_the_usual() -> None:
    assert model_input({}) == ((), "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert model_input({"image_mean": 0.5, "image_std": None}).mean == (0.5,) * 3


def test_a_shifted_scale() -> None:
    found = model_input({"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False})
    np.testing.assert_allclose((np.array([0, 1]) - found.mean[0]) / found.std[0], [-1, 1])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"resample": 9}, "resample of preprocessor_config.json must be a filter of Pillow's, 0 to 3, got 9"),
        ({"image_mean": [1, 2]}, r"image_mean of preprocessor_config.json must be three numbers, got \[1, 2\]: pass mean"),
        ({"image_std": ["a"] * 3}, "image_std of preprocessor_config.json must be three numbers"),
        ({"rescale_factor": "1/255"}, "rescale_factor of preprocessor_config.json must be a number above 0"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        model_input(settings)
