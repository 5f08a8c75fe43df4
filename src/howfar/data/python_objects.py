"""Read datasets that are Python objects: lists, data frames, arrays and tensors, datasets of torch and of Hugging Face."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data.compact_item_table import CompactSequence, Item
from howfar.data.containers.container_base_classes import GROUP, LABEL, MASK, label_text
from howfar.data.dataset import Dataset
from howfar.data.embedding_files import from_array, unique_names
from howfar.data.image_and_mask_folders import DICOM, home_of, path_text
from howfar.data.image_bytes import MemoryImages, MemoryPath, Part
from howfar.data.image_encoding import CHANNELS, as_array, file_bytes, named, shape_of
from howfar.data.image_formats import image_endings
from howfar.data.image_tables_and_lists import WANTED, list_rows, why_no_file
from howfar.data.name_matching import unshared
from howfar.data.untrusted_documents_and_tables import cell_text
from howfar.errors import ImageError, InputError, blaming, one_line
from howfar.formatting_and_escaping import printable
from howfar.image_reading_options import reading_asked
from howfar.io.file_location import Location, Url, absolute, as_location, is_url
from howfar.io.url_guard import name_place
from howfar.results import Features, Skipped

if TYPE_CHECKING:
    import pandas as pd


ImageArgument: TypeAlias = "str | Path | bytes | Image.Image | NDArray[Any]"
"""One image: the path or URL of a file, its bytes, a Pillow image, or an array (a tensor, too) of its pixels."""
PICTURES = "paths of images, Pillow images, or arrays of pixels"


def is_image_path(argument: object) -> bool:
    """Return whether an argument is a path or URL with an image's extension, even if no file is there."""
    if not isinstance(argument, (str, Path)):
        return False
    if is_url(argument):
        return Url(str(argument)).suffix.lower() in image_endings()
    return (
        (Path(argument).suffix.lower() in image_endings() or str(argument).lower().endswith(DICOM))
        and not absolute(argument).is_dir()
        and (isinstance(argument, Path) or "=" not in argument or absolute(argument).exists())
    )


def is_picture(argument: object) -> bool:
    """Return whether an argument is one picture in memory: a Pillow image, file bytes, (h, w, 3) or (3, h, w)."""
    if isinstance(argument, (Image.Image, bytes)):
        return True
    shape = shape_of(argument)
    return len(shape) == 3 and (shape[2] in CHANNELS or shape[0] in CHANNELS)


def _list_images(values: Sequence[object], name: str | None, unnamed: str) -> Dataset:
    """Make a dataset from image files or pictures in memory (`pixel_values.file_bytes`), in their order."""
    if not len(values):
        raise InputError.of("dataset", "must hold at least one image, got an empty list: pass paths or pictures")
    for number, value in enumerate(values):
        if not isinstance(value, (str, Path, bytes, Image.Image)) and as_array(value) is None:
            rule = f"must be a list of {PICTURES}"
            raise InputError(f"dataset {rule}, got {named(value)} at position {number}: pass several datasets as secondaries")
    if not all(isinstance(value, (str, Path)) for value in values):
        # A Pillow image that was opened from a file knows that file.
        files = [value if isinstance(value, (str, Path)) else getattr(value, "filename", "") for value in values]
        shown = [Path(file).name if isinstance(file, (str, Path)) else "" for file in files]
        known = all(shown) and len(set(shown)) == len(shown)
        what = f"dataset: image 0 of the {type(values).__name__}"
        return _pictures(values, name or unnamed, what, names=shown if known else None)
    locations: dict[str, Location] = {}
    for value in values:
        path = str(value) if is_url(value) else Path(str(value))
        location = as_location(path)
        if isinstance(location, Url):
            name_place(location)
        elif location.is_dir():
            rule = f"must be a list of image files, got the folder {path_text(path)}: pass the folder alone"
            raise InputError.of("dataset", rule)
        text = location if isinstance(location, Url) else location.as_posix()
        if text in locations:
            raise InputError.of("dataset", "must name each image once", text, "drop the repeats")
        locations[text] = location
    short = unshared(list(locations))
    folders = {home_of(location.parent) for location in locations.values()}
    if len(folders) > 1 and not any(isinstance(folder, Url) for folder in folders):
        folders = {home_of(Path(os.path.commonpath([str(folder) for folder in folders])))}
    name = name or (folders.pop().name if len(folders) == 1 else "") or unnamed
    faults = {text: why_no_file(location) for text, location in locations.items()}
    items = tuple(Item(short[text], location) for text, location in locations.items() if not faults[text])
    skipped = tuple(Skipped(name, path_text(text), reason) for text, reason in faults.items() if reason)
    if not items:
        line = f"dataset holds no image that is there ({len(skipped)} paths; the first: {skipped[0].path}: {skipped[0].reason})"
        raise InputError(line)
    return Dataset(name, items, skipped)


