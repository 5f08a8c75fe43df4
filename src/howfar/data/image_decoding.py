"""Decode image files to 8-bit RGB within a limit of memory, and give one short reason where a file cannot be decoded.

All functions are safe in several threads; none changes Pillow's settings. While a file is decoded, warnings that rise within
Pillow are ignored, so that the outcome does not depend on the caller's warning filters.
"""

import io
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Lock, get_ident
from typing import IO, Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from howfar.data.image_bytes import opened_file
from howfar.data.image_formats import format_named, openers
from howfar.errors import ImageError, one_line
from howfar.memory import file_limit

WHITE = (255, 255, 255)
_BAND = 1 << 22
"""Pixels of a transparent picture that are converted at a time."""


def is_wide(image: Image.Image) -> bool:
    """Return whether each pixel is one number of more than 8 bits: modes ``I;16`` and kin, ``I`` and ``F``."""
    return image.mode.startswith("I") or image.mode == "F"


def to_rgb(image: Image.Image, paper: tuple[int, int, int] = WHITE) -> Image.Image:
    """Convert a loaded picture of any mode to ``RGB``, with the colour `paper` under transparent pixels.

    Numbers of 16 bits become v ↦ round(v / 257), as 32-bit integers in that range; floating values of 0-1 become 0-255. Raises
    `ImageError` for other values.
    """
    if is_wide(image):
        values = wide_values(image)
        eight = np.rint(values * 255.0) if image.mode == "F" else (values.astype(np.uint32) + 128) // 257
        grey = Image.fromarray(eight.astype(np.uint8)).convert("RGB")
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            grey.paste(paper, mask=Image.fromarray(values == transparent))
        return grey
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow inverts every CMYK JPEG, as Adobe's are; one without Adobe's marker is stored upright.
        image = Image.eval(image, lambda value: 255 - value)
    if image.has_transparency_data:
        # Premultiplied modes convert only to their own plain form.
        plain = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)) if image.mode.endswith("a") else image
        # Some rows at a time, since blending needs four pictures.
        laid = Image.new("RGB", plain.size)
        rows = max(1, _BAND // max(1, plain.width))
        for top in range(0, plain.height, rows):
            band = plain.crop((0, top, plain.width, min(plain.height, top + rows)))
            band.info = plain.info
            over = band.convert("RGBA")
            laid.paste(Image.alpha_composite(Image.new("RGBA", over.size, (*paper, 255)), over).convert("RGB"), (0, top))
        return laid
    return image.convert("RGB")


NAME_RANGE: Final = "say which become 0 to 255, as --range 0:3000"
"""The remedy for values without an agreed meaning."""


def wide_values(image: Image.Image) -> NDArray[Any]:
    """Return the values, (h, w), of a picture for which `is_wide` holds; `ImageError` if they leave the range of `to_rgb`."""
    values = np.asarray(image)
    floating = image.mode == "F"
    if floating and not np.isfinite(values).all():
        raise ImageError("floating values that are not finite")
    low, high = values.min(), values.max()
    top = 1 if floating else 65535
    if low < 0 or high > top:
        kind = "floating" if floating else "32-bit"
        raise ImageError(f"{kind} values from {low:g} to {high:g}: only 0 to {top} has an agreed meaning: {NAME_RANGE}")
    return values


# Pillow's modes of fewer bytes a pixel than four.
_SMALL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_RGB = 4
_WIDE = 5
"""Bytes of a pixel beside, while one of more than 8 bits becomes RGB."""


def decoding_bytes(image: Image.Image) -> int:
    """Compute the bytes needed to decode a picture and convert it to RGB, from its header alone."""
    kind = format_named(image.format)
    own = _SMALL.get(image.mode, 4) + (kind.decoder_bytes if kind else 0)
    return image.width * image.height * (own + _RGB + (_WIDE if is_wide(image) else 0))


_reserving = Condition()
_reserved: Counter[int] = Counter()  # bytes that each thread is decoding into
_depths: Counter[int] = Counter()  # blocks of each thread that keep them


@contextmanager
def pictures_in_use() -> Iterator[None]:
    """Keep the memory of pictures decoded in the block reserved until the block ends, as for resizing."""
    thread = get_ident()
    _depths[thread] += 1
    try:
        yield
    finally:
        _depths[thread] -= 1
        if not _depths[thread]:
            with _reserving:
                del _depths[thread], _reserved[thread]
                _reserving.notify_all()


@contextmanager
def decoding(needed: int, what: str) -> Iterator[None]:
    """Reserve memory for decoding in the block; wait for other threads' pictures, unless this thread holds one."""
    limit, thread = file_limit(), get_ident()
    if needed > limit:
        megabytes = f"{-(-needed // 10**6):,} MB to decode, above the {limit // 10**6:,} MB of memory that are allowed"
        raise ImageError(f"{what} take {megabytes}: give more (--memory), or make the picture smaller")
    with _reserving:
        if not _reserved[thread]:
            _reserving.wait_for(lambda: _reserved.total() + needed <= limit or not _reserved.total())
        _reserved[thread] += needed
    with pictures_in_use():
        yield


MAX_PIXELS = 178_956_970
"""Largest width × height that is decoded; it is where Pillow itself refuses a file as a decompression bomb."""

MIN_SIDE = 4
"""Smallest side, in pixels, of a picture that a vision model can be asked about."""

_WIDTH_TAG, _HEIGHT_TAG, _ORIENTATION_TAG = 0x0100, 0x0101, 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)
_PILLOW = ("ignore", None, Warning, re.compile(r"(PIL|rasterio|pydicom|nibabel|av)\.|howfar\.data\.medical_images$"), 0)
_FILTERS_LOCK = Lock()
for _reader in ("PIL", "nibabel", "pydicom"):
    # What these log of a damaged file is in the reason for which it is skipped.
    logging.getLogger(_reader).addHandler(logging.NullHandler())
