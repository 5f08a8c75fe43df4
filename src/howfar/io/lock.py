"""Locks on files that end with their holder, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType


def _fcntl() -> ModuleType | None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return None
    return fcntl


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made where there is none; waits for it. Where files cannot be locked, nothing is held.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "door"
    >>> with locked(path):
    ...     path.exists()
    True
    """
    fcntl = _fcntl()
    if fcntl is None:
        yield
        return
    with path.open("ab") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold the lock of a file if nobody else does: True, or where files cannot be locked; else False, at once.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "door"
    >>> with alone(path) as first, alone(path) as second:
    ...     first, second
    (True, False)
    """
    fcntl = _fcntl()
    if fcntl is None:
        yield True
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            yield True
            return
        yield True


def held(path: Path) -> str | None:
    """What a file says while somebody holds its lock; None where nobody does, or it is gone, or files cannot be locked.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> _ = path.write_text("busy")
    >>> held(path) is None
    True
    >>> with locked(path):
    ...     held(path)
    'busy'
    """
    fcntl = _fcntl()
    if fcntl is None:
        return None
    # Gone meanwhile, it is nobody's.
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().decode("utf-8")
        except OSError:  # a file system without locks
            return None
    return None
