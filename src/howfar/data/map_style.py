"""Read datasets from Python objects that give images by number, as torch's map-style datasets do, when they are needed."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from PIL import Image

from howfar.data.containers.container import LABEL
from howfar.data.dataset import Dataset, unshared
from howfar.data.image_bytes import MemoryImages, MemoryPath, Part
from howfar.data.image_folder import EXTENSIONS
from howfar.data.item import Item
from howfar.data.pixel_values import as_array, file_bytes, shape_of
from howfar.data.table import WANTED
from howfar.errors import ImageError, InputError, one_line
from howfar.io.location import absolute

IMAGE_KEYS, MASK_KEYS, LABEL_KEYS = ("image", "img"), ("mask",), ("label", "target")
"""What the parts of an item that is a mapping are called."""
_TORCH = "torch.utils.data"
_DEEPEST = 50


class MapStyle(Protocol):
    """Give items by number, from 0 to length − 1, as torch's map-style datasets do."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, number: int, /) -> Any:
        """Return one item: an image, (image, target), (image, mask), or a mapping with image, mask and label."""
        ...


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


def refuse_streams(argument: object) -> None:
    """Raise `InputError` for an object without access by number: a loader, an iterable dataset, a generator."""
    kind = type(argument).__name__
    torch = sys.modules.get(_TORCH)
    if torch is not None and isinstance(argument, torch.DataLoader):
        raise InputError.of("dataset", "must be images, not batches of them", kind, "pass loader.dataset")
    iterable = torch is not None and isinstance(argument, torch.IterableDataset)
    if iterable or (hasattr(argument, "__next__") and hasattr(argument, "__iter__")):
        rule = "must give its images by number and have a length"
        raise InputError.of("dataset", rule, kind, "pass list(…) of it, or a map-style dataset")


def read_map_style(dataset: Any, name: str | None, unnamed: str) -> Dataset:
    """Make a dataset from an object that gives images by number, when asked; torchvision's ``ImageFolder`` gives its files."""
    whole, numbers = _whole(dataset)
    if not numbers:
        raise InputError.of("dataset", f"must hold at least one image, got a {type(dataset).__name__} of none")
    files = _files(whole)
    if files is not None:
        items = tuple(files[number] for number in numbers)
        root = absolute(getattr(whole, "root", None) or Path(items[0].path).parent)
        return Dataset(name or root.name or unnamed, items, (), root)
    parts = _first(dataset, type(dataset).__name__)
    targets = _listed_targets(whole)
    reader = _Reader(dataset, whole)
    label = reader.label if parts.target is not None else None
    masked = [parts.mask is not None] * len(numbers)
    texts = {} if targets is None else {LABEL: [_class(whole, targets[number]) for number in numbers]}
    return in_memory(reader.read, name or unnamed, len(numbers), masked, texts, label)


def in_memory(
    read: Callable[[Part, int], bytes],
    name: str,
    names: Iterable[str] | int,
    masked: Sequence[bool] = (),
    texts: Mapping[str, Sequence[str | None]] = MappingProxyType({}),
    label: Callable[[int], str | None] | None = None,
) -> Dataset:
    """Make a dataset of images that `read` returns; `names` are their names or number.

    `masked` says of each image whether it has a mask, `texts` are its label and further columns; `label` returns a class that
    is known only with the image.
    """
    listed = [str(number) for number in range(names)] if isinstance(names, int) else list(names)
    images = MemoryImages(read, len(listed), label)
    items = []
    for number, shown in enumerate(listed):
        mask = images.path(number, "mask") if masked and masked[number] else None
        own = texts[LABEL][number] if LABEL in texts else None
        further = tuple((column, text) for column, cells in texts.items() if column not in WANTED and (text := cells[number]))
        items.append(Item(shown, images.path(number), mask, own, further))
    return Dataset(name, tuple(items))


def labelled(dataset: Dataset) -> Dataset:
    """Fill in classes that an object in memory gives only with its images, by reading each; other datasets stay unchanged."""
    if any(item.label is not None for item in dataset.items):
        return dataset
    return replace(dataset, items=tuple(replace(item, label=_told(item.path)) for item in dataset.items))


