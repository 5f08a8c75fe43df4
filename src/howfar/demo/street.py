"""Render what surrounds a person: nine scenes as panoramas, seven weathers and seven lights."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.demo.noise import Field, smooth_noise

Colours = NDArray[np.float32]
_HORIZON: Final = 0.55
"""Share of a picture's height that lies above the ground."""
_TURN: Final = 12
"""Picture widths in a full turn of the camera."""
_BASE: Final = 256
"""Rows of a panorama before it is brought to a picture's height."""


class Weather(NamedTuple):
    """Describe a weather: greyness, fog before background and before the person, shadow, flakes a pixel, white ground."""

    name: str
    grey: float
    fog: float
    near_fog: float
    shadow: float
    flakes: float
    white: float


class Light(NamedTuple):
    """Describe how much light there is, of which colour, and whether a lamp shines from above."""

    name: str
    exposure: float
    colour: tuple[float, float, float]
    lamp: float


class Surroundings(NamedTuple):
    """Hold a background, the figure before it with its coverage in 0-1, and the row on which the figure stands."""

    background: Colours
    figure: Colours
    mask: Field
    foot: float


WEATHERS: Final = (
    Weather("sunny", 0.00, 0.00, 0.00, 0.55, 0.0, 0.0),
    Weather("clouds", 0.15, 0.05, 0.00, 0.25, 0.0, 0.0),
    Weather("overcast", 0.45, 0.15, 0.05, 0.08, 0.0, 0.0),
    Weather("foggy", 0.35, 0.75, 0.28, 0.02, 0.0, 0.0),
    Weather("neutral", 0.08, 0.00, 0.00, 0.15, 0.0, 0.0),
    Weather("blizzard", 0.40, 0.55, 0.25, 0.00, 0.012, 0.9),
    Weather("snowlight", 0.25, 0.15, 0.05, 0.10, 0.003, 0.5),
)
LIGHTS: Final = (
    Light("midnight", 0.16, (0.75, 0.85, 1.25), 0.10),
    Light("dawn", 0.52, (1.12, 0.95, 1.00), 0.0),
    Light("forenoon", 0.88, (1.02, 1.00, 0.98), 0.0),
    Light("noon", 1.08, (1.00, 1.00, 1.00), 0.0),
    Light("afternoon", 0.92, (1.08, 1.00, 0.90), 0.0),
    Light("dusk", 0.48, (1.25, 0.92, 0.75), 0.0),
    Light("night", 0.24, (0.90, 0.92, 1.10), 0.35),
)
SCENES: Final = ("urban", "urban", "wild", "urban", "wild", "urban", "urban", "wild", "urban")
"""What each of the nine scenes is, in FineGPR's order."""


def panorama(scene: int, angle: float, height: int, width: int) -> Colours:
    """Give what the camera sees of a scene when it looks along `angle`, as linear colours (height, width, 3).

    Examples
    --------
    >>> panorama(3, 0.0, 64, 32).shape
    (64, 32, 3)
    """
    full = _full_turn(scene, height, width)
    left = round(angle / (2 * math.pi) * full.shape[1])
    return full.take(np.arange(left, left + width), axis=1, mode="wrap")


def weathered(picture: Surroundings, weather: Weather, light: Light, rng: np.random.Generator) -> Colours:
    """Put the figure before its background in a weather and a light: linear colours (height, width, 3).

    Examples
    --------
    >>> blank = np.full((8, 8, 3), 0.5, np.float32)
    >>> scene = Surroundings(blank, blank, np.zeros((8, 8), np.float32), 7.0)
    >>> night, noon = (weathered(scene, WEATHERS[4], LIGHTS[k], np.random.default_rng(0)) for k in (0, 3))
    >>> bool(night.mean() < noon.mean())
    True
    """
    height, width = picture.mask.shape
    down, across = np.mgrid[:height, :width].astype(np.float32)
    ground = down >= _HORIZON * height
    behind = picture.background.copy()
    behind[ground] += weather.white * (0.85 - behind[ground])
    reach = ((across - width * 0.58) / (0.30 * width)) ** 2 + ((down - picture.foot) / (0.022 * height)) ** 2
    behind *= (1.0 - weather.shadow * np.exp(-reach))[..., None]
    behind += weather.fog * (0.72 - behind)
    figure = picture.figure + weather.near_fog * (0.72 - picture.figure)
    together = np.asarray(behind + picture.mask[..., None] * (figure - behind), dtype=np.float32)
    together += weather.grey * (together.mean(axis=2, keepdims=True) - together)
    _add_snow(together, weather.flakes, rng)
    lamp = light.lamp * np.exp(-(((across / width - 0.5) / 0.45) ** 2) - ((down / height - 0.35) / 0.55) ** 2)
    strength = (light.exposure + lamp)[..., None] * np.array(light.colour, np.float32)
    return np.asarray(together * strength, dtype=np.float32)


