"""List, split by photograph, and read the images and masks that a segmenter is trained on."""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from howfar.data import Dataset, DatasetArgument, content_hash, decode, read_bytes
from howfar.data.binary_masks import Mask, mask_content, resize_mask
from howfar.data.dataset_argument import parse_images
from howfar.data.image_and_mask_folders import path_text
from howfar.data.image_groups_and_variations import guess_photographs
from howfar.data.image_tables_and_lists import match_list, read_list
from howfar.errors import ImageError, InputError
from howfar.io.file_location import absolute
from howfar.progress import bar
from howfar.results import Selection
from howfar.runners import available_cores
from howfar.tasks.task import read_named

_BLANK = "blank"


@dataclass(frozen=True)
class TrainingExample:
    """Refer to one training image and its mask by path; an image without a mask has no foreground."""

    dataset: str
    name: str
    path: Path | str
    mask: Path | str | None
    photograph: str


@dataclass(frozen=True, eq=False)
class Pairs:
    """Hold n images (n, 3, s, s) uint8 RGB and masks (n, 1, s, s) bool in memory, at the training size.

    `contents` are hashes of the image files; `sides` are √(width · height) of the images as they were, in pixels.
    """

    pictures: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    contents: tuple[str, ...]
    fingerprint: str
    sides: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.contents)


def examples_of(dataset: Dataset, group: str | None = None, *, blank: bool = False) -> tuple[TrainingExample, ...]:
    """List a dataset's training examples: the images with masks, or with `blank` all images without foreground.

    The first group of the expression `group` names an image's photograph; by default names like ``<photo>-<tile>`` are tiles.
    """
    names = [item.name for item in dataset.items]
    photographs = guess_photographs(names, group, dataset.groups)
    examples = tuple(
        TrainingExample(dataset.name, item.name, item.path, None if blank else item.mask, f"{dataset.name}/{photograph}")
        for item, photograph in zip(dataset.items, photographs, strict=True)
        if blank or item.mask is not None
    )
    if not examples:
        remedy = "put them in masks/ beside images/"
        raise InputError.of(f"dataset {dataset.name}", "must have masks to learn from", "none", remedy)
    return examples


def split(
    examples: Sequence[TrainingExample], share: float, seed: int
) -> tuple[tuple[TrainingExample, ...], tuple[TrainingExample, ...]]:
    """Split examples by photograph into training and held-out examples, the latter at least `share` of the images.

    The draw depends on the photographs' names and the seed alone; one photograph always stays for training.
    """
    counts = Counter(example.photograph for example in examples)
    names = sorted(counts)
    drawn = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    before = itertools.accumulate((counts[name] for name in drawn), initial=0)
    held_out = {name for name, images in zip(drawn[:-1], before, strict=False) if images < share * len(examples)}
    return (
        tuple(example for example in examples if example.photograph not in held_out),
        tuple(example for example in examples if example.photograph in held_out),
    )


def read_pairs(examples: Sequence[TrainingExample], size: int, progress: bool = True) -> Pairs:
    """Load images and masks resized to squares: images antialiased, masks so that thin lines are preserved."""
    if not examples:
        raise InputError.of("examples", "must hold at least one", "none")
    with ThreadPoolExecutor(available_cores()) as pool:
        read = pool.map(lambda example: _read(example, size), examples)
        shown = bar(read, progress=progress, total=len(examples), desc="reading", unit="image", leave=False)
        pictures, masks, contents, marks, sides = zip(*shown, strict=True)
    return Pairs(np.stack(pictures), np.stack(masks), tuple(contents), _fingerprint(contents, marks), tuple(sides))


def fingerprint_of(examples: Sequence[TrainingExample]) -> str:
    """Compute the fingerprint of `read_pairs` from the files' bytes, without decoding the images."""
    contents = [content_hash(read_bytes(example.path)) for example in examples]
    return _fingerprint(contents, [_BLANK if example.mask is None else mask_content(example.mask) for example in examples])


