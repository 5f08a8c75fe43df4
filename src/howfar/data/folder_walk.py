"""Find the image files below a folder, say why others are skipped, and write paths as text."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}
)
"""Endings of image files, in lower case."""

UNREAD = frozenset({".heic", ".heif", ".jxl", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".dcm", ".psd", ".exr"})
"""Endings of image files that are not read, in lower case: such a file is listed as skipped."""

NOT_TEXT = "its name is not valid UTF-8: rename it"


class FoundFiles(NamedTuple):
    """Hold the files of the wanted kinds, and others that looked like one, each with the reason why it is none."""

    images: list[Path]
    faults: list[tuple[Path, str]]


def natural_key(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Make a sort key by which digits in names count as numbers; names that differ in leading zeros alone keep an order.

    Examples
    --------
    >>> sorted(["b10", "b9", "a", "b09"], key=natural_key)
    ['a', 'b09', 'b9', 'b10']
    """
    # Odd positions of the split are digits, so text meets text and numbers meet numbers. These are compared by their lengths
    # and digits, since Python converts no number of thousands of digits.
    parts = re.split(r"([0-9]+)", name)
    digits = {part: part.lstrip("0") for part in parts[1::2]}
    keys = [(len(digits[part]), digits[part]) if position % 2 else part for position, part in enumerate(parts)]
    return keys, name


def stem(path: str) -> str:
    """Return a path without its last ending, with ``/``; one that names no file stays.

    Examples
    --------
    >>> stem("a/1.v2.jpg"), stem(".")
    ('a/1.v2', '.')
    """
    pure = PurePosixPath(path)
    return (pure.with_suffix("") if pure.name else pure).as_posix()


def printable(path: Path | str) -> str:
    r"""Return a path as text that can be written anywhere: what is not valid UTF-8 as ``\xff``.

    Examples
    --------
    >>> printable(Path("bad\udcff.jpg"))
    'bad\\xff.jpg'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def unread(suffix: str) -> str:
    """Return the reason why files of this ending are skipped.

    Examples
    --------
    >>> unread(".psd")
    'the format .psd is not read: convert it to PNG or JPEG'
    """
    return f"the format {suffix} is not read: convert it to PNG or JPEG"


def walk(root: Path, leave_out: Path | None = None, endings: Collection[str] = EXTENSIONS) -> FoundFiles:
    """Find every image file below `root`, in no order, and what could not be one, as `walk_names` does."""
    files = FoundFiles([], [])
    for name, reason in walk_names(root, leave_out, endings):
        if reason:
            files.faults.append((root / name, reason))
        else:
            files.images.append(root / name)
    return files


def walk_names(root: Path, leave_out: Path | None = None, endings: Collection[str] = EXTENSIONS) -> Iterator[tuple[str, str]]:
    """Yield every image file below `root` by its path there, with ``/``, in no order, and what could not be one with a reason.

    The reason is "" for an image file. Each real folder is entered once; hidden files and folders below `root` are left out,
    linked ones followed, and `leave_out` is not entered. `endings` says which files are wanted, by their endings in lower case.
    """
    entered: set[tuple[int, int]] = set()
    real, linked = [""], deque[str]()
    while real or linked:
        # Links wait until all real folders are listed, so that a folder's own path wins over a link to it.
        below = real.pop() if real else linked.popleft()
        folders: list[tuple[str, bool]] = []
        try:
            status = (root / below).stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(root / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.name.startswith(".") or (leave_out and entry.name == leave_out.name and root / name == leave_out):
                        continue
                    kind = kind_of(entry)
                    if kind == "folder":
                        folders.append((name, entry.is_symlink()))
                    elif (reason := _fault(entry.name, kind, endings)) is not None:
                        yield name, reason
        except OSError as error:
            yield below, _why(error)
        for name, is_link in sorted(folders):
            (linked if is_link else real).append(name)


def _fault(name: str, kind: str, endings: Collection[str]) -> str | None:
    """Return why an entry of a folder is no image file, "" for one that is, and None where nobody would take it for one."""
    ending = _ending(name)
    if ending in UNREAD:
        return unread(ending)
    if ending not in endings:
        return None
    if not is_text(name):
        return NOT_TEXT
    return "" if kind == "file" else kind


def _ending(name: str) -> str:
    """Return the last ending of a file's name in lower case, as `Path.suffix` does: none of a lone dot."""
    start = name.rfind(".")
    return name[start:].lower() if 0 < start < len(name) - 1 else ""


def is_text(name: str) -> bool:
    r"""Return whether a name can be written into tables; of a name that is not UTF-8 the bytes are kept as surrogates.

    Examples
    --------
    >>> is_text("ä.jpg"), is_text("bad\udcff.jpg")
    (True, False)
    """
    return not any("\ud800" <= character <= "\udfff" for character in name)


def kind_of(path: Path | os.DirEntry[str]) -> str:
    """Return "folder", "file", or the reason why it is neither."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return _why(error)
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "not a regular file"


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no read permission"
    if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:
        return "broken link"
    return error.strerror or os.strerror(error.errno or errno.EIO)