_threads_inside = 0
# nibabel prints on stderr what it mends in a header.
logging.getLogger("nibabel.global").addFilter(lambda _: not _threads_inside)


UNKNOWN_BANDS: Final = "unknown pixel mode"
"""What Pillow says of a TIFF file whose bands it has no mode for."""
PAM: Final = b"P7\n"
"""How a picture of any number of bands begins, in netpbm's PAM (https://netpbm.sourceforge.net/doc/pam.html)."""
_PAM_HEADER: Final = re.compile(rb"P7\nWIDTH (\d{1,9})\nHEIGHT (\d{1,9})\nDEPTH (\d{1,4})\nMAXVAL 255\nENDHDR\n")
Picture: TypeAlias = "Image.Image | NDArray[np.uint8]"
"""A picture in RGB, or the bands (h, w, c) of one that `--bands` chooses other than three of."""


def picture(data: bytes) -> Picture:
    """Decode the bytes of an image file as `decode` does, and of a picture with other than three bands all of them."""
    return _bands(data) if data.startswith(PAM) else decode(data).image


def shown(data: bytes) -> Image.Image:
    """Decode the bytes of an image file to look at: of a picture with more than three bands the first three."""
    if not data.startswith(PAM):
        return decode(data).image
    values = _bands(data)
    return Image.fromarray(np.ascontiguousarray(values[..., :3])) if values.shape[2] > 2 else Image.fromarray(values[..., 0])


def _bands(data: bytes) -> NDArray[np.uint8]:
    header = _PAM_HEADER.match(data)
    if header is None:
        raise ImageError("damaged image file (its PAM header is not one of howfar)")
    width, height, depth = map(int, header.groups())
    check_size(width, height)
    if len(data) - header.end() != width * height * depth:
        raise ImageError("truncated image file")
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width, depth)


@dataclass(frozen=True)
class Decoded:
    """Hold a decoded, upright picture, and a note if the file held further frames or pages."""

    image: Image.Image
    note: str | None = None


def decode(data: bytes) -> Decoded:
    """Decode the bytes of an image file to an upright 8-bit RGB picture.

    Of several frames or pages the first is taken, and noted; transparency is laid on white; wide values are scaled by `to_rgb`;
    CMYK, YCbCr and LAB are converted without colour profiles. A cut file is refused, never filled up with grey. Raises
    `ImageError` with a short reason; size and memory are looked up before decoding.
    """
    if data.startswith(PAM):
        raise ImageError(f"{_bands(data).shape[2]} bands are no RGB picture: choose three, as --bands 3,2,1")
    with pictures_in_use():
        loaded = load(data)
        with damage_named():
            return Decoded(to_rgb(loaded.image), loaded.note)


def load(data: bytes) -> Decoded:
    """Decode an image file without conversion from its own mode (``L``, ``P``, ``I;16`` …)."""
    openers()  # plugins are imported outside of the block, so that their errors are their own
    with damage_named():
        image = open_image(io.BytesIO(data))
        check_size(*image.size)
        check_strips(image)
        frames = getattr(image, "n_frames", 1)
        with decoding(decoding_bytes(image), f"{image.width}×{image.height} pixels"):
            image.load()
            return Decoded(upright(image), f"first of {frames} frames" if frames > 1 else None)


