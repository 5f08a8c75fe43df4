"""Write corrupted versions of labelled images with their masks as PNG, and keep those that are there already."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, Item, content_hash, decode, read_bytes
from howfar.data.folder_walk import printable
from howfar.data.masks import Mask
from howfar.data.probability_map_files import map_paths, signature_of, write_map
from howfar.errors import ImageError, InputError
from howfar.perturb import LabelledPerturbation
from howfar.perturb.inpainting import inpaint
from howfar.results import Skipped
from howfar.runners import available_cores
from howfar.studies.corruption.choice import Chosen

IMAGES, MASKS = "images", "masks"
_NOT_OURS = "must hold no images that howfar corrupt did not write"


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """Hold an image that was read with its mask, and the hashes of both files."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    contents: tuple[str, str]

    @classmethod
    def read(cls, item: Item) -> LabelledImage:
        """Read an image and its mask, blank where there is none; `ImageError` where one is unreadable or sizes differ."""
        data = read_bytes(item.path)
        pixels = np.asarray(decode(data).image)
        if item.mask is None:
            return cls(pixels, np.zeros(pixels.shape[:2], np.bool_), (content_hash(data), ""))
        mask, _, marks = Mask.read(item.mask)
        if mask.shape != pixels.shape[:2]:
            sizes = (f"{array.shape[1]}×{array.shape[0]}" for array in (mask, pixels))
            raise ImageError("its mask is {} pixels and the image {}".format(*sizes))
        return cls(pixels, mask, (content_hash(data), marks))


@dataclass(frozen=True)
class CorruptedImages:
    """Write one perturbation's versions of a dataset's images to a folder, ``images/`` and ``masks/``.

    Attributes
    ----------
    chosen
        The perturbation and its strength; None for the images as they are.
    folder
        Where the set goes.
    others
        Images that a perturbation may draw from, those of the dataset among them.
    seed
        Seed of all that is drawn.
    """

    chosen: Chosen | None
    folder: Path
    others: Sequence[Item]
    seed: int

    def write(self, dataset: Dataset, name: str) -> Dataset:
        """Write what is not there yet of every image, and return the set under a name.

        Raises `InputError` where a file that howfar did not write lies at an image's place, or two images would share a place.
        """
        wanted = map_paths(self.folder / IMAGES, dataset).items()
        with ThreadPoolExecutor(available_cores()) as pool:
            outcomes = list(pool.map(lambda pair: self._write(*pair), wanted))
        items = tuple(outcome for outcome in outcomes if isinstance(outcome, Item))
        skipped = (replace(outcome, dataset=name) for outcome in outcomes if isinstance(outcome, Skipped))
        return Dataset(name, items, tuple(skipped), self.folder)

    def _write(self, path: Path, item: Item) -> Item | Skipped:
        below = path.relative_to(self.folder / IMAGES)
        marks = self.folder / MASKS / below
        try:
            image = LabelledImage.read(item)
            other = self._other(item)
            beside = None if other is None else LabelledImage.read(other)
        except ImageError as error:
            return Skipped("", printable(item.path), str(error))
        signature = self._signature(image, beside)
        if not (_ours(path, signature) & _ours(marks, signature)):
            pixels, mask = self._corrupted(image, beside)
            # The mask first: an image that is there has its mask.
            write_map(marks, np.where(mask, np.uint8(255), np.uint8(0)), signature)
            write_map(path, pixels, signature)
        return Item(below.as_posix(), path, marks)

    def _other(self, item: Item) -> Item | None:
        """Draw the other image of an image, the same whatever stands beside it in the dataset."""
        if self.chosen is None or not self.chosen.perturbation.needs_others:
            return None
        candidates = [other for other in self.others if other.path != item.path]
        if not candidates:
            name = self.chosen.perturbation.name
            raise InputError.of("others", f"must hold an image beside {item.name} for {name}", "none", "pass others=FOLDER")
        rng = np.random.default_rng([self.seed, *(zlib.crc32(text.encode()) for text in (self.chosen.label, item.name))])
        return candidates[int(rng.integers(len(candidates)))]

    def _signature(self, image: LabelledImage, beside: LabelledImage | None) -> str:
        """Name all that the files depend on, in JSON."""
        chosen = self.chosen
        document = {
            "corrupted": None if chosen is None else [chosen.perturbation.name, chosen.strength],
            "image": image.contents,
            "other": None if beside is None else beside.contents,
            "seed": self.seed,
            "howfar": metadata.version("howfar"),
        }
        return json.dumps(document, sort_keys=True)

    def _corrupted(self, image: LabelledImage, beside: LabelledImage | None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        if self.chosen is None:
            return image.pixels, image.mask
        perturbation: LabelledPerturbation = self.chosen.perturbation
        others = () if beside is None else (inpaint(beside.pixels, beside.mask),)
        return perturbation(image.pixels, image.mask, self.chosen.strength, seed=self.seed, others=others)


def _ours(path: Path, signature: str) -> bool:
    """Return whether a file is there as it would be written; `InputError` where it is another program's."""
    existing = signature_of(path)
    if existing == "":
        raise InputError.of("out", _NOT_OURS, str(path), "choose another folder")
    return existing == signature


def mirrored(dataset: Dataset, folder: Path) -> Iterator[Path]:
    """Write the left-right mirrored images of a dataset to a folder, under their names, and yield where."""
    for path, item in map_paths(folder, dataset).items():
        pixels = np.asarray(decode(read_bytes(item.path)).image)
        write_map(path, np.ascontiguousarray(pixels[:, ::-1]))
        yield path
