"""Training examples: pictures and masks, resized and held in memory, and their split by photograph."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Dataset, content_hash, decode, read_bytes
from howfar.data.groups import guess_photographs
from howfar.data.masks import decode_mask, resize_mask
from howfar.errors import ImageError, InputError
from howfar.progress import bar
from howfar.runners import available_cores

_BLANK = "blank"


@dataclass(frozen=True)
class Example:
    """One picture to learn from, not yet read.

    Attributes
    ----------
    dataset, name
        The dataset's name, and the image's in it.
    path, mask
        The files; without a mask nothing in the picture is foreground.
    photograph
        What it is a tile of, told apart between datasets; its own name where it is no tile.
    """

    dataset: str
    name: str
    path: Path | str
    mask: Path | str | None
    photograph: str


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pictures and masks at the training size, in memory.

    Attributes
    ----------
    pictures
        (n, 3, s, s) uint8 RGB.
    masks
        (n, 1, s, s) bool.
    contents
        Hash of each image file.
    fingerprint
        Hash of all image and mask files, whatever their order and names.
    """

    pictures: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    contents: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.contents)


def examples_of(dataset: Dataset, group: str | None = None, *, blank: bool = False) -> tuple[Example, ...]:
    """List a dataset's examples: its images that have a mask, or all of them with none.

    Parameters
    ----------
    dataset
        Where to take them from.
    group
        Regular expression whose first group names an image's photograph; by default names like ``<photo>-<tile>`` are taken for
        tiles where most images have one.
    blank
        Take every image, as a picture without foreground, whatever masks there are: background to learn from.

    Raises
    ------
    InputError
        No image has a mask, or the expression is wrong.

    Examples
    --------
    >>> from howfar.data import Item
    >>> roads = Dataset("roads", (Item("a-1.png", Path("a-1.png"), mask=Path("m.png")), Item("b.png", Path("b.png"))))
    >>> [one.photograph for one in examples_of(roads)], len(examples_of(roads, blank=True))
    (['roads/a-1'], 2)
    """
    names = [item.name for item in dataset.items]
    photographs = guess_photographs(names, group)
    found = tuple(
        Example(dataset.name, item.name, item.path, None if blank else item.mask, f"{dataset.name}/{photograph}")
        for item, photograph in zip(dataset.items, photographs, strict=True)
        if blank or item.mask is not None
    )
    if not found:
        raise InputError.of(
            f"dataset {dataset.name}", "must have masks to learn from", "none", "put them in masks/ beside images/"
        )
    return found


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Divide examples into those to learn from and those held out, by photograph, never by tile.

    Photographs are drawn until the held-out ones have at least `share` of the images; one always stays to learn from.

    Parameters
    ----------
    examples
        In any order: what is drawn depends on the photographs' names and the seed alone.
    share
        Of the images, 0 to below 1; 0 holds none out.
    seed
        Draws them.

    Returns
    -------
    tuple
        Those to learn from and those held out, each in the given order.

    Examples
    --------
    >>> tiles = [Example("r", f"{p}-{k}.png", Path(), None, f"r/{p}") for p in "abcd" for k in range(2)]
    >>> kept, held = split(tiles, 0.3, seed=0)
    >>> len(kept), len(held), {one.photograph for one in kept} & {one.photograph for one in held}
    (4, 4, set())
    """
    names = sorted({one.photograph for one in examples})
    order = np.random.default_rng(seed).permutation(len(names))
    counts = Counter(one.photograph for one in examples)
    held: set[str] = set()
    for place in order[: len(names) - 1]:
        if sum(counts[name] for name in held) >= share * len(examples):
            break
        held.add(names[place])
    return (
        tuple(one for one in examples if one.photograph not in held),
        tuple(one for one in examples if one.photograph in held),
    )


def read_pairs(examples: Sequence[Example], size: int, progress: bool = True) -> Pairs:
    """Read, resize and keep pictures and masks: pictures antialiased, masks so that no line is lost.

    Parameters
    ----------
    examples
        At least one.
    size
        Side of the square that all are brought to; the aspect is not kept, as in the paper.
    progress
        Whether to show it on stderr.

    Raises
    ------
    ImageError
        A file cannot be read, or a mask has not its picture's size: the line names it.
    InputError
        There is no example.
    """
    if not examples:
        raise InputError.of("examples", "must hold at least one", "none")
    with ThreadPoolExecutor(available_cores()) as pool:
        read = pool.map(lambda one: _read(one, size), examples)
        shown = bar(read, progress=progress, total=len(examples), desc="reading", unit="image", leave=False)
        pictures, masks, contents, marks = zip(*shown, strict=True)
    return Pairs(np.stack(pictures), np.stack(masks), tuple(contents), _fingerprint(contents, marks))


def fingerprint_of(examples: Sequence[Example]) -> str:
    """What `read_pairs` of these examples would have for a fingerprint, from the files' bytes alone.

    Raises
    ------
    ImageError
        A file cannot be read.
    """
    contents = [content_hash(read_bytes(one.path)) for one in examples]
    return _fingerprint(contents, [_BLANK if one.mask is None else content_hash(read_bytes(one.mask)) for one in examples])


def _fingerprint(contents: Sequence[str], marks: Sequence[str]) -> str:
    lines = sorted(f"{content} {mark}" for content, mark in zip(contents, marks, strict=True))
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def _read(one: Example, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str, str]:
    try:
        data = read_bytes(one.path)
        image = decode(data).image
        picture = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        if one.mask is None:
            return picture, np.zeros((1, size, size), bool), content_hash(data), _BLANK
        marks = read_bytes(one.mask)
        mask = decode_mask(marks).foreground
        if mask.shape != (image.height, image.width):
            raise ImageError(f"its mask is {mask.shape[1]}×{mask.shape[0]} pixels, the picture {image.width}×{image.height}")
        return picture, resize_mask(mask, size, size)[None], content_hash(data), content_hash(marks)
    except ImageError as error:
        raise ImageError(f"{one.dataset}/{one.name}: {error}") from error
