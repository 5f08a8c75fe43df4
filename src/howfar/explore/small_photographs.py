"""Make photographs small for a report, or take them from the run folder where an earlier report of the same files left them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray

from howfar.errors import HowfarError
from howfar.explore.pictures import encoded, photograph
from howfar.io.checkpoint import KeptArrays, part_key

QUALITY: Final = 62
EFFORT: Final = 1
"""How long WebP looks for a smaller file, 0-6: at 4, its usual, the files are 8 % smaller and take three times as long."""
FOLDER: Final = ".thumbnails"
"""Within a run folder: the small photographs of its last report."""
_NAME: Final = "photographs"


class SmallPhotograph(NamedTuple):
    """Hold a small photograph as the bytes of a WebP file, its size, and the image's width and height, upright."""

    file: bytes
    size: tuple[int, int]
    width: int
    height: int


def small_photographs(paths: Sequence[str], side: int, folder: Path | None = None) -> list[SmallPhotograph | None]:
    """Make photographs at most `side` pixels a side; None of a file that cannot be read.

    `folder` is a run folder that keeps them. They are taken from there while every file has the size and the time that it had;
    what is no file of this machine, as a member of a container, is read each time.
    """
    key = None if folder is None else _key(paths, side)
    kept = KeptArrays(None if folder is None or key is None else folder / FOLDER)
    found = _unpacked(kept.read(_NAME), key)
    if found is not None:
        return list(found)
    made = [_small(path, side) for path in paths]
    whole = [shown for shown in made if shown is not None]
    # A file that is refused now may be read the next time, though it is the same file.
    if len(whole) == len(made):
        kept.keep(_NAME, {"key": np.array(key), **_packed(whole)})
    return made


def _key(paths: Sequence[str], side: int) -> str | None:
    """Name small photographs by all that they depend on; None where something is no file of this machine."""
    try:
        stamps = [(path, (stamp := Path(path).stat()).st_size, stamp.st_mtime_ns) for path in paths]
    except (OSError, ValueError):
        return None
    return part_key(FOLDER, side, QUALITY, EFFORT, PIL.__version__, stamps)


def _small(path: str, side: int) -> SmallPhotograph | None:
    try:
        image = photograph(path)
    except (HowfarError, OSError):
        return None
    width, height = image.size
    image.thumbnail((side, side))
    return SmallPhotograph(encoded(image, "WEBP", QUALITY, EFFORT), image.size, width, height)


def _packed(photographs: Sequence[SmallPhotograph]) -> dict[str, NDArray[Any]]:
    """Lay files one after another, with their lengths and sizes."""
    files = [each.file for each in photographs]
    sizes = [(*each.size, each.width, each.height) for each in photographs]
    numbers = np.column_stack([[len(file) for file in files], np.array(sizes).reshape(-1, 4)])
    return {"numbers": numbers.astype(np.int64), "files": np.frombuffer(b"".join(files), dtype=np.uint8)}


def _unpacked(arrays: Mapping[str, NDArray[Any]] | None, key: str | None) -> list[SmallPhotograph] | None:
    """Make photographs of what was packed; None where that is absent or of another key."""
    if arrays is None or str(arrays.get("key")) != key:
        return None
    stream, photographs = io.BytesIO(arrays["files"].tobytes()), list[SmallPhotograph]()
    for length, small_width, small_height, width, height in arrays["numbers"].tolist():
        photographs.append(SmallPhotograph(stream.read(length), (small_width, small_height), width, height))
    return photographs
