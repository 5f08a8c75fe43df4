"""Draw objects on a synthetic road that are not cracks: paint, oil, tyre marks, leaves, twigs and manhole covers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from howfar.demo.noise import Field, smooth_noise

FINE = 3
"""Subpixels along each side of a pixel."""

LEAVES = 14
_LEAF_COLOURS = ((0.55, 0.36, 0.16), (0.66, 0.50, 0.18), (0.42, 0.25, 0.14), (0.36, 0.42, 0.17), (0.62, 0.30, 0.15))
_PAINTS = ((0.86, 0.86, 0.83), (0.86, 0.86, 0.83), (0.83, 0.66, 0.22))


class Layer(NamedTuple):
    """Hold a colour over the road, shape (h, w, 3), and its opacity, shape (h, w) in [0, 1]."""

    colour: NDArray[np.float32]
    alpha: Field


def flat_layers(rng: np.random.Generator, size: int, amount: float) -> list[Layer]:
    """Draw marks in the surface, which cracks run through: paint, oil, tyre marks; more with `amount` in [0, 1]."""
    # Each mark appears above a threshold of its own, so a higher amount keeps what a lower one showed.
    draws = (_oil, _oil, _tyre_mark, _paint)
    return [draw(own, size) for draw, own in zip(draws, rng.spawn(4), strict=True) if own.uniform(0.02, 0.98) < amount]


def solid_layer(rng: np.random.Generator, size: int, amount: float) -> tuple[Layer, Field] | None:
    """Draw objects that hide the road, as one layer and its shadow; more with `amount` in [0, 1], none at 0."""
    canvas = Image.new("RGBA", (size * FINE, size * FINE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    drawn = 0
    for draw, count, earliest in ((_cover, 1, 0.45), (_twig, 3, 0.1), (_leaf, LEAVES, 0.0)):
        for own in rng.spawn(count):
            if own.uniform(earliest, 1.0) < amount:
                draw(pen, own, size * FINE)
                drawn += 1
    if not drawn:
        return None
    # Colours are averaged with their alpha as weight, else borders would darken towards the empty canvas.
    pixels = np.asarray(canvas.convert("RGBa").reduce(FINE), np.float32) / 255.0
    alpha = pixels[..., 3]
    colour = pixels[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    shadow: Field = gaussian_filter(np.roll(alpha, (2, 2), (0, 1)), 1.5, truncate=3.0)
    return Layer(colour, alpha), shadow


def _oil(rng: np.random.Generator, size: int) -> Layer:
    centre = rng.uniform(0.1, 0.9, 2) * size
    radius = rng.uniform(0.06, 0.22) * size
    down, right = np.mgrid[:size, :size].astype(np.float32)
    ragged = np.hypot(down - centre[0], right - centre[1]) / radius + 0.25 * smooth_noise(rng, size, 18.0)
    alpha = np.clip(1.6 - 1.4 * ragged, 0.0, 1.0) * rng.uniform(0.35, 0.6)
    return Layer(np.broadcast_to(np.array([0.10, 0.10, 0.11], np.float32), (size, size, 3)), alpha.astype(np.float32))


def _tyre_mark(rng: np.random.Generator, size: int) -> Layer:
    across = _from_line(rng, size)
    half = rng.uniform(0.04, 0.09) * size
    profile = np.clip((half - np.abs(across)) / 5.0, 0.0, 1.0) * (0.75 + 0.25 * np.cos(across * 1.1))
    alpha = profile * np.clip(0.33 + 0.12 * smooth_noise(rng, size, 30.0), 0.0, 1.0)
    return Layer(np.broadcast_to(np.array([0.13, 0.13, 0.14], np.float32), (size, size, 3)), alpha.astype(np.float32))


def _paint(rng: np.random.Generator, size: int) -> Layer:
    across = _from_line(rng, size)
    half = rng.uniform(0.06, 0.13) * size
    edge = np.clip((half - np.abs(across) + 0.8 * smooth_noise(rng, size, 5.0)) / 1.5 + 0.5, 0.0, 1.0)
    worn = np.clip(1.15 + 0.45 * smooth_noise(rng, size, 22.0) + 0.5 * smooth_noise(rng, size, 2.5), 0.0, 1.0)
    colour = (
        np.array(_PAINTS[int(rng.integers(len(_PAINTS)))], np.float32) * (1.0 + 0.05 * smooth_noise(rng, size, 3.0))[..., None]
    )
    return Layer(colour.astype(np.float32), (0.92 * edge * worn).astype(np.float32))


def _from_line(rng: np.random.Generator, size: int) -> Field:
    """Measure the signed distance in pixels from a random straight line through the middle of the image."""
    angle, offset = rng.uniform(0.0, math.pi), rng.uniform(-0.3, 0.3) * size
    down, right = np.mgrid[:size, :size].astype(np.float32) - size / 2
    distance: Field = (math.cos(angle) * right + math.sin(angle) * down - offset).astype(np.float32)
    return distance


def _leaf(pen: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    at, angle = rng.uniform(0.0, 1.0, 2) * side, rng.uniform(0.0, 2.0 * math.pi)
    length = rng.uniform(11.0, 27.0) * FINE
    slim, bend = rng.uniform(0.28, 0.5), rng.normal(0.0, 0.15)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    along = np.linspace(0.0, 1.0, 14)
    half = slim * np.sin(math.pi * along**0.8) * 0.5 * (1.0 + 0.08 * rng.standard_normal(14))
    middle = bend * np.sin(math.pi * along)
    rim = np.concatenate([np.stack([along, middle + half], 1), np.stack([along, middle - half], 1)[::-1]])
    colour = np.array(_LEAF_COLOURS[int(rng.integers(len(_LEAF_COLOURS)))]) * rng.uniform(0.75, 1.2)
    _polygon(pen, at + length * rim @ turn, colour)
    near = np.concatenate([np.stack([along, middle + half], 1), np.stack([along, middle], 1)[::-1]])
    _polygon(pen, at + length * near @ turn, colour * 0.82)
    rib = at + length * np.stack([np.append(-0.25, along), np.append(-0.1 * bend, middle)], 1) @ turn
    pen.line([tuple(point) for point in rib.tolist()], fill=_ink(colour * 1.25), width=FINE)


def _twig(pen: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    at, angle = rng.uniform(0.0, 1.0, 2) * side, rng.uniform(0.0, 2.0 * math.pi)
    bends = angle + np.cumsum(rng.normal(0.0, 0.16, 9))
    points = at + np.cumsum(rng.uniform(5.0, 9.0) * FINE * np.stack([np.cos(bends), np.sin(bends)], 1), axis=0)
    colour = np.array([0.34, 0.25, 0.17]) * rng.uniform(0.7, 1.3)
    path = [tuple(point) for point in points.tolist()]
    pen.line(path, fill=_ink(colour), width=2 * FINE, joint="curve")
    pen.line([(x - 1, y - 1) for x, y in path], fill=_ink(colour * 1.35), width=max(1, FINE // 2), joint="curve")


def _cover(pen: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    """Draw an iron cover: a rim, and rows of studs."""
    x, y = (rng.uniform(0.1, 0.9, 2) * side).tolist()
    radius = rng.uniform(32.0, 50.0) * FINE
    iron = np.array([0.30, 0.285, 0.27]) * rng.uniform(0.8, 1.15)
    for share, tone in ((1.0, 0.55), (0.95, 1.25), (0.87, 0.6), (0.84, 1.0)):
        pen.ellipse((x - share * radius, y - share * radius, x + share * radius, y + share * radius), fill=_ink(iron * tone))
    step, angle = radius / 5.0, rng.uniform(0.0, math.pi / 2)
    for row in range(-4, 5):
        for column in range(-4, 5):
            across, down = row * step, column * step
            if math.hypot(across, down) > 0.76 * radius:
                continue
            u = x + math.cos(angle) * across - math.sin(angle) * down
            v = y + math.sin(angle) * across + math.cos(angle) * down
            for shift, tone in ((0.10, 0.55), (-0.06, 1.5), (0.0, 1.15)):
                near = (u + shift * step, v + shift * step)
                pen.rectangle((*(z - 0.26 * step for z in near), *(z + 0.26 * step for z in near)), fill=_ink(iron * tone))


def _polygon(pen: ImageDraw.ImageDraw, points: NDArray[np.float64], colour: NDArray[np.float64]) -> None:
    pen.polygon([tuple(point) for point in points.tolist()], fill=_ink(colour))


def _ink(colour: NDArray[np.float64]) -> tuple[int, ...]:
    return (*(int(channel) for channel in np.clip(np.rint(255.0 * colour), 0, 255)), 255)
