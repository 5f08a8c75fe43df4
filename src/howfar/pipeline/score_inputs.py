"""Turn what is to be scored (image files, folders, other dataset arguments) into groups of images not yet read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howfar.data import Dataset, parse
from howfar.data.folder import home_of
from howfar.data.folder_walk import EXTENSIONS, printable
from howfar.errors import InputError
from howfar.io.location import Url, absolute, as_location, is_url
from howfar.results import Features, Skipped


@dataclass(frozen=True)
class Arrival:
    """Describe one image to score.

    Attributes
    ----------
    dataset
        Name of the dataset that the image counts to.
    image
        The image's name in its result: its path.
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


def arrivals(new: Any) -> list[Group]:
    """Turn what is to be scored into groups, in its order; image files that follow each other are one group.

    `new` is an image file (by its ending, there or not), anything that `howfar.data.parse` takes, or a list of these. Raises
    `HowfarError` where a folder is missing or empty, or a table is not well formed.
    """
    several = new if isinstance(new, Sequence) and not isinstance(new, str) else [new]
    if not len(several):
        raise InputError.of("new", "must name at least one image or dataset", new)
    return list(_groups(several))


def arrival(path: str | Path) -> Arrival:
    """Describe one image file to score; it counts to the dataset that its folder would be."""
    file = as_location(path)
    folder = home_of(file.parent)
    return Arrival(printable(folder.name or "."), printable(path), file)


def _groups(several: Sequence[Any]) -> Iterator[Group]:
    lone: list[Arrival] = []
    for argument in several:
        if _is_image(argument):
            lone.append(arrival(argument))
            continue
        if lone:
            yield Group(tuple(lone))
            lone = []
        yield _group(parse(argument, name="new" if hasattr(argument, "__array__") else None))
    if lone:
        yield Group(tuple(lone))


def _is_image(argument: Any) -> bool:
    if is_url(argument):
        return Url(argument).suffix.lower() in EXTENSIONS
    return (
        isinstance(argument, (str, Path))
        and Path(argument).suffix.lower() in EXTENSIONS
        and not absolute(argument).is_dir()
        and (isinstance(argument, Path) or "=" not in argument or absolute(argument).exists())
    )


def _group(parsed: Dataset | Features) -> Group:
    if isinstance(parsed, Features):
        return Group((), parsed.skipped, features=parsed)
    items = tuple(Arrival(parsed.name, printable(item.path), item.path) for item in parsed.items)
    # Scoring reads no masks, so their faults do not matter.
    skipped = tuple(fault for fault in parsed.skipped if not fault.reason.startswith("mask: "))
    return Group(items, skipped, dataset=parsed)
