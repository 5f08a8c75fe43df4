"""Lock the folder of training states that killed trainings resume from, and remove abandoned states."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind, so nothing is removed there.
    fcntl = None  # type: ignore[assignment]  # absent


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Hold a shared lock on the folder while a training uses it; the lock ends with the process at the latest."""
    with _locked(folder, alone=False):
        yield


def remove_abandoned(folder: Path) -> None:
    """Remove all training states in a folder, half-written ones too, unless a training is using it.

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
    """Try to lock the folder, and yield whether it is locked; it is not on file systems without locks."""
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
