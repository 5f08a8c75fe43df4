"""Read maps of classes: index or palette images, and arrays of indices or of class probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.arrays import Float64Array
from howfar.data.colour_modes import is_wide, to_rgb, wide_values
from howfar.data.decoding_memory import pictures_in_use
from howfar.data.images import damage_named, load
from howfar.data.masks import LOSSY
from howfar.data.predictions import ARRAYS, array_in
from howfar.data.read import read_bytes
from howfar.errors import ImageError, InputError
from howfar.metrics.multiclass import as_probabilities

_COPIES = 3
"""How many times probabilities are held while they are checked: as they lie in the file, as float64, and their sums."""


class ClassMap(NamedTuple):
    """Hold the class of each pixel, (h, w), and the probabilities of the classes, (k, h, w), where they are known."""

    indices: NDArray[np.int64]
    probabilities: Float64Array | None = None


def read_class_mask(path: str | Path) -> NDArray[np.int64]:
    """Read a mask of classes: the index of a palette's colour, or the grey value, is the class of a pixel; (h, w).

    Raises `ImageError` as `howfar.data.read_bytes` and `howfar.data.decode`, for a colour picture, and for a lossy format.
    """
    return decode_class_mask(read_bytes(path))


def decode_class_mask(data: bytes) -> NDArray[np.int64]:
    """Decode the bytes of a mask of classes; raises as `read_class_mask`."""
    with pictures_in_use():
        image = load(data).image
        if image.format in LOSSY:
            raise ImageError(f"{image.format} alters the numbers of classes: save PNG")
        with damage_named():
            return _indices(image)


def read_class_map(path: str | Path) -> ClassMap:
    """Read a predicted map of classes: an image as `read_class_mask`, or an array in ``.npy`` or ``.npz``.

    An array is (h, w) class indices, or (k, h, w) probabilities of k classes, floats or bytes with p = value / 255. Raises
    `ImageError` as `read_class_mask`, and for an array of another form.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "1.npy"
    >>> np.save(file, np.array([[[0.9, 0.2]], [[0.1, 0.8]]]))
    >>> read_class_map(file).indices
    array([[0, 1]])
    """
    data = read_bytes(path)
    if Path(path).suffix.lower() not in ARRAYS:
        return ClassMap(decode_class_mask(data))
    array = array_in(data, path, _COPIES)
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.size == 0:
        raise ImageError(f"an array of shape {array.shape} holds nothing")
    if array.ndim == 3:
        try:
            p = as_probabilities(array)
        except InputError as error:
            raise ImageError(str(error).removeprefix("prediction ")) from error
        return ClassMap(p.argmax(axis=0), p)
    if array.ndim != 2 or array.dtype.kind not in "iub" or int(array.min()) < 0:
        form = "save (h, w) whole numbers of classes, or (classes, h, w) probabilities"
        raise ImageError(f"an array of {array.dtype} of shape {array.shape}: {form}")
    return ClassMap(array.astype(np.int64))


def _indices(image: Image.Image) -> NDArray[np.int64]:
    values: NDArray[Any]
    if image.mode in ("P", "L"):
        values = np.asarray(image)
    elif image.mode == "1":
        values = np.asarray(image).astype(np.uint8)
    elif is_wide(image) and image.mode != "F":
        values = wide_values(image)
    else:
        channels = np.asarray(to_rgb(image)) if image.mode != "F" else np.array([[[0, 1]]])
        if not (channels == channels[..., :1]).all():
            raise ImageError("a colour picture and no map of classes: save the numbers of classes as a grey or palette PNG")
        values = channels[..., 0]
    return values.astype(np.int64)
