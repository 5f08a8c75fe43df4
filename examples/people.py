"""Render people in synthetic scenes whose identity, viewpoint, weather and light are known, for the identity study.

Body proportions and clothes make an identity; everything else varies. Files are named as those of FineGPR (Xiang et al. 2021,
https://github.com/JeremyXSC/FineGPR), ``0001_c01_w01_l01_p01.jpg``: person, camera, weather, light and scene, so that the real
dataset takes the place of the rendered one without a change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.demo.synthetic_pavement import Field, smooth_noise
from howfar.errors import InputError

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


class StreetLight(NamedTuple):
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
    StreetLight("midnight", 0.16, (0.75, 0.85, 1.25), 0.10),
    StreetLight("dawn", 0.52, (1.12, 0.95, 1.00), 0.0),
    StreetLight("forenoon", 0.88, (1.02, 1.00, 0.98), 0.0),
    StreetLight("noon", 1.08, (1.00, 1.00, 1.00), 0.0),
    StreetLight("afternoon", 0.92, (1.08, 1.00, 0.90), 0.0),
    StreetLight("dusk", 0.48, (1.25, 0.92, 0.75), 0.0),
    StreetLight("night", 0.24, (0.90, 0.92, 1.10), 0.35),
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


def weathered(picture: Surroundings, weather: Weather, light: StreetLight, rng: np.random.Generator) -> Colours:
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


VIEWS: Final = 36
"""Cameras around a person, one every 10°; the first looks at 90°, as in FineGPR."""
HEIGHT, WIDTH = 192, 96
_OVERSAMPLED: Final = 2
_QUALITY: Final = 92
Colour = tuple[float, float, float]

_SKIN: Final = ((0.93, 0.76, 0.65), (0.84, 0.63, 0.49), (0.66, 0.46, 0.33), (0.42, 0.28, 0.20))
_HAIR: Final = ((0.10, 0.08, 0.07), (0.30, 0.19, 0.11), (0.62, 0.46, 0.25), (0.55, 0.54, 0.53))
_CLOTH: Final = (
    (0.75, 0.13, 0.14),
    (0.12, 0.22, 0.50),
    (0.90, 0.89, 0.86),
    (0.12, 0.12, 0.14),
    (0.16, 0.42, 0.24),
    (0.86, 0.66, 0.16),
    (0.45, 0.30, 0.52),
    (0.52, 0.40, 0.28),
    (0.40, 0.47, 0.54),
)


class Person(NamedTuple):
    """Describe an identity: lengths are shares of a picture's height, colours are linear RGB in 0-1."""

    tall: float
    shoulders: float
    hips: float
    legs: float
    skin: Colour
    hair: Colour
    long_hair: bool
    top: Colour
    stripes: Colour | None
    long_sleeves: bool
    bottom: Colour
    skirt: bool
    shoes: Colour
    bag: Colour | None
    hat: Colour | None


