"""Read probability maps, one file an image, and match them to the images of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.arrays import FloatArray
from howfar.data.colour_modes import is_wide, to_rgb, wide_values
from howfar.data.dataset import Dataset
from howfar.data.decoding_memory import pictures_in_use
from howfar.data.folder_walk import EXTENSIONS, natural_key, printable, stem, walk
from howfar.data.images import damage_named, load
from howfar.data.masks import LOSSY
from howfar.data.prediction_matching import match_names, no_match
from howfar.data.read import read_bytes
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.io.location import absolute
from howfar.io.npy import read_array, read_packed_array
from howfar.memory import check_file

ARRAYS = (".npy", ".npz")
"""Endings of files that hold one array."""


class Prediction(NamedTuple):
    """Hold one map, shape (h, w): uint8 of 0-255, or floats of 0-1.

    `lossy`: its format alters values (JPEG). `faint`: of its whole numbers none is above 1 (of 16 bits, above 255), and not
    all are 0. That may be a model that is sure there is nothing, or p written as 0 and 1; one map alone does not tell.
    """

    values: NDArray[np.uint8] | FloatArray
    lossy: bool = False
    faint: bool = False


@dataclass(frozen=True)
class MatchedMaps:
    """Hold the maps of a folder, matched to the images of a dataset.

    `files` gives each image's map by the image's name, `missing` the reason why an image has none. `extra` are maps that belong
    to no image, as paths below the folder, in natural order. `doubled` are images for which there is more than one map; `files`
    holds the one that is taken.
    """

    folder: Path
    files: Mapping[str, Path]
    missing: Mapping[str, str]
    extra: tuple[str, ...]
    doubled: tuple[str, ...]


def match_maps(dataset: Dataset, folder: str | Path) -> MatchedMaps:
    """Find the map of every image: the image file or array below `folder` with the same path but for the ending.

    An image's path is its name in the dataset, or what `howfar.data.prediction_matching.match_names` makes of it. Of several
    maps for one image the PNG is taken, else the first by name. Raises `MissingPathError` where there is no such folder, and
    `InputError` where it is not a folder, holds no map, or none that matches an image.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.data import Item
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("L", (4, 4)).save(folder / "1.png")
    >>> roads = Dataset("roads", (Item("1.jpg", Path("1.jpg")), Item("2.jpg", Path("2.jpg"))))
    >>> match_maps(roads, folder).missing
    {'2.jpg': 'no map 2.* below ...'}
    """
    root = absolute(folder)
    if not root.exists():
        raise MissingPathError(f"no folder of predictions at {root}: check the path")
    if not root.is_dir():
        raise InputError.of("predictions", "must be a folder of probability maps", str(root), "name the folder that holds them")
    maps, faults = _list(root)
    if not maps and not faults:
        raise InputError(f"no map below {root}: predictions are 8-bit grey images (or .npy arrays), one for each image")
    keys = match_names(dataset, maps)
    files = {name: maps[key][0] for name, key in keys.items() if key in maps}
    if not files:
        paths = [_below(paths[0], root) for paths in maps.values()] or list(faults)
        raise InputError(no_match(dataset, "map", printable(root), paths))
    used = set(keys.values())
    shown = printable(root)
    return MatchedMaps(
        folder=root,
        files=files,
        missing={name: faults.get(key, f"no map {key}.* below {shown}") for name, key in keys.items() if key not in maps},
        extra=tuple(_below(paths[0], root) for key, paths in maps.items() if key not in used),
        doubled=tuple(name for name, key in keys.items() if len(maps.get(key, ())) > 1),
    )


def _list(root: Path) -> tuple[dict[str, list[Path]], dict[str, str]]:
    """List maps below a folder by path without ending, the preferred one first; and the same for what cannot be read."""
    walked = walk(root, endings={*EXTENSIONS, *ARRAYS})
    maps: dict[str, list[Path]] = {}
    ordered = sorted(walked.images, key=lambda file: (file.suffix.lower() != ".png", file.name))
    for file in sorted(ordered, key=lambda file: natural_key(stem(_below(file, root)))):
        maps.setdefault(stem(_below(file, root)), []).append(file)
    faults = {stem(_below(file, root)): f"{printable(file)}: {reason}" for file, reason in walked.faults}
    return maps, faults


def _below(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def read_prediction(path: str | Path) -> Prediction:
    """Read a probability map from an image file, ``.npy`` or ``.npz``: 8-bit grey, p = value / 255.

    Colour pictures count where their three channels are equal, 1-bit ones as 0 and 1. 16-bit grey keeps its precision, p =
    value / 65535, as do floating TIFF pictures and arrays, p = value; arrays of bytes are 8-bit grey. Raises
    `ImageError` as `howfar.data.read_bytes` and `howfar.data.decode`, and for colours, transparency or values outside the
    range.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "1.png"
    >>> Image.fromarray(np.array([[0, 51, 102, 255]] * 4, np.uint8)).save(file)
    >>> read_prediction(file).values[0]
    array([  0,  51, 102, 255], dtype=uint8)
    """
    data = read_bytes(path)
    if Path(path).suffix.lower() in ARRAYS:
        values, lossy = _array(array_in(data, path)), False
    else:
        with pictures_in_use():
            image = load(data).image
            with damage_named():
                values, lossy = _picture(image), image.format in LOSSY
    return Prediction(_unit(values), lossy, _faint(values))


def _faint(values: NDArray[Any]) -> bool:
    if values.dtype.kind != "u":
        return False
    return 0 < int(values.max()) <= (1 if values.dtype == np.uint8 else 255)


def _unit(values: NDArray[Any]) -> NDArray[Any]:
    """Turn 16-bit values into p = value / 65535; others are in their form already."""
    return values / 65535.0 if values.dtype == np.uint16 else values


def _picture(image: Image.Image) -> NDArray[Any]:
    if _see_through(image):
        raise ImageError("transparent pixels have no probability: save the map without transparency")
    if image.mode == "F":
        return wide_values(image)
    if is_wide(image):
        return wide_values(image).astype(np.uint16)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    channels = np.asarray(to_rgb(image))
    if not (channels == channels[..., :1]).all():
        raise ImageError("a colour picture, not a probability map: save one grey value for each pixel, p × 255")
    return np.ascontiguousarray(channels[..., 0])


def _see_through(image: Image.Image) -> bool:
    if image.mode.endswith(("A", "a")):
        return image.getchannel(image.mode[-1]).getextrema() != (255, 255)
    if is_wide(image):  # it cannot become RGBA; what is transparent is one of its values
        return "transparency" in image.info and bool((np.asarray(image) == image.info["transparency"]).any())
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def array_in(data: bytes, path: str | Path, copies: int = 1) -> NDArray[Any]:
    """Make the array that the bytes of a ``.npy`` or ``.npz`` file hold, which is held `copies` times afterwards.

    Raises `ImageError` where they are damaged or hold several arrays, and `InputError` where it takes more memory than is
    allowed.
    """
    if Path(path).suffix.lower() == ARRAYS[1]:
        try:
            return read_packed_array(data, lambda needed: check_file((1 + copies) * needed, path, len(data)))
        except InputError:
            raise
        except ValueError as error:
            raise ImageError(f"no .npz of one array: {error}") from error
    check_file(copies * len(data), path, len(data))
    try:
        return read_array(data)
    except ValueError as error:
        if is_zipfile(BytesIO(data)):
            raise ImageError("an archive of arrays: call it .npz") from error
        raise ImageError("not a .npy array of numbers, or damaged") from error


def _array(array: NDArray[Any]) -> NDArray[Any]:
    shape = array.shape
    array = array.reshape([side for side in shape if side != 1]) if array.ndim > 2 else array
    if array.ndim != 2 or array.size == 0:
        raise ImageError(f"an array of shape {shape}: a map has two axes (height, width); save the foreground's channel")
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype in (np.uint8, np.uint16):
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype}: a map holds bytes (0-255) or floats (0-1)")
    return _checked(array)


def _checked(array: FloatArray) -> FloatArray:
    if not np.isfinite(array).all():
        raise ImageError("NaN or infinity among the probabilities")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        remedy = "divide them by 255" if low >= 0 and high <= 255 and high > 2 else "save the sigmoid or softmax of logits"
        raise ImageError(f"values from {low:.4g} to {high:.4g}: probabilities lie within 0-1: {remedy}")
    return array
