"""Read and write a feature store's folder on a local disk (`LocalFolder`), with locks against other processes.

Who uses a folder shares its lock; who removes it must have that lock alone. A claim is a file below ``claims/`` that names
contents and is locked by the process that computes them. A lock ends with its process, however that ends: a claim that another
can lock is nobody's, and is deleted by whoever meets it. Where files cannot be locked, nothing is kept back.
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, ClassVar, Final
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from howfar.io.atomic import appearing
from howfar.io.lock import Share, alone, held, locked

_held: WeakSet[Share] = WeakSet()
_lock = Lock()


CLAIMS: Final = "claims"
_LOCK: Final = ".door"
# About as much of a matrix is in memory at a time, beside the block that is filled.
PIECE_BYTES = 16 * 2**20
# Where one byte is touched the kernel may map this much around it: the largest page that common systems give to files.
HUGE_PAGE = 2 * 2**20


@dataclass(frozen=True)
class LocalFolder:
    """Read, write, list and lock the files of a store's folder on a local disk."""

    path: Path

    near: ClassVar = True
    """Reads cost next to nothing; elsewhere several files are requested at a time."""

    def child(self, name: str) -> LocalFolder:
        """Return a subfolder."""
        return LocalFolder(self.path / name)

    def make(self) -> None:
        """Make the folder and its parents."""
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)

    def _entries(self) -> list[os.DirEntry[str]]:
        with os.scandir(self.path) as entries:
            return list(entries)

    def names(self) -> set[str]:
        """List the files in the folder, without links."""
        return {entry.name for entry in self._entries() if entry.is_file(follow_symlinks=False)}

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file in the folder, without links."""
        files = [entry for entry in self._entries() if entry.is_file(follow_symlinks=False)]
        return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in files}

    def folders(self) -> set[str]:
        """List the subfolders, without links; empty if the folder does not exist."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return {entry.name for entry in self._entries() if entry.is_dir(follow_symlinks=False)}
        return set()

    def discard(self) -> None:
        """Delete the folder if it is empty."""
        with suppress(OSError):
            self.path.rmdir()

    def touch(self, name: str) -> None:
        """Set a file's times to now, if the disk allows it, to record its use."""
        with suppress(OSError):
            os.utime(self.path / name)

    def read(self, name: str) -> bytes:
        """Read a file's bytes."""
        return (self.path / name).read_bytes()

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """Read the first bytes of a file, and the file's size."""
        with (self.path / name).open("rb") as file:
            return file.read(count), os.fstat(file.fileno()).st_size

    def appearing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for writing that appears under its name if the block ends without an exception."""
        return appearing(self.path / name)

    def remove(self, name: str) -> None:
        """Delete a file if it exists."""
        (self.path / name).unlink(missing_ok=True)

    def written(self, name: str) -> float:
        """Return a file's modification time in seconds since 1970; infinity if the file is missing."""
        try:
            return (self.path / name).stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def matrix(self, name: str, shape: tuple[int, int], dtype: np.dtype[Any], offset: int) -> MappedMatrix:
        """Map a matrix that begins at an offset in a file into memory, read-only."""
        with (self.path / name).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return MappedMatrix(np.ndarray(shape, dtype, buffer=mapped, offset=offset), mapped)

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Try to hold the named lock until the block ends; the context yields whether it was free."""
        return alone(self.path / name)

    def hold(self) -> Share:
        """Make the folder if missing, and keep others from removing it as long as the returned object lives."""
        while True:
            self.make()
            # Gone again where somebody has removed it between the two.
            with suppress(FileNotFoundError):
                use = Share(self.path)
                if use.current:
                    with _lock:
                        _held.add(use)
                    return use

    @contextmanager
    def unused(self) -> Iterator[bool]:
        """Yield whether no other process holds the folder, and let none begin to until the block ends.

        What this process itself holds is its own to remove. Raises `FileNotFoundError` where there is no such folder.
        """
        with ExitStack() as stack:
            with _lock:
                own = [use for use in _held if use.folder == self.path]
            for use in own:
                use.give()
                stack.callback(use.take)
            yield stack.enter_context(alone(self.path, make=False))

    @contextmanager
    def claim(self, wanted: Sequence[str], stored: Callable[[], Container[str]]) -> Iterator[tuple[str, ...]]:
        """Claim contents to compute until the block ends; yield, each once, those neither claimed by others nor in `stored()`.

        Where files cannot be locked (another system than POSIX, some network folders) everything is granted: features may be
        computed twice there, and none is lost.
        """
        folder = self.path / CLAIMS
        folder.mkdir(exist_ok=True)
        path = folder / secrets.token_hex(8)
        with ExitStack() as claim:
            with locked(folder / _LOCK):
                # In this order: what is let go of between the two looks has been stored before, and the second look sees it.
                taken = self.claimed(sweep=True)
                in_store = stored()
                free = (content for content in dict.fromkeys(wanted) if content not in taken)
                granted = tuple(content for content in free if content not in in_store)
                if granted:
                    path.write_text("\n".join(granted), encoding="utf-8")
                    claim.enter_context(locked(path))
            # Deleted before it is unlocked, so that nobody meets it unlocked.
            claim.callback(path.unlink, missing_ok=True)
            yield granted

    def claimed(self, sweep: bool = False) -> set[str]:
        """Return the contents that are claimed now; with `sweep`, delete abandoned claims, as the holder of their lock may."""
        contents: set[str] = set()
        folder = self.child(CLAIMS)
        for name in folder.names() - {_LOCK} if folder.path.is_dir() else ():
            claim = folder.path / name
            named = held(claim)
            if named is not None:
                contents.update(named.split())
            elif sweep:
                claim.unlink(missing_ok=True)
        return contents


@dataclass(frozen=True, eq=False)
class MappedMatrix:
    """Read a memory-mapped matrix; the map closes with its last array, as a thread may still be reading it."""

    array: NDArray[Any]
    mapped: mmap.mmap

    def fill(self, block: NDArray[np.float32], positions: NDArray[np.int64], rows: NDArray[np.int64], columns: slice) -> None:
        """Copy columns of rows (in non-decreasing order) to rows of a block."""
        part = self.array[:, columns]
        # Counts up wherever rows or their places do not follow on: the same number at both ends is a run without a gap.
        gaps = np.cumsum((np.diff(rows, prepend=rows[:1] - 1) != 1) | (np.diff(positions, prepend=positions[:1] - 1) != 1))
        for first, last in pairwise([0, *_cuts(rows, part).tolist(), len(rows)]):
            if gaps[first] == gaps[last - 1]:
                block[positions[first] : positions[last - 1] + 1] = part[rows[first] : rows[last - 1] + 1]
            else:
                block[positions[first:last]] = part[rows[first:last]]
            self._let_go()

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read whole rows in their stored type."""
        taken: NDArray[Any] = self.array[rows]
        return taken

    def pieces(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first, last, block) for consecutive runs of the ascending `rows`, without copying."""
        width = self.array.strides[0]
        step = max(1, PIECE_BYTES // width)
        first = touched = 0
        successive = len(rows) and rows[-1] - rows[0] == len(rows) - 1
        gaps = [] if successive else (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
        for end in [*gaps, len(rows)]:
            while first < end:
                last = min(first + step, end)
                yield first, last, self.array[rows[first] : rows[last - 1] + 1]
                touched += max(HUGE_PAGE, (last - first) * width)
                first = last
                if touched >= PIECE_BYTES:
                    self._let_go()
                    touched = 0

    def _let_go(self) -> None:
        """Release the pages that this process has read; they stay in the system's cache for later reads."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


def _cuts(row: NDArray[np.int64], part: NDArray[np.floating]) -> NDArray[np.int64]:
    """Find cuts in a sorted list of rows so that each piece maps and copies about `PIECE_BYTES`."""
    width = part.shape[1] * part.itemsize
    begin = row * part.strides[0] // HUGE_PAGE * HUGE_PAGE
    end = -(-(row * part.strides[0] + width) // HUGE_PAGE) * HUGE_PAGE
    fresh = end - np.maximum(begin, np.concatenate([begin[:1], end[:-1]]))
    piece = np.cumsum(fresh + width) // PIECE_BYTES
    return np.flatnonzero(np.diff(piece)) + 1