class _Part(NamedTuple):
    """Describe one ellipsoid of a body: centre (right, up, forward), half axes, colour, colours of its front and stripes."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    colour: Colour
    front: Colour | None = None
    stripes: Colour | None = None
    boxy: float = 2.0


def draw_person(seed: int, number: int) -> Person:
    """Draw an identity; the same seed and number give the same person.

    Examples
    --------
    >>> draw_person(0, 1) == draw_person(0, 1), draw_person(0, 1) == draw_person(0, 2)
    (True, False)
    """
    rng = np.random.default_rng([seed, number])

    def pick(colours: Sequence[Colour]) -> Colour:
        return colours[int(rng.integers(len(colours)))]

    return Person(
        tall=float(rng.uniform(0.68, 0.84)),
        shoulders=float(rng.uniform(0.075, 0.105)),
        hips=float(rng.uniform(0.062, 0.095)),
        legs=float(rng.uniform(0.44, 0.52)),
        skin=pick(_SKIN),
        hair=pick(_HAIR),
        long_hair=bool(rng.random() < 0.45),
        top=pick(_CLOTH),
        stripes=pick(_CLOTH) if rng.random() < 0.4 else None,
        long_sleeves=bool(rng.random() < 0.55),
        bottom=pick(_CLOTH),
        skirt=bool(rng.random() < 0.3),
        shoes=pick(_CLOTH),
        bag=pick(_CLOTH) if rng.random() < 0.45 else None,
        hat=pick(_CLOTH) if rng.random() < 0.35 else None,
    )


def render(
    person: Person, view: int, weather: int, light: int, scene: int, *, seed: int = 0, height: int = HEIGHT, width: int = WIDTH
) -> NDArray[np.uint8]:
    """Render one picture of a person, uint8 (height, width, 3).

    Parameters
    ----------
    person
        Who is seen.
    view
        The camera, 1 to 36: number 1 looks at the person from 90°, each further one from 10° on.
    weather, light, scene
        Numbers from 1 into `WEATHERS`, `LIGHTS` and `SCENES`.
    seed
        Seed of what differs by chance between two pictures: step, flakes, noise of the camera.
    height, width
        Pixels.

    Raises
    ------
    InputError
        A number is out of its range.

    Examples
    --------
    >>> render(draw_person(0, 1), 1, 1, 4, 3).shape
    (192, 96, 3)
    """
    for name, value, most in (
        ("view", view, VIEWS),
        ("weather", weather, len(WEATHERS)),
        ("light", light, len(LIGHTS)),
        ("scene", scene, len(SCENES)),
    ):
        if not 1 <= value <= most:
            raise InputError.of(name, f"must lie between 1 and {most}", value)
    rng = np.random.default_rng([seed, view, weather, light, scene])
    size = (height * _OVERSAMPLED, width * _OVERSAMPLED)
    angle = math.radians((80 + 10 * view) % 360)
    picture = panorama(scene, angle, *size)
    figure, mask, foot = _figure(person, angle, rng.uniform(-1.0, 1.0), *size)
    surroundings = Surroundings(picture, figure, mask, foot)
    return _exposed(weathered(surroundings, WEATHERS[weather - 1], LIGHTS[light - 1], rng), rng)


def write_people(
    folder: str | Path,
    persons: Sequence[int] = (1, 2),
    *,
    views: Sequence[int] = tuple(range(1, VIEWS + 1)),
    weathers: Sequence[int] = tuple(range(1, 8)),
    lights: Sequence[int] = tuple(range(1, 8)),
    scenes: Sequence[int] = tuple(range(1, 10)),
    seed: int = 0,
) -> Path:
    """Write a picture of every person, view, weather and light, in scenes that take turns; return the folder.

    Two persons with everything are 3,528 pictures: 49 a view and 252 a weather or light, as in the paper's subset.

    Parameters
    ----------
    folder
        Where ``0001/0001_c01_w01_l01_p01.jpg`` … go; made where it is not there.
    persons, views, weathers, lights, scenes
        Numbers from 1.
    seed
        Seed of identities and of what differs by chance.

    Raises
    ------
    InputError
        A number is out of its range.

    Examples
    --------
    >>> import tempfile
    >>> root = write_people(Path(tempfile.mkdtemp()), (1,), views=(1,), weathers=(5,), lights=(4,))
    >>> [file.relative_to(root).as_posix() for file in root.rglob("*.jpg")]
    ['0001/0001_c01_w05_l04_p01.jpg']
    """
    root = Path(folder)
    for number in persons:
        person, below = draw_person(seed, number), root / f"{number:04d}"
        below.mkdir(parents=True, exist_ok=True)
        for place, (view, weather, light) in enumerate(product(views, weathers, lights)):
            scene = scenes[place % len(scenes)]
            picture = render(person, view, weather, light, scene, seed=seed)
            name = f"{number:04d}_c{view:02d}_w{weather:02d}_l{light:02d}_p{scene:02d}.jpg"
            Image.fromarray(picture).save(below / name, quality=_QUALITY)
    return root


def _parts(person: Person, step: float) -> Iterator[_Part]:
    """Yield the parts of a body in shares of a picture's height, feet at 0; `step` in -1 to 1 swings legs and arms."""
    tall, wide, hip = person.tall, person.shoulders, person.hips
    leg = tall * person.legs
    head, body = tall * 0.135, tall * (0.865 - person.legs)
    trunk, swing = leg + body * 0.5, 0.05 * step
    for side in (-1.0, 1.0):
        forward = side * swing
        shin = person.skin if person.skirt else person.bottom
        yield _Part((side * hip * 0.52, 0.022, forward + 0.025), (0.026, 0.020, 0.05), person.shoes)
        yield _Part((side * hip * 0.52, leg * 0.27, forward * 0.8), (0.028, leg * 0.29, 0.032), shin, boxy=3.0)
        yield _Part((side * hip * 0.50, leg * 0.72, forward * 0.3), (0.038, leg * 0.32, 0.042), person.bottom, boxy=3.0)
        sleeve = person.top if person.long_sleeves else person.skin
        yield _Part((side * (wide + 0.020), trunk + body * 0.26, -forward * 0.3), (0.026, body * 0.26, 0.030), person.top)
        yield _Part((side * (wide + 0.030), trunk - body * 0.18, -forward), (0.021, body * 0.30, 0.024), sleeve, boxy=2.5)
        yield _Part((side * (wide + 0.032), trunk - body * 0.50, -forward * 1.3), (0.018, 0.024, 0.020), person.skin)
    if person.skirt:
        yield _Part((0.0, leg * 0.80, 0.0), (hip * 1.25, leg * 0.30, hip * 1.05), person.bottom, boxy=3.5)
    yield _Part((0.0, leg + body * 0.04, 0.0), (hip, body * 0.20, hip * 0.72), person.bottom, boxy=2.6)
    yield _Part((0.0, trunk + body * 0.02, 0.0), (wide, body * 0.53, wide * 0.58), person.top, stripes=person.stripes, boxy=3.2)
    yield _Part((0.0, tall - head * 0.98, 0.0), (0.024, head * 0.30, 0.026), person.skin)
    face = (0.0, tall - head * 0.52, 0.0)
    yield _Part(face, (head * 0.40, head * 0.52, head * 0.44), person.hair, front=person.skin)
    if person.long_hair:
        yield _Part((0.0, tall - head * 0.95, -head * 0.22), (head * 0.40, head * 0.62, head * 0.24), person.hair, boxy=2.6)
    if person.bag is not None:
        yield _Part(
            (wide * 0.15, trunk + body * 0.10, -wide * 0.80), (wide * 0.72, body * 0.34, wide * 0.40), person.bag, boxy=4.0
        )
    if person.hat is not None:
        yield _Part((0.0, tall - head * 0.10, head * 0.03), (head * 0.46, head * 0.22, head * 0.52), person.hat, boxy=2.4)


