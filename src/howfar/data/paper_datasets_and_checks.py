"""List the paper's datasets with sources and terms of use, and check whether a folder matches the paper's description."""

import difflib
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from howfar.data.dataset import Dataset
from howfar.data.dataset_argument import parse
from howfar.data.image_and_mask_folders import counted
from howfar.data.image_decoding import size
from howfar.data.image_groups_and_variations import variations
from howfar.errors import ImageError, InputError, UnknownNameError

NOT_VERIFIED = "not verified"


@dataclass(frozen=True)
class CatalogueEntry:
    """Describe one dataset of the paper, as `catalogue.toml` states it.

    `symbol` is "" for none. `masks` of cracks are "needed" for the paper's figures and tables, or not. Of a `drawn` dataset the
    study draws `images` itself. `licence` is "" where no page of terms could be read. `prefix` begins the file names in a
    collection of several datasets. `per_category` are the fewest and most images of one of the `n_categories`. `variations`
    counts the values of each part of a file's name, as `howfar.data.image_groups_and_variations` reads it.
    """

    name: str
    title: str
    symbol: str
    what: str
    masks: Literal["needed", "available", "none"]
    where: tuple[str, ...]
    licence: str
    licence_source: str
    layout: str
    citation: str
    used_in: tuple[str, ...]
    images: int | None = None
    drawn: bool = False
    sizes: tuple[tuple[int, int], ...] = ()
    prefix: str = ""
    categories: tuple[str, ...] = ()
    n_categories: int | None = None
    per_category: tuple[int, int] | None = None
    variations: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def terms(self) -> str:
        """Return the terms of use, or "not verified"."""
        return self.licence or NOT_VERIFIED

    @property
    def pixels(self) -> str:
        """Return the image sizes as text: "448×448", joined by "or"; "" if no size is stated."""
        return " or ".join(f"{width}×{height}" for width, height in self.sizes)


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return the paper's datasets, the primary one first.

    Examples
    --------
    >>> [(entry.symbol, entry.title, entry.images) for entry in catalogue()[:3]]
    [('P', 'CrackTree260', 260), ('S_1', 'CrackLS315', 315), ('S_2', 'CRKWH100', 100)]
    """
    tables = tomllib.loads(files("howfar.data").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return tuple(
        CatalogueEntry(name=name, **{key: _frozen(value) for key, value in table.items()}) for name, table in tables.items()
    )


def entry(name: str) -> CatalogueEntry:
    """Return the paper's dataset of that name, ignoring case; raise `UnknownNameError` where there is none."""
    known = {candidate.name: candidate for candidate in catalogue()}
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no dataset of the paper named {name!r}; known: {', '.join(known)}{hint}")
    return known[name.lower()]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value


_NAMED = 5
# Ends of SUN397's names that the paper's table 7 leaves out: its field is the source's field/cultivated and field/wild.
_KINDS = (
    *("indoor", "outdoor", "interior", "exterior", "door", "backseat", "frontseat", "cultivated", "wild"),
    *("establishment", "home"),
)


@dataclass(frozen=True)
class Finding:
    """State in one line a comparison with the paper, and whether it agrees."""

    agrees: bool
    text: str


@dataclass(frozen=True)
class FolderCheck:
    """Hold the findings of a folder's comparison with the paper, in the order of the catalogue's fields."""

    name: str
    dataset: str
    findings: tuple[Finding, ...]

    @property
    def agrees(self) -> bool:
        """Return whether all findings agree with the paper."""
        return all(finding.agrees for finding in self.findings)


def check_folder(name: str, folder: str | Path | Dataset) -> FolderCheck:
    """Compare a folder with the paper's description of a dataset.

    Compared are the number of images, that of masks where the paper's study needs them, sizes in pixels where one is stated,
    the categories of scenes, and the variations of persons in the names of files. No image is decoded: sizes are read from
    headers.

    Raises `UnknownNameError` where there is no dataset of that name, `MissingPathError` where there is no such folder, and
    `InputError` where the folder holds no image, or what it names is no images.

    Parameters
    ----------
    name
        A name of `howfar.data.paper_datasets_and_checks.catalogue`.
    folder
        The folder, or any other dataset of images that `howfar.data.parse` understands.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> check = check_folder("crkwh100", write_dataset(Path(tempfile.mkdtemp()) / "roads", 3, seed=0, size=64))
    >>> check.agrees, check.findings[0].text
    (False, '3 images, the paper has 100')
    """
    wanted = entry(name)
    dataset = parse(folder)
    if not isinstance(dataset, Dataset):
        raise InputError.of("folder", "must hold images", str(folder), "embeddings cannot be checked against the paper")
    return FolderCheck(wanted.name, dataset.name, tuple(_findings(dataset, wanted)))


def _findings(dataset: Dataset, wanted: CatalogueEntry) -> Iterator[Finding]:
    names = [item.name for item in dataset.items]
    yield _images(names, wanted)
    if wanted.masks == "needed":
        without = [item.name for item in dataset.items if item.mask is None]
        masks, images = counted(len(dataset) - len(without), "mask"), counted(len(dataset), "image")
        which = f" for {images}: {without[0]} has none of its stem in masks/" if without else ", one for each image"
        yield Finding(not without, masks + which)
    if wanted.sizes:
        yield from _sizes(dataset, wanted)
    if wanted.categories:
        yield from _categories(names, wanted)
    if wanted.variations:
        yield from _variations(names, wanted)
    if dataset.skipped:
        first = dataset.skipped[0]
        yield Finding(False, f"{counted(len(dataset.skipped), 'file')} skipped, such as {first.path}: {first.reason}")


