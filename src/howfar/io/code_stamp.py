"""Tell whether howfar's code is the one that a kept result was computed by, since a checkout changes within a version."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path


def code_stamp(*folders: str) -> str:
    """Name the code in some of howfar's folders by the sizes and times of its files.

    Raises `OSError` where they cannot be listed.

    Examples
    --------
    >>> code_stamp("projection") == code_stamp("projection"), code_stamp("projection") == code_stamp("distances")
    (True, False)
    """
    return sha256(repr(sorted(_files(folders))).encode()).hexdigest()


def _files(folders: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of every file of code."""
    root = Path(__file__).parents[1]
    for folder in folders:
        for file in (root / folder).rglob("*.py"):
            stamp = file.stat()
            yield str(file.relative_to(root)), stamp.st_size, stamp.st_mtime_ns
