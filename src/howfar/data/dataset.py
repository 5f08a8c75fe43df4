"""Define a dataset, a named sequence of images, and match its images by name with predictions and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Final

from howfar.data.compact_item_table import Item, ItemTable, first_repeat
from howfar.data.image_and_mask_folders import counted, list_folder, list_remote, path_text, stem
from howfar.data.image_tables_and_lists import list_table
from howfar.errors import InputError
from howfar.io.file_location import as_location
from howfar.results import Skipped


@dataclass(frozen=True, repr=False)
class Dataset:
    """Hold a named sequence of images in a fixed order.

    `name` is what tables and figures call it. The images, `items`, are kept in columns, as an `ItemTable`, which can
    be used as a tuple of them. `skipped` is what was found and cannot be an image: broken links, missing files. `root` is the
    folder, table or container that it was read from.

    Raises
    ------
    InputError
        Two items share a name.

    Examples
    --------
    >>> Dataset("roads", (Item("1.png", Path("1.png")),))
    Dataset('roads': 1 image)
    """

    name: str
    items: Sequence[Item]
    skipped: tuple[Skipped, ...] = ()
    root: Path | str | None = None

    def __post_init__(self) -> None:
        items = ItemTable.of(self.items)
        object.__setattr__(self, "items", items)
        repeat = first_repeat(items.names)
        if repeat:
            name = items.names[repeat[0]]
            raise InputError.of(f"dataset {self.name}", "must name each image once", name, "drop or rename the repeats")

    @classmethod
    def from_folder(cls, path: str | Path, name: str | None = None) -> Dataset:
        """List a folder of images, in natural order of their paths (2.png before 10.png).

        Where the folder holds a folder ``images``, the images lie below that; else they are all those below the folder.
        Masks lie below ``masks`` beside, with the same path but for the ending. Hidden files and folders are left
        out. Linked folders are followed; one that is reached twice is listed once, under its own path where it has one.

        Parameters
        ----------
        path
            The folder, or its URL.
        name
            The dataset's name; by default the folder's, or its parent's where the folder is called ``images``.

        Raises
        ------
        MissingPathError
            There is no such folder.
        InputError
            It is not a folder, or holds no image.

        Examples
        --------
        >>> from howfar.demo import write_dataset
        >>> import tempfile
        >>> Dataset.from_folder(write_dataset(Path(tempfile.mkdtemp()) / "roads", 3, seed=0, size=64))
        Dataset('roads': 3 images, 3 masks)
        """
        location = as_location(path)
        return cls(*(list_folder(location, name) if isinstance(location, Path) else list_remote(location, name)))

    @classmethod
    def from_table(cls, path: str | Path, name: str | None = None) -> Dataset:
        r"""Read a CSV or Parquet table with a column ``image`` and optional columns ``mask``, ``label`` and ``group``.

        Paths are relative to the table's folder; one may also be a URL, of the host or bucket that the table is from or of one
        that is allowed (`howfar.allowed_url_hosts.allowing`), or lie within a tar or Parquet file. An image's name is
        its path as the table writes it. A row whose image is not there is skipped with the reason; one whose mask is not there
        is kept without it, and that is noted among the skipped. The same image in two rows is an error, since it would count
        twice.

        Parameters
        ----------
        path
            The table, or its URL; CSV in UTF-8, with a header and commas.
        name
            The dataset's name; by default the table's, without its ending.

        Raises
        ------
        MissingPathError
            There is no such file.
        InputError
            It is no such table, lacks the column ``image``, leaves an image empty, repeats one, or names no file that exists.

        Examples
        --------
        >>> import tempfile
        >>> from howfar.demo import write_dataset
        >>> folder = write_dataset(Path(tempfile.mkdtemp()) / "roads", 2, seed=0, size=64)
        >>> _ = (folder / "list.csv").write_text("image,label\nimages/0001.jpg,dry\n")
        >>> Dataset.from_table(folder / "list.csv").items[0].label
        'dry'
        """
        return cls(*list_table(as_location(path), name))

    @property
    def groups(self) -> list[str | None]:
        """Return each image's group: its scene, patient, clip or photograph; None for an image that shares none."""
        return [item.group for item in self.items]

    def without_masks(self) -> Dataset:
        """Return the dataset without its masks."""
        return replace(self, items=tuple(replace(item, mask=None) for item in self.items))

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        masks = ItemTable.of(self.items).masks
        parts = [counted(len(self), "image")]
        if masks:
            parts.append(counted(masks, "mask"))
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return f"Dataset({self.name!r}: {', '.join(parts)})"


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