def _pictures(
    images: Sequence[Any] | NDArray[Any],
    name: str,
    first: str,
    masks: Sequence[Any] = (),
    texts: Mapping[str, Sequence[str | None]] = MappingProxyType({}),
    names: Sequence[str] | None = None,
) -> Dataset:
    """Make a dataset of pictures in memory, once the first, called `first` in error lines, is seen to be one."""
    _check_picture(images[0], first)

    def cell(part: Part, number: int) -> object:
        return images[number] if part == "image" else masks[number]

    return in_memory(cell, name, len(images) if names is None else names, [not _is_empty(mask) for mask in masks], texts)


def in_memory(
    cell: Callable[[Part, int], object],
    name: str,
    names: Iterable[str] | int,
    masked: Sequence[bool] = (),
    texts: Mapping[str, Sequence[str | None]] = MappingProxyType({}),
    label: Callable[[int], str | None] | None = None,
) -> Dataset:
    """Make a dataset of the pictures that `cell` returns; `names` are their names or number.

    `masked` says which have a mask, `texts` are label and further columns; `label` returns a class known only with the image.
    """
    listed = [str(number) for number in range(names)] if isinstance(names, int) else list(names)
    images = MemoryImages(lambda part, number: file_bytes(cell(part, number), part == "mask"), len(listed), label)
    items = []
    for number, shown in enumerate(listed):
        mask = images.path(number, "mask") if masked and masked[number] else None
        own, group = (texts[column][number] if column in texts else None for column in (LABEL, GROUP))
        further = tuple((column, text) for column, cells in texts.items() if column not in WANTED and (text := cells[number]))
        items.append(Item(shown, images.path(number), mask, own, further, group or None))
    return Dataset(name, tuple(items))


def labelled(dataset: Dataset) -> Dataset:
    """Fill in classes that an object in memory gives only with its images, by reading each; other datasets stay unchanged."""
    if any(item.label is not None for item in dataset.items):
        return dataset
    items = []
    for item in dataset.items:
        label = None
        if isinstance(item.path, MemoryPath) and item.path.images.label is not None:
            with suppress(ImageError):  # the image will be skipped with the reason
                label = item.path.images.label(item.path.number)
        items.append(replace(item, label=label))
    return replace(dataset, items=tuple(items))


def _check_picture(value: object, what: str) -> None:
    """Raise `InputError` if a value is no picture; `what` names the value in the error."""
    if not isinstance(value, (str, Path, bytes, Image.Image)):  # a file that is damaged or absent is skipped as any other
        with blaming(f"{what} is no picture", ImageError):
            file_bytes(value)


def _is_of(argument: object, *kinds: str) -> bool:
    """Return whether an argument is an instance of another package's class, as "pandas.DataFrame", without importing it."""
    classes = (getattr(sys.modules.get(module), name, None) for module, name in (kind.split(".") for kind in kinds))
    return any(isinstance(argument, kind) for kind in classes if isinstance(kind, type))


