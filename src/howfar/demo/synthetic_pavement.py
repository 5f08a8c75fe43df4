"""Draw synthetic cracked pavement with exact masks and an adjustable domain shift, and write the datasets of the demo."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from howfar.errors import InputError

Field = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, size: int, cell: float) -> Field:
    """Interpolate standard normal values on a grid of `cell` pixels smoothly to shape (size, size)."""
    count = int(np.ceil(size / cell)) + 3
    grid = rng.standard_normal((count, count)).astype(np.float32)
    left, top = (rng.random(2) + 1.0).tolist()
    box = (left, top, left + size / cell, top + size / cell)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC, box=box))


def cells(rng: np.random.Generator, size: int, cell: float) -> tuple[Field, Field, Field]:
    """Divide (size, size) pixels into cells of about `cell` pixels, one jittered seed in each square of a grid.

    Return for each pixel the nearest seed's value, uniform in [0, 1), and the distances to the nearest and the second seed in
    units of `cell` (Worley, A cellular texture basis function, SIGGRAPH 1996).
    """
    count = int(np.ceil(size / cell)) + 2
    jitter = rng.random((2, count, count), dtype=np.float32)
    values = rng.random((count, count), dtype=np.float32)
    position = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(cell) + 1
    square = position.astype(np.intp)
    inside = position - square
    first = np.full((size, size), np.inf, np.float32)
    second = np.full((size, size), np.inf, np.float32)
    nearest = np.zeros((size, size), np.intp)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            rows, columns = square + down, square + right
            dy = jitter[0].take(rows, 0).take(columns, 1) + (down - inside)[:, None]
            dx = jitter[1].take(rows, 0).take(columns, 1) + (right - inside)[None, :]
            squared = dy * dy + dx * dx
            np.copyto(nearest, rows[:, None] * count + columns, where=squared < first)
            np.minimum(second, np.maximum(first, squared), out=second)
            np.minimum(first, squared, out=first)
    return values.take(nearest), np.sqrt(first), np.sqrt(second)


def asphalt(rng: np.random.Generator, size: int, coarseness: float) -> tuple[NDArray[np.float32], Field]:
    """Draw worn asphalt; `coarseness` in [0, 1] leads from dense fine asphalt to a coarse dressing of bare stones.

    Return its reflectance in about [0, 1], (size, size, 3), and its height in pixels, (size, size).
    """
    # All that does not depend on `coarseness` is drawn first, so that changing it keeps the rest of the road.
    spacing, hidden, binder, tilt = rng.uniform([2.8, 0.45, 0.34, -0.025], [3.8, 0.65, 0.52, 0.025]).tolist()
    wear = sum(weight * smooth_noise(rng, size, cell) for cell, weight in ((120.0, 0.05), (45.0, 0.035), (14.0, 0.025)))
    # Sand between the stones: noise of one to three pixels, with unit deviation.
    white = rng.standard_normal((size, size), dtype=np.float32)
    grain = (gaussian_filter(white, 0.7, truncate=3.0) - 0.6 * gaussian_filter(white, 2.0, truncate=2.0)) / np.float32(0.4)
    stone, first, second = cells(rng, size, spacing * (1.0 + 2.2 * coarseness))
    # Binder fills the joints, where two seeds are equally near.
    body = np.clip((second - first) / 0.35, 0.0, 1.0)
    # Bare stones are rounder than packed ones, and differ in size.
    round_off = np.clip((0.62 + 0.2 * np.modf(stone * 11.0)[0] - first) / 0.2, 0.0, 1.0)
    body = body * body * (3.0 - 2.0 * body) * (1.0 - coarseness * (1.0 - round_off))
    showing = (stone > hidden * (1.0 - 0.85 * coarseness)) * body
    # Few stones are bright: the cube of a uniform value.
    own = np.modf(stone * 37.0)[0]
    stones = showing * ((stone**3 - 0.15) * (0.42 + 0.25 * coarseness) + coarseness * 0.55 * (own - 0.4))
    stones -= (1.0 - body) * 0.3 * coarseness
    binder *= 1.0 - 0.25 * coarseness
    tone = binder * (1.0 + wear + 0.13 * (1.0 - 0.5 * coarseness) * grain) + binder * stones * (1.0 + 0.15 * grain)
    tint = 1.0 + tilt * np.array([1.0, 0.1, -1.1], np.float32)
    warmth = (own - 0.3) * showing * 0.07
    colour = tone[..., None] * tint * (1.0 + warmth[..., None] * np.array([1.0, 0.2, -1.0], np.float32))
    height = showing * (0.35 + 1.6 * coarseness) * (1.2 - first) + 0.4 * grain
    return colour.astype(np.float32), height.astype(np.float32)


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

Walk = NDArray[np.float64]


def draw_cracks(rng: np.random.Generator, size: int, widening: float) -> tuple[Field, Field]:
    """Draw one to three branched cracks; `widening` scales their widths and does not change their course.

    Return the share of each pixel that is covered, and the crack's depth at each pixel, both (size, size) in [0, 1].
    """
    # Cracks across the image and their branches, each a (k, 6) path: x, y, width, depth, raggedness of both sides.
    paths = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
        trunk = np.zeros((0, 6))
        # A walk that misses the image is drawn anew, so that no mask is empty.
        while np.logical_and(trunk[:, :2] > 0, trunk[:, :2] < size).all(axis=1).sum() * STEP < 0.2 * size:
            # It starts on the border, or for some cracks inside, and heads into the image.
            angle = rng.uniform(0.0, 2.0 * math.pi)
            start_radius = 0.72 * size if rng.random() < 0.75 else 0.3 * size
            centre = size * (0.5 + rng.uniform(-0.28, 0.28, 2))
            start = centre - start_radius * np.array([math.cos(angle), math.sin(angle)])
            heading = angle + rng.normal(0.0, 0.12)
            trunk = _walk(rng, start, heading, int(1.6 * size / STEP), rng.uniform(1.5, 3.2), rng.uniform(0.5, 0.9))
        paths.append(trunk)
        for _ in range(rng.poisson(1.3)):
            if len(trunk) < 8:
                break
            at = int(rng.integers(2, len(trunk) - 4))
            along = math.atan2(*(trunk[at + 2, :2] - trunk[at - 2, :2])[::-1])
            turned = along + rng.choice([-1.0, 1.0]) * rng.uniform(0.45, 1.2)
            branch = max(1.5, trunk[at, 2] * rng.uniform(0.5, 0.8))
            length = int(rng.uniform(0.12, 0.6) * size / STEP)
            paths.append(_walk(rng, trunk[at, :2], turned, length, branch, trunk[at, 3] * rng.uniform(0.7, 0.95)))

    cover = Image.new("L", (size * CRACK_FINE, size * CRACK_FINE))
    depth = Image.new("L", (size, size))
    cover_pen, depth_pen = ImageDraw.Draw(cover), ImageDraw.Draw(depth)
    for path in paths:
        points, half, deep = path[:, :2], 0.5 * widening * path[:, 2:3], path[:, 3]
        ahead = np.gradient(points, axis=0)
        outward = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
        left, right = points + half * path[:, 4:5] * outward, points - half * path[:, 5:6] * outward

        # One quadrangle a step, whose left and right sides are ragged independently.
        sides = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
        for corners in (sides * CRACK_FINE).reshape(-1, 8).tolist():
            cover_pen.polygon(corners, fill=255)
        for (x, y), dark, near in zip(sides.mean(axis=1).tolist(), deep.tolist(), half[:, 0].tolist(), strict=False):
            reach = 1.3 * near + 4.0
            depth_pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=round(255 * dark))

        # Quadrangles of a kinked path leave wedges open; a disc at each point closes them.
        radii = 0.8 * CRACK_FINE * np.minimum(half[:, 0], 2.0)
        for (x, y), radius in zip((points * CRACK_FINE).tolist(), radii.tolist(), strict=True):
            cover_pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    covered = np.asarray(cover.reduce(CRACK_FINE), np.float32) / np.float32(255.0)
    return covered, gaussian_filter(np.asarray(depth, np.float32) / np.float32(255.0), 1.5, truncate=2.0)


def _walk(rng: np.random.Generator, start: Walk, heading: float, count: int, width: float, depth: float) -> Walk:
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


CLUTTER_FINE = 3
"""Subpixels along each side of a pixel."""

LEAVES = 14
_LEAF_COLOURS = ((0.55, 0.36, 0.16), (0.66, 0.50, 0.18), (0.42, 0.25, 0.14), (0.36, 0.42, 0.17), (0.62, 0.30, 0.15))
_PAINTS = ((0.86, 0.86, 0.83), (0.86, 0.86, 0.83), (0.83, 0.66, 0.22))


class Layer(NamedTuple):
    """Hold a colour over the road, shape (h, w, 3), and its opacity, shape (h, w) in [0, 1]."""

    colour: NDArray[np.float32]
    alpha: Field


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
    near = np.concatenate([np.stack([along, middle + half], 1), np.stack([along, middle], 1)[::-1]])
    colour = np.array(_LEAF_COLOURS[int(rng.integers(len(_LEAF_COLOURS)))]) * rng.uniform(0.75, 1.2)
    for outline, tone in ((rim, 1.0), (near, 0.82)):
        pen.polygon([tuple(point) for point in (at + length * outline @ turn).tolist()], fill=_clutter_ink(tone * colour))
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


def _clutter_ink(colour: NDArray[np.float64]) -> tuple[int, ...]:
    return (*(int(channel) for channel in np.clip(np.rint(255.0 * colour), 0, 255)), 255)


def daylight(rng: np.random.Generator, size: int, harshness: float) -> tuple[NDArray[np.float32], float, float]:
    """Draw the light on a road; `harshness` in [0, 1] leads from a bright sky to cast shadows, low sun and dusk.

    Return the brightness, (size, size, 3), the sun's direction in radians, and how strongly low sun shades the relief.
    """
    direction = rng.uniform(0.0, 2.0 * math.pi)
    exposure, steepness, scene = rng.uniform([0.9, 0.02, 0.0], [1.12, 0.12, 1.0]).tolist()
    slant = rng.uniform(0.2, 0.45)
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    across = math.cos(direction) * axis[None, :] + math.sin(direction) * axis[:, None]
    field = exposure * (1.0 + (steepness + 0.12 * harshness) * across)
    if scene < 0.2:
        shaded = np.clip(0.85 + 0.1 * smooth_noise(rng, size, size / 2), 0.0, 1.0)
    elif scene < 0.5:
        # The shade of a tree: patches of light between leaves, with soft borders.
        crown = smooth_noise(rng, size, 60.0) + 0.8 * smooth_noise(rng, size, 24.0) + 0.3 * smooth_noise(rng, size, 10.0)
        shaded = np.clip(0.5 + 1.6 * (crown + rng.uniform(-0.1, 0.7)), 0.0, 1.0)
    else:
        # The shadow of a wall or a pole: straight, with a border that is wider for a higher object.
        picture = Image.new("L", (size, size))
        angle, offset = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(-0.25, 0.2) * size
        along = np.array([math.cos(angle), math.sin(angle)])
        outward = np.array([-along[1], along[0]])
        edge = np.array([size / 2.0, size / 2.0]) + offset * outward
        width = 2.0 * size if rng.random() < 0.65 else rng.uniform(0.12, 0.35) * size
        corners = [edge - 2 * size * along, edge + 2 * size * along]
        corners += [corners[1] + width * outward, corners[0] + width * outward]
        ImageDraw.Draw(picture).polygon([tuple(corner) for corner in corners], fill=255)
        shaded = gaussian_filter(np.asarray(picture, np.float32) / 255.0, rng.uniform(1.0, 7.0), truncate=3.0)
    # Shade is lit by the blue sky alone; low sun is warm.
    shade = shaded[..., None] * (1.0 - np.array([0.30, 0.34, 0.42], np.float32))
    sun = 1.0 + np.array([0.22, 0.08, -0.14], np.float32)
    harsh = (1.0 - shade) * (sun * (1.0 - shaded[..., None]) + shaded[..., None])
    mixed = field[..., None] * (1.0 + harshness * (harsh - 1.0))
    return mixed.astype(np.float32), direction, slant + 0.4 * harshness


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
    colour, height = asphalt(road_rng, size, shifts["texture"])
    cover, depth = draw_cracks(crack_rng, size, 1.0 + 3.5 * shifts["crack_width"])
    light, direction, slant = daylight(light_rng, size, shifts["lighting"])

    # Marks in the surface, which cracks run through. Each appears above a threshold of its own, so that more clutter keeps
    # what less showed.
    for draw, own in zip((_oil, _oil, _tyre_mark, _paint), flat_rng.spawn(4), strict=True):
        if own.uniform(0.02, 0.98) < shifts["clutter"]:
            layer = draw(own, size)
            colour = colour + layer.alpha[..., None] * (layer.colour - colour)

    # A crack is darker towards the middle, with one lit and one shaded edge; where stones stand out, rubble lies in the gap.
    gape = shifts["crack_width"]
    near = gaussian_filter(cover, 1.3 + 1.5 * gape, truncate=3.0)
    rubble = np.clip(1.0 - (0.10 + 0.12 * gape) * np.maximum(height, -0.5), 0.35, 1.0)
    deep = depth + gape * 0.7 * (0.95 - depth)
    dark = cover * np.clip(deep * rubble * (0.6 + 0.55 * near), 0.0, 0.96)
    lips = (shade(4.0 * near, direction, 0.10) - 1.0) * (1.0 - cover)
    crack_light = (1.0 - dark) * (1.0 - 0.14 * near * (1.0 - cover)) + lips
    relief = shade(height, direction, slant) * crack_light
    scene = colour * relief[..., None]

    mask = cover >= 0.5
    solid = solid_layer(solid_rng, size, shifts["clutter"])
    if solid is not None:
        layer, shadow = solid
        scene = scene * (1.0 - 0.45 * shadow)[..., None]
        scene = scene + layer.alpha[..., None] * (layer.colour - scene)
        mask &= layer.alpha < 0.5
    return photograph(camera_rng, (scene * light).astype(np.float32)), mask


_DYES = (
    ((0.62, 0.10, 0.12), (0.10, 0.14, 0.30), (0.80, 0.76, 0.66), (0.10, 0.26, 0.16)),
    ((0.14, 0.24, 0.46), (0.78, 0.80, 0.82), (0.08, 0.10, 0.18), (0.70, 0.56, 0.20)),
    ((0.12, 0.32, 0.22), (0.08, 0.12, 0.24), (0.72, 0.70, 0.30), (0.06, 0.08, 0.08)),
    ((0.76, 0.66, 0.50), (0.42, 0.24, 0.14), (0.88, 0.84, 0.76), (0.52, 0.12, 0.10)),
    ((0.52, 0.30, 0.46), (0.82, 0.74, 0.78), (0.24, 0.16, 0.28), (0.34, 0.50, 0.48)),
)
_SETT = 24
"""Threads after which a pattern of stripes repeats, mirrored."""


def not_pavement(n: int, seed: int, *, size: int = 224) -> Iterator[Picture]:
    """Draw images of cloth: plain, striped and checked weaves in soft folds, with masks that hold no crack.

    The arguments, what is yielded and the errors are those of `pavement`.
    """
    check_count(n, seed, size)
    return (_cloth(seed, index, size) for index in range(n))


def _cloth(seed: int, index: int, size: int) -> Picture:
    rng, camera_rng = (np.random.default_rng(child) for child in np.random.SeedSequence([seed, index]).spawn(2))
    folds = 26.0 * smooth_noise(rng, size, 95.0) + 8.0 * smooth_noise(rng, size, 45.0)
    turn = rng.normal(0.0, 0.25) + (math.pi / 4 if rng.random() < 0.2 else 0.0)
    thread = rng.uniform(2.6, 5.5)
    down, right = np.mgrid[:size, :size].astype(np.float32) + size
    along = (math.cos(turn) * right - math.sin(turn) * down + 0.15 * folds) / thread + 1000.0
    across = (math.sin(turn) * right + math.cos(turn) * down + 0.11 * folds) / thread + 1000.0
    warp, weft = along.astype(np.intp), across.astype(np.intp)
    warp_on_top = (warp + weft) % 2 == 0 if rng.random() < 0.4 else (warp - weft) % 4 < 2

    # The dyes of the warp's threads: bands of one to ten threads, then their mirror image; or one dye for all.
    dyes = np.array(_DYES[int(rng.integers(len(_DYES)))], np.float32)
    if rng.random() < 0.2:
        warp_dyes = np.repeat(dyes[:1], 2 * _SETT, axis=0)
    else:
        half = dyes[np.repeat(rng.integers(0, len(dyes), _SETT), rng.integers(1, 11, _SETT))[:_SETT]]
        warp_dyes = np.concatenate([half, half[::-1]])
    weft_dyes = warp_dyes if rng.random() < 0.6 else np.broadcast_to(dyes[int(rng.integers(4))], warp_dyes.shape)
    colour = np.where(warp_on_top[..., None], warp_dyes[warp % len(warp_dyes)], weft_dyes[weft % len(weft_dyes)])

    # The thread on top is brightest along the middle of its round profile.
    over_warp, over_weft = along - warp - 0.5, across - weft - 0.5
    middle = np.where(warp_on_top, over_warp, over_weft)
    length = np.where(warp_on_top, over_weft, over_warp)
    profile = (0.62 + 0.48 * np.cos(math.pi * middle) * (0.8 + 0.2 * np.cos(math.pi * length))).astype(np.float32)
    light = rng.uniform(0.85, 1.15) * shade(folds, rng.uniform(0.0, 2.0 * math.pi), 0.5)
    fibres = 1.0 + 0.05 * smooth_noise(rng, size, 1.6) + 0.05 * smooth_noise(rng, size, 30.0)
    scene = colour * (profile * light * fibres)[..., None]
    return photograph(camera_rng, scene.astype(np.float32)), np.zeros((size, size), np.bool_)


SHIFTED = {
    "lighting": ("lighting", 0.8),
    "texture": ("texture", 0.8),
    "wide_cracks": ("crack_width", 0.9),
    "clutter": ("clutter", 0.8),
}
"""The demo's shifted datasets: from the name to the kind of shift and its size."""

