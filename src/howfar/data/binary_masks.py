"""Read ground-truth masks of segmentation as boolean arrays, and resize them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from howfar.data.image_bytes import content_hash, read_bytes
from howfar.data.image_decoding import damage_named, is_wide, load, pictures_in_use, to_rgb, wide_values
from howfar.data.image_formats import is_lossy
from howfar.errors import ImageError
from howfar.image_reading_options import Colour, file_and_colour

BLACK = (0, 0, 0)
ABOVE = 127


_PIXELS = 1024
"""Pixels from which on a file shows whether it is a picture and no mask."""
_NEITHER = slice(32, 224)
"""Levels that are near neither black nor white."""
_COMMON = 8
"""The levels most in use: those of the ground and a class or two, and what JPEG makes of them."""
_CLASSES = 32
"""Levels that a mask of many classes may have."""
_NEAR = 32
"""How far JPEG and resizing move a level, or a channel of a colour."""
_SHARE = 0.01
"""Share of a mask that a third level or colour covers where edges do not explain it."""


class Mask(NamedTuple):
    """Hold a mask's foreground (h, w), whether a lossless file has grey levels, and the hash of the file and of its colour."""

    foreground: NDArray[np.bool_]
    grey: bool
    content: str

    @classmethod
    def read(cls, path: str | Path) -> Mask:
        """Read a mask file."""
        file, colour = file_and_colour(path)
        return cls.decode(read_bytes(file), colour)

    @classmethod
    def decode(cls, data: bytes, colour: Colour | None = None) -> Mask:
        """Decode a mask file's bytes, by its foreground colour if given."""
        return cls(*_decoded(data, colour), _content(data, colour))


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask file as an (h, w) array of bool: foreground where the brightest channel is above 127 of 255.

    Transparent pixels are background; 16-bit values are scaled to 0-255 first, unless none is above 255. With the option
    `foreground`, foreground has that colour, in a lossy format within 32 levels of each channel. Raises `ImageError` for a
    picture, and for a lossless mask that is dark throughout, or has more than two values without such a colour.
    """
    return Mask.read(path).foreground


def mask_content(path: str | Path) -> str:
    """Compute the content hash of a mask file, as `Mask.read` does, without decoding it."""
    file, colour = file_and_colour(path)
    return _content(read_bytes(file), colour)


def _content(data: bytes, colour: Colour | None) -> str:
    return content_hash(data if colour is None else data + f"foreground={colour}".encode())


def _decoded(data: bytes, colour: Colour | None) -> tuple[NDArray[np.bool_], bool]:
    with pictures_in_use():
        image = load(data).image
        with damage_named():
            if is_wide(image) and image.mode != "F" and wide_values(image).max() <= 255:
                channels = wide_values(image).astype(np.uint8)[..., None]
            else:
                channels = np.asarray(to_rgb(image, paper=BLACK))
    lossy = is_lossy(image.format)
    if colour is not None:
        apart = np.abs(channels.astype(np.int16) - np.array(colour, np.int16)).max(axis=2)
        return apart <= (_NEAR if lossy else 0), False
    values = channels.max(axis=2)
    top = int(values.max())
    if top == 1 and not lossy:
        raise ImageError("a mask of 0 and 1: foreground is above 127, so multiply it by 255, or pass --foreground 1")
    if 1 < top <= ABOVE and not lossy:
        line = f"a mask whose brightest value is {top}: foreground is above {ABOVE}, so write it as 255"
        raise ImageError(f"{line}, or pass --foreground {top}")
    counts = np.bincount(values.ravel(), minlength=256)
    levels = np.count_nonzero(counts)
    # A photograph has many levels, few of which are common or near black or white.
    common, neither = int(np.sort(counts)[-_COMMON:].sum()), int(counts[_NEITHER].sum())
    if values.size >= _PIXELS and levels > _CLASSES and 2 * common < values.size < 2 * neither:
        line = f"a picture and no mask: {neither / values.size:.0%} of it is near neither black nor white, on {levels} levels"
        raise ImageError(f"{line}; name the mask's file, with 255 for the foreground and 0 for all else")
    _refuse_colours(channels, lossy)
    if levels > 1:
        _refuse_levels(values, counts, lossy)
    return values > ABOVE, bool(levels > 2) and not lossy


def _refuse_colours(channels: NDArray[np.uint8], lossy: bool) -> None:
    """Raise `ImageError` for colours other than one background, one foreground and the edges between them."""
    if channels.shape[2] == 1 or int((channels.max(axis=2) - channels.min(axis=2)).max()) <= _NEAR:
        return
    colours, counts = np.unique(channels.reshape(-1, channels.shape[2]), axis=0, return_counts=True)
    bright, plain = colours.max(axis=1) > ABOVE, not lossy and len(colours) <= _COMMON
    if not bright.any():
        return
    places = colours.astype(np.float64)
    end = places[np.where(bright, counts, 0).argmax()]
    dark = np.where(bright, 0, counts)
    start = places[dark.argmax()] if dark.any() else end
    along = end - start
    share = np.clip((places - start) @ along / max(1.0, float(along @ along)), 0.0, 1.0)
    third = np.abs(places - start - share[:, None] * along).max(axis=1) > (_NEAR if plain else 2 * _NEAR)
    if counts[third].sum() > (0 if plain else _SHARE * counts.sum()):
        common = [Colour(*colours[place].tolist()) for place in np.argsort(-counts)[:4]]
        raise _not_binary(common, len(colours), "colours")


def _refuse_levels(values: NDArray[np.uint8], counts: NDArray[np.int64], lossy: bool) -> None:
    """Raise `ImageError` for grey levels other than background, foreground and the edges between them."""
    levels = np.flatnonzero(counts)
    plain = not lossy and len(levels) <= _COMMON
    below, above = np.where(levels > ABOVE, 0, counts[levels]), np.where(levels > ABOVE, counts[levels], 0)
    if not above.any():
        return
    third = np.abs(levels - levels[above.argmax()]) > _NEAR
    if below.max() > (0 if plain else _SHARE * values.size):
        ground = levels[below.argmax()]
        third &= (levels != ground) if plain else (np.abs(levels - ground) > _NEAR)
    if not third.any():
        return
    if not (plain and len(levels) <= 3):
        # Edges leave no area of one level, and few pixels.
        across = (values[:, 1:-1] == values[:, :-2]) & (values[:, 1:-1] == values[:, 2:])
        down = (values[1:-1] == values[:-2]) & (values[1:-1] == values[2:])
        flat = across[1:-1] & across[:-2] & across[2:] & down[:, 1:-1]
        covered = np.isin(values[1:-1, 1:-1][flat], levels[third]).sum()
        if covered <= (0 if plain else _SHARE * values.size):
            return
    order = levels[np.argsort(-counts[levels])]
    raise _not_binary([Colour(*[int(level)] * 3) for level in sorted(order[:4])], len(levels), "values")


def _not_binary(common: list[Colour], count: int, what: str) -> ImageError:
    shown = ", ".join(map(str, common)) + (" …" if count > len(common) else "")
    rule = f"a mask of the {what} {shown}: it must have two, background up to {ABOVE} and foreground above"
    last = str(common[-1])
    return ImageError(f"{rule}; name the one that is foreground, as --foreground {last if last.isdecimal() else repr(last)}")


def resize_mask(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Resize an (h, w) mask without losing thin lines: shrink by "any pixel covered", enlarge by nearest pixel."""
    return _resize_rows(_resize_rows(mask, height).T, width).T


def _resize_rows(mask: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    height = mask.shape[0]
    rows = np.arange(count)
    if count >= height:
        nearest: NDArray[np.bool_] = mask[(2 * rows + 1) * height // (2 * count)]
        return nearest
    first, last = rows * height // count, -(-(rows + 1) * height // count)
    sums = np.concatenate([np.zeros((1, mask.shape[1]), np.int64), np.cumsum(mask, axis=0)])
    covered: NDArray[np.bool_] = sums[last] > sums[first]
    return covered
