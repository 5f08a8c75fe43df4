"""Light a synthetic road by sun and shadows, and simulate the camera's exposure, blur and noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from howfar.demo.noise import Field, smooth_noise


class Light(NamedTuple):
    """Hold the brightness, shape (h, w, 3), the sun's direction in radians, and how strongly low sun shades the relief."""

    field: NDArray[np.float32]
    direction: float
    slant: float


def daylight(rng: np.random.Generator, size: int, harshness: float) -> Light:
    """Draw the light on a road; `harshness` in [0, 1] leads from a bright sky to cast shadows, low sun and dusk."""
    direction = rng.uniform(0.0, 2.0 * math.pi)
    exposure, steepness, scene = rng.uniform([0.9, 0.02, 0.0], [1.12, 0.12, 1.0]).tolist()
    slant = rng.uniform(0.2, 0.45)
    across = _across(size, direction)
    field = exposure * (1.0 + (steepness + 0.12 * harshness) * across)
    shaded = _dusk(rng, size) if scene < 0.2 else _leaf_shade(rng, size) if scene < 0.5 else _cast_shadow(rng, size)
    # Shade is lit by the blue sky alone; low sun is warm.
    shade = shaded[..., None] * (1.0 - np.array([0.30, 0.34, 0.42], np.float32))
    sun = 1.0 + np.array([0.22, 0.08, -0.14], np.float32)
    harsh = (1.0 - shade) * (sun * (1.0 - shaded[..., None]) + shaded[..., None])
    mixed = field[..., None] * (1.0 + harshness * (harsh - 1.0))
    return Light(mixed.astype(np.float32), direction, slant + 0.4 * harshness)


def photograph(rng: np.random.Generator, scene: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Simulate a camera: lens blur, vignette, sensor noise, soft clipping of bright parts, 8 bits."""
    size = scene.shape[0]
    blur, corner = rng.uniform([0.4, 0.02], [0.65, 0.10]).tolist()
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    fall = 1.0 - corner * (axis[:, None] ** 2 + axis[None, :] ** 2)
    exposed = gaussian_filter(scene, (blur, blur, 0.0), truncate=3.0) * fall[..., None]
    noise = rng.standard_normal(scene.shape, dtype=np.float32) * (0.006 + 0.010 * np.sqrt(np.clip(exposed, 0.0, 1.0)))
    exposed = exposed + noise
    # Bright parts approach white instead of being cut off.
    excess = np.maximum(exposed - 0.75, 0.0)
    exposed = np.minimum(exposed, 0.75) + 0.25 * (1.0 - np.exp(-4.0 * excess))
    picture: NDArray[np.uint8] = np.rint(255.0 * np.clip(exposed, 0.0, 1.0)).astype(np.uint8)
    return picture


def _across(size: int, direction: float) -> Field:
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    return math.cos(direction) * axis[None, :] + math.sin(direction) * axis[:, None]


def _dusk(rng: np.random.Generator, size: int) -> Field:
    fog: Field = 0.85 + 0.1 * smooth_noise(rng, size, size / 2)
    return np.clip(fog, 0.0, 1.0)


def _leaf_shade(rng: np.random.Generator, size: int) -> Field:
    """Draw the shade of a tree: patches of light between leaves, with soft borders."""
    crown = smooth_noise(rng, size, 60.0) + 0.8 * smooth_noise(rng, size, 24.0) + 0.3 * smooth_noise(rng, size, 10.0)
    dappled: Field = np.clip(0.5 + 1.6 * (crown + rng.uniform(-0.1, 0.7)), 0.0, 1.0)
    return dappled


def _cast_shadow(rng: np.random.Generator, size: int) -> Field:
    """Draw the shadow of a wall or a pole: straight, with a border that is wider for a higher object."""
    picture = Image.new("L", (size, size))
    pen = ImageDraw.Draw(picture)
    angle, offset = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(-0.25, 0.2) * size
    along = np.array([math.cos(angle), math.sin(angle)])
    outward = np.array([-along[1], along[0]])
    edge = np.array([size / 2.0, size / 2.0]) + offset * outward
    width = 2.0 * size if rng.random() < 0.65 else rng.uniform(0.12, 0.35) * size
    corners = [edge - 2 * size * along, edge + 2 * size * along]
    corners += [corners[1] + width * outward, corners[0] + width * outward]
    pen.polygon([tuple(corner) for corner in corners], fill=255)
    return gaussian_filter(np.asarray(picture, np.float32) / 255.0, rng.uniform(1.0, 7.0), truncate=3.0)
