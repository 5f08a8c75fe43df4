"""Read predicted maps (probabilities or classes of pixels), one file per image, and write probability maps as PNG."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from howfar.arrays import Float64Array, FloatArray
from howfar.data.compact_item_table import Item
from howfar.data.dataset import Dataset
from howfar.data.image_and_mask_folders import natural_key, path_text, stem, walk_names
from howfar.data.image_bytes import read_bytes
from howfar.data.image_decoding import damage_named, is_wide, load, pictures_in_use, quiet_pillow, to_rgb, wide_values
from howfar.data.image_formats import image_endings, is_lossy
from howfar.data.name_matching import leads_out, match_names, no_match, unshared
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.io.array_files_and_archives import read_array, read_packed_array
from howfar.io.atomic_writes import replace
from howfar.io.file_location import absolute
from howfar.memory import check_file
from howfar.metrics.multiclass import as_probabilities

ARRAYS = (".npy", ".npz")
"""Endings of files that hold one array."""


def map_endings() -> frozenset[str]:
    """Return the endings of files that may be maps, in lower case."""
    return image_endings().union(ARRAYS)


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
    to no image, as paths below the folder. `doubled` are images with more than one map; `files` holds the one that is taken.
    `what` names a map of the folder in error lines.
    """

    what: str
    folder: Path
    files: Mapping[str, Path]
    missing: Mapping[str, str]
    extra: tuple[str, ...]
    doubled: tuple[str, ...]


def folder_of_maps(argument: str, folder: str | Path) -> Path:
    """Return the absolute path of a folder of maps; raise where it is missing, or no folder."""
    root = absolute(folder)
    if not root.exists():
        raise MissingPathError(f"no folder of predictions at {root}: check the path")
    if not root.is_dir():
        raise InputError.of(argument, "must be a folder of probability maps", str(root), "name the folder that holds them")
    return root


def match_maps(dataset: Dataset, folder: str | Path, what: str = "prediction") -> MatchedMaps:
    """Find each image's map: the file below `folder` with the same path but for the ending (`match_names`), a PNG first."""
    root = folder_of_maps("predictions", folder)
    shown = path_text(root)
    maps: dict[str, list[str]] = {}
    faults: dict[str, str] = {}
    walked = walk_names(root, map_endings())
    for name, fault in sorted(walked, key=lambda of: (natural_key(stem(of[0])), not of[0].lower().endswith(".png"), of[0])):
        if fault:
            faults[stem(name)] = f"{path_text(root / name)}: {fault}"
        else:
            maps.setdefault(stem(name), []).append(name)
    if not maps and not faults:
        raise InputError(f"no map below {root}: predictions are 8-bit grey images (or .npy arrays), one for each image")
    keys = match_names(dataset, maps)
    files = {image: root / maps[key][0] for image, key in keys.items() if key in maps}
    if not files:
        raise InputError(no_match(dataset, "map", shown, [names[0] for names in maps.values()] or list(faults)))
    used = set(keys.values())
    return MatchedMaps(
        what=what,
        folder=root,
        files=files,
        missing={image: faults.get(key, f"no map {key}.* below {shown}") for image, key in keys.items() if key not in maps},
        extra=tuple(names[0] for key, names in maps.items() if key not in used),
        doubled=tuple(image for image, key in keys.items() if len(maps.get(key, ())) > 1),
    )


def read_prediction(path: str | Path) -> Prediction:
    """Read a probability map from an image file, ``.npy`` or ``.npz``: p = value / 255, or / 65535 if of 16 bits, or floats p.

    Colour pictures need three equal channels; 1-bit ones hold 0 and 1. Raises `ImageError` for colours and transparency.
    """
    data = read_bytes(path)
    if Path(path).suffix.lower() in ARRAYS:
        values, lossy = _array(array_in(data, path)), False
    else:
        with pictures_in_use():
            image = load(data).image
            with damage_named():
                values, lossy = _picture(image), is_lossy(image.format)
    faint = values.dtype.kind == "u" and 0 < int(values.max()) <= (1 if values.dtype == np.uint8 else 255)
    return Prediction(values / 65535.0 if values.dtype == np.uint16 else values, lossy, faint)


def _picture(image: Image.Image) -> NDArray[Any]:
    if image.mode.endswith(("A", "a")):
        see_through = image.getchannel(image.mode[-1]).getextrema() != (255, 255)
    elif is_wide(image):  # it cannot become RGBA; what is transparent is one of its values
        see_through = "transparency" in image.info and bool((np.asarray(image) == image.info["transparency"]).any())
    else:
        see_through = image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
    if see_through:
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


