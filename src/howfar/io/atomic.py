"""Write files atomically: they appear whole or not at all, and survive a power cut once they have appeared."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY = ".tmp"
"""Ending of a file that is being written; what a kill leaves under such a name is of no use."""


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the name `path`, whole and synced, when the block ends without an exception.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> with appearing(path) as file:
    ...     _ = file.write(b"whole")
    ...     path.exists()
    False
    >>> path.read_bytes()
    b'whole'
    """
    with taking_place(path) as temporary, temporary.open("xb") as file:
        yield file


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Call a function that writes to a path with a temporary path, and move what it wrote over `path`.

    A reader sees the old file or the new one. Where the writing fails the old file stays and nothing else is left. The
    temporary name is another one at each call, so that two writers of one file do not meet; its ending tells no format.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> replace(path, lambda temporary: temporary.write_text("whole"))
    >>> path.read_text()
    'whole'
    """
    with taking_place(path) as temporary:
        write(temporary)


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all, over the one that is there.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> replace_text(path, "asphalt")
    >>> path.read_text()
    'asphalt'
    """
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def taking_place(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, which takes the place of `path` when the block ends without an exception."""
    # The target's own name is left out: it may be as long as a name can be.
    temporary = path.with_name(f".{secrets.token_hex(8)}{TEMPORARY}")
    try:
        yield temporary
        # The bytes are synced before the name is given, and the folder after: behind a name that is seen lie its bytes.
        _sync(temporary, os.O_RDWR)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # some systems do not sync folders
        _sync(path.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
