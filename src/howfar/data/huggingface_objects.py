"""Read Hugging Face datasets that are loaded already: the bytes of their images are read as they lie, and decoded by howfar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from howfar.data.containers.image_column import LABEL, MASK
from howfar.data.dataset import Dataset
from howfar.data.item import Item
from howfar.data.memory_images import MemoryImages, Part
from howfar.data.pixel_values import file_bytes
from howfar.data.prediction_matching import unshared
from howfar.data.table import cell_text
from howfar.errors import ImageError, InputError
from howfar.printable import printable

LOADED = (("datasets", "Dataset"),)
SEVERAL = (("datasets", "DatasetDict"), ("datasets", "IterableDatasetDict"))
STREAMED = (("datasets", "IterableDataset"),)


def refuse_splits(datasets: Any) -> None:
    """Raise `InputError` for several splits where one dataset is wanted."""
    splits = list(datasets)
    if not splits:
        raise InputError(f"dataset must be one split, got a {type(datasets).__name__} without any: pass a dataset with images")
    raise InputError(
        f"dataset must be one split, got a {type(datasets).__name__} of {', '.join(splits)}: pass dataset[{splits[0]!r}]"
    )


def read_loaded(dataset: Any, name: str | None, unnamed: str) -> Dataset:
    """Make a dataset of a Hugging Face one in memory, by its column ``image``, or the one of images that it has.

    Classes are those of ``label`` (by the names that the dataset notes), masks those of ``mask``; further columns of single
    values travel along. A format or transform that was set is not applied. Raises `InputError` where no column holds images.
    """
    image = _image_column(dataset)
    columns = [image, *([MASK] if MASK in dataset.features and _is_image(dataset, MASK) else [])]
    # As they were when the dataset was made: neither decoded nor transformed.
    raw = dataset.with_format(None).select_columns(columns)
    for column in columns:
        raw = raw.cast_column(column, type(dataset.features[column])(decode=False))

    def read(part: Part, number: int) -> bytes:
        cell = raw[number][image if part == "image" else MASK]
        if cell is None:
            raise ImageError(f"no {part} in this row")
        return file_bytes(cell, mask=part == "mask")

    images = MemoryImages(read, len(dataset))
    plain = [column for column in dataset.features if column not in columns and _is_single(dataset, column)]
    texts = {column: _texts(dataset, column) for column in plain}
    items = []
    for number, shown in enumerate(_names(raw, image)):
        further = tuple((column, text) for column in plain if column != LABEL and (text := texts[column][number]))
        label = texts[LABEL][number] if LABEL in texts else None
        mask = images.path(number, "mask") if MASK in columns else None
        items.append(Item(shown, images.path(number), mask, label, further))
    if not items:
        raise InputError("dataset must hold at least one image, got a Dataset of no rows")
    return Dataset(name or _own_name(dataset) or unnamed, tuple(items))


def _own_name(dataset: Any) -> str:
    """Return what the dataset was loaded by, with its split."""
    name = getattr(dataset.info, "dataset_name", None) or ""
    return "-".join(part for part in (name, str(dataset.split or "")) if part) if name else ""


def _image_column(dataset: Any) -> str:
    images = [column for column in dataset.features if _is_image(dataset, column)]
    if "image" in images or len(images) == 1:
        return "image" if "image" in images else images[0]
    listed = ", ".join(map(printable, dataset.features)) or "none"
    if images:
        raise InputError(f"dataset has several columns of images ({', '.join(images)}): rename the one that counts to image")
    raise InputError(
        f'dataset has no column of images; its columns: {listed}: cast_column("image", datasets.Image()) makes one of paths'
    )


def _is_image(dataset: Any, column: str) -> bool:
    return type(dataset.features[column]).__name__ == "Image"


def _is_single(dataset: Any, column: str) -> bool:
    feature = dataset.features[column]
    return type(feature).__name__ in ("Value", "ClassLabel") and "binary" not in str(getattr(feature, "dtype", ""))


def _texts(dataset: Any, column: str) -> list[str | None]:
    cells = list(dataset.with_format(None).select_columns([column])[column])
    names = getattr(dataset.features[column], "names", None)
    if names is None:
        return [cell_text(cell) for cell in cells]
    return [names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else None for cell in cells]


def _names(raw: Any, image: str) -> Sequence[str]:
    """Name images by the files that they were, where each row notes another one; else by their numbers."""
    numbers = [str(number) for number in range(len(raw))]
    if getattr(raw, "_indices", None) is not None:  # a choice of rows, whose paths cannot be had without their bytes
        return numbers
    import pyarrow.compute as pc

    try:
        paths = pc.struct_field(raw.data.table.column(image).combine_chunks(), "path").to_pylist()
    except Exception:  # another layout of another version: names are a convenience
        return numbers
    if not all(paths) or len(set(paths)) < len(paths):
        return numbers
    return list(unshared([PurePath(path).as_posix() for path in paths]).values())
