"""Make datasets of images that are given one by one: a list of paths, Pillow images or arrays, or an array of them all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from howfar.data.dataset import Dataset
from howfar.data.folder import home_of
from howfar.data.folder_walk import EXTENSIONS, printable
from howfar.data.item import Item
from howfar.data.memory_images import MemoryImages, Part
from howfar.data.pixel_values import CHANNELS, as_array, file_bytes, named, shape_of
from howfar.data.prediction_matching import unshared
from howfar.data.table import why_no_file
from howfar.errors import ImageError, InputError
from howfar.io.cell_urls import name_place
from howfar.io.location import Location, Url, absolute, as_location, is_url
from howfar.results import Skipped

ImageArgument: TypeAlias = "str | Path | bytes | Image.Image | NDArray[Any]"
"""One image: the path or URL of a file, its bytes, a Pillow image, or an array (a tensor, too) of its pixels."""
PICTURES = "paths of images, Pillow images, or arrays of pixels"


def is_image_path(argument: object) -> bool:
    """Return whether an argument is the path or URL of an image file by its ending, there or not.

    Examples
    --------
    >>> is_image_path("roads/1.png"), is_image_path("roads"), is_image_path("a=1.png"), is_image_path(None)
    (True, False, False, False)
    """
    if not isinstance(argument, (str, Path)):
        return False
    if is_url(argument):
        return Url(str(argument)).suffix.lower() in EXTENSIONS
    return (
        Path(argument).suffix.lower() in EXTENSIONS
        and not absolute(argument).is_dir()
        and (isinstance(argument, Path) or "=" not in argument or absolute(argument).exists())
    )


def is_picture(argument: object) -> bool:
    """Return whether an argument is one picture in memory, and no dataset: Pillow's, a file's bytes, (h, w, 3), (3, h, w).

    Examples
    --------
    >>> import numpy as np
    >>> is_picture(Image.new("L", (4, 4))), is_picture(np.zeros((8, 8, 3))), is_picture(np.zeros((8, 8))), is_picture("1.png")
    (True, True, False, False)
    """
    if isinstance(argument, (Image.Image, bytes)):
        return True
    shape = shape_of(argument)
    return len(shape) == 3 and (shape[2] in CHANNELS or shape[0] in CHANNELS)


def is_one_dataset(arguments: Sequence[object]) -> bool:
    """Return whether a list, where one of datasets is expected, holds the images of a single one.

    Examples
    --------
    >>> is_one_dataset(["roads/1.png", "roads/2.png"]), is_one_dataset(["roads", "site"]), is_one_dataset([])
    (True, False, False)
    """
    return len(arguments) > 0 and all(is_image_path(each) or is_picture(each) for each in arguments)


def list_images(values: Sequence[object], name: str | None, unnamed: str) -> Dataset:
    """Make a dataset of images in their order: files, or pictures in memory, which `pixel_values.file_bytes` describes.

    `name` is the dataset's; by default that of the folder that all files lie in, else `unnamed`. A file's image is called by
    its path below the folder that all share, another by its number. A file that is not there is skipped. Raises `InputError`
    where there is no image, one is no picture, or a file comes twice.
    """
    if not len(values):
        raise InputError("dataset must hold at least one image, got an empty list: pass paths or pictures")
    for number, value in enumerate(values):
        if not isinstance(value, (str, Path, bytes)) and not isinstance(value, Image.Image) and as_array(value) is None:
            rule = f"must be a list of {PICTURES}"
            raise InputError(f"dataset {rule}, got {named(value)} at position {number}: pass several datasets as secondaries")
    if all(isinstance(value, (str, Path)) for value in values):
        return _files([str(value) if is_url(value) else Path(str(value)) for value in values], name, unnamed)
    check_picture(values[0], f"dataset: image 0 of the {type(values).__name__}")
    shown = [_file_name(value) for value in values]
    known = all(shown) and len(set(shown)) == len(shown)
    return in_memory(lambda part, number: file_bytes(values[number]), name or unnamed, shown if known else len(values))


def in_memory(read: Callable[[Part, int], bytes], name: str, names: Iterable[str] | int) -> Dataset:
    """Make a dataset of images in memory, without masks or labels, that `read` gives; `names` are theirs, or their count."""
    listed = [str(number) for number in range(names)] if isinstance(names, int) else list(names)
    images = MemoryImages(read, len(listed))
    return Dataset(name, tuple(Item(shown, images.path(number)) for number, shown in enumerate(listed)))


def from_pixels(pixels: Any, name: str) -> Dataset:
    """Make a dataset of an array or tensor of pictures: (n, h, w), (n, h, w, c) or (n, c, h, w), uint8 or floating of 0-1.

    Nothing is copied but one image at a time. Raises `InputError` where its shape or values are no pictures'.

    Examples
    --------
    >>> import numpy as np
    >>> from_pixels(np.zeros((5, 8, 8, 3), np.uint8), "roads")
    Dataset('roads': 5 images)
    """
    array = as_array(pixels)
    assert array is not None  # for the type checker: the caller has looked
    if array.ndim == 3 and array.shape[2] in CHANNELS:
        raise InputError(f"{name} must be several pictures, got one of shape {array.shape}: put it into a list")
    if not len(array):
        raise InputError(f"{name} must hold at least one picture, got an array of shape {array.shape}")
    for number in range(len(array) if array.dtype.kind == "f" else 1):
        check_picture(array[number], f"{name}: image {number}")
    return in_memory(lambda part, number: file_bytes(array[number]), name, len(array))


def check_picture(value: object, what: str) -> None:
    """Raise `InputError` where a value is no picture; `what` is what the line calls it."""
    try:
        file_bytes(value)
    except ImageError as error:
        if isinstance(value, (str, Path, bytes, Image.Image)):
            return  # a file that is damaged or absent is skipped as any other
        raise InputError(f"{what} is no picture: {error}") from error


def _files(paths: Sequence[str | Path], name: str | None, unnamed: str) -> Dataset:
    locations: list[Location] = []
    for path in paths:
        location = as_location(path)
        if isinstance(location, Url):
            name_place(location)
        elif location.is_dir():
            raise InputError(f"dataset must be a list of image files, got the folder {printable(path)}: pass the folder alone")
        locations.append(location)
    texts = [location if isinstance(location, Url) else location.as_posix() for location in locations]
    repeated = [text for text, count in Counter(texts).items() if count > 1]
    if repeated:
        raise InputError.of("dataset", "must name each image once", repeated[0], "drop the repeats")
    shown = unshared(texts)
    name = name or _folder_name(locations) or unnamed
    faults = {text: why_no_file(location) for text, location in zip(texts, locations, strict=True)}
    items = tuple(Item(shown[text], location) for text, location in zip(texts, locations, strict=True) if not faults[text])
    skipped = tuple(Skipped(name, printable(text), reason) for text, reason in faults.items() if reason)
    if not items:
        raise InputError(
            f"dataset holds no image that is there ({len(skipped)} paths; the first: {skipped[0].path}: {skipped[0].reason})"
        )
    return Dataset(name, items, skipped)


def _folder_name(locations: Sequence[Location]) -> str:
    """Name the folder that all files lie in."""
    folders = {home_of(location.parent) for location in locations}
    if len(folders) == 1:
        return folders.pop().name
    if any(isinstance(folder, Url) for folder in folders):
        return ""
    return home_of(Path(os.path.commonpath([str(folder) for folder in folders]))).name


def _file_name(value: object) -> str:
    """Return the name of the file that a Pillow image was opened from, or of a path; "" where there is none."""
    path = value if isinstance(value, (str, Path)) else getattr(value, "filename", "")
    return Path(path).name if isinstance(path, (str, Path)) else ""
