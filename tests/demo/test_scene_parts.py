"""The parts that a synthetic scene is drawn from: noise, surface, light, cracks and clutter."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.demo import pavement
from howfar.demo.noise import cells, smooth_noise
from howfar.demo.pavement import asphalt, daylight, draw_cracks, flat_layers, photograph, shade, solid_layer
from howfar.errors import InputError


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_noise() -> None:
    assert smooth_noise(rng(), 16, 4.0).shape == (16, 16)
    plane = cells(rng(), 16, 4.0)
    assert (plane.first <= plane.second).all()


def test_surface_and_light() -> None:
    assert asphalt(rng(), 32, 0.0).colour.shape == (32, 32, 3)
    assert shade(np.zeros((4, 4), np.float32), 0.0, 0.5).mean() == 1.0
    assert daylight(rng(), 32, 0.0).field.shape == (32, 32, 3)
    assert photograph(rng(), np.full((8, 8, 3), 0.5, np.float32)).dtype == np.uint8


def test_cracks_cover_some_pixels_fully() -> None:
    cover, depth = draw_cracks(rng(), 64, 1.0)
    assert ((cover >= 0) & (cover <= 1)).all()
    assert cover.max() == 1
    assert depth.shape == cover.shape == (64, 64)


def test_without_clutter_nothing_is_drawn() -> None:
    assert flat_layers(rng(), 32, 0.0) == []
    assert solid_layer(rng(), 32, 0.0) is None


def test_a_size_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="size must be at least 16 pixels, got 8"):
        pavement(1, seed=0, size=8)