def read_frame(frame: Any, name: str) -> Dataset | Features:
    """Read a data frame of paths, URLs or pictures as a dataset, or as features if it has ``embedding`` or only numbers."""
    called = list(map(str, frame.columns))
    if doubled := next((column for column in called if called.count(column) > 1), None):
        raise InputError(f"the data frame has the column {printable(doubled)} twice: drop or rename one")
    columns = {str(column): frame[column] for column in frame.columns}
    if not {"embedding", "image"} & set(columns):
        types = [column.dtype for column in columns.values()]
        are_numbers = all(kind.kind in "fiub" if hasattr(kind, "kind") else kind.is_numeric() for kind in types)
        if len(frame) and types and are_numbers:
            return from_array(frame.to_numpy(), name)
        listed = ", ".join(map(printable, columns)) or "none"
        raise InputError(
            f"the data frame has no column image; its columns: {listed}: name the column of paths or pictures image, "
            "or drop all columns that are no numbers to give embeddings"
        )
    cells = {column: [None if _is_empty(cell) else cell for cell in values.to_list()] for column, values in columns.items()}
    images, masks = (cells.get(column, [None] * len(frame)) for column in ("image", "mask"))
    if "embedding" in cells:
        try:
            rows = np.array([np.asarray(cell, dtype=np.float64) for cell in cells["embedding"]])
        except (ValueError, TypeError) as error:
            raise InputError("the data frame: column embedding must hold lists of numbers of one length") from error
        return from_array(rows, name, images=unique_names(list(map(cell_text, images))), groups=cells.get(GROUP, ()))
    texts: dict[str, list[str | None]] = {}
    for column, values in cells.items():
        first = next((cell for cell in values if cell is not None), "")
        # Further columns count whose cells are single values that can be written as text.
        plain = isinstance(first, (str, Path, int, float, bool, np.generic)) or hasattr(first, "isoformat")
        if plain and column not in WANTED[:2]:
            texts[column] = list(map(cell_text, values))
    if all(cell is None or isinstance(cell, (str, Path)) for cell in (*images, *masks)):
        texts |= {"image": list(map(cell_text, images)), "mask": list(map(cell_text, masks))}
        # Paths are taken as from a table in the current folder.
        return Dataset(*list_rows(texts, Path.cwd() / "the data frame", "the data frame", name)[:3])
    empty = next((row for row, cell in enumerate(images) if cell is None), None)
    if empty is not None:
        raise InputError(f"the data frame: row {empty + 1} has no image: fill it in or drop the row")
    return _pictures(images, name, "the data frame: image in row 1", masks, texts)