def _add_snow(picture: Colours, flakes: float, rng: np.random.Generator) -> None:
    """Add bright flakes of one to three pixels, `flakes` of them a pixel."""
    height, width = picture.shape[:2]
    count = rng.poisson(flakes * height * width)
    rows, columns, sizes = rng.integers(0, height, count), rng.integers(0, width, count), rng.integers(1, 4, count)
    for row, column, size in zip(rows, columns, sizes, strict=True):
        picture[row : row + size, column : column + size] = 0.92


@lru_cache(maxsize=16)
def _full_turn(scene: int, height: int, width: int) -> Colours:
    """Draw the whole panorama of a scene, scaled to pictures of a size."""
    rng = np.random.default_rng([59, scene])
    columns = round(_BASE * width / height * _TURN)
    drawn = _street(rng, columns) if SCENES[scene - 1] == "urban" else _field(rng, columns)
    channels = [
        np.asarray(Image.fromarray(drawn[..., k]).resize((width * _TURN, height), Image.Resampling.BILINEAR)) for k in range(3)
    ]
    full = np.stack(channels, axis=2)
    full.flags.writeable = False
    return full


def _noise(rng: np.random.Generator, columns: int, cell: float) -> Field:
    """Draw smooth noise of (`_BASE`, columns)."""
    return smooth_noise(rng, max(_BASE, columns), cell)[:_BASE, :columns]


def _sky(rng: np.random.Generator, columns: int) -> Colours:
    """Draw a sky that is paler towards the horizon, with soft clouds."""
    height = np.linspace(0.0, 1.0, _BASE, dtype=np.float32)[:, None, None]
    clear = np.array((0.28, 0.45, 0.72), np.float32) * (1.0 - height) + np.array((0.70, 0.76, 0.82), np.float32) * height
    clouds = np.clip(0.25 * _noise(rng, columns, 60.0), 0.0, 0.4)[..., None]
    return np.asarray(clear + clouds * (0.85 - clear), dtype=np.float32)


def _street(rng: np.random.Generator, columns: int) -> Colours:
    """Draw buildings with windows along a pavement."""
    picture, horizon, left = _sky(rng, columns), int(_HORIZON * _BASE), 0
    while left < columns:
        right = min(columns, left + int(rng.integers(50, 130)))
        roof = int(rng.uniform(-0.2, 0.55) * horizon)
        wall = rng.uniform(0.18, 0.62) * np.array((1.0, rng.uniform(0.8, 1.0), rng.uniform(0.65, 0.95)), np.float32)
        picture[max(0, roof) : horizon, left:right] = wall
        step_down, step_right = int(rng.integers(16, 28)), int(rng.integers(11, 20))
        glass = rng.uniform(0.05, 0.35) * np.array((0.8, 0.95, 1.1), np.float32)
        for row in range(max(0, roof) + 8, horizon - 14, step_down):
            for column in range(left + 5, right - 9, step_right):
                picture[row : row + step_down // 2, column : column + step_right // 2] = glass
        left = right
    paving = 0.30 + 0.04 * _noise(rng, columns, 3.0) + 0.03 * _noise(rng, columns, 30.0)
    picture[horizon:] = paving[horizon:, :, None] * np.array((1.0, 0.98, 0.95), np.float32)
    picture[horizon : horizon + 5] = 0.42
    joint = rng.integers(22, 40)
    picture[horizon + 5 :, ::joint] *= 0.8
    return picture


def _field(rng: np.random.Generator, columns: int) -> Colours:
    """Draw hills and trees behind grass."""
    picture, horizon = _sky(rng, columns), int(_HORIZON * _BASE)
    ridge = horizon - 30 - 14 * _noise(rng, columns, 90.0)[0]
    rows = np.arange(_BASE)[:, None]
    hill = (rows > ridge[None, :]) & (rows < horizon)
    picture[hill] = np.array((0.22, 0.30, 0.20), np.float32) * rng.uniform(0.7, 1.2)
    leaves = rng.uniform(0.7, 1.3) * np.array((0.10, 0.22, 0.07), np.float32)
    texture = 1.0 + 0.25 * _noise(rng, columns, 4.0)
    for column in rng.integers(0, columns, columns // 45):
        crown, tall = int(rng.integers(14, 34)), int(rng.integers(45, 95))
        picture[horizon - tall : horizon + 6, max(0, column - 3) : column + 3] = (0.16, 0.11, 0.07)
        down, across = np.mgrid[:_BASE, :columns]
        inside = ((down - (horizon - tall)) / (crown * 1.2)) ** 2 + ((across - column) / crown) ** 2 < 1.0
        picture[inside] = leaves * texture[inside][:, None]
    grass = 0.22 + 0.05 * _noise(rng, columns, 2.5) + 0.05 * _noise(rng, columns, 26.0)
    tint = np.array((rng.uniform(0.7, 1.2), 1.25, 0.45), np.float32)
    picture[horizon:] = np.clip(grass[horizon:, :, None] * tint, 0.02, 1.0)
    return picture
