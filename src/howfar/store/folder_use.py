"""Keep the folder of a feature while a process uses it, so that pruning beside a run takes nothing from under it.

Who uses a folder shares its lock; who removes it must have that lock alone. The lock ends with its process, however that ends.
Where folders cannot be locked nothing is kept, as before there was this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from weakref import WeakSet

from howfar.io.lock import Share, alone

_held: WeakSet[FolderUse] = WeakSet()
_lock = Lock()


class FolderUse:
    """Share the lock of a folder, which is there, until this object is gone.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> FolderUse(folder).current
    True
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._share = Share(folder)
        with _lock:
            _held.add(self)

    @property
    def current(self) -> bool:
        """Return whether it is the folder which is there now that is kept, and not one that was removed meanwhile."""
        try:
            there = self.folder.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, self._share.status())

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the lock to another part of this process until the block ends."""
        self._share.give()
        try:
            yield
        finally:
            self._share.take()


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Return whether no other process uses a folder, and let none begin to until the block ends.

    What this process itself keeps is its own to remove. Raises `FileNotFoundError` where there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> use = FolderUse(folder)
    >>> with unused(folder) as free:
    ...     free
    True
    """
    with ExitStack() as stack:
        with _lock:
            own = [use for use in _held if use.folder == folder]
        for use in own:
            stack.enter_context(use.lent())
        yield stack.enter_context(alone(folder, make=False))
