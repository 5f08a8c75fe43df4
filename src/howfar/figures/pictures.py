"""Read photographs, masks and probability maps at small size, and draw them within unit squares of a sheet of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from howfar.errors import HowfarError
from howfar.figures.style import GRID, MUTED
from howfar.io.location import is_in_memory

SIDE = 144
NONE = "none"


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """Hold a picture of at most 144 pixels a side, or the reason why there is none."""

    pixels: NDArray[np.uint8] | None
    reason: str = ""


class Shown(NamedTuple):
    """Name the image that stands for a dataset, and why."""

    dataset: str
    image: str
    reason: str


def middle(images: pd.DataFrame, column: str) -> str:
    """Name the image in the middle by a column, the lower of an even number, ties by name."""
    ordered = images.sort_values(list(dict.fromkeys((column, "image"))), kind="stable")
    return str(ordered["image"].iloc[(len(ordered) - 1) // 2])


def thumbnail(path: str) -> Thumbnail:
    """Read one image at small size: a file, a member of a container, or what lies behind a URL."""
    from howfar.data import decode, read_bytes
    from howfar.data.read import exists

    if not path:
        return Thumbnail(None, "no file")
    if not exists(path):
        return Thumbnail(None, "was in memory" if is_in_memory(path) else "not found")
    try:
        image = decode(read_bytes(path)).image
    except (HowfarError, OSError):
        return Thumbnail(None, "unreadable")
    image.thumbnail((SIDE, SIDE))
    return Thumbnail(np.asarray(image.convert("RGB"), dtype=np.uint8))


def truth(path: str) -> Thumbnail:
    """Read a mask at small size; where an image has none, the reason is "none"."""
    from howfar.data.masks import read_mask
    from howfar.data.read import exists

    if not path:
        return Thumbnail(None, NONE)
    if not exists(path):
        return Thumbnail(None, "not found")
    return grey(lambda: read_mask(path).astype(np.float64))


def probabilities(file: Path) -> Thumbnail:
    """Read a probability map at small size, white being certain."""
    from howfar.data.predictions import read_prediction

    if not file.is_file():
        return Thumbnail(None, "not found")
    return grey(lambda: read_prediction(file).values)


def grey(read: Callable[[], NDArray[Any]]) -> Thumbnail:
    """Make of a map or mask a grey picture of at most 144 pixels a side, or give the reason why there is none."""
    try:
        p = unit_values(read())
    except (HowfarError, OSError):
        return Thumbnail(None, "unreadable")
    scale = min(1.0, SIDE / max(p.shape))
    height, width = (max(1, round(scale * side)) for side in p.shape)
    shade = np.round(255 * highest(p, height, width)).astype(np.uint8)
    return Thumbnail(np.repeat(shade[..., None], 3, axis=2))


def unit_values(values: NDArray[Any]) -> NDArray[np.float64]:
    """Bring a map of bytes, or of probabilities, to probabilities in float64."""
    return values / 255 if values.dtype == np.uint8 else np.asarray(values, dtype=np.float64)


def highest(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Bring an array to another size: each pixel the highest value that it covers; enlarged, the nearest."""
    for axis, size in enumerate((height, width)):
        length = values.shape[axis]
        if length > size:
            values = np.maximum.reduceat(values, np.arange(size) * length // size, axis=axis)
        elif length < size:
            values = np.take(values, np.arange(size) * length // size, axis=axis)
    return values


def extent(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Compute width and height of a picture whose longer side is 1."""
    height, width = pixels.shape[:2]
    return width / max(height, width), height / max(height, width)


def square(axes: Axes, picture: Thumbnail, label: str, left: float, top: float) -> None:
    """Draw a picture within a unit square, or a box with the reason why there is none."""
    if picture.pixels is None:
        _box(axes, picture.reason, label, left, top)
        return
    wide, high = extent(picture.pixels)
    x, y = left + (1 - wide) / 2, top + (1 - high) / 2
    axes.imshow(picture.pixels, extent=(x, x + wide, y + high, y), interpolation="antialiased", label=label)


def _box(axes: Axes, reason: str, label: str, left: float, top: float) -> None:
    axes.add_patch(Rectangle((left, top), 1, 1, facecolor=GRID, alpha=0.5, edgecolor=MUTED, linewidth=0.6, label=label))
    style: dict[str, Any] = {"fontsize": 6.5, "ha": "center", "va": "center", "color": MUTED, "parse_math": False}
    axes.text(left + 0.5, top + 0.5, reason, **style)