def _figure(person: Person, angle: float, step: float, height: int, width: int) -> tuple[Colours, Field, float]:
    """Draw the parts from far to near: colours, coverage of the pixels in 0-1, and the row on which the feet stand."""
    colours = np.zeros((height, width, 3), np.float32)
    mask = np.zeros((height, width), np.float32)
    foot = 0.93 * height
    cos, sin = math.cos(angle), math.sin(angle)
    placed = [
        (part, cos * part.centre[0] + sin * part.centre[2], cos * part.centre[2] - sin * part.centre[0])
        for part in _parts(person, step)
    ]
    for part, right, _ in sorted(placed, key=lambda entry: entry[2]):
        across = math.hypot(part.axes[0] * cos, part.axes[2] * sin) * height
        column, row, tall = width / 2 + right * height, foot - part.centre[1] * height, part.axes[1] * height
        top, bottom = max(0, int(row - tall)), min(height, int(row + tall) + 2)
        left, end = max(0, int(column - across)), min(width, int(column + across) + 2)
        if top >= bottom or left >= end:
            continue
        x = (np.arange(left, end, dtype=np.float32)[None, :] - column) / across
        y = (row - np.arange(top, bottom, dtype=np.float32)[:, None]) / tall
        inside = np.abs(x) ** part.boxy + np.abs(y) ** part.boxy
        cover = inside < 1.0
        depth = np.sqrt(np.clip(1.0 - inside, 0.0, 1.0))
        paint = _painted(part, x, y, depth, angle)
        colours[top:bottom, left:end][cover] = paint[cover]
        mask[top:bottom, left:end][cover] = 1.0
    return colours, mask, foot


def _painted(part: _Part, x: Field, y: Field, depth: Field, angle: float) -> Colours:
    """Colour each pixel of a part by where on its surface it lies, and shade it from above and the left."""
    around = np.arctan2(x, depth + 1e-3) - angle
    around = np.abs((around + math.pi) % (2 * math.pi) - math.pi)
    colour = np.broadcast_to(np.array(part.colour, np.float32), (*depth.shape, 3)).copy()
    if part.front is not None:
        colour[(around < 1.15) & (y < 0.45)] = part.front
        eyes = (np.abs(around - 0.35) < 0.13) & (np.abs(y - 0.08) < 0.09)
        colour[eyes] = (0.08, 0.07, 0.07)
    if part.stripes is not None:
        colour[np.broadcast_to((np.floor(y * 5.0) % 2 == 0), depth.shape)] = part.stripes
    shade = 0.62 + 0.30 * depth + 0.14 * y - 0.12 * x
    return np.asarray(colour * shade[..., None], dtype=np.float32)


def _exposed(linear: Colours, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Average the oversampled pixels, add the camera's noise, and encode with a gamma of 2.2."""
    height, width = linear.shape[0] // _OVERSAMPLED, linear.shape[1] // _OVERSAMPLED
    mean = linear.reshape(height, _OVERSAMPLED, width, _OVERSAMPLED, 3).mean(axis=(1, 3))
    noisy = mean + rng.normal(0.0, 0.008, mean.shape) * (0.4 + np.sqrt(np.clip(mean, 0.0, 1.0)))
    return np.asarray(np.rint(255.0 * np.clip(noisy, 0.0, 1.0) ** (1 / 2.2)), dtype=np.uint8)
