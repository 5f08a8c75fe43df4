"""Turn what is to be scored (image files, folders, other dataset arguments) into groups of images not yet read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias

from howfar.data import Dataset, DatasetsArgument, parse
from howfar.data.folder import home_of
from howfar.data.folder_walk import printable
from howfar.data.image_sequences import ImageArgument, is_image_path, is_picture
from howfar.data.memory_images import place_of
from howfar.errors import InputError
from howfar.io.location import as_location, is_url
from howfar.results import Features, Skipped

NewImages: TypeAlias = "ImageArgument | DatasetsArgument"
"""What is to be scored: images, datasets, or a list of these."""
NEW: Final = "new"
"""The dataset that images without a name of their own count to."""
FILES, PICTURES = "files", "pictures"


@dataclass(frozen=True)
class Arrival:
    """Describe one image to score.

    Attributes
    ----------
    dataset
        Name of the dataset that the image counts to.
    image
        The image's name in its result: its path, relative to the current folder where it was given so.
    path
        The file, or the text of its URL.
    """

    dataset: str
    image: str
    path: Path | str


@dataclass(frozen=True, eq=False)
class Group:
    """Hold the images that came in one argument (or next to each other), and the files among them that are no images.

    Attributes
    ----------
    items
        The images.
    skipped
        Files that cannot be images: broken links, formats that are not read.
    dataset, features
        The dataset that the images are of; ready-made features in place of images.
    """

    items: tuple[Arrival, ...]
    skipped: tuple[Skipped, ...] = ()
    dataset: Dataset | None = None
    features: Features | None = None


def arrivals(new: NewImages) -> list[Group]:
    """Turn what is to be scored into groups, in its order; image files that follow each other are one group.

    `new` is an image file (by its ending, there or not), a picture in memory, anything that `howfar.data.parse` takes, or a
    list of these. Raises `HowfarError` where a folder is missing or empty, or a table is not well formed.
    """
    several = new if isinstance(new, Sequence) and not isinstance(new, (str, bytes)) else [new]
    if not len(several):
        raise InputError.of("new", "must name at least one image or dataset", new)
    return list(_groups(several))


def arrival(image: ImageArgument) -> Arrival:
    """Describe one image to score; a file counts to the dataset that its folder would be, a picture in memory to `NEW`.

    Raises `InputError` for what is neither.
    """
    if not isinstance(image, (str, Path)):
        return _group(parse([image], unnamed=NEW)).items[0]
    return _of_file(image)


def _of_file(path: str | Path) -> Arrival:
    file = as_location(path)
    folder = home_of(file.parent)
    return Arrival(printable(folder.name or "."), printable(path), file)


def _groups(several: Sequence[Any]) -> Iterator[Group]:
    for kind, members in groupby(several, _kind):
        if kind == FILES:
            yield Group(tuple(arrival(argument) for argument in members))
        elif kind == PICTURES:
            yield _group(parse(list(members), unnamed=NEW))
        else:
            yield from (_group(parse(argument, unnamed=NEW), _is_relative(argument)) for argument in members)


def _kind(argument: Any) -> str:
    return FILES if is_image_path(argument) else PICTURES if is_picture(argument) else ""


def _is_relative(argument: Any) -> bool:
    """Tell whether a dataset was given by a path relative to the current folder, alone or as NAME=PATH."""
    if not isinstance(argument, (str, Path)) or is_url(argument):
        return False
    path = str(argument).partition("=")[2] or str(argument)
    return not is_url(path) and not path.startswith("~") and not Path(path).is_absolute()


def _group(parsed: Dataset | Features, relative: bool = False) -> Group:
    if isinstance(parsed, Features):
        return Group((), parsed.skipped, features=parsed)
    items = tuple(
        # A picture in memory has no path that anybody could look for.
        Arrival(parsed.name, printable(_from_here(place_of(item)) if relative else place_of(item)), item.path)
        for item in parsed.items
    )
    # Scoring reads no masks, so their faults do not matter.
    skipped = tuple(fault for fault in parsed.skipped if not fault.reason.startswith("mask: "))
    return Group(items, skipped, dataset=parsed)


def _from_here(place: str) -> str:
    """Write a path relative to the current folder where it lies below that."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else place
