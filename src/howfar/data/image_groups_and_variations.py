"""Find each image's photograph, group and variations (person, view …) from its file name or table row; split by photographs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from howfar.data.compact_item_table import ItemTable
from howfar.data.dataset import Dataset
from howfar.data.image_bytes import content_hash, read_bytes
from howfar.errors import ImageError, InputError
from howfar.results import Features

if TYPE_CHECKING:
    import pandas as pd

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
    """Set each image's group by an expression in the datasets where it fits any name; raise `InputError` if it fits none."""
    if group is None:
        return list(datasets)
    named = [list(of.images) if isinstance(of, Features) else [item.name for item in of.items] for of in datasets]
    fitting = [bool(names) and fits(names, group) for names in named]
    if not any(fitting):
        example = next((names[0] for names in named if names), "")
        raise InputError.of("group", f"must match the names of images, such as {example!r}", group, "leave out the ending")

    def regrouped(of: Any, photographs: Sequence[str]) -> Any:
        if isinstance(of, Features):
            return replace(of, groups=tuple(photographs))
        pairs = zip(of.items, photographs, strict=True)
        return replace(of, items=tuple(replace(item, group=photograph) for item, photograph in pairs))

    triples = zip(datasets, named, fitting, strict=True)
    return [regrouped(of, photographs_of(names, group)) if fit else of for of, names, fit in triples]


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


FINEGPR: Final = r"(?P<person>\d+)_c(?P<view>\d+)_w(?P<weather>\d+)_l(?P<light>\d+)_p(?P<scene>\d+)"
"""Names of FineGPR's images: ``0001_c01_w01_l01_p01.jpg`` is person 1 in view 1, weather 1, light 1 and scene 1."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_LETTERS = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")


def variations(names: Sequence[str], pattern: str = FINEGPR) -> pd.DataFrame:
    r"""Return a table with one row per image, in order, and one column per named group of the pattern.

    The expression must match the whole of a name, or what follows its last folder, without the ending (``.jpg``). A column
    whose values are all digits holds whole numbers, any other text, with "" where an optional group has nothing.

    Raises `InputError` where the pattern is no regular expression or has no named group, or an image's name does not match: the
    first such is named.

    Parameters
    ----------
    names
        Images' names, with or without folders and endings.
    pattern
        Regular expression with named groups, in Python's syntax; FineGPR's names by default (Xiang et al. 2021,
        https://github.com/JeremyXSC/FineGPR): person, view, weather, light, scene.

    Examples
    --------
    >>> variations(["0001/0001_c01_w01_l01_p01.jpg", "0002/0002_c36_w05_l04_p09.jpg"])
       person  view  weather  light  scene
    0       1     1        1      1      1
    1       2    36        5      4      9
    """
    import pandas as pd

    remedy = r"write (?P<person>\d+)_c(?P<view>\d+), say"
    expression = compiled("pattern", pattern, remedy)
    if not expression.groupindex:
        raise InputError.of("pattern", "must have a named group for what varies", pattern, remedy)
    rows = []
    for name in names:
        stem = _LETTERS.sub("", name)
        match = expression.fullmatch(stem) or expression.fullmatch(stem.rpartition("/")[2])
        if match is None:
            raise InputError.of("pattern", f"must match the name of every image, and does not match {name!r}", pattern)
        rows.append(match.groupdict(default=""))
    table = pd.DataFrame({group: [row[group] for row in rows] for group in expression.groupindex}, dtype=object)
    numbers = [group for group in table if len(table) and all(map(_NUMBER.fullmatch, table[group]))]
    return table.astype(dict.fromkeys(numbers, "int64"))


def variation_columns(dataset: Dataset, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns of a dataset's own table as text ("" for nothing), with one row per image, in order."""
    import pandas as pd

    items = ItemTable.of(dataset.items)
    known = [*(["label"] if items.labelled else []), *items.columns]
    if not known:
        rule = "must be of a dataset that is a CSV or Parquet table with further columns"
        raise InputError.of("columns", rule, str(dataset.root), "name a pattern instead")
    missing = [name for name in columns if name not in known]
    if missing:
        raise InputError.of("columns", "must be columns of the dataset's table", missing[0], f"it has {', '.join(known)}")
    rows = [{"label": item.label, **dict(item.further)} for item in items]
    return pd.DataFrame({name: [(row.get(name) or "").strip() for row in rows] for name in columns}, dtype=object)
