"""Datasets of image files: what they are, and how a folder becomes one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from howfar.data.folder_walk import kind_of, natural_key, printable, stem, walk
from howfar.data.images import EXTENSIONS
from howfar.errors import InputError, MissingPathError
from howfar.results import Skipped


@dataclass(frozen=True)
class Item:
    """One image of a dataset, not yet read.

    Attributes
    ----------
    name
        Unique in the dataset: the path below the images folder, with ``/``, or what the table says.
    path
        The file, or the text of its URL; of a member of a tar, Parquet or Arrow file the container, ``/`` and its own name.
    mask
        The file of its ground truth, as `path`, where there is one.
    label
        Its class, where there is one.
    """

    name: str
    path: Path | str
    mask: Path | str | None = None
    label: str | None = None


@dataclass(frozen=True, repr=False)
class Dataset:
    """A named sequence of images in a fixed order.

    Attributes
    ----------
    name
        What tables and figures call it.
    items
        Its images.
    skipped
        What was found and cannot be an image: broken links, missing files.
    root
        The folder, table or container that it was read from.

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
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...] = ()
    root: Path | str | None = None

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(item.name for item in self.items).items() if count > 1]
        if twice:
            raise InputError.of(f"dataset {self.name}", "must name each image once", twice[0], "drop or rename the repeats")

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
        from howfar.data.remote_folder import list_remote  # it needs this module
        from howfar.io.location import as_location

        place = as_location(path)
        return list_remote(place, name) if isinstance(place, str) else _list_folder(place, name)

    @classmethod
    def from_table(cls, path: str | Path, name: str | None = None) -> Dataset:
        """Read a table of images, as `howfar.data.read_table` does."""
        from howfar.data.table import read_table  # it needs this module

        return read_table(path, name)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        masks = sum(item.mask is not None for item in self.items)
        parts = [_counted(len(self), "image")]
        if masks:
            parts.append(_counted(masks, "mask"))
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return f"Dataset({self.name!r}: {', '.join(parts)})"


def _list_folder(folder: Path, name: str | None) -> Dataset:
    if not folder.exists():
        raise MissingPathError(f"no folder at {folder}: check the path, or write NAME=PATH to name a dataset")
    if not folder.is_dir():
        raise InputError.of("dataset", "must be a folder", str(folder), "pass the folder that holds the images")
    named_images = folder.name == "images"
    images = folder if named_images or not (folder / "images").is_dir() else folder / "images"
    masks = (folder.parent if named_images else folder) / "masks"
    name = name or (folder.parent.name if named_images else folder.name) or "dataset"
    found = walk(images, leave_out=masks)
    of_stem, mask_faults = _masks_by_stem(masks)
    items = []
    for path in sorted(found.images, key=lambda file: natural_key(file.relative_to(images).as_posix())):
        below = path.relative_to(images).as_posix()
        items.append(Item(below, path, of_stem.get(stem(below))))
    faults = sorted([*found.faults, *mask_faults, *_beside(folder, images)], key=lambda fault: natural_key(str(fault[0])))
    skipped = tuple(Skipped(name, printable(path), reason) for path, reason in faults)
    if not items:
        first = f" ({_counted(len(skipped), 'file')} skipped: {skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"no image below {images}{first}: pass a folder with .jpg, .png, .tif or other image files")
    return Dataset(name, tuple(items), skipped, folder)


def _masks_by_stem(folder: Path) -> tuple[dict[str, Path], list[tuple[Path, str]]]:
    if not folder.is_dir():
        return {}, []
    found = walk(folder)
    # Of several masks for one image the PNG is taken, since it has lost nothing, else the first by name.
    ordered = sorted(found.images, key=lambda file: (file.suffix.lower() != ".png", file.name), reverse=True)
    of_stem = {stem(file.relative_to(folder).as_posix()): file for file in ordered}
    return of_stem, [(path, f"mask: {reason}") for path, reason in found.faults]


def _beside(folder: Path, images: Path) -> list[tuple[Path, str]]:
    """Image files that lie next to ``images``, where nothing looks for them."""
    if images == folder:
        return []
    files = [path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")]
    return [(path, "beside the folder images, which alone is read") for path in files if kind_of(path) == "file"]


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