def _told(path: object) -> str | None:
    if not isinstance(path, MemoryPath) or path.images.label is None:
        return None
    try:
        return path.images.label(path.number)
    except ImageError:  # the image will be skipped with the reason
        return None


class _Reader:
    """Read the parts of an object's items; the last item is kept, as its mask is read after its image."""

    def __init__(self, dataset: Any, whole: Any) -> None:
        self._dataset, self._whole = dataset, whole
        self._last: tuple[int, ItemParts] | None = None

    def read(self, part: Part, number: int) -> bytes:
        parts = self._parts(number)
        if part == "mask" and parts.mask is None:
            raise ImageError("no mask")
        return file_bytes(parts.image) if part == "image" else file_bytes(parts.mask, mask=True)

    def label(self, number: int) -> str | None:
        return _class(self._whole, self._parts(number).target)

    def _parts(self, number: int) -> ItemParts:
        if self._last is None or self._last[0] != number:
            try:
                item = self._dataset[number]
            except Exception as error:  # code of the user's, which may raise anything
                raise ImageError(f"item {number} cannot be had ({type(error).__name__}: {one_line(error, 100)})") from error
            self._last = number, parts_of(item)
        return self._last[1]


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


def _files(dataset: Any) -> list[Item] | None:
    """List the files of torchvision's own datasets with (path, class) samples, such as ``ImageFolder``; None for others."""
    samples = getattr(dataset, "samples", None)
    if not str(getattr(type(dataset).__getitem__, "__module__", "")).startswith("torchvision."):
        return None
    if not isinstance(samples, (list, tuple)) or not samples or not hasattr(dataset, "classes"):
        return None
    if not all(
        isinstance(sample, (list, tuple)) and len(sample) == 2 and isinstance(sample[0], (str, Path)) for sample in samples
    ):
        return None
    paths = [absolute(path) for path, _ in samples]
    if not all(path.suffix.lower() in EXTENSIONS for path in paths):
        return None
    root = getattr(dataset, "root", None)
    if root is not None and all(path.is_relative_to(absolute(root)) for path in paths):
        names = [path.relative_to(absolute(root)).as_posix() for path in paths]
    else:
        short = unshared([path.as_posix() for path in paths])
        names = [short[path.as_posix()] for path in paths]
    labels = (_class(dataset, _as_target(target)) for _, target in samples)
    return [Item(name, path, None, label) for name, path, label in zip(names, paths, labels, strict=True)]


def _listed_targets(dataset: Any) -> list[int | str | None] | None:
    """Return the classes that a dataset lists apart from its images, as in torchvision; None if it lists none."""
    tensors: Any = getattr(dataset, "tensors", None)
    second = tensors[1] if isinstance(tensors, (list, tuple)) and len(tensors) > 1 else None
    for values in (getattr(dataset, "targets", None), getattr(dataset, "labels", None), second):
        array = None if isinstance(values, (list, tuple)) else as_array(values)
        listed: Any = array.tolist() if array is not None and array.ndim == 1 else values
        targets = [_as_target(value) for value in listed] if isinstance(listed, (list, tuple)) else []
        if len(targets) == len(dataset) and None not in targets:
            return targets
    return None


def _first(dataset: Any, kind: str) -> ItemParts:
    """Return the parts of the first item; raise `InputError` unless it is an image and the same each time."""
    try:
        parts, again = (parts_of(dataset[0]) for _ in range(2))
    except Exception as error:
        line = f"dataset: item 0 of the {kind} cannot be had ({type(error).__name__}: {one_line(error, 100)})"
        raise InputError(line) from error
    try:
        data, other = file_bytes(parts.image), file_bytes(again.image)
    except ImageError as error:
        raise InputError(f"dataset: item 0 of the {kind} is no picture: {error}") from error
    if data != other:
        rule = "must give the same image each time"
        raise InputError.of("dataset", rule, f"{kind} with a random transform", "pass it without augmentation")
    return parts
