"""List a folder of images on this machine, with the masks beside them."""

from __future__ import annotations

from pathlib import Path

from howfar.data.folder_walk import EXTENSIONS, FoundFiles, kind_of, natural_key, printable, stem, walk
from howfar.data.item import DatasetFields, Item
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
    pictures, labelled = walk(images, leave_out=masks), walk(masks) if masks.is_dir() else FoundFiles([], [])
    faults = [*pictures.faults, *((path, f"mask: {reason}") for path, reason in labelled.faults), *_beside(folder, images)]
    return dataset_fields(
        folder,
        name,
        images,
        [path.relative_to(images).as_posix() for path in pictures.images],
        [path.relative_to(masks).as_posix() for path in labelled.images],
        [(printable(path), reason) for path, reason in faults],
    )


def home_of(folder: Location) -> Location:
    """Return the folder that a dataset is named after and has its masks in: the parent of one that is called ``images``.

    Examples
    --------
    >>> home_of(Path("roads/images")).as_posix(), home_of(Path("roads")).as_posix()
    ('roads', 'roads')
    """
    return folder.parent if folder.name == "images" else folder


def dataset_fields(
    folder: Location, name: str | None, images_at: Location, images: list[str], masks: list[str], faults: list[tuple[str, str]]
) -> DatasetFields:
    """Pair the images of a folder with their masks, in natural order.

    `name` is the dataset's where one is given. `images` are paths below the folder `images_at`, and `masks` below the folder
    ``masks``, with ``/``; `faults` are paths that are no image, each with the reason. Raises `InputError` where there is no
    image.
    """
    home = home_of(folder)
    name = name or home.name or "dataset"
    # Of several masks for one image the PNG is taken, since it has lost nothing, else the first by name.
    ordered = sorted(masks, key=lambda path: (not path.lower().endswith(".png"), path), reverse=True)
    mask_of = {stem(path): home / "masks" / path for path in ordered}
    items = tuple(Item(path, images_at / path, mask_of.get(stem(path))) for path in sorted(images, key=natural_key))
    skipped = tuple(Skipped(name, path, reason) for path, reason in sorted(faults, key=lambda fault: natural_key(fault[0])))
    if not items:
        first = f" ({counted(len(skipped), 'file')} skipped: {skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"no image below {images_at}{first}: pass a folder with .jpg, .png, .tif or other image files")
    return name, items, skipped, folder


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
