"""Draw synthetic cracks as branching random walks with a width, and compute the share of each pixel that they cover."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from howfar.demo.noise import Field

STEP = 2.0
"""Pixels between the points of a walk."""

FINE = 4
"""Subpixels along each side of a pixel."""

Path = NDArray[np.float64]


def draw_cracks(rng: np.random.Generator, size: int, widening: float) -> tuple[Field, Field]:
    """Draw one to three cracks with their branches, of widths times `widening`, which does not change their course.

    Return the share of each pixel that is covered, and the crack's depth at each pixel, both (size, size) in [0, 1].
    """
    cover = Image.new("L", (size * FINE, size * FINE))
    depth = Image.new("L", (size, size))
    pens = ImageDraw.Draw(cover), ImageDraw.Draw(depth)
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
        for path in _grow(rng, size):
            _ink(pens, path, widening)
    covered = np.asarray(cover.reduce(FINE), np.float32) / np.float32(255.0)
    deep: Field = gaussian_filter(np.asarray(depth, np.float32) / np.float32(255.0), 1.5, truncate=2.0)
    return covered, deep


def _grow(rng: np.random.Generator, size: int) -> list[Path]:
    """Draw a crack across the image and its branches, each a (k, 6) path: x, y, width, depth, raggedness of both sides."""
    trunk = np.zeros((0, 6))
    # A walk that misses the image is drawn anew, so that no mask is empty.
    while np.logical_and(trunk[:, :2] > 0, trunk[:, :2] < size).all(axis=1).sum() * STEP < 0.2 * size:
        start, heading = _entry(rng, size)
        trunk = _walk(rng, start, heading, int(1.6 * size / STEP), rng.uniform(1.5, 3.2), rng.uniform(0.5, 0.9))
    paths = [trunk]
    for _ in range(rng.poisson(1.3)):
        if len(trunk) < 8:
            break
        at = int(rng.integers(2, len(trunk) - 4))
        along = math.atan2(*(trunk[at + 2, :2] - trunk[at - 2, :2])[::-1])
        turned = along + rng.choice([-1.0, 1.0]) * rng.uniform(0.45, 1.2)
        width = max(1.5, trunk[at, 2] * rng.uniform(0.5, 0.8))
        length = int(rng.uniform(0.12, 0.6) * size / STEP)
        paths.append(_walk(rng, trunk[at, :2], turned, length, width, trunk[at, 3] * rng.uniform(0.7, 0.95)))
    return paths


def _entry(rng: np.random.Generator, size: int) -> tuple[Path, float]:
    """Draw a crack's start, on the border or for some cracks inside, and its heading into the image."""
    angle = rng.uniform(0.0, 2.0 * math.pi)
    reach = 0.72 * size if rng.random() < 0.75 else 0.3 * size
    centre = size * (0.5 + rng.uniform(-0.28, 0.28, 2))
    start = centre - reach * np.array([math.cos(angle), math.sin(angle)])
    return start, angle + rng.normal(0.0, 0.12)


def _walk(rng: np.random.Generator, start: Path, heading: float, count: int, width: float, depth: float) -> Path:
    """Draw a walk whose heading wanders slowly and kinks, as around stones."""
    count = max(count, 6)
    wander = np.cumsum(rng.normal(0.0, 0.055, count)) * 0.9
    kinks = np.repeat(rng.normal(0.0, 0.55, count // 2 + 1), rng.integers(1, 5, count // 2 + 1))
    kinks = np.resize(kinks, count)
    angle = heading + wander + kinks
    steps = STEP * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])[:count]
    slow, fast = _wave(rng, count, 14), _wave(rng, count, 2)
    widths = width * np.exp(0.30 * slow + 0.22 * fast)
    taper = np.minimum(1.0, np.arange(count, 0, -1) / (0.3 * count))
    widths = np.maximum(widths * taper, 1.3)
    depths = np.clip(depth * (1.0 + 0.18 * _wave(rng, count, 9)) * (0.5 + 0.5 * taper), 0.25, 0.95)
    ragged = np.exp(0.16 * rng.standard_normal((count, 2)) + 0.2 * np.stack([_wave(rng, count, 3), _wave(rng, count, 3)], 1))
    return np.column_stack([points, widths, depths, ragged])


def _wave(rng: np.random.Generator, count: int, cell: int) -> NDArray[np.float64]:
    knots = rng.standard_normal(count // cell + 2)
    return np.interp(np.arange(count) / cell, np.arange(len(knots)), knots)


def _ink(pens: tuple[ImageDraw.ImageDraw, ImageDraw.ImageDraw], path: Path, widening: float) -> None:
    """Fill a path with one quadrangle a step, whose left and right sides are ragged independently."""
    cover, depth = pens
    points, half, deep = path[:, :2], 0.5 * widening * path[:, 2:3], path[:, 3]
    ahead = np.gradient(points, axis=0)
    outward = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    left, right = (points + side * half * ragged * outward for side, ragged in ((1.0, path[:, 4:5]), (-1.0, path[:, 5:6])))
    sides = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
    middles = sides.mean(axis=1).tolist()
    for corners, (x, y), dark, near in zip(
        (sides * FINE).reshape(-1, 8).tolist(), middles, deep.tolist(), half[:, 0].tolist(), strict=False
    ):
        cover.polygon(corners, fill=255)
        reach = 1.3 * near + 4.0
        depth.ellipse((x - reach, y - reach, x + reach, y + reach), fill=round(255 * dark))
    # Quadrangles of a kinked path leave wedges open; a disc at each point closes them.
    for (x, y), radius in zip((points * FINE).tolist(), (0.8 * FINE * np.minimum(half[:, 0], 2.0)).tolist(), strict=True):
        cover.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
