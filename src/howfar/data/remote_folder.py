"""List a folder of images behind a URL, with the masks beside them."""

from __future__ import annotations

from pathlib import PurePosixPath

from howfar.data.folder import dataset_fields, home_of
from howfar.data.folder_walk import EXTENSIONS, UNREAD, unread
from howfar.data.item import DatasetFields
from howfar.errors import InputError, MissingPathError
from howfar.io.location import Location, Url, file_system


def list_remote(folder: Url, name: str | None = None) -> DatasetFields:
    """List the images behind a URL and their masks, as `howfar.data.Dataset.from_folder` says.

    The folder may be of any file system that fsspec reads and that can list (not http).

    Examples
    --------
    >>> import fsspec
    >>> names = ("images/2.png", "images/10.png", "masks/2.png")
    >>> _ = fsspec.filesystem("memory").pipe({f"/site/{name}": b"x" for name in names})
    >>> name, items, *_ = list_remote(Url("memory://site"))
    >>> name, [item.name for item in items], items[0].mask
    ('site', ['2.png', '10.png'], 'memory://site/masks/2.png')
    """
    paths = _below(folder)
    if not paths:
        raise MissingPathError(f"nothing at {folder}: check the URL")
    home = home_of(folder)
    inside = home == folder and any(path.startswith("images/") for path in paths)
    images_at: Location = folder / "images" if inside else folder
    masks = _within("masks", paths) if home == folder else _below(home / "masks")
    masks_apart = [path for path in paths if home != folder or not path.startswith("masks/")]
    candidates = _within("images", paths) if inside else masks_apart
    faults = [(f"{images_at / path}", unread(_suffix(path))) for path in candidates if _suffix(path) in UNREAD]
    if inside:
        beside = (path for path in _images(paths) if "/" not in path)
        faults += [(f"{folder / path}", "beside the folder images, which alone is read") for path in beside]
    return dataset_fields(folder, name, images_at, _images(candidates), _images(masks), faults)


def _below(folder: Location) -> list[str]:
    """List the paths of all files below a folder, hidden ones left out."""
    system, root = file_system(str(folder))
    try:
        paths = [str(path) for path in system.find(root)]
    except FileNotFoundError:
        return []
    except NotImplementedError as error:
        raise InputError(f"{folder} cannot be listed: name a tar, Parquet or table file behind it") from error
    base = root.rstrip("/") + "/"
    short = [path.removeprefix(base) for path in paths if path.startswith(base)]
    return [path for path in short if not any(part.startswith(".") for part in path.split("/"))]


def _within(folder: str, paths: list[str]) -> list[str]:
    return [path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")]


def _images(paths: list[str]) -> list[str]:
    return [path for path in paths if _suffix(path) in EXTENSIONS]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