def _is_empty(cell: object) -> bool:
    """Return whether a cell is empty: None, an empty text, NaN, or pandas' markers of missing values."""
    if cell is None or (isinstance(cell, str) and not cell):
        return True
    return (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NAType", "NaTType")


def _read_loaded(dataset: Any, name: str | None, unnamed: str) -> Dataset:
    """Read an in-memory Hugging Face dataset from its column ``image``, or else from its only image column."""
    pictures = [column for column, feature in dataset.features.items() if type(feature).__name__ == "Image"]
    if "image" not in pictures and len(pictures) != 1:
        if pictures:
            rule = f"has several columns of images ({', '.join(pictures)}): rename the one that counts to image"
            raise InputError.of("dataset", rule)
        listed = ", ".join(map(printable, dataset.features)) or "none"
        remedy = 'cast_column("image", datasets.Image()) makes one of paths'
        raise InputError.of("dataset", f"has no column of images; its columns: {listed}: {remedy}")
    image = "image" if "image" in pictures else pictures[0]
    columns = [image, *([MASK] if MASK in pictures else [])]
    # As they were when the dataset was made: neither decoded nor transformed.
    raw = dataset.with_format(None).select_columns(columns)
    for column in columns:
        raw = raw.cast_column(column, type(dataset.features[column])(decode=False))

    def cell(part: Part, number: int) -> object:
        if (value := raw[number][image if part == "image" else MASK]) is None:
            raise ImageError(f"no {part} in this row")
        return value

    if not len(dataset):
        raise InputError.of("dataset", "must hold at least one image, got a Dataset of no rows")
    single = (column for column, feature in dataset.features.items() if type(feature).__name__ in ("Value", "ClassLabel"))
    plain = [
        name for name in single if name not in columns and "binary" not in str(getattr(dataset.features[name], "dtype", ""))
    ]
    texts = {column: _texts(dataset, column) for column in plain}
    # Images are named by the paths of their files if every row has one of its own. Those of a choice of rows cannot be had
    # without their bytes.
    paths: list[Any] = []
    if getattr(raw, "_indices", None) is None:
        import pyarrow.compute as pc

        with suppress(Exception):  # another layout of another version: names are a convenience
            paths = pc.struct_field(raw.data.table.column(image).combine_chunks(), "path").to_pylist()
    told = bool(paths) and all(paths) and len(set(paths)) == len(paths)
    names = list(unshared([PurePath(path).as_posix() for path in paths]).values()) if told else len(raw)
    own = getattr(dataset.info, "dataset_name", None) or ""
    own = f"{own}-{dataset.split}" if own and dataset.split else own
    return in_memory(cell, name or own or unnamed, names, [MASK in columns] * len(dataset), texts)


def _texts(dataset: Any, column: str) -> list[str | None]:
    cells = list(dataset.with_format(None).select_columns([column])[column])
    return [label_text(cell, getattr(dataset.features[column], "names", None)) for cell in cells]


IMAGE_KEYS, MASK_KEYS, LABEL_KEYS = ("image", "img"), ("mask",), ("label", "target")
"""What the parts of an item that is a mapping are called."""
_DEEPEST = 50


class MapStyle(Protocol):
    """Give images, (image, class), (image, mask) or mappings by number, from 0 to length − 1, as map-style datasets do."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any: ...


class ItemParts(NamedTuple):
    """Hold the parts of a dataset item: an image and, if present, its mask and its class."""

    image: Any
    mask: Any = None
    target: int | str | None = None


def is_map_style(argument: object) -> bool:
    """Return whether an argument gives items by number and is not a text, mapping or list."""
    kind = type(argument)
    if isinstance(argument, (str, bytes, list, tuple, Mapping, type)):
        return False
    return hasattr(kind, "__getitem__") and hasattr(kind, "__len__")


def _read_map_style(dataset: Any, name: str | None, unnamed: str) -> Dataset:
    """Make a dataset from an object that gives images by number, when asked; torchvision's ``ImageFolder`` gives its files."""
    kind = type(dataset).__name__
    whole, numbers = _whole(dataset)
    if not numbers:
        raise InputError.of("dataset", f"must hold at least one image, got a {kind} of none")
    files = _torchvision_files(whole)
    if files is not None:
        items = tuple(files[number] for number in numbers)
        root = absolute(getattr(whole, "root", None) or Path(items[0].path).parent)
        return Dataset(name or root.name or unnamed, items, (), root)
    # The first item must be an image, and the same each time.
    try:
        parts, again = (parts_of(dataset[0]) for _ in range(2))
    except Exception as error:
        line = f"dataset: item 0 of the {kind} cannot be had ({type(error).__name__}: {one_line(error, 100)})"
        raise InputError(line) from error
    with blaming(f"dataset: item 0 of the {kind} is no picture", ImageError):
        is_same = file_bytes(parts.image) == file_bytes(again.image)
    if not is_same:
        rule = "must give the same image each time"
        raise InputError.of("dataset", rule, f"{kind} with a random transform", "pass it without augmentation")

    @lru_cache(maxsize=1)  # the mask of an image is read after the image
    def item(number: int) -> ItemParts:
        try:
            return parts_of(dataset[number])
        except Exception as error:  # code of the user's, which may raise anything
            raise ImageError(f"item {number} cannot be had ({type(error).__name__}: {one_line(error, 100)})") from error

    def cell(part: Part, number: int) -> object:
        if part == "mask" and item(number).mask is None:
            raise ImageError("no mask")
        return getattr(item(number), part)

    label = None if parts.target is None else lambda number: _class(whole, item(number).target)
    masked = [parts.mask is not None] * len(numbers)
    return in_memory(cell, name or unnamed, len(numbers), masked, _listed_classes(whole, numbers), label)


def _listed_classes(whole: Any, numbers: Sequence[int]) -> dict[str, list[str | None]]:
    """Return the classes of items that a dataset lists apart from its images, as torchvision's do; none for others."""
    tensors: Any = getattr(whole, "tensors", None)
    second = tensors[1] if isinstance(tensors, (list, tuple)) and len(tensors) > 1 else None
    for values in (getattr(whole, "targets", None), getattr(whole, "labels", None), second):
        array = None if isinstance(values, (list, tuple)) else as_array(values)
        listed: Any = array.tolist() if array is not None and array.ndim == 1 else values
        targets = [_as_target(value) for value in listed] if isinstance(listed, (list, tuple)) else []
        if len(targets) == len(whole) and None not in targets:
            return {LABEL: [_class(whole, targets[number]) for number in numbers]}
    return {}


def parts_of(item: object) -> ItemParts:
    """Split an item into image, mask and class: (image, mask), (image, class), a mapping, or an image alone."""
    if isinstance(item, Mapping) and not {"bytes", "path"} & set(item):
        parts = (IMAGE_KEYS, MASK_KEYS, LABEL_KEYS)
        image, mask, target = (next((item[key] for key in keys if key in item), None) for keys in parts)
        return ItemParts(item if image is None else image, mask, _as_target(target))
    if not isinstance(item, (tuple, list)) or not item:
        return ItemParts(item)
    image, second = item[0], item[1] if len(item) > 1 else None
    shape = shape_of(second)
    is_mask = isinstance(second, Image.Image) or len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)
    return ItemParts(image, second) if is_mask else ItemParts(image, None, _as_target(second))


