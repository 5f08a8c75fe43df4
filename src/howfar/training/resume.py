"""The folder where trainings keep what they go on from: who is at work in it, and what abandoned ones left there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there nobody is known to be alone, and nothing is removed.
    fcntl = None  # type: ignore[assignment]  # absent


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder that any number of trainings share; it ends with the process at the latest."""
    with _locked(folder, alone=False):
        yield


def remove_abandoned(folder: Path) -> None:
    """Remove all states in a folder, and halves of them, unless a training is at work in it.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> left = [(folder / name).touch() for name in ("0123.state", ".4567.state.part", "notes.txt")]
    >>> with at_work(folder):
    ...     remove_abandoned(folder)
    >>> len(list(folder.iterdir()))
    3
    >>> remove_abandoned(folder)
    >>> [file.name for file in folder.iterdir()]
    ['notes.txt']
    """
    with _locked(folder, alone=True) as held:
        if held:
            for pattern in ("*.state", "*.part"):
                for file in folder.glob(pattern):
                    file.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, alone: bool) -> Iterator[bool]:
    """Whether the lock on the folder was had; file systems without locks give none."""
    if fcntl is None or not folder.is_dir():
        yield False
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        held = True
    except OSError:
        held = False
    try:
        yield held
    finally:
        os.close(opened)
