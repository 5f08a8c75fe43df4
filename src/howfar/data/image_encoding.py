"""Convert images in memory (Pillow, arrays, tensors, file bytes) to the bytes of an image file, without loss.

Pixels are written as PPM or PGM, which are a short header and the pixels themselves, so that the content hash of an image in
memory is one of its pixels: it does not depend on how a version of a library compresses.
"""

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from howfar.data.image_bytes import read_bytes
from howfar.data.image_decoding import PAM, reason_added, to_rgb
from howfar.errors import ImageError

CHANNELS: Final = (1, 3, 4)
_PICTURE: Final = "a picture is uint8 of 0-255, or floating values of 0-1"
_NORMALISED: Final = "give images as they are before they are normalised"
_ROUNDING: Final = 1e-4
_BYTES: Final = 25
"""A largest value from which on floating values are taken for those of bytes."""


def file_bytes(value: object, mask: bool = False) -> bytes:
    """Convert one picture in memory to the bytes of an image file; raise `ImageError` where it is no picture.

    `value` is a Pillow image; an array or tensor of (h, w), (h, w, c) or (c, h, w), uint8 or floating of 0-1; a file's bytes or
    path; or Hugging Face's mapping of ``bytes`` and ``path``. A `mask` may hold any integers up to 255, and truth values.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (str, Path)):
        return read_bytes(value)
    if isinstance(value, Image.Image):
        return _of_picture(value, mask)
    if isinstance(value, Mapping) and (value.get("bytes") is not None or value.get("path")):
        content = value.get("bytes")
        return read_bytes(str(value["path"])) if content is None else bytes(content)
    array = as_array(value)
    if array is None:
        raise ImageError(f"{named(value)} and no picture")
    return _of_array(array, mask)


def as_array(value: object) -> NDArray[Any] | None:
    """Return an array or tensor as a NumPy array on the CPU; None for anything else."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a torch tensor, which may want a gradient or lie on a GPU
        tensor: Any = value
        tensor = tensor.detach().cpu()
        return np.asarray(tensor.float() if "bfloat16" in str(tensor.dtype) else tensor)
    return np.asarray(value) if hasattr(value, "__array__") else None


def shape_of(value: object) -> tuple[int, ...]:
    """Return the shape of an array or tensor; () for anything else."""
    shape = getattr(value, "shape", ())
    return tuple(shape) if hasattr(value, "dtype") and isinstance(shape, tuple) else ()


def named(value: object) -> str:
    """Describe a value in a few words for an error line."""
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, Mapping):
        return f"a {kind} of {', '.join(map(str, list(value)[:5])) or 'nothing'}"
    if isinstance(value, (list, tuple)):
        return f"a {kind} of {', '.join(type(part).__name__ for part in value[:5]) or 'nothing'}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')} values of shape {tuple(value.shape)}"
    return kind


def _of_picture(picture: Image.Image, mask: bool) -> bytes:
    # The file of a picture that is opened but not loaded keeps a list of such out of memory.
    if isinstance(picture, ImageFile.ImageFile) and picture.tile and isinstance(picture.filename, (str, Path)):
        with suppress(ImageError):
            if picture.filename and not picture.tell():
                return read_bytes(picture.filename)
    with reason_added("a picture that cannot be loaded"):  # one that was opened and not yet loaded may be damaged in any way
        upright = ImageOps.exif_transpose(picture)
        upright.format = picture.format
        if upright.mode == "1":
            upright = upright.convert("L")
        if mask and upright.mode != "L":
            return png_bytes(upright)
        if upright.mode != "L" or upright.has_transparency_data:
            upright = to_rgb(upright)
    return netpbm(np.asarray(upright))


def png_bytes(picture: Image.Image) -> bytes:
    """Encode a picture as PNG, a mask in its own mode (palette, 16 bits, transparency), which the mask reader interprets."""
    buffer = io.BytesIO()
    plain = picture if picture.mode in ("P", "RGB", "RGBA", "LA", "I;16", "I") else to_rgb(picture)
    plain.save(buffer, "png")
    return buffer.getvalue()


def _of_array(array: NDArray[Any], mask: bool) -> bytes:
    if array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in CHANNELS):
        raise ImageError(f"an array of shape {array.shape}: a picture is (h, w), (h, w, 3) or (3, h, w)")
    array = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if not array.size:
        raise ImageError(f"an array of shape {array.shape}: no pixels")
    levels = _levels(array, mask)
    if levels.ndim == 3 and levels.shape[2] == 4:
        levels = np.asarray(to_rgb(Image.fromarray(levels, "RGBA")))
    return netpbm(levels)


def _levels(array: NDArray[Any], mask: bool) -> NDArray[np.uint8]:
    """Convert a picture's values to uint8 of 0-255."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ImageError(f"floating values that are not finite: {_PICTURE}")
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            remedy = "cast values of 0-255 to uint8" if low >= 0 and _BYTES < high <= 255 else _NORMALISED
            raise ImageError(f"floating values from {low:.3g} to {high:.3g}, where {_PICTURE}: {remedy}")
        return np.asarray(np.rint(np.clip(array, 0.0, 1.0).astype(np.float64) * 255), dtype=np.uint8)
    if mask and array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255:
        return np.asarray(array, dtype=np.uint8)
    raise ImageError(f"{array.dtype} values, where {_PICTURE}")


def netpbm(levels: NDArray[np.uint8]) -> bytes:
    """Write pixels, (h, w) or (h, w, bands), as PGM or PPM, or PAM where there are other than one or three bands."""
    height, width, depth = levels.shape if levels.ndim == 3 else (*levels.shape, 1)
    header = PAM + b"WIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL 255\nENDHDR\n" % (width, height, depth)
    if depth in (1, 3):
        header = b"P%d\n%d %d\n255\n" % (5 if depth == 1 else 6, width, height)
    return b"".join((header, np.ascontiguousarray(levels).data.cast("B")))
