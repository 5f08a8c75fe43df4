"""Define the interface of a store's folder, open one by path or URL, and explain what its disk or service refuses."""

from __future__ import annotations

import errno
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from howfar.errors import StoreError, one_line


class ShardGoneError(Exception):
    """Report a shard that is no longer there: another process packed it away."""


class ShardDamagedError(Exception):
    """Report a shard whose files contradict each other or their checksums, or are cut short."""


class FileMatrix(Protocol):
    """Read a (count, q) matrix in a file, in pieces."""

    def fill(self, block: NDArray[np.float32], positions: NDArray[np.int64], rows: NDArray[np.int64], columns: slice) -> None:
        """Copy columns of rows (in non-decreasing order) to a block: ``block[positions] = matrix[rows, columns]``."""

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read whole rows in their stored type."""

    def pieces(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first, last, block) for pieces of the ascending `rows`; a block may be gone once the next is asked for."""


class Folder(Protocol):
    """Serve a folder whose files appear whole or not at all; failures raise OSError, missing files FileNotFoundError.

    Methods with a body are for folders that nobody can lock and that are only prefixes of names, as in a bucket.
    """

    @property
    def near(self) -> bool:
        """Return whether reads cost next to nothing, as on a disk; otherwise several files are requested at a time."""

    @property
    def path(self) -> Path | str:
        """Return the folder's path, or its URL."""

    def child(self, name: str) -> Folder:
        """Return a subfolder."""

    def make(self) -> None:
        """Make the folder if needed."""
        return

    def names(self) -> set[str]:
        """List the files in the folder."""

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file in the folder."""

    def folders(self) -> set[str]:
        """List the subfolders; empty if the folder does not exist."""

    def discard(self) -> None:
        """Delete the folder if it is empty and more than a prefix of names."""
        return

    def touch(self, name: str) -> None:
        """Record that a file was used now, if that can be recorded."""
        return

    def read(self, name: str) -> bytes:
        """Read a file's bytes."""

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """Read the first bytes of a file, and the file's size."""

    def appearing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for writing that appears under its name if the block ends without an exception."""

    def remove(self, name: str) -> None:
        """Delete a file if it exists."""

    def written(self, name: str) -> float:
        """Return a file's modification time in seconds since 1970; infinity if the file is missing."""

    def matrix(self, name: str, shape: tuple[int, int], dtype: np.dtype[Any], offset: int) -> FileMatrix:
        """Return the row-major matrix that begins at an offset in a file."""

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Try to hold the named lock until the block ends; the context yields whether it was free."""
        return nullcontext(True)

    def hold(self) -> object:
        """Make the folder if missing, and keep others from removing it as long as the returned object lives."""
        return None

    def unused(self) -> AbstractContextManager[bool]:
        """Yield whether no other process holds the folder, and let none begin to until the block ends."""
        return nullcontext(True)

    def claim(self, wanted: Sequence[str], stored: Callable[[], Container[str]]) -> AbstractContextManager[tuple[str, ...]]:
        """Claim contents to compute until the block ends (`howfar.store.local_folder.Claims.take`)."""
        there = stored()
        return nullcontext(tuple(content for content in dict.fromkeys(wanted) if content not in there))

    def claimed(self) -> set[str]:
        """Return the contents that are claimed now."""
        return set()


_REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOSPC: "the disk is full: make room, or name a store on another disk (--store)",
    errno.EDQUOT: "the quota is used up: make room, or name a store on another disk (--store)",
    errno.EROFS: "the disk can only be read: name a store elsewhere (--store)",
    errno.EIO: "the disk fails: check it, or name a store elsewhere (--store)",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f unlimited)",
    errno.EEXIST: "a file stands there: name a folder (--store)",
    errno.ENOTDIR: "a part of the path is a file: name a folder (--store)",
    errno.EMFILE: "raise the limit of open files (ulimit -n 4096)",
}
_RIGHTS: Final = "mend its rights, or give another folder"
_KEYS: Final[Mapping[str, str]] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Environment variables in which the library behind a URL's scheme looks for keys."""


def reason_and_remedy(folder: Folder, error: OSError) -> tuple[str, str]:
    """Explain why a disk or service refused, and the remedy: room, another folder, its rights, or a service's keys."""
    if folder.near:
        return one_line(error, 200), _REMEDIES.get(error.errno or 0, _RIGHTS)
    reason = one_line(error.strerror or error, 200)
    keys = _KEYS.get(str(folder.path).partition("://")[0])
    return reason, f"see that it can be reached, and by which keys{f' ({keys})' if keys else ''}"


def refusal(folder: Folder, doing: str, error: OSError) -> StoreError:
    """Make the error for a failed store operation ("read", "write to", "remove"), with the folder and the remedy."""
    reason, remedy = reason_and_remedy(folder, error)
    return StoreError(f"the store cannot {doing} {folder.path}: {reason}; {remedy}")
