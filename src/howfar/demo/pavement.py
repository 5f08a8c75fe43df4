"""Draw synthetic images of cracked pavement with exact masks and an adjustable distribution shift."""

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from howfar.demo.noise import Field, cells, smooth_noise
from howfar.errors import InputError


class Surface(NamedTuple):
    """Hold a surface's reflectance in about [0, 1], shape (h, w, 3), and its height in pixels, shape (h, w)."""

    colour: NDArray[np.float32]
    height: Field


def asphalt(rng: np.random.Generator, size: int, coarseness: float) -> Surface:
    """Draw worn asphalt; `coarseness` in [0, 1] leads from dense fine asphalt to a coarse dressing of bare stones."""
    # All that does not depend on `coarseness` is drawn first, so that changing it keeps the rest of the road.
    spacing, hidden, binder, tilt = rng.uniform([2.8, 0.45, 0.34, -0.025], [3.8, 0.65, 0.52, 0.025]).tolist()
    wear = sum(weight * smooth_noise(rng, size, cell) for cell, weight in ((120.0, 0.05), (45.0, 0.035), (14.0, 0.025)))
    # Sand between the stones: noise of one to three pixels, with unit deviation.
    white = rng.standard_normal((size, size), dtype=np.float32)
    grain = (gaussian_filter(white, 0.7, truncate=3.0) - 0.6 * gaussian_filter(white, 2.0, truncate=2.0)) / np.float32(0.4)
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


STEP = 2.0
"""Pixels between the points of a walk."""

CRACK_FINE = 4
"""Subpixels along each side of a pixel."""

Path = NDArray[np.float64]


def draw_cracks(rng: np.random.Generator, size: int, widening: float) -> tuple[Field, Field]:
    """Draw one to three branched cracks; `widening` scales their widths and does not change their course.

    Return the share of each pixel that is covered, and the crack's depth at each pixel, both (size, size) in [0, 1].
    """
    cover = Image.new("L", (size * CRACK_FINE, size * CRACK_FINE))
    depth = Image.new("L", (size, size))
    pens = ImageDraw.Draw(cover), ImageDraw.Draw(depth)
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
        for path in _grow(rng, size):
            _crack_ink(pens, path, widening)
    covered = np.asarray(cover.reduce(CRACK_FINE), np.float32) / np.float32(255.0)
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


def _crack_ink(pens: tuple[ImageDraw.ImageDraw, ImageDraw.ImageDraw], path: Path, widening: float) -> None:
    """Fill a path with one quadrangle a step, whose left and right sides are ragged independently."""
    cover, depth = pens
    points, half, deep = path[:, :2], 0.5 * widening * path[:, 2:3], path[:, 3]
    ahead = np.gradient(points, axis=0)
    outward = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    left, right = (points + side * half * ragged * outward for side, ragged in ((1.0, path[:, 4:5]), (-1.0, path[:, 5:6])))
    sides = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
    middles = sides.mean(axis=1).tolist()
    for corners, (x, y), dark, near in zip(
        (sides * CRACK_FINE).reshape(-1, 8).tolist(), middles, deep.tolist(), half[:, 0].tolist(), strict=False
    ):
        cover.polygon(corners, fill=255)
        reach = 1.3 * near + 4.0
        depth.ellipse((x - reach, y - reach, x + reach, y + reach), fill=round(255 * dark))
    # Quadrangles of a kinked path leave wedges open; a disc at each point closes them.
    for (x, y), radius in zip(
        (points * CRACK_FINE).tolist(), (0.8 * CRACK_FINE * np.minimum(half[:, 0], 2.0)).tolist(), strict=True
    ):
        cover.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


