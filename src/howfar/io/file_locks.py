"""Hold locks on files and folders among processes and threads; a lock ends when the process that holds it ends.

Where files cannot be locked (another system than POSIX, a file system that answers ENOLCK) everybody is let in. Without POSIX
nothing is opened either: Windows opens no folder, and neither removes nor replaces a file that is open.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import finalize

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]  # absent
LOCKS = fcntl is not None
"""Whether this system locks files at all."""


@contextmanager
def locked(path: Path, shared: bool = False) -> Iterator[None]:
    """Wait for the lock of a folder or a file (made if missing), alone or `shared`, and hold it until the block ends."""
    with _opened(path) as descriptor:
        if fcntl is not None and descriptor is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def alone(path: Path, otherwise: bool = True, make: bool = True) -> Iterator[bool]:
    """Yield at once whether a lock is free, and hold it if so; `make` a missing file; `otherwise` answers without locks."""
    with _opened(path, make) as descriptor:
        free = _try(descriptor)
        yield otherwise if free is None else free


def held(path: Path) -> str | None:
    """Read a file's text while somebody holds its lock; None if nobody does, or it is missing or cannot be locked."""
    # Gone meanwhile, it is nobody's.
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read().decode("utf-8") if _try(file.fileno()) is False else None
    return None


class Share:
    """Share a folder's lock as long as this object lives; wait while somebody holds it exclusively."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._status = folder, folder.stat()
        self._descriptor = None if fcntl is None else os.open(folder, os.O_RDONLY)
        if self._descriptor is not None:
            self._closed = finalize(self, os.close, self._descriptor)
        self.lock(shared=True)

    @property
    def current(self) -> bool:
        """Return whether the opened folder is still the folder at its path, and was not removed meanwhile."""
        with suppress(FileNotFoundError):
            opened = self._status if self._descriptor is None else os.fstat(self._descriptor)
            return os.path.samestat(self.folder.stat(), opened)
        return False

    def lock(self, shared: bool) -> None:
        """Share the lock, or release it for now."""
        if fcntl is not None and self._descriptor is not None:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_UN)


@contextmanager
def _opened(path: Path, make: bool = True) -> Iterator[int | None]:
    """Open a folder or a file (made if missing) to lock it; yield None where nothing can be locked."""
    reading = not make or path.is_dir()
    if fcntl is None:
        if reading:
            path.stat()  # raises where there is nothing
        else:
            path.touch()
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY if reading else os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try(descriptor: int | None) -> bool | None:
    """Try to take the lock: True if it was free, False if another holds it, None if locks are unavailable."""
    if fcntl is None or descriptor is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