def _fingerprint(contents: Sequence[str], marks: Sequence[str]) -> str:
    lines = sorted(f"{content} {mark}" for content, mark in zip(contents, marks, strict=True))
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def _read(example: TrainingExample, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str, str, float]:
    try:
        data = read_bytes(example.path)
        image = decode(data).image
        picture = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        side = math.sqrt(image.width * image.height)
        if example.mask is None:
            return picture, np.zeros((1, size, size), bool), content_hash(data), _BLANK, side
        mask, _, marks = read_named("the mask", example.mask, Mask.read)
        if mask.shape != (image.height, image.width):
            sizes = f"its mask is {mask.shape[1]}×{mask.shape[0]} pixels, the picture {image.width}×{image.height}"
            raise ImageError(f"{sizes}: save the mask at the picture's size")
        return picture, resize_mask(mask, size, size)[None], content_hash(data), marks, side
    except ImageError as error:
        raise ImageError(f"{example.dataset}/{example.name}: {error}") from error


Picked: TypeAlias = Selection | str | Path
Added: TypeAlias = "str | tuple[DatasetArgument, Picked]"

_FORM = "must be SITE:LIST, a dataset and the list that howfar select wrote of it"


def added_examples(add: str | Sequence[Added]) -> tuple[TrainingExample, ...]:
    """List the training examples of every dataset and list in `add`, in the order of each list."""
    entries = [add] if isinstance(add, str) else add
    examples: list[TrainingExample] = []
    for entry in entries:
        argument, picked = dataset_and_list(entry)
        dataset = parse_images(argument, "site", "add", "must name images with masks, not embeddings")
        if isinstance(picked, Selection):
            listed, source = picked.paths, f"the selection of {picked.dataset}"
        elif isinstance(picked, (str, Path)):
            listed, source = read_list(picked), str(picked)
        else:
            raise InputError.of("add", "must have a list's file or a Selection beside the dataset", type(picked).__name__)
        if not listed:
            raise InputError.of("add", "must have a list that names an image", source, "choose images with howfar select")
        names, paths = [item.name for item in dataset.items], [path_text(item.path) for item in dataset.items]
        rows: list[int] = []
        for image, row in zip(listed, match_list(listed, names, paths), strict=True):
            if row is None:
                reason = next((fault.reason for fault in dataset.skipped if fault.path == image), "")
                remedy = reason or f"pass the dataset that {source} was chosen from; an image of it is {paths[0]}"
                raise InputError.of("add", f"must name images of {dataset.name}", image, remedy)
            if row in rows:
                raise InputError.of("add", "must name each image once", image, f"{source} has it twice; drop one of the lines")
            rows.append(row)
        items = [dataset.items[row] for row in rows]
        bare = [item.name for item in items if item.mask is None]
        if bare:
            what = f"{len(bare)} of {len(items)} have none; label {'it' if len(bare) == 1 else 'them'} first"
            raise InputError.of("add", f"must name images of {dataset.name} that have a mask", bare[0], what)
        examples += examples_of(replace(dataset, items=tuple(items)))
    return tuple(examples)


def dataset_and_list(entry: Added) -> tuple[DatasetArgument, Picked]:
    """Split an entry into its dataset and its list, at the last colon behind which a file lies."""
    if isinstance(entry, tuple) and len(entry) == 2:
        return entry
    if not isinstance(entry, str):
        raise InputError.of("add", _FORM, entry, "write SITE:chosen.csv, or a pair of both")
    for position in reversed([index for index, character in enumerate(entry) if character == ":"]):
        dataset, listed = entry[:position], entry[position + 1 :]
        if dataset.strip() and listed.strip() and absolute(listed).is_file():
            return dataset, listed
    raise InputError.of("add", _FORM, entry, "no file lies behind a colon that has a dataset before it; write SITE:chosen.csv")


def check_new(added: Sequence[TrainingExample], others: Sequence[TrainingExample]) -> None:
    """Raise `InputError` if an added image duplicates another added image or an existing training image."""
    seen: dict[str, str] = {}
    for example, content in _contents(added):
        name = f"{example.dataset}/{example.name}"
        if content in seen:
            raise InputError.of("add", "must name each image once", name, f"it is {seen[content]}; take one of them out")
        seen[content] = name
    for example, content in _contents(others) if seen else ():
        if content in seen:
            again = f"{example.dataset}/{example.name}"
            rule = "must name images that are not learnt from without it"
            raise InputError.of("add", rule, seen[content], f"it is {again}; take one of them out")


def _contents(examples: Sequence[TrainingExample]) -> Iterator[tuple[TrainingExample, str]]:
    for example in examples:
        try:
            yield example, content_hash(read_bytes(example.path))
        except ImageError:
            continue
