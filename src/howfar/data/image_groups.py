"""Group images that are tiles of one photograph, by file name, and split or filter a dataset by whole photographs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from howfar.data.dataset import Dataset
from howfar.data.image_bytes import content_hash, read_bytes
from howfar.errors import ImageError, InputError
from howfar.results import Features

_TILE = re.compile(r"(.+)-[0-9]+$")
_MOST, _FEWER = 0.5, 0.9
_ENDING = re.compile(r"(?<=[^/])\.[^./]+$")


def compiled(argument: str, pattern: str, remedy: str = "") -> re.Pattern[str]:
    """Compile a regular expression of the user's; raise `InputError` if it is none."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError.of(argument, f"must be a regular expression ({error})", pattern, remedy) from error


def pattern_of(group: str) -> re.Pattern[str]:
    """Compile a regular expression whose first group names an image's photograph; raise `InputError` if it is none."""
    pattern = compiled("group", group)
    if pattern.groups < 1:
        raise InputError.of("group", "must have a group in brackets that names the photograph", group, r"write (.+)-\d+")
    return pattern


def photographs_of(names: Sequence[str], group: str | None) -> list[str]:
    """Return each image's photograph: what the expression's first group is from the start of the name, or else the name."""
    stems = [_stem(name) for name in names]
    if group is None:
        return stems
    pattern = pattern_of(group)
    hits = [pattern.match(name) for name in stems]
    if stems and not any(hits):
        raise InputError.of("group", f"must match the names of images, such as {stems[0]!r}", group, "leave out the ending")
    return [(hit and hit.group(1)) or name for hit, name in zip(hits, stems, strict=True)]


def image_groups(names: Sequence[str], own: Sequence[str | None], group: str | None) -> list[str]:
    """Return the group of each image: by the expression, else the dataset's own, else the image by itself (its name)."""
    if group is not None:
        return photographs_of(names, group)
    return [name if of is None else of for name, of in zip(names, own or [None] * len(names), strict=True)]


Grouped = TypeVar("Grouped", Dataset, Features, Dataset | Features)


def grouped(datasets: Sequence[Grouped], group: str | None) -> list[Grouped]:
    """Set each image's group by an expression in the datasets in which it fits any name; other datasets stay unchanged.

    Raises `InputError` for an expression that fits no dataset.
    """
    if group is None:
        return list(datasets)
    named = [list(of.images) if isinstance(of, Features) else [item.name for item in of.items] for of in datasets]
    fitting = [bool(names) and fits(names, group) for names in named]
    if not any(fitting):
        example = next((names[0] for names in named if names), "")
        raise InputError.of("group", f"must match the names of images, such as {example!r}", group, "leave out the ending")
    found: list[Any] = []
    for dataset, names, fit in zip(datasets, named, fitting, strict=True):
        of: Any = dataset
        if fit and isinstance(of, Features):
            of = replace(of, groups=tuple(photographs_of(names, group)))
        elif fit:
            photographs = zip(of.items, photographs_of(names, group), strict=True)
            of = replace(of, items=tuple(replace(item, group=photograph) for item, photograph in photographs))
        found.append(of)
    return found


def fits(names: Sequence[str], group: str) -> bool:
    """Return whether the expression matches the start of any image's name without extension."""
    pattern = pattern_of(group)
    return any(pattern.match(_stem(name)) for name in names)


def guess_photographs(names: Sequence[str], group: str | None, own: Sequence[str | None] = ()) -> list[str]:
    """Return each image's group as `image_groups`; without any, use ``<photo>-<tile>`` names if they look tiled."""
    if group is None and any(of is not None for of in own):
        return image_groups(names, own, None)
    tiled = group is None and look_tiled(len(names), *tiles(names))
    return photographs_of(names, _TILE.pattern if tiled else group)


def tiles(names: Sequence[str]) -> tuple[int, int]:
    """Count photographs with tiles, and their tiles, by numbered names; (0, 0) for one stem alone, as in IMG-0001, IMG-0002."""
    hits = [_TILE.match(_stem(name)) for name in names]
    stems = [hit.group(1) for hit in hits if hit]
    photographs = len(set(stems))
    return (photographs, len(stems)) if photographs > 1 else (0, 0)


def look_tiled(images: int, photographs: int, tiles: int) -> bool:
    """Return whether most images seem to be tiles of clearly fewer photographs, by the counts of `tiles`."""
    return tiles > _MOST * images and photographs < _FEWER * tiles


def _stem(name: str) -> str:
    """Return a name without its extension but with its folders."""
    return _ENDING.sub("", name)


@dataclass(frozen=True)
class HashedDataset:
    """Hold a dataset with each readable image's content hash and photograph, and the expression for photographs."""

    dataset: Dataset
    contents: Mapping[str, str]
    photographs: Mapping[str, str]
    group: str | None = None

    @classmethod
    def of(cls, dataset: Dataset, group: str | None) -> HashedDataset:
        """Hash every image file; raise `InputError` for a wrong photograph expression or if no image is readable."""
        contents = {}
        for item in dataset.items:
            try:
                contents[item.name] = content_hash(read_bytes(item.path))
            except ImageError:
                continue
        if not contents:
            raise InputError.of(f"dataset {dataset.name}", "must hold an image that can be read", "none")
        names = [item.name for item in dataset.items]
        own = group if group is not None and fits(names, group) else None
        photographs = dict(zip(names, guess_photographs(names, own, dataset.groups), strict=True))
        items = tuple(item for item in dataset.items if item.name in contents)
        return cls(replace(dataset, items=items), contents, photographs, own)

    def without(self, contents: Collection[str]) -> HashedDataset:
        """Leave out the images with these content hashes."""
        return self._outside(self.contents, set(contents))

    def apart_from(self, names: Collection[str]) -> HashedDataset:
        """Leave out all images that share a photograph with the named images."""
        return self._outside(self.photographs, {self.photographs[name] for name in names})

    def _outside(self, property_of: Mapping[str, str], excluded: Collection[str]) -> HashedDataset:
        items = tuple(item for item in self.dataset.items if property_of[item.name] not in excluded)
        return replace(self, dataset=replace(self.dataset, items=items))

    def divided(self, share: float, seed: int) -> tuple[list[str], list[str]]:
        """Split the image names by photograph into a pool and the rest, with at least one photograph in each."""
        names = sorted({self.photographs[item.name] for item in self.dataset.items})
        if len(names) < 2:
            rule = f"needs at least two photographs of {self.dataset.name}"
            raise InputError.of("pool_share", rule, len(names), "leave it out")
        order = np.random.default_rng(seed).permutation(len(names))
        count = min(max(round(share * len(names)), 1), len(names) - 1)
        pool = {names[index] for index in order[:count]}
        inside = [item.name for item in self.dataset.items if self.photographs[item.name] in pool]
        return inside, [item.name for item in self.dataset.items if self.photographs[item.name] not in pool]
