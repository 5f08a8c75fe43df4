"""Draw a synthetic road surface of binder, stones, wear and stains, as colour and height, and shade its relief."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from howfar.demo.noise import Field, cells, smooth_noise


class Surface(NamedTuple):
    """Hold a surface's reflectance in about [0, 1], shape (h, w, 3), and its height in pixels, shape (h, w)."""

    colour: NDArray[np.float32]
    height: Field


def asphalt(rng: np.random.Generator, size: int, coarseness: float) -> Surface:
    """Draw worn asphalt; `coarseness` in [0, 1] leads from dense fine asphalt to a coarse dressing of bare stones."""
    # All that does not depend on `coarseness` is drawn first, so that changing it keeps the rest of the road.
    spacing, hidden, binder, tilt = rng.uniform([2.8, 0.45, 0.34, -0.025], [3.8, 0.65, 0.52, 0.025]).tolist()
    wear = sum(weight * smooth_noise(rng, size, cell) for cell, weight in ((120.0, 0.05), (45.0, 0.035), (14.0, 0.025)))
    grain = _grain(rng, size)
    stone = cells(rng, size, spacing * (1.0 + 2.2 * coarseness))
    # Binder fills the joints, where two seeds are equally near.
    body = np.clip((stone.second - stone.first) / 0.35, 0.0, 1.0)
    # Bare stones are rounder than packed ones, and differ in size.
    round_off = np.clip((0.62 + 0.2 * np.modf(stone.value * 11.0)[0] - stone.first) / 0.2, 0.0, 1.0)
    body = body * body * (3.0 - 2.0 * body) * (1.0 - coarseness * (1.0 - round_off))
    showing = (stone.value > hidden * (1.0 - 0.85 * coarseness)) * body
    # Few stones are bright: the cube of a uniform value.
    own = np.modf(stone.value * 37.0)[0]
    stones = showing * ((stone.value**3 - 0.15) * (0.42 + 0.25 * coarseness) + coarseness * 0.55 * (own - 0.4))
    stones -= (1.0 - body) * 0.3 * coarseness
    binder *= 1.0 - 0.25 * coarseness
    tone = binder * (1.0 + wear + 0.13 * (1.0 - 0.5 * coarseness) * grain) + binder * stones * (1.0 + 0.15 * grain)
    tint = 1.0 + tilt * np.array([1.0, 0.1, -1.1], np.float32)
    warmth = (own - 0.3) * showing * 0.07
    colour = tone[..., None] * tint * (1.0 + warmth[..., None] * np.array([1.0, 0.2, -1.0], np.float32))
    height = showing * (0.35 + 1.6 * coarseness) * (1.2 - stone.first) + 0.4 * grain
    return Surface(colour.astype(np.float32), height.astype(np.float32))


def shade(height: Field, direction: float, strength: float) -> Field:
    """Compute the brightness of a relief under slanting light: 1 where level, more on slopes that face the light."""
    down, right = np.gradient(height)
    slope = np.cos(direction) * right + np.sin(direction) * down
    lit: Field = 1.0 + strength * slope / np.sqrt(1.0 + slope * slope)
    return lit.astype(np.float32)


def _grain(rng: np.random.Generator, size: int) -> Field:
    """Generate sand between the stones: noise of one to three pixels, with unit deviation."""
    white = rng.standard_normal((size, size), dtype=np.float32)
    band: Field = gaussian_filter(white, 0.7, truncate=3.0) - 0.6 * gaussian_filter(white, 2.0, truncate=2.0)
    return band / np.float32(0.4)
