"""Match a dataset's images by name with files or entries of predictions and labels, and say why none matches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Final

from howfar.data.dataset import Dataset
from howfar.data.image_and_mask_folders import path_text, stem
from howfar.errors import InputError


def match_names(dataset: Dataset, prediction_paths: Collection[str]) -> dict[str, str]:
    """Return, for each image, the extension-free path under which its prediction is looked up.

    It is the image's name, or the name without some of the folders that all images share, if that finds more predictions.
    """
    names = [item.name for item in dataset.items]
    shared = _shared(names)

    def without(count: int) -> dict[str, str]:
        return {name: stem(below) for name, below in zip(names, _below(names, count), strict=True)}

    def hits(keys: Mapping[str, str]) -> int:
        return sum(key in prediction_paths for key in keys.values())

    found = max(without(0), without(shared), key=hits)
    return found if hits(found) else max((found, *map(without, range(1, shared))), key=hits)


def by_file_name(dataset: Dataset, entries: Collection[str]) -> dict[str, str]:
    """Match images with entries by the names of files alone, without endings; nothing where two share such a name."""
    last = {PurePosixPath(entry).name: entry for entry in entries}
    names = {item.name: PurePosixPath(stem(item.name)).name for item in dataset.items}
    if len(last) < len(entries) or len(set(names.values())) < len(names):
        return {}
    return {image: last[name] for image, name in names.items() if name in last}


def unshared(names: Sequence[str]) -> dict[str, str]:
    """Strip from each name the leading folders that all names share."""
    return dict(zip(names, _below(names, _shared(names)), strict=True))


def _shared(names: Sequence[str]) -> int:
    """Count the leading folders that all names share."""
    folders = (PurePosixPath(name).parent.parts for name in names)
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False)))


def _below(names: Sequence[str], count: int) -> Iterator[str]:
    """Yield the names without so many leading folders."""
    return (PurePosixPath(*PurePosixPath(name).parts[count:]).as_posix() for name in names)


def no_match(dataset: Dataset, what: str, source: str, paths: Iterable[str]) -> str:
    """Compose the error line for predictions (a `what`) that match no image: the rule, one path of each side, and a remedy."""
    paths = list(paths)
    if not paths:
        return f"no {what} of {source} matches an image of {dataset.name}: it holds none: name what the model's {what}s are in"
    line = (
        f"no {what} of {source} matches an image of {dataset.name}: their paths must be the same but for the ending; "
        f"the first image is {dataset.items[0].name}, the first {what} {paths[0]}"
    )
    if {path.partition("/")[0] for path in paths} == {"images", "masks"}:
        return f"{line}: {source} is a dataset, name the folder of the model's {what}s"
    last = {PurePosixPath(stem(item.name)).name for item in dataset.items}
    within = {PurePosixPath(path).parent.as_posix() for path in paths if PurePosixPath(stem(path)).name in last} - {"."}
    is_folder = len(within) == 1 and not Path(source).is_file()
    return f"{line}: pass {source}/{within.pop()}" if is_folder else f"{line}: name them after the images"


def leads_out(name: str) -> bool:
    """Return whether an image's name, taken for a path below a folder, leads out of that folder."""
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts


_LONGEST: Final = 120
_BELOW: Final = "images/"


def examples(names: Sequence[str], most: int = 3) -> str:
    """Join the first names of a list, each cut to 120 characters, followed by an ellipsis if there are more."""
    shown = (name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names[:most])
    return ", ".join(shown) + (" …" if len(names) > most else "")


def entries_of(dataset: Dataset, what: str, file: Path, names: Sequence[str]) -> dict[str, str]:
    """Match images with a file's entries, as `matched_entries` does; raise `InputError` if none matches."""
    matched = matched_entries(dataset, names)
    if not matched:
        raise InputError(no_match(dataset, what, path_text(file), names))
    alike = Counter(map(stem, names))
    for image, entry in matched.items():
        if alike[stem(entry)] > 1 and PurePosixPath(entry).name != PurePosixPath(image).name:
            raise InputError(
                f"{path_text(file)}: more than one {what} may be of {image}, such as {entry}: keep one {what} an image"
            )
    return matched


def matched_entries(dataset: Dataset, names: Sequence[str]) -> dict[str, str]:
    """Match images with entries by exact name, or else by path without the extension, also below images/ as in a dataset."""
    whole = set(names)
    by_stem = {stem(name): name for name in reversed(names)}
    keys = match_names(dataset, by_stem)
    by_image = {image: image if image in whole else by_stem.get(key) for image, key in keys.items()}
    found = {image: entry for image, entry in by_image.items() if entry is not None}
    if found or not whole or not all(name.startswith(_BELOW) for name in whole):
        return found
    short = {name.removeprefix(_BELOW): name for name in names}
    return {image: short[entry] for image, entry in matched_entries(dataset, list(short)).items()}