def _images(names: list[str], wanted: CatalogueEntry) -> Finding:
    count = counted(len(names), "image")
    if wanted.images is None:
        return Finding(True, f"{count}; the paper gives no number for the whole of {wanted.title}")
    if len(names) == wanted.images:
        return Finding(True, f"{count}, as the paper's {wanted.title}")
    if wanted.drawn and len(names) > wanted.images:
        return Finding(True, f"{count}, of which a study draws {wanted.images} where its dataset has limit = {wanted.images}")
    own = sum(PurePosixPath(name).name.startswith(wanted.prefix) for name in names) if wanted.prefix else 0
    hint = f"; {own} of them are named {wanted.prefix}*: keep those alone" if 0 < own < len(names) else ""
    return Finding(False, f"{count}, the paper has {wanted.images}{hint}")


def _sizes(dataset: Dataset, wanted: CatalogueEntry) -> Iterator[Finding]:
    sizes: Counter[tuple[int, int]] = Counter()
    faults: list[str] = []
    for item in dataset.items:
        try:
            sizes[size(item.path)] += 1
        except ImageError as error:
            faults.append(f"{item.name}: {error}")
    others = {shape: count for shape, count in sizes.items() if shape not in wanted.sizes}
    if others:
        (width, height), count = max(others.items(), key=lambda pair: pair[1])
        off = sum(others.values())
        most = f", most of them {width}×{height} ({count})" if len(others) > 1 else f" but {width}×{height}"
        yield Finding(False, f"{counted(off, 'image')} not of {wanted.pixels} pixels{most}")
    elif sizes:
        yield Finding(True, f"all of {wanted.pixels} pixels")
    if faults:
        yield Finding(False, f"{counted(len(faults), 'image')} cannot be read, such as {faults[0]}")


def _categories(names: list[str], wanted: CatalogueEntry) -> Iterator[Finding]:
    # Categories are spelt as in the paper's table 7.
    paths = ([part for part in PurePosixPath(name).parts[:-1] if len(part) > 1 and part != "images"] for name in names)
    folders = Counter("_".join(parts).lower().replace(" ", "_").replace("-", "_") for parts in paths)
    loose = folders.pop("", 0)
    spellings = {category: {category, *(f"{category}_{kind}" for kind in _KINDS)} for category in wanted.categories}
    kinds = {category: [name for name in folders if name in known] for category, known in spellings.items()}
    counts = {category: sum(folders[name] for name in of) for category, of in kinds.items() if of}
    missing = [category for category in kinds if category not in counts]
    listed = f"{len(missing)} of the {len(kinds)} categories are missing: {', '.join(missing)}"
    yield Finding(not missing, listed if missing else f"none of the {len(kinds)} categories is missing")
    if counts:
        yield Finding(True, f"images a category: {', '.join(f'{category} {count}' for category, count in counts.items())}")
    if counts and wanted.per_category:
        fewest, most = wanted.per_category
        off = [f"{category} {count}" for category, count in counts.items() if not fewest <= count <= most]
        text = f"{len(off)} of {len(counts)} categories have not {fewest} to {most} images: {_some(off)}"
        yield Finding(not off, text if off else f"{fewest} to {most} images in each category, as in the paper")
    if wanted.n_categories is not None:
        yield _number(f"{len(folders)} categories in all", len(folders), wanted.n_categories)
    elif len(counts) < len(kinds) and (others := sorted(set(folders) - {name for of in kinds.values() for name in of})):
        yield Finding(False, f"{counted(len(others), 'folder')} of no category of the paper: {_some(others)}")
    if loose:
        yield Finding(False, f"{counted(loose, 'image')} in no folder of a category")


def _number(text: str, number: int, expected: int) -> Finding:
    agrees = number == expected
    return Finding(agrees, f"{text}, as in the paper" if agrees else f"{text}, the paper has {expected}")


def _some(texts: list[str]) -> str:
    """Join the first few texts of a list, and count the rest."""
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


def _variations(names: list[str], wanted: CatalogueEntry) -> Iterator[Finding]:
    try:
        table = variations(names)
    except InputError as error:
        yield Finding(False, str(error))
        return
    for group, expected in wanted.variations.items():
        number = table[group].nunique()
        yield _number(f"{number} {group}{'' if number == 1 else 's'}", number, expected)
    repeated = int(table.duplicated().sum())
    if repeated:
        yield Finding(False, f"{counted(repeated, 'image')} of the same person and variations as another")
    if wanted.images is not None:
        counts, expected = Counter(table["person"].tolist()), wanted.images // wanted.variations["person"]
        right = all(count == expected for count in counts.values())
        named = _some([f"{count} of person {person}" for person, count in counts.items()])
        yield Finding(right, f"images: {named}" + ("" if right else f"; the paper has {expected} of each"))