def _as_target(value: Any) -> int | str | None:
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value if isinstance(value, str) else None
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _class(dataset: Any, target: int | str | None) -> str | None:
    classes = getattr(dataset, "classes", None)
    if isinstance(target, int) and isinstance(classes, (list, tuple)) and 0 <= target < len(classes):
        return str(classes[target])
    return None if target is None else str(target)


def _whole(dataset: Any) -> tuple[Any, list[int]]:
    """Return the dataset underlying a subset, and the chosen item numbers."""
    try:
        numbers = list(range(len(dataset)))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError.of("dataset", "must have a length", type(dataset).__name__, "give its class __len__") from error
    for _ in range(_DEEPEST):
        inner, indices = getattr(dataset, "dataset", None), getattr(dataset, "indices", None)
        if inner is None or indices is None or not is_map_style(inner) or "Subset" not in type(dataset).__name__:
            break
        numbers = [int(indices[number]) for number in numbers]
        outside = next((number for number in numbers if not -len(inner) <= number < len(inner)), None)
        if outside is not None:
            raise InputError.of("dataset", f"must choose among the {len(inner)} items of its dataset", outside)
        dataset = inner
    return dataset, numbers


def _torchvision_files(dataset: Any) -> list[Item] | None:
    """List the files of torchvision's own datasets with (path, class) samples, such as ``ImageFolder``; None for others."""
    samples = getattr(dataset, "samples", None)
    own = str(getattr(type(dataset).__getitem__, "__module__", "")).startswith("torchvision.")
    if not (own and isinstance(samples, (list, tuple)) and samples and hasattr(dataset, "classes")):
        return None
    pairs = [sample for sample in samples if isinstance(sample, (list, tuple)) and len(sample) == 2]
    paths = [absolute(path) for path, _ in pairs if isinstance(path, (str, Path))]
    if len(paths) < len(samples) or not all(path.suffix.lower() in image_endings() for path in paths):
        return None
    root = getattr(dataset, "root", None)
    if root is not None and all(path.is_relative_to(absolute(root)) for path in paths):
        names = [path.relative_to(absolute(root)).as_posix() for path in paths]
    else:
        short = unshared([path.as_posix() for path in paths])
        names = [short[path.as_posix()] for path in paths]
    labels = (_class(dataset, _as_target(target)) for _, target in samples)
    return [Item(name, path, None, label) for name, path, label in zip(names, paths, labels, strict=True)]


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
    """Read a Python object, one of `IN_PYTHON`, as a dataset of images or as features, called by `name` or by its own name."""
    kind, called = type(argument).__name__, name or unnamed
    if isinstance(argument, Image.Image):
        raise InputError.of("dataset", "must hold several images", kind, "put it into a list")
    if _is_of(argument, "pandas.DataFrame", "polars.DataFrame"):
        return read_frame(argument, called)
    if _is_of(argument, "pandas.Series", "polars.Series"):
        series: Any = argument
        return _list_images(series.to_list(), name, unnamed)
    if is_several(argument):
        splits = list(cast("Any", argument))
        rest = f"of {', '.join(splits)}: pass dataset[{splits[0]!r}]" if splits else "without any: pass a dataset with images"
        raise InputError.of("dataset", f"must be one split, got a {kind} {rest}")
    if _is_of(argument, "datasets.IterableDataset"):
        raise InputError.of("dataset", "must give its images by number", kind, "load it without streaming")
    if _is_of(argument, "datasets.Dataset"):
        return _read_loaded(argument, name, unnamed)
    if (array := as_array(argument)) is not None:
        if array.ndim == 1 and array.dtype.kind in "UO":  # an array of paths
            return _list_images(array.tolist(), name, unnamed)
        if array.ndim not in (3, 4) or array.dtype.kind not in "uif":
            return from_array(array, called)
        # Pictures: (n, h, w), (n, h, w, c) or (n, c, h, w), uint8 or floats of 0-1.
        if array.ndim == 3 and array.shape[2] in CHANNELS:
            raise InputError(f"{called} must be several pictures, got one of shape {array.shape}: put it into a list")
        if not len(array):
            raise InputError(f"{called} must hold at least one picture, got an array of shape {array.shape}")
        for number in range(1, len(array) if array.dtype.kind == "f" else 1):
            _check_picture(array[number], f"{called}: image {number}")
        return _pictures(array, called, f"{called}: image 0")
    if isinstance(argument, (list, tuple, CompactSequence)):
        return _list_images(argument, name, unnamed)
    # A loader, an iterable dataset and a generator give nothing by number.
    torch = sys.modules.get("torch.utils.data")
    if torch is not None and isinstance(argument, torch.DataLoader):
        raise InputError.of("dataset", "must be images, not batches of them", kind, "pass loader.dataset")
    iterable = torch is not None and isinstance(argument, torch.IterableDataset)
    if iterable or (hasattr(argument, "__next__") and hasattr(argument, "__iter__")):
        rule = "must give its images by number and have a length"
        raise InputError.of("dataset", rule, kind, "pass list(…) of it, or a map-style dataset")
    if is_map_style(argument):
        return _read_map_style(argument, name, unnamed)
    if isinstance(argument, Mapping):
        remedy = "a mapping of several is for what takes several, as secondaries"
        raise InputError.of("dataset", f"must be one dataset, got {named(argument)}: {remedy}")
    raise InputError.of("dataset", f"must be a path or {IN_PYTHON}, got {named(argument)}")


def is_several(argument: object) -> bool:
    """Return whether an argument is Hugging Face's mapping of splits: several datasets, even with one split."""
    return _is_of(argument, "datasets.DatasetDict", "datasets.IterableDatasetDict")


def each_dataset(arguments: Any, unnamed: str) -> list[tuple[str | None, str, Any]]:
    """Split an argument into datasets, each (name or None, fallback name, dataset); a list of images alone is one dataset."""
    if isinstance(arguments, Mapping):
        return [(str(name), unnamed, argument) for name, argument in arguments.items()]
    listed = isinstance(arguments, Sequence) and not isinstance(arguments, (str, bytes))
    cut = reading_asked().window > 0  # then each raster is a dataset, as a volume and a clip are always
    if listed and (cut or not (len(arguments) and all(is_image_path(each) or is_picture(each) for each in arguments))):
        return [(None, f"{unnamed}-{number}", argument) for number, argument in enumerate(arguments, start=1)]
    return [(None, unnamed, arguments)]
