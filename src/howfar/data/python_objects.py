"""Read datasets that are Python objects: lists, data frames, arrays and tensors, datasets of torch and of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from howfar.data import data_frame, huggingface_objects
from howfar.data.data_frame import is_of, read_frame
from howfar.data.dataset import Dataset
from howfar.data.embeddings import from_array
from howfar.data.huggingface_objects import read_loaded, refuse_splits
from howfar.data.image_sequences import ImageArgument, from_pixels, is_one_dataset, list_images
from howfar.data.map_style import MapStyle, is_map_style, read_map_style, refuse_streams
from howfar.data.pixel_values import as_array, named
from howfar.data.text_column import Column
from howfar.errors import InputError
from howfar.results import Features

if TYPE_CHECKING:
    import pandas as pd

DatasetArgument: TypeAlias = (
    "str | Path | Dataset | Features | NDArray[Any] | pd.DataFrame | Sequence[ImageArgument] | MapStyle "
    "| Mapping[str, DatasetArgument]"
)
"""One dataset: `howfar.data.parse` says what serves. A data frame of polars and a dataset of Hugging Face are `MapStyle`."""
DatasetsArgument: TypeAlias = "DatasetArgument | Sequence[DatasetArgument] | Mapping[str, DatasetArgument]"
"""One dataset, a list of them, or a mapping from their names."""
IN_PYTHON = (
    "a list of image paths, Pillow images or uint8 arrays, an array (n, h, w[, 3]) of pictures or (n, q) of embeddings, "
    "a pandas or polars DataFrame with a column image, a torch or Hugging Face dataset of images"
)


def read_object(argument: object, name: str | None, unnamed: str) -> Dataset | Features:
    """Turn a Python object into a dataset of images or into features, called `name`, else by its own name, else `unnamed`.

    Raises `InputError` for what is none of `IN_PYTHON`; the line names what was given and what would do.
    """
    if isinstance(argument, Image.Image):
        raise InputError.of("dataset", "must hold several images", type(argument).__name__, "put it into a list")
    if is_of(argument, data_frame.KINDS):
        return read_frame(argument, name or unnamed)
    if is_of(argument, data_frame.SERIES):
        series: Any = argument
        return list_images(series.to_list(), name, unnamed)
    if is_several(argument):
        refuse_splits(argument)
    if is_of(argument, huggingface_objects.STREAMED):
        raise InputError.of("dataset", "must give its images by number", type(argument).__name__, "load it without streaming")
    if is_of(argument, huggingface_objects.LOADED):
        return read_loaded(argument, name, unnamed)
    array = as_array(argument)
    if array is not None:
        return _of_array(array, name, unnamed)
    if isinstance(argument, (list, tuple, Column)):
        return list_images(argument, name, unnamed)
    refuse_streams(argument)
    if is_map_style(argument):
        return read_map_style(argument, name, unnamed)
    if isinstance(argument, Mapping):
        remedy = "a mapping of several is for what takes several, as secondaries"
        raise InputError(f"dataset must be one dataset, got {named(argument)}: {remedy}")
    raise InputError(f"dataset must be a path or {IN_PYTHON}, got {named(argument)}")


def is_several(argument: object) -> bool:
    """Return whether an argument is Hugging Face's mapping of splits, which is of several datasets whatever their number."""
    return is_of(argument, huggingface_objects.SEVERAL)


def _of_array(array: NDArray[Any], name: str | None, unnamed: str) -> Dataset | Features:
    if array.ndim == 1 and array.dtype.kind in "UO":  # an array of paths
        return list_images(array.tolist(), name, unnamed)
    if array.ndim in (3, 4) and array.dtype.kind in "uif":
        return from_pixels(array, name or unnamed)
    return from_array(array, name or unnamed)


def each_dataset(arguments: Any, unnamed: str) -> list[tuple[str | None, str, Any]]:
    """Divide what names one dataset or several into each: its name where one is given, what to call it else, and itself.

    A list is one of datasets, unless all that it holds are images.

    Examples
    --------
    >>> each_dataset({"a": "roads"}, "secondary"), each_dataset(["roads", "site"], "secondary")[1]
    ([('a', 'secondary', 'roads')], (None, 'secondary-2', 'site'))
    >>> each_dataset(["roads/1.png", "roads/2.png"], "secondary")
    [(None, 'secondary', ['roads/1.png', 'roads/2.png'])]
    """
    if isinstance(arguments, Mapping):
        return [(str(name), unnamed, argument) for name, argument in arguments.items()]
    if isinstance(arguments, Sequence) and not isinstance(arguments, (str, bytes)) and not is_one_dataset(arguments):
        return [(None, f"{unnamed}-{number}", argument) for number, argument in enumerate(arguments, start=1)]
    return [(None, unnamed, arguments)]
