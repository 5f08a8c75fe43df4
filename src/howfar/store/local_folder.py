"""Read and write a store's folder on a disk of this machine, or one that is mounted here."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from howfar.io.atomic import appearing
from howfar.io.lock import alone
from howfar.store.folder_use import FolderUse, unused
from howfar.store.leases import CLAIMS, Claims

# About as much of a matrix is in memory at a time, beside the block that is filled.
PIECE_BYTES = 16 * 2**20
# Where one byte is touched the kernel may map this much around it: the largest page that common systems give to files.
HUGE_PAGE = 2 * 2**20


@dataclass(frozen=True)
class LocalFolder:
    """Serve a folder by its path.

    Examples
    --------
    >>> import tempfile
    >>> folder = LocalFolder(Path(tempfile.mkdtemp()))
    >>> with folder.appearing("note") as file:
    ...     _ = file.write(b"whole")
    >>> folder.names(), folder.head("note", 2)
    ({'note'}, (b'wh', 5))
    """

    path: Path

    near = True

    def child(self, name: str) -> LocalFolder:
        """Return a folder below it."""
        return LocalFolder(self.path / name)

    def make(self) -> None:
        """Make the folder, and those above it."""
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)

    def names(self) -> set[str]:
        """List the files in it; links do not count."""
        with os.scandir(self.path) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}

    def sizes(self) -> dict[str, int]:
        """List the files in it with their bytes; links do not count."""
        with os.scandir(self.path) as entries:
            return {
                entry.name: entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if entry.is_file(follow_symlinks=False)
            }

    def folders(self) -> set[str]:
        """List the folders in it; links do not count."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path) as entries:
            return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        return set()

    def discard(self) -> None:
        """Delete the folder, where nothing is in it."""
        with suppress(OSError):
            self.path.rmdir()

    def touch(self, name: str) -> None:
        """Note that a file was used now, where the disk lets it."""
        with suppress(OSError):
            os.utime(self.path / name)

    def read(self, name: str) -> bytes:
        """Read a file's bytes."""
        return (self.path / name).read_bytes()

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """Read the first bytes of a file, and how many it has."""
        with (self.path / name).open("rb") as file:
            return file.read(count), os.fstat(file.fileno()).st_size

    def appearing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for writing that takes its name when the block ends without an exception."""
        return appearing(self.path / name)

    def remove(self, name: str) -> None:
        """Delete a file, where it is there."""
        (self.path / name).unlink(missing_ok=True)

    def written(self, name: str) -> float:
        """Return when a file was last written, in seconds since 1970; infinity where it is gone."""
        try:
            return (self.path / name).stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def matrix(self, name: str, shape: tuple[int, int], dtype: np.dtype[Any], offset: int) -> MappedMatrix:
        """Map the matrix that lies in a file from an offset on into memory, read-only."""
        with (self.path / name).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return MappedMatrix(np.ndarray(shape, dtype, buffer=mapped, offset=offset), mapped)

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Return whether nobody else holds the lock of that name, which is held until the block ends."""
        return alone(self.path / name)

    def hold(self) -> FolderUse:
        """Make the folder where it is not there, and keep others from removing it until what is returned is gone."""
        while True:
            self.make()
            # Gone again where somebody has removed it between the two.
            with suppress(FileNotFoundError):
                use = FolderUse(self.path)
                if use.current:
                    return use

    def unused(self) -> AbstractContextManager[bool]:
        """Return whether no other process holds the folder; none can until the block ends."""
        return unused(self.path)

    def claim(self, wanted: Sequence[str], stored: Callable[[], Container[str]]) -> AbstractContextManager[tuple[str, ...]]:
        """Yield the contents that are this caller's to compute (`howfar.store.leases.Claims.take`)."""
        return Claims(self.path / CLAIMS).take(wanted, stored)

    def claimed(self) -> set[str]:
        """Return the contents that somebody claims now."""
        return Claims(self.path / CLAIMS).taken()


@dataclass(frozen=True, eq=False)
class MappedMatrix:
    """Read a memory-mapped matrix; the map closes when the last array over it is gone, as a thread may be reading it."""

    array: NDArray[Any]
    mapped: mmap.mmap

    def fill(self, block: NDArray[np.float32], positions: NDArray[np.int64], rows: NDArray[np.int64], columns: slice) -> None:
        """Copy some columns of some rows, which do not fall, into some rows of a block."""
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
        """Read whole rows, in their stored type."""
        taken: NDArray[Any] = self.array[rows]
        return taken

    def pieces(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield rows `first` to `last` of those that are asked for, which rise, piece by piece: successive rows, not copied."""
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
        """Release the pages that were read from this process; they stay in the system's cache, and may be read again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


def _cuts(row: NDArray[np.int64], part: NDArray[np.floating]) -> NDArray[np.int64]:
    """Find where to cut a sorted list of rows, so that each piece maps and copies about `PIECE_BYTES`."""
    width = part.shape[1] * part.itemsize
    begin = row * part.strides[0] // HUGE_PAGE * HUGE_PAGE
    end = -(-(row * part.strides[0] + width) // HUGE_PAGE) * HUGE_PAGE
    fresh = end - np.maximum(begin, np.concatenate([begin[:1], end[:-1]]))
    piece = np.cumsum(fresh + width) // PIECE_BYTES
    return np.flatnonzero(np.diff(piece)) + 1