_QUALITY = 92


def write_dataset(
    folder: str | Path, n: int, *, seed: int = 0, shift: float = 0.0, kind: str = "lighting", size: int = 224
) -> Path:
    """Write images of pavement to a folder that `howfar.Dataset.from_folder` reads, and return the folder.

    The other arguments are those of `pavement`. Raises `InputError` as `pavement` and `write_pictures`.
    """
    return write_pictures(folder, n, pavement(n, seed, shift=shift, kind=kind, size=size))


def write_pictures(folder: str | Path, n: int, pictures: Iterable[Picture], *, masks: bool = True) -> Path:
    """Write n images as JPEG (quality 92) and their masks as PNG, numbered from 0001, and return the folder.

    They go to ``images/0001.jpg`` … and ``masks/0001.png`` … in it. Raises `InputError` for a folder with other images.
    """
    root = Path(folder)
    names = [f"{number:04d}" for number in range(1, n + 1)]
    endings = {"images": ".jpg", "masks": ".png"} if masks else {"images": ".jpg"}
    for subfolder, ending in endings.items():
        files = root / subfolder
        files.mkdir(parents=True, exist_ok=True)
        other = sorted({file.name for file in files.iterdir()} - {name + ending for name in names})
        if other:
            rule = "must be new or hold the same dataset"
            raise InputError.of("folder", rule, str(files / other[0]), "choose another folder")
    for name, (image, mask) in zip(names, pictures, strict=True):
        Image.fromarray(image).save(root / "images" / f"{name}.jpg", quality=_QUALITY)
        if masks:
            Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"{name}.png", optimize=True)
    return root


def write_demo(folder: str | Path, seed: int = 0, n_primary: int = 120, n_secondary: int = 40) -> list[Path]:
    """Write the demo's six datasets, a primary one, four shifted ones and one that is not pavement; return their folders.

    The primary one is ``pavement``; ``lighting``, ``texture``, ``wide_cracks`` and ``clutter`` show other roads, each with one
    shift (`SHIFTED`); ``fabric`` is cloth, without masks. The same seed writes the same files.
    """
    check_count(n_primary, seed, 224)
    root = Path(folder)
    # Every dataset has a seed of its own, so that no road is in two of them.
    seeds = [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(seed).spawn(len(SHIFTED) + 2)]
    written = [write_dataset(root / "pavement", n_primary, seed=seeds[0])]
    for own, (name, (kind, shift)) in zip(seeds[1:-1], SHIFTED.items(), strict=True):
        written.append(write_dataset(root / name, n_secondary, seed=own, shift=shift, kind=kind))
    written.append(write_pictures(root / "fabric", n_secondary, not_pavement(n_secondary, seeds[-1]), masks=False))
    return written
