"""Write a model's probability maps as one PNG for each image, each signed by the model that made it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from howfar.data.dataset import Dataset
from howfar.data.images import quiet_pillow
from howfar.data.item import Item
from howfar.data.prediction_matching import unshared
from howfar.errors import InputError
from howfar.io.atomic import replace

KEY = "howfar"


def map_paths(folder: str | Path, dataset: Dataset) -> dict[Path, Item]:
    """Return where each image's map goes: image ``a/1.jpg`` to ``a/1.png`` below the folder.

    Where names lead out of the folder, as absolute paths of a table do, the folders that all images share are left out. Raises
    `InputError` where two images differ only in their endings, a name leads out of the folder all the same, or a map would take
    the place of its image.

    Examples
    --------
    >>> roads = Dataset("roads", (Item("a/1.jpg", Path("images/a/1.jpg")),))
    >>> list(map_paths("maps", roads))
    [PosixPath('maps/a/1.png')]
    """
    root = Path(folder)
    item_at: dict[Path, Item] = {}
    names = {item.name: item.name for item in dataset.items}
    if any(map(_leads_out, names)):
        names = unshared(list(names))
    for item in dataset.items:
        name = names[item.name]
        if _leads_out(name):
            rule = "must have its images below one folder"
            raise InputError.of(f"dataset {dataset.name}", rule, item.name, "give the table paths without '..'")
        path = root / PurePosixPath(name).with_suffix(".png")
        if path in item_at:
            raise InputError.of(f"dataset {dataset.name}", "must give each map a name of its own", item.name, "rename one")
        if isinstance(item.path, Path) and path.absolute() == item.path.absolute():
            raise InputError.of("folder", "must not be the images' own", str(root), "choose another folder")
        item_at[path] = item
    return item_at


def _leads_out(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts


def write_map(path: Path, values: NDArray[np.uint8], signature: str = "") -> None:
    """Write one map of p × 255, (h, w) uint8, as PNG, with a signature that `signature_of` reads back.

    The file's folder is made where it is not there. Raises `InputError` where a folder lies at the file's path, or a file at
    its folder's.
    """
    _refuse_folder(path)
    note = PngImagePlugin.PngInfo()
    if signature:
        note.add_text(KEY, signature)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError.of("the place of a map", "must be below folders only", str(path), "choose another folder") from error
    replace(path, partial(Image.fromarray(values).save, format="png", compress_level=1, pnginfo=note))


def signature_of(path: Path) -> str | None:
    """Read the signature of a map that is there; "" where it has none or is no picture, None where there is no file.

    Raises `InputError` where a folder lies at its path.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "1.png"
    >>> write_map(file, np.zeros((4, 4), np.uint8), "model a of image b")
    >>> signature_of(file), signature_of(file.with_name("2.png"))
    ('model a of image b', None)
    """
    if not path.is_file():
        _refuse_folder(path)
        return None
    try:
        with quiet_pillow(), Image.open(path, formats=("PNG",)) as image:
            return str(image.info.get(KEY, ""))
    except Exception:  # over a damaged file Pillow may raise anything
        return ""


def made_with(path: Path) -> dict[str, Any]:
    """Read from a map's signature what a model and how it was fed when it was predicted; empty for a map without one."""
    try:
        signature = json.loads(signature_of(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return signature if isinstance(signature, dict) else {}


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise InputError.of("the place of a map", "must hold no folder", str(path), "choose another folder, or remove it")
