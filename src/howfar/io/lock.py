"""Lock files and folders among processes and threads; a lock ends when the process that holds it ends.

Where files cannot be locked (another system than POSIX, a file system that answers ENOLCK) everybody is let in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]  # absent


@contextmanager
def locked(path: Path, shared: bool = False) -> Iterator[None]:
    """Wait for the lock of a file, which is made where there is none, or of a folder, and hold it until the block ends.

    With `shared` it is held beside others who share it; nobody has it alone meanwhile.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "door"
    >>> with locked(path):
    ...     path.exists()
    True
    """
    with _opened(path) as descriptor:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def alone(path: Path, otherwise: bool = True) -> Iterator[bool]:
    """Return at once whether nobody else holds the lock of a file or folder, which is then held until the block ends.

    A file is made where there is none. `otherwise` is the answer where files cannot be locked.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "door"
    >>> with alone(path) as first, alone(path) as second:
    ...     first, second
    (True, False)
    """
    with _opened(path) as descriptor:
        free = _try(descriptor)
        yield otherwise if free is None else free


def held(path: Path) -> str | None:
    """Read the text of a file while somebody holds its lock; None where nobody does, or it is gone, or cannot be locked.

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
    # Gone meanwhile, it is nobody's.
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read().decode("utf-8") if _try(file.fileno()) is False else None
    return None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool | None:
    """Try to take the lock: True where it was free, False where another has it, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
