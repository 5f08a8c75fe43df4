"""List, split by photograph, and read the images and masks that a segmenter is trained on."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Dataset, content_hash, decode, read_bytes
from howfar.data.folder_walk import printable
from howfar.data.groups import guess_photographs
from howfar.data.masks import Mask, mask_content, resize_mask
from howfar.errors import ImageError, InputError
from howfar.progress import bar
from howfar.runners import available_cores

_BLANK = "blank"


@dataclass(frozen=True)
class Example:
    """Name one training image of a dataset and its mask, not yet read; without a mask nothing in the image is foreground.

    `photograph` names the one that the image is a tile of, after the dataset; it is the image itself where that is no tile.
    """

    dataset: str
    name: str
    path: Path | str
    mask: Path | str | None
    photograph: str


@dataclass(frozen=True, eq=False)
class Pairs:
    """Hold n images (n, 3, s, s) uint8 RGB and masks (n, 1, s, s) bool at the training size, in memory.

    `contents` has the hash of each image file, `fingerprint` is one of all image and mask files, whatever their order and
    names. `sides` are √(width · height) of the images as they were, in pixels.
    """

    pictures: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    contents: tuple[str, ...]
    fingerprint: str
    sides: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.contents)


def examples_of(dataset: Dataset, group: str | None = None, *, blank: bool = False) -> tuple[Example, ...]:
    """List a dataset's training examples: its images that have a mask, or all images without their masks.

    The first group of the regular expression `group` names an image's photograph; by default names like ``<photo>-<tile>`` are
    taken for tiles where most images have one. With `blank` every image is one without foreground, whatever masks there are:
    background to learn from. A wrong expression, or no image with a mask, raises `InputError`.

    Examples
    --------
    >>> from howfar.data import Item
    >>> roads = Dataset("roads", (Item("a-1.png", Path("a-1.png"), mask=Path("m.png")), Item("b.png", Path("b.png"))))
    >>> [example.photograph for example in examples_of(roads)], len(examples_of(roads, blank=True))
    (['roads/a-1'], 2)
    """
    names = [item.name for item in dataset.items]
    photographs = guess_photographs(names, group)
    examples = tuple(
        Example(dataset.name, item.name, item.path, None if blank else item.mask, f"{dataset.name}/{photograph}")
        for item, photograph in zip(dataset.items, photographs, strict=True)
        if blank or item.mask is not None
    )
    if not examples:
        raise InputError.of(
            f"dataset {dataset.name}", "must have masks to learn from", "none", "put them in masks/ beside images/"
        )
    return examples


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Divide examples into training and held-out ones by photograph, so that no photograph is in both.

    Photographs are drawn until the held-out ones have at least `share` of the images, 0 to below 1; one always stays for
    training. The draw depends on the photographs' names and the seed alone, and each part keeps the given order.
    """
    counts = Counter(example.photograph for example in examples)
    names = sorted(counts)
    order = np.random.default_rng(seed).permutation(len(names))
    held_out: set[str] = set()
    for index in order[: len(names) - 1]:
        if sum(counts[name] for name in held_out) >= share * len(examples):
            break
        held_out.add(names[index])
    return (
        tuple(example for example in examples if example.photograph not in held_out),
        tuple(example for example in examples if example.photograph in held_out),
    )


def read_pairs(examples: Sequence[Example], size: int, progress: bool = True) -> Pairs:
    """Read images and masks into memory, resized: images antialiased, masks so that no line is lost.

    `size` is the side of the square that all are resized to; the aspect is not kept, as in the paper. A file that cannot be
    read, or a mask that differs in size from its image, raises `ImageError`, which names it; no example at all `InputError`.
    """
    if not examples:
        raise InputError.of("examples", "must hold at least one", "none")
    with ThreadPoolExecutor(available_cores()) as pool:
        read = pool.map(lambda example: _read(example, size), examples)
        shown = bar(read, progress=progress, total=len(examples), desc="reading", unit="image", leave=False)
        pictures, masks, contents, marks, sides = zip(*shown, strict=True)
    return Pairs(np.stack(pictures), np.stack(masks), tuple(contents), _fingerprint(contents, marks), tuple(sides))


def fingerprint_of(examples: Sequence[Example]) -> str:
    """Compute the fingerprint that `read_pairs` gives these examples, from the files' bytes alone.

    A file that cannot be read raises `ImageError`.
    """
    contents = [content_hash(read_bytes(example.path)) for example in examples]
    masks = [_BLANK if example.mask is None else mask_content(example.mask) for example in examples]
    return _fingerprint(contents, masks)


def _fingerprint(contents: Sequence[str], marks: Sequence[str]) -> str:
    lines = sorted(f"{content} {mark}" for content, mark in zip(contents, marks, strict=True))
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def _mask(path: Path | str) -> Mask:
    try:
        return Mask.read(path)
    except ImageError as error:
        raise ImageError(f"the mask {printable(path)}: {error}") from error


def _read(example: Example, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str, str, float]:
    try:
        data = read_bytes(example.path)
        image = decode(data).image
        picture = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        side = math.sqrt(image.width * image.height)
        if example.mask is None:
            return picture, np.zeros((1, size, size), bool), content_hash(data), _BLANK, side
        mask, _, marks = _mask(example.mask)
        if mask.shape != (image.height, image.width):
            raise ImageError(f"its mask is {mask.shape[1]}×{mask.shape[0]} pixels, the picture {image.width}×{image.height}")
        return picture, resize_mask(mask, size, size)[None], content_hash(data), marks, side
    except ImageError as error:
        raise ImageError(f"{example.dataset}/{example.name}: {error}") from error
