"""List a folder of images on this machine, with the masks beside them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from howfar.data.folder_walk import EXTENSIONS, kind_of, natural_key, printable, stem, walk_names
from howfar.data.item import DatasetFields, Item
from howfar.data.item_table import ItemTable
from howfar.data.text_column import TextColumn, sorted_texts
from howfar.errors import InputError, MissingPathError
from howfar.io.location import Location
from howfar.results import Skipped


def list_folder(folder: Path, name: str | None = None) -> DatasetFields:
    """List the images of a local folder and their masks, as `howfar.data.Dataset.from_folder` says."""
    if not folder.exists():
        raise MissingPathError(f"no folder at {folder}: check the path, or write NAME=PATH to name a dataset")
    if not folder.is_dir():
        raise InputError.of("dataset", "must be a folder", str(folder), "pass the folder that holds the images")
    images = folder if folder.name == "images" or not (folder / "images").is_dir() else folder / "images"
    masks = (folder.parent if folder.name == "images" else folder) / "masks"
    found, labelled = _found(images, masks), _found(masks) if masks.is_dir() else (TextColumn(), [])
    faults = [*found[1], *((path, f"mask: {reason}") for path, reason in labelled[1]), *_beside(folder, images)]
    return dataset_fields(folder, name, images, found[0], labelled[0], [(printable(path), reason) for path, reason in faults])


def _found(folder: Path, leave_out: Path | None = None) -> tuple[TextColumn, list[tuple[Path, str]]]:
    """List the image files below a folder, by their paths there, and what is none, with the reasons."""
    names, faults = TextColumn(), []
    for name, reason in walk_names(folder, leave_out):
        if reason:
            faults.append((folder / name, reason))
        else:
            names.append(name)
    return names, faults


def home_of(folder: Location) -> Location:
    """Return the folder that a dataset is named after and has its masks in: the parent of one that is called ``images``.

    Examples
    --------
    >>> home_of(Path("roads/images")).as_posix(), home_of(Path("roads")).as_posix()
    ('roads', 'roads')
    """
    return folder.parent if folder.name == "images" else folder


def dataset_fields(
    folder: Location,
    name: str | None,
    images_at: Location,
    images: Iterable[str],
    masks: Iterable[str],
    faults: list[tuple[str, str]],
) -> DatasetFields:
    """Pair the images of a folder with their masks, in natural order.

    `name` is the dataset's where one is given. `images` are paths below the folder `images_at`, and `masks` below the folder
    ``masks``, with ``/``; `faults` are paths that are no image, each with the reason. Raises `InputError` where there is no
    image.
    """
    home = home_of(folder)
    name = name or home.name or "dataset"
    mask_of, below = MaskIndex(masks), home / "masks"
    named = ((path, mask_of.get(stem(path))) for path in sorted_texts(images, key=natural_key))
    items = ItemTable.of(Item(path, images_at / path, None if mask is None else below / mask) for path, mask in named)
    faults = [*faults, *_unmatched(mask_of.unread(items.names), below)]
    skipped = tuple(Skipped(name, path, reason) for path, reason in sorted(faults, key=lambda fault: natural_key(fault[0])))
    if not items:
        first = f" ({counted(len(skipped), 'file')} skipped: {skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"no image below {images_at}{first}: pass a folder with .jpg, .png, .tif or other image files")
    return name, items, skipped, folder


def _unmatched(masks: Sequence[str], below: Location) -> list[tuple[str, str]]:
    """Note the masks that no image has, in one line that names the first."""
    if not masks:
        return []
    first = min(masks, key=natural_key)
    rest = "" if len(masks) == 1 else f" (as {counted(len(masks) - 1, 'other')} here)"
    reason = f"a mask without its image{rest}: name masks as their images, but for the ending"
    return [(printable(f"{below / first}"), reason)]


class MaskIndex:
    """Find the mask of an image by its path without the ending: 12 bytes a mask beside its path.

    Of several masks for one image the PNG is taken, since it has lost nothing, else the first by name.

    Examples
    --------
    >>> masks = MaskIndex(["a/1.jpg", "a/1.png", "2.tif", "2.gif"])
    >>> masks.get("a/1"), masks.get("2"), masks.get("3")
    ('a/1.png', '2.gif', None)
    """

    def __init__(self, masks: Iterable[str]) -> None:
        self._masks = masks if isinstance(masks, TextColumn) else TextColumn(masks)
        hashes = np.fromiter((hash(stem(mask)) for mask in self._masks), np.int64, len(self._masks))
        order = np.argsort(hashes)
        self._hashes, self._rows = array("q", hashes[order].tobytes()), array("I", order.astype(np.uint32).tobytes())

    def get(self, image: str) -> str | None:
        """Return the mask of an image, by the image's path without its ending; None where there is none."""
        wanted = hash(image)
        place = bisect_left(self._hashes, wanted)
        masks = []
        while place < len(self._hashes) and self._hashes[place] == wanted:
            masks.append(self._masks[self._rows[place]])
            place += 1
        same = (mask for mask in masks if stem(mask) == image)
        return min(same, key=lambda mask: (not mask.lower().endswith(".png"), mask), default=None)

    def unread(self, images: Sequence[str]) -> list[str]:
        """Return the masks of no image, in no order; `images` are paths with their endings.

        Examples
        --------
        >>> MaskIndex(["1.png", "2_mask.png"]).unread(["1.jpg", "2.jpg"])
        ['2_mask.png']
        """
        if not len(self._masks):
            return []
        known = np.fromiter((hash(stem(image)) for image in images), np.int64, len(images))
        return [self._masks[self._rows[row]] for row in np.flatnonzero(~np.isin(np.asarray(self._hashes), known))]


def _beside(folder: Path, images: Path) -> list[tuple[Path, str]]:
    """Find image files that lie next to ``images``, where nothing looks for them."""
    if images == folder:
        return []
    files = [path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")]
    return [(path, "beside the folder images, which alone is read") for path in files if kind_of(path) == "file"]


def counted(count: int, thing: str) -> str:
    """Write a count with its noun, in the singular or the plural.

    Examples
    --------
    >>> counted(1, "image"), counted(2, "image")
    ('1 image', '2 images')
    """
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
