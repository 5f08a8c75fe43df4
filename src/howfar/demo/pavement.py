"""Draw synthetic images of cracked pavement with exact masks and an adjustable distribution shift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from howfar.demo.clutter import flat_layers, solid_layer
from howfar.demo.cracks import draw_cracks
from howfar.demo.lighting import daylight, photograph
from howfar.demo.noise import Field
from howfar.demo.road_surface import asphalt, shade
from howfar.errors import InputError

Picture: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.bool_]]

KINDS = ("lighting", "texture", "crack_width", "clutter")
"""The kinds of shift: the road's light, its texture, the width of its cracks, and clutter on it."""


def pavement(n: int, seed: int, *, shift: float = 0.0, kind: str = "lighting", size: int = 224) -> Iterator[Picture]:
    """Draw images of asphalt with cracks, seen from about a person's height (some 2 mm a pixel, whatever the size).

    Image i depends on the seed, i and the size alone, not on n. A shift changes what its kind names and
    leaves the rest of the scene, so the same seed at two shifts gives the same roads, and at shift 0 all kinds agree.

    Parameters
    ----------
    n
        Number of images.
    seed
        Not negative; the same seed gives the same images, to the byte under the same versions of NumPy, SciPy and Pillow.
    shift
        From 0 (plain) to 1.
    kind
        What is shifted: ``lighting``, ``texture``, ``crack_width`` or ``clutter``.
    size
        Side in pixels, at least 16.

    Yields
    ------
    Image, uint8 (size, size, 3), and mask, bool (size, size): the pixels that a crack covers by at least half, less
    those where a leaf or the like hides it.

    Raises
    ------
    InputError
        An argument is out of its range, or the kind is unknown.

    Examples
    --------
    >>> image, mask = next(pavement(1, seed=0, size=64))
    >>> image.shape, image.dtype, mask.shape, bool(mask.any())
    ((64, 64, 3), dtype('uint8'), (64, 64), True)
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