CLUTTER_FINE = 3
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
    canvas = Image.new("RGBA", (size * CLUTTER_FINE, size * CLUTTER_FINE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    drawn = 0
    for draw, count, earliest in ((_cover, 1, 0.45), (_twig, 3, 0.1), (_leaf, LEAVES, 0.0)):
        for own in rng.spawn(count):
            if own.uniform(earliest, 1.0) < amount:
                draw(pen, own, size * CLUTTER_FINE)
                drawn += 1
    if not drawn:
        return None
    # Colours are averaged with their alpha as weight, else borders would darken towards the empty canvas.
    pixels = np.asarray(canvas.convert("RGBa").reduce(CLUTTER_FINE), np.float32) / 255.0
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
    length = rng.uniform(11.0, 27.0) * CLUTTER_FINE
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
    pen.line([tuple(point) for point in rib.tolist()], fill=_clutter_ink(colour * 1.25), width=CLUTTER_FINE)


def _twig(pen: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    at, angle = rng.uniform(0.0, 1.0, 2) * side, rng.uniform(0.0, 2.0 * math.pi)
    bends = angle + np.cumsum(rng.normal(0.0, 0.16, 9))
    points = at + np.cumsum(rng.uniform(5.0, 9.0) * CLUTTER_FINE * np.stack([np.cos(bends), np.sin(bends)], 1), axis=0)
    colour = np.array([0.34, 0.25, 0.17]) * rng.uniform(0.7, 1.3)
    path = [tuple(point) for point in points.tolist()]
    pen.line(path, fill=_clutter_ink(colour), width=2 * CLUTTER_FINE, joint="curve")
    pen.line(
        [(x - 1, y - 1) for x, y in path], fill=_clutter_ink(colour * 1.35), width=max(1, CLUTTER_FINE // 2), joint="curve"
    )


def _cover(pen: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    """Draw an iron cover: a rim, and rows of studs."""
    x, y = (rng.uniform(0.1, 0.9, 2) * side).tolist()
    radius = rng.uniform(32.0, 50.0) * CLUTTER_FINE
    iron = np.array([0.30, 0.285, 0.27]) * rng.uniform(0.8, 1.15)
    for share, tone in ((1.0, 0.55), (0.95, 1.25), (0.87, 0.6), (0.84, 1.0)):
        pen.ellipse(
            (x - share * radius, y - share * radius, x + share * radius, y + share * radius), fill=_clutter_ink(iron * tone)
        )
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
                pen.rectangle(
                    (*(z - 0.26 * step for z in near), *(z + 0.26 * step for z in near)), fill=_clutter_ink(iron * tone)
                )


def _polygon(pen: ImageDraw.ImageDraw, points: NDArray[np.float64], colour: NDArray[np.float64]) -> None:
    pen.polygon([tuple(point) for point in points.tolist()], fill=_clutter_ink(colour))


def _clutter_ink(colour: NDArray[np.float64]) -> tuple[int, ...]:
    return (*(int(channel) for channel in np.clip(np.rint(255.0 * colour), 0, 255)), 255)


class RoadLight(NamedTuple):
    """Hold the brightness, shape (h, w, 3), the sun's direction in radians, and how strongly low sun shades the relief."""

    field: NDArray[np.float32]
    direction: float
    slant: float


def daylight(rng: np.random.Generator, size: int, harshness: float) -> RoadLight:
    """Draw the light on a road; `harshness` in [0, 1] leads from a bright sky to cast shadows, low sun and dusk."""
    direction = rng.uniform(0.0, 2.0 * math.pi)
    exposure, steepness, scene = rng.uniform([0.9, 0.02, 0.0], [1.12, 0.12, 1.0]).tolist()
    slant = rng.uniform(0.2, 0.45)
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    across = math.cos(direction) * axis[None, :] + math.sin(direction) * axis[:, None]
    field = exposure * (1.0 + (steepness + 0.12 * harshness) * across)
    shaded = _dusk(rng, size) if scene < 0.2 else _leaf_shade(rng, size) if scene < 0.5 else _cast_shadow(rng, size)
    # Shade is lit by the blue sky alone; low sun is warm.
    shade = shaded[..., None] * (1.0 - np.array([0.30, 0.34, 0.42], np.float32))
    sun = 1.0 + np.array([0.22, 0.08, -0.14], np.float32)
    harsh = (1.0 - shade) * (sun * (1.0 - shaded[..., None]) + shaded[..., None])
    mixed = field[..., None] * (1.0 + harshness * (harsh - 1.0))
    return RoadLight(mixed.astype(np.float32), direction, slant + 0.4 * harshness)


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


Picture: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.bool_]]

KINDS = ("lighting", "texture", "crack_width", "clutter")
"""The kinds of shift: the road's light, its texture, the width of its cracks, and clutter on it."""


def pavement(n: int, seed: int, *, shift: float = 0.0, kind: str = "lighting", size: int = 224) -> Iterator[Picture]:
    """Draw images of asphalt with cracks, seen from about a person's height (about 2 mm per pixel at every size).

    Image i depends on the seed, i and the size alone, not on n. A shift changes what its kind names and
    leaves the rest of the scene, so the same seed at two shifts gives the same roads, and at shift 0 all kinds agree.

    `n` is the number of images; the same `seed`, not negative, gives the same images, to the byte under the same versions of
    NumPy, SciPy and Pillow. `shift` goes from 0 (plain) to 1; `kind` says what is shifted: ``lighting``, ``texture``,
    ``crack_width`` or ``clutter``. `size` is the side in pixels, at least 16. Yields an image, uint8 (size, size, 3), and its
    mask, bool (size, size): the pixels that a crack covers by at least half, less those where a leaf or the like hides it.
    Raises `InputError` for an argument out of its range, and for an unknown kind.
    """
    check_count(n, seed, size)
    if kind not in KINDS:
        raise InputError.of("kind", f"must be one of {', '.join(KINDS)}", kind)
    if not 0.0 <= shift <= 1.0:
        raise InputError.of("shift", "must be from 0 to 1", shift)
    return (_picture(seed, index, size, kind, shift) for index in range(n))


def check_count(n: int, seed: int, size: int) -> None:
    """Raise `InputError` for n below 1, a negative seed, or a size below 16."""
    for name, value, least, unit in (("n", n, 1, ""), ("seed", seed, 0, ""), ("size", size, 16, " pixels")):
        if value < least:
            raise InputError.of(name, f"must be at least {least}{unit}", value)


def _picture(seed: int, index: int, size: int, kind: str, shift: float) -> Picture:
    shifts = {name: shift if name == kind else 0.0 for name in KINDS}
    # Each part of the scene has a generator of its own, so that drawing more in one leaves the others as they were.
    generators = [np.random.default_rng(child) for child in np.random.SeedSequence([seed, index]).spawn(6)]
    road_rng, crack_rng, light_rng, flat_rng, solid_rng, camera_rng = generators
    road = asphalt(road_rng, size, shifts["texture"])
    cover, depth = draw_cracks(crack_rng, size, 1.0 + 3.5 * shifts["crack_width"])
    light = daylight(light_rng, size, shifts["lighting"])
    colour = road.colour
    for layer in flat_layers(flat_rng, size, shifts["clutter"]):
        colour = colour + layer.alpha[..., None] * (layer.colour - colour)
    relief = shade(road.height, light.direction, light.slant)
    relief = relief * _crack_light(cover, depth, road.height, light.direction, shifts["crack_width"])
    scene = colour * relief[..., None]
    mask = cover >= 0.5
    solid = solid_layer(solid_rng, size, shifts["clutter"])
    if solid is not None:
        layer, shadow = solid
        scene = scene * (1.0 - 0.45 * shadow)[..., None]
        scene = scene + layer.alpha[..., None] * (layer.colour - scene)
        mask &= layer.alpha < 0.5
    return photograph(camera_rng, (scene * light.field).astype(np.float32)), mask


def _crack_light(cover: Field, depth: Field, height: Field, direction: float, gape: float) -> Field:
    """Compute how a crack darkens each pixel: darker towards the middle, rubble inside, one lit and one shaded edge."""
    near = gaussian_filter(cover, 1.3 + 1.5 * gape, truncate=3.0)
    # Where stones stand out, rubble from the rim lies in the gap.
    rubble = np.clip(1.0 - (0.10 + 0.12 * gape) * np.maximum(height, -0.5), 0.35, 1.0)
    deep = depth + gape * 0.7 * (0.95 - depth)
    dark = cover * np.clip(deep * rubble * (0.6 + 0.55 * near), 0.0, 0.96)
    lips = (shade(4.0 * near, direction, 0.10) - 1.0) * (1.0 - cover)
    lit: Field = (1.0 - dark) * (1.0 - 0.14 * near * (1.0 - cover)) + lips
    return lit