def size(path: str | Path) -> tuple[int, int]:
    """Return an image file's width and height in pixels, upright as from `decode`, read from its header alone."""
    openers()
    with opened_file(path) as stream, damage_named():
        image = open_image(stream)
        check_size(*image.size)
        # By the tags, since whether Pillow has swapped the sides of a turned TIFF picture yet depends on its version; and by
        # the base class, since that of PNG decodes the whole file to look for tags behind the pixels.
        tags = getattr(image, "tag_v2", None) or {}
        width, height = tags.get(_WIDTH_TAG, image.width), tags.get(_HEIGHT_TAG, image.height)
        try:
            turn = _TURNS.get(Image.Image.getexif(image).get(_ORIENTATION_TAG, 1))
        except Exception:  # as in `upright`
            turn = None
        return (height, width) if turn in _SIDEWAYS else (width, height)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings from the modules that read files until the last thread has left the block.

    `warnings.catch_warnings` is no use among threads: on leaving, each puts back the list of filters that it found.
    """
    global _threads_inside
    with _FILTERS_LOCK:
        _threads_inside += 1
        if _PILLOW not in warnings.filters:
            warnings.filterwarnings("ignore", module=_PILLOW[3].pattern)
    try:
        yield
    finally:
        with _FILTERS_LOCK:
            _threads_inside -= 1
            if not _threads_inside and _PILLOW in warnings.filters:
                cast("list[object]", warnings.filters).remove(_PILLOW)


def open_image(stream: IO[bytes]) -> Image.Image:
    """Open a picture like `Image.open`, but in registered formats only and without its decompression-bomb warning."""
    failure: ImageError | None = None
    head = stream.read(16)
    for kind, factory, accept in openers():
        try:
            verdict = accept(head)
            if isinstance(verdict, str):
                raise ImageError(one_line(verdict, 100))
            if verdict:
                stream.seek(0)
                image: Image.Image = factory(stream, "")
                return image
        except Exception as error:  # a plugin may raise anything over a damaged file
            failure = failure if kind.short_magic else ImageError(_reason(error))
    raise failure or UnidentifiedImageError


def check_size(width: int, height: int) -> None:
    """Raise `ImageError` for a picture that is too small or too large to be decoded."""
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width}×{height} pixels: a side under {MIN_SIDE} px carries no picture")
    if width * height > MAX_PIXELS:
        rule = f"{width * height:,} pixels ({width}×{height}), above the limit of {MAX_PIXELS:,} pixels that no option lifts"
        raise ImageError(f"{rule}: cut it into tiles (a raster: --window 512), or make it smaller")


def check_strips(image: Image.Image) -> None:
    """Raise `ImageError` for a TIFF file whose strips or tiles do not cover the picture."""
    # Pillow leaves black what no strip or tile of a TIFF file covers.
    boxes = [tile[1] for tile in getattr(image, "tile", ()) if tile[1]]
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if image.format == "TIFF" and covered < image.width * image.height:
        raise ImageError("damaged image file (its strips do not cover the picture)")


def upright(image: Image.Image) -> Image.Image:
    """Turn a loaded picture as its EXIF orientation says."""
    # Asked after loading: Pillow turns TIFF pictures itself then, and drops the tag.
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # a damaged EXIF block says nothing about the pixels, and may raise anything
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.format = image.format
    return turned


@contextmanager
def damage_named() -> Iterator[None]:
    """Turn any error that Pillow raises in the block into an `ImageError` with the reason."""
    try:
        with quiet_pillow():
            yield
    except Exception as error:
        raise ImageError(_reason(error)) from error


@contextmanager
def reason_added(line: str, kind: type[Exception] = Exception) -> Iterator[None]:
    """Raise `ImageError` for a library's error in the block: a line with the reason in brackets."""
    try:
        yield
    except ImageError:
        raise
    except kind as error:
        raise ImageError(f"{line} ({one_line(error, 100)})") from error


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ImageError):
        return text
    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow can read"
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels in a frame or tile than the limit of {MAX_PIXELS:,}"
    if UNKNOWN_BANDS in text:
        return f"{UNKNOWN_BANDS}: bands that make no RGB picture: choose some, as --bands 3,2,1 (needs 'howfar[geo]')"
    if isinstance(error, MemoryError):
        return "too large for the memory at hand"
    if isinstance(error, EOFError) or any(word in text.lower() for word in ("truncated", "not enough image data")):
        return "truncated image file"
    return f"damaged image file ({one_line(error, 100)})"
