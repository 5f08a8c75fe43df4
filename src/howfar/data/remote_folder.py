"""A folder of images behind a URL, listed in one go and read image by image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from howfar.data.folder import Dataset, Item
from howfar.data.folder_walk import UNREAD, natural_key, stem
from howfar.data.images import EXTENSIONS
from howfar.errors import InputError, MissingPathError
from howfar.io.location import file_system
from howfar.results import Skipped


def list_remote(url: str, name: str | None = None) -> Dataset:
    """List a folder behind a URL as `Dataset.from_folder` does a local one.

    Parameters
    ----------
    url
        The folder, of any file system that fsspec reads and that can list (not http).
    name
        The dataset's name; by default the folder's, or its parent's where the folder is called ``images``.

    Raises
    ------
    MissingPathError
        Nothing lies there.
    InputError
        It holds no image.

    Examples
    --------
    >>> import fsspec
    >>> names = ("images/2.png", "images/10.png", "masks/2.png")
    >>> _ = fsspec.filesystem("memory").pipe({f"/site/{name}": b"x" for name in names})
    >>> found = list_remote("memory://site")
    >>> [item.name for item in found.items], found.items[0].mask
    (['2.png', '10.png'], 'memory://site/masks/2.png')
    """
    paths = _below(url)
    if not paths:
        raise MissingPathError(f"nothing at {url}: check the URL")
    folder = url.rstrip("/")
    if folder.endswith("/images"):
        root, images = folder.removesuffix("/images"), folder
        own, masks = paths, _below(f"{root}/masks")
    else:
        root = folder
        inside = any(path.startswith("images/") for path in paths)
        images = f"{folder}/images" if inside else folder
        masks = [path.removeprefix("masks/") for path in paths if path.startswith("masks/")]
        rest = [path for path in paths if not path.startswith("masks/")]
        own = [path.removeprefix("images/") for path in rest if path.startswith("images/")] if inside else rest
    name = name or root.rpartition("/")[2] or "dataset"
    of_stem = _by_stem(masks)
    items = tuple(
        Item(path, f"{images}/{path}", f"{root}/masks/{of_stem[stem(path)]}" if stem(path) in of_stem else None)
        for path in sorted(_images(own), key=natural_key)
    )
    unread = [path for path in own if _suffix(path) in UNREAD]
    faults = [(f"{images}/{path}", f"the format {_suffix(path)} is not read: convert it to PNG or JPEG") for path in unread]
    if images != folder:
        beside = (path for path in _images(paths) if "/" not in path)
        faults += [(f"{folder}/{path}", "beside the folder images, which alone is read") for path in beside]
    skipped = tuple(Skipped(name, path, reason) for path, reason in sorted(faults, key=lambda fault: natural_key(fault[0])))
    if not items:
        raise InputError(f"no image below {images}: pass a folder with .jpg, .png, .tif or other image files")
    return Dataset(name, items, skipped, folder)


def _below(url: str) -> list[str]:
    """Paths of all files below a folder, hidden ones left out."""
    system, root = file_system(url)
    try:
        found = [str(path) for path in system.find(root)]
    except FileNotFoundError:
        return []
    except NotImplementedError as error:
        raise InputError(f"{url} cannot be listed: name a tar, Parquet or table file behind it") from error
    base = root.rstrip("/") + "/"
    short = [path.removeprefix(base) for path in found if path.startswith(base)]
    return [path for path in short if not any(part.startswith(".") for part in path.split("/"))]


def _images(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if _suffix(path) in EXTENSIONS]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _by_stem(masks: Iterable[str]) -> dict[str, str]:
    """Masks by their paths without endings; of several the PNG, since it has lost nothing, else the first by name."""
    ordered = sorted(_images(masks), key=lambda path: (_suffix(path) != ".png", path), reverse=True)
    return {stem(path): path for path in ordered}