def array_in(data: bytes, path: str | Path, copies: int = 1) -> NDArray[Any]:
    """Load the array in a ``.npy`` or ``.npz`` file's bytes, if `copies` copies of it fit into the memory limit."""
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
    if not np.isfinite(array).all():
        raise ImageError("NaN or infinity among the probabilities")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        remedy = "divide them by 255" if low >= 0 and high <= 255 and high > 2 else "save the sigmoid or softmax of logits"
        raise ImageError(f"values from {low:.4g} to {high:.4g}: probabilities lie within 0-1: {remedy}")
    return array


_COPIES = 3
"""How many times probabilities are held while they are checked: as they lie in the file, as float64, and their sums."""


class ClassMap(NamedTuple):
    """Hold the class of each pixel, (h, w), and the class probabilities, (k, h, w), if known."""

    indices: NDArray[np.int64]
    probabilities: Float64Array | None = None


def read_class_mask(path: str | Path) -> NDArray[np.int64]:
    """Read a class mask, (h, w): the class of a pixel is its palette index or grey value, in a lossless format."""
    return decode_class_mask(read_bytes(path))


def decode_class_mask(data: bytes) -> NDArray[np.int64]:
    """Decode the bytes of a class mask."""
    with pictures_in_use():
        image = load(data).image
        if is_lossy(image.format):
            raise ImageError(f"{image.format} alters the numbers of classes: save PNG")
        with damage_named():
            if image.mode in ("P", "L", "1"):
                return np.asarray(image).astype(np.int64)
            if is_wide(image) and image.mode != "F":
                return wide_values(image).astype(np.int64)
            channels = np.asarray(to_rgb(image)) if image.mode != "F" else np.array([[[0, 1]]])
            if not (channels == channels[..., :1]).all():
                raise ImageError("a colour picture and no map of classes: save the numbers of classes as a grey or palette PNG")
            return channels[..., 0].astype(np.int64)


def read_class_map(path: str | Path) -> ClassMap:
    """Read a predicted class map: an image as for `read_class_mask`, or an array, (h, w) classes or (k, h, w) probabilities."""
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


KEY = "howfar"


def map_paths(folder: str | Path, dataset: Dataset) -> dict[Path, Item]:
    """Return the path of each image's map, ``a/1.png`` for ``a/1.jpg``, without shared folders where names lead out."""
    root = Path(folder)
    item_at: dict[Path, Item] = {}
    names = {item.name: item.name for item in dataset.items}
    if any(map(leads_out, names)):
        names = unshared(list(names))
    for item in dataset.items:
        name = names[item.name]
        if leads_out(name):
            rule = "must have its images below one folder"
            raise InputError.of(f"dataset {dataset.name}", rule, item.name, "give the table paths without '..'")
        path = root / PurePosixPath(name).with_suffix(".png")
        if path in item_at:
            raise InputError.of(f"dataset {dataset.name}", "must give each map a name of its own", item.name, "rename one")
        if isinstance(item.path, Path) and path.absolute() == item.path.absolute():
            raise InputError.of("folder", "must not be the images' own", str(root), "choose another folder")
        item_at[path] = item
    return item_at


def write_map(path: Path, values: NDArray[np.uint8], signature: str = "") -> None:
    """Write one map of p × 255, (h, w) uint8, as PNG, with a signature that `signature_of` reads back."""
    _refuse_folder(path)
    note = PngImagePlugin.PngInfo()
    if signature:
        note.add_text(KEY, signature)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError.of("the place of a map", "must be below folders only", str(path), "choose another folder") from error
    replace(path, partial(Image.fromarray(values).save, format="png", compress_level=1, pnginfo=note))


def signature_of(path: Path) -> str | None:
    """Read the signature of a map file: "" if it has none or is no picture, None if the file is missing."""
    if not path.is_file():
        _refuse_folder(path)
        return None
    try:
        with quiet_pillow(), Image.open(path, formats=("PNG",)) as image:
            return str(image.info.get(KEY, ""))
    except Exception:  # over a damaged file Pillow may raise anything
        return ""


def made_with(path: Path) -> dict[str, Any]:
    """Return the model and input settings that a map's signature records; empty for a map without signature."""
    try:
        signature = json.loads(signature_of(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return signature if isinstance(signature, dict) else {}


def network_of(path: Path) -> dict[str, Any]:
    """Return what a map's signature records of the network and how it is fed and read; empty for a map without signature."""
    return {name: value for name, value in made_with(path).items() if name not in ("image", "flipped")}


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise InputError.of("the place of a map", "must hold no folder", str(path), "choose another folder, or remove it")
