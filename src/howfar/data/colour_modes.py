"""Convert images of any Pillow mode (palette, 16-bit, CMYK, alpha …) to 8-bit RGB by one stated rule for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.errors import ImageError

WHITE = (255, 255, 255)
_BAND = 1 << 22
"""Pixels of a transparent picture that are converted at a time."""


def is_wide(image: Image.Image) -> bool:
    """Return whether each pixel is one number of more than 8 bits: modes ``I;16`` and kin, ``I`` and ``F``.

    Examples
    --------
    >>> is_wide(Image.new("I;16", (4, 4))), is_wide(Image.new("L", (4, 4)))
    (True, False)
    """
    return image.mode.startswith("I") or image.mode == "F"


def to_rgb(image: Image.Image, paper: tuple[int, int, int] = WHITE) -> Image.Image:
    """Convert a loaded picture of any mode to ``RGB``, with the colour `paper` under transparent pixels.

    Of one number of 16 bits, 0-65535 becomes 0-255, v ↦ round(v / 257); of 32-bit integers the same, where they lie in that
    range; of floating values 0-1 becomes 0-255. Raises `ImageError` for values outside the range that has an agreed meaning.

    Examples
    --------
    >>> to_rgb(Image.new("I;16", (4, 4), 65535)).getpixel((0, 0))
    (255, 255, 255)
    >>> to_rgb(Image.new("RGBA", (4, 4), (255, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if is_wide(image):
        return _wide_to_rgb(image, paper)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow inverts every CMYK JPEG, as Adobe's are; one without Adobe's marker is stored upright.
        image = Image.eval(image, lambda value: 255 - value)
    if image.has_transparency_data:
        # Premultiplied modes convert only to their own plain form.
        plain = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)) if image.mode.endswith("a") else image
        return _laid_on(plain, paper)
    return image.convert("RGB")


def _laid_on(image: Image.Image, paper: tuple[int, int, int]) -> Image.Image:
    """Lay a transparent picture on a colour, some rows at a time, since the steps need four pictures."""
    laid = Image.new("RGB", image.size)
    rows = max(1, _BAND // max(1, image.width))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(image.height, top + rows)))
        band.info = image.info
        over = band.convert("RGBA")
        laid.paste(Image.alpha_composite(Image.new("RGBA", over.size, (*paper, 255)), over).convert("RGB"), (0, top))
    return laid


def wide_values(image: Image.Image) -> NDArray[Any]:
    """Return the numbers of a picture for which `is_wide` holds, shape (h, w), each within the range that `to_rgb` states.

    Raises `ImageError` for values outside that range, or not finite.
    """
    values = np.asarray(image)
    floating = image.mode == "F"
    if floating and not np.isfinite(values).all():
        raise ImageError("floating values that are not finite")
    low, high = values.min(), values.max()
    top = 1 if floating else 65535
    if low < 0 or high > top:
        kind = "floating" if floating else "32-bit"
        raise ImageError(f"{kind} values from {low:g} to {high:g}: only 0 to {top} has an agreed meaning")
    return values


def _wide_to_rgb(image: Image.Image, paper: tuple[int, int, int]) -> Image.Image:
    values = wide_values(image)
    eight = np.rint(values * 255.0) if image.mode == "F" else (values.astype(np.uint32) + 128) // 257
    grey = Image.fromarray(eight.astype(np.uint8)).convert("RGB")
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.paste(paper, mask=Image.fromarray(values == transparent))
    return grey
