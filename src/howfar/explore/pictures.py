"""Read the photograph, the mask and the prediction of an image, at full size or small, as files that browsers show."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Dataset, decode, parse, read_bytes
from howfar.data.masks import read_mask, resize_mask
from howfar.data.predictions import read_prediction
from howfar.errors import HowfarError, ImageError
from howfar.io.location import is_url

SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
QUALITY = 90


def photograph(path: str, side: int | None = None) -> Image.Image:
    """Read an image upright as RGB, at most `side` pixels a side. Raises `ImageError` where it cannot be read."""
    if not path:
        raise ImageError("no file")
    image = decode(read_bytes(path)).image
    if side is not None:
        image.thumbnail((side, side))
    return image


def mask(path: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Read a mask as white on black, brought to (width, height) without losing thin lines. Raises `ImageError`."""
    foreground = read_mask(path)
    if size is not None:
        foreground = resize_mask(foreground, size[1], size[0])
    return Image.fromarray(foreground.astype(np.uint8) * np.uint8(255))


def probabilities(path: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Read a probability map as 8-bit grey, brought to (width, height), each pixel the highest that it covers."""
    from howfar.figures.pictures import highest, unit_values

    values: NDArray[np.float64] = unit_values(read_prediction(path).values)
    if size is not None:
        values = highest(values, size[1], size[0])
    return Image.fromarray(np.round(255 * values).astype(np.uint8))


def encoded(image: Image.Image, kind: str, quality: int = QUALITY, effort: int = 4) -> bytes:
    """Write a picture as the bytes of a file: "WEBP", which takes longer and is smaller with more effort, "PNG" or "JPEG"."""
    buffer = io.BytesIO()
    options = {"quality": quality, "method": effort} if kind == "WEBP" else {"quality": quality} if kind == "JPEG" else {}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def masks_of(sources: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Find the masks of a run's images, by dataset and image, where its datasets are on this machine and still there.

    A dataset that cannot be listed again has no masks on the page; nothing is fetched from elsewhere to look for them.
    """
    found: dict[tuple[str, str], str] = {}
    for name, source in sources.items():
        if is_url(source) or not Path(source).exists():
            continue
        try:
            dataset = parse(source, name)
        except HowfarError:
            continue
        if isinstance(dataset, Dataset):
            found |= {(name, item.name): str(item.mask) for item in dataset.items if item.mask is not None}
    return found
