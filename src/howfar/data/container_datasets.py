"""Read datasets that lie in tar, Parquet or Arrow files: one file, a folder of them, or a pattern of names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path, PurePosixPath

from howfar.data.containers import KINDS, Member, opened
from howfar.data.containers.parquet_file import ParquetFile
from howfar.data.dataset import Dataset
from howfar.data.folder_walk import EXTENSIONS, natural_key, printable
from howfar.data.item import Item
from howfar.data.prediction_matching import unshared
from howfar.errors import HowfarError, InputError, one_line
from howfar.io.location import Location, Url, as_location, file_system
from howfar.results import Skipped

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_OF_SPLIT = re.compile(r"(?P<split>.+)-[0-9]{5}-of-[0-9]{5}(-[0-9a-f]+)?\.[a-z]+")
_MOST = 100_000


def read_shards(files: Sequence[Location], name: str, root: Location, table: ParquetFile | None = None) -> Dataset:
    """Make one dataset of the images in several containers, in the order of the files and of the images within each.

    An image's name is what its container calls it (a tar member's path, the path that a row notes) where all of them have such
    a name and no two the same; else the container's name, where there are several, and the member's. `files` are tar, Parquet
    or Arrow files, of which one that cannot be read is skipped with the reason; `root` is what the dataset is read from;
    `table` the one file where it is a Parquet file that is open already. Raises `InputError` where there is no image in them.
    """
    members: list[tuple[Location, Member]] = []
    skipped: list[Skipped] = []
    for file in files:
        try:
            listing = opened(file, fresh=True, file=table).listing()
        except (HowfarError, OSError) as error:  # a shard that is damaged costs its own images alone
            if len(files) == 1:
                raise
            skipped.append(Skipped(name, printable(file), _reason(error)))
            continue
        members.extend((file, member) for member in listing.members)
        faults = ((file / inner_path if inner_path else file, reason) for inner_path, reason in listing.faults)
        skipped.extend(Skipped(name, printable(path), reason) for path, reason in faults)
    if not members:
        first = f" ({len(skipped)} skipped; the first: {skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"no image in {root}{first}: pass files with images in them")
    items = tuple(
        Item(shown, file / member.inner_path, None if member.mask is None else file / member.mask, member.label)
        for shown, (file, member) in zip(_names(members), members, strict=True)
    )
    return Dataset(name, items, tuple(skipped), root)


def _reason(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else one_line(error, 1000)


def _names(members: Sequence[tuple[Location, Member]]) -> list[str]:
    maker_names = [member.name or "" for _, member in members]
    if all(maker_names) and len(set(maker_names)) == len(maker_names):
        outside = any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in maker_names)
        return list(unshared(maker_names).values()) if outside else maker_names
    files = [str(file) for file in dict.fromkeys(file for file, _ in members)]
    shown = unshared(files) if len(files) > 1 else {files[0]: ""}
    return [f"{shown[str(file)]}/{member.inner_path}".lstrip("/") for file, member in members]


def has_braces(text: str) -> bool:
    """Return whether a text is a pattern: ``{000..011}`` or ``{a,b}`` is in it.

    Examples
    --------
    >>> has_braces("shard-{000..011}.tar"), has_braces("{train,val}.parquet"), has_braces("my {roads}")
    (True, True, False)
    """
    return any("," in inner or _RANGE.fullmatch(inner) for inner in _BRACES.findall(text))


def expand(pattern: str) -> list[str]:
    """Write out a pattern as a shell would; numbers keep their zeros.

    Raises `InputError` where it stands for more than 100,000 files, or a range runs backwards.

    Examples
    --------
    >>> expand("s3://b/{train,val}-{08..10}.tar")[2:4]
    ['s3://b/train-10.tar', 's3://b/val-08.tar']
    """
    parts = _BRACES.split(pattern)
    choices = [list(_choices(pattern, inner)) for inner in parts[1::2]]
    count = 1
    for texts in choices:
        count *= len(texts)
    if count > _MOST:
        raise InputError.of("dataset", f"must stand for at most {_MOST:,} files", pattern, f"it stands for {count:,}")
    gaps = parts[::2]
    return [
        gaps[0] + "".join(part for pair in zip(chosen, gaps[1:], strict=True) for part in pair) for chosen in product(*choices)
    ]


def _choices(pattern: str, inner: str) -> Iterator[str]:
    numbers = _RANGE.fullmatch(inner)
    if not numbers:
        yield from inner.split(",") if "," in inner else [f"{{{inner}}}"]
        return
    low, high = (int(number) if len(number) < 1000 else -1 for number in numbers.groups())
    if low < 0 or high < 0 or low > high or high - low >= _MOST:
        raise InputError.of("dataset", f"must have ranges that rise, over at most {_MOST:,} numbers", pattern)
    yield from (f"{number:0{len(numbers[1])}d}" for number in range(low, high + 1))


def read_pattern(pattern: str, name: str | None) -> Dataset:
    """Read the containers that a pattern stands for; one that is not there is skipped.

    Raises `InputError` where they are no containers, or there is no image in them.
    """
    files = [as_location(text) for text in expand(pattern)]
    other = next((file for file in files if file.suffix.lower() not in KINDS), None)
    if other is not None:
        raise InputError.of("a pattern", f"must stand for files that end in {', '.join(KINDS)}", str(other))
    shown = _BRACES.sub("", pattern).rpartition("/")[2].removesuffix(files[0].suffix.lower()).strip("-_. ")
    return read_shards(files, name or shown or files[0].parent.name or "dataset", as_location(pattern))


def shards_in(folder: Location) -> list[Location]:
    """List the containers of a folder that holds no image file and no folder, in natural order; none of any other folder.

    Where it holds several kinds, those that come first in `KINDS` are its images; what else lies there is left alone. Raises
    `InputError` where their names are those of several splits.
    """
    names = []
    for name, is_folder in _entries(folder):
        if is_folder or _suffix(name) in EXTENSIONS:
            return []
        names.append(name)
    for kind in KINDS:
        of_kind = [name for name in names if _suffix(name) == kind]
        _refuse_splits(folder, of_kind)
        if of_kind:
            return [folder / name for name in sorted(of_kind, key=natural_key)]
    return []


def _refuse_splits(folder: Location, names: Sequence[str]) -> None:
    """Refuse train and test in one folder, as they lie on the hub: they are two datasets."""
    matches = [_OF_SPLIT.fullmatch(name) for name in names]
    splits = dict.fromkeys(match["split"] for match in matches if match)
    if len(splits) > 1 and all(matches):
        first = f"{folder / next(iter(splits))}-{{00000..…}}-of-…{_suffix(names[0])}"
        raise InputError(f"{folder} has several splits ({', '.join(splits)}): name the files of one, as {first}")


def _entries(folder: Location) -> Iterator[tuple[str, bool]]:
    """Yield what lies in a folder and is not hidden: names, and whether each is a folder."""
    if isinstance(folder, Path):
        with os.scandir(folder) as entries:
            yield from ((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
        return
    system, path = file_system(folder)
    for entry in system.ls(path, detail=True):
        name = Url(str(entry["name"]).rstrip("/")).name
        if name and not name.startswith("."):
            yield name, entry["type"] == "directory"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
