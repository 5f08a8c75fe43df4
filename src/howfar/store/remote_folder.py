"""Read and write a feature store behind a URL, such as a bucket, by fsspec (`RemoteFolder`).

An object appears whole when its upload ends, so it needs no temporary name. Nobody can lock an object, so nothing is claimed:
two processes that embed the same images into one such store may both compute them, and nothing is lost.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, cast

import numpy as np
from numpy.typing import NDArray

from howfar.errors import one_line
from howfar.io.file_location import file_system

GAP: Final = 1 << 16
"""Bytes between two pieces that are read with them, rather than asked for apart."""
REQUEST: Final = 8 << 20
"""Most bytes of one request."""
AT_ONCE: Final = 8
"""Requests whose answers are held at a time."""
_OPEN: Final = Path("/proc/self/fd")
"""Where Linux has this process's open files, those without a name too."""


@dataclass(frozen=True)
class RemoteFolder:
    """Read, write and list the files of a folder behind a URL, as `LocalFolder` does by a path; pickled without keys.

    Nobody can lock it, and it is no more than a prefix of names: it need not be made, and all that is not stored is granted.
    """

    url: str
    near: ClassVar = False

    def __post_init__(self) -> None:
        _ = self._fs

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFolder, (self.url,)

    @property
    def path(self) -> str:
        """Return the URL."""
        return self.url

    @cached_property
    def _fs(self) -> Any:
        return file_system(self.url, "store")[0]

    def _at(self, name: str) -> str:
        return f"{self._fs._strip_protocol(self.url).rstrip('/')}/{name}"

    def child(self, name: str) -> RemoteFolder:
        """Return a subfolder."""
        return RemoteFolder(f"{self.url.rstrip('/')}/{name}")

    def names(self) -> set[str]:
        """List the objects in the folder; empty if there is no such folder."""
        return set(self.sizes())

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each object in the folder; empty if there is no such folder."""
        return {name: int(entry["size"] or 0) for name, entry in self._entries("file")}

    def folders(self) -> set[str]:
        """List the subfolders, which are prefixes of object names."""
        return {name for name, _ in self._entries("directory")}

    def _entries(self, kind: str) -> list[tuple[str, Any]]:
        with _as_os_errors(self.url):
            where = self._fs._strip_protocol(self.url)
            self._fs.invalidate_cache(where)
            try:
                entries = self._fs.ls(where, detail=True)
            except FileNotFoundError:
                return []
            named = [(entry["name"].rstrip("/").rpartition("/")[2], entry) for entry in entries if entry["type"] == kind]
            return [(name, entry) for name, entry in named if name]

    def read(self, name: str) -> bytes:
        """Read an object's bytes."""
        with _as_os_errors(self.url):
            return bytes(self._fs.cat_file(self._at(name)))

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """Read the first bytes of an object, and the object's size."""
        with _as_os_errors(self.url):
            self._fs.invalidate_cache(self._at(name))
            size = int(self._fs.info(self._at(name))["size"])
            return bytes(self._fs.cat_file(self._at(name), start=0, end=min(count, size))), size

    @contextmanager
    def appearing(self, name: str) -> Iterator[BinaryIO]:
        """Open a file for writing that is uploaded if the block ends without an exception."""
        with _scratch() as (file, path):
            yield file
            file.flush()
            with _as_os_errors(self.url):
                self._fs.put_file(path, self._at(name))

    def remove(self, name: str) -> None:
        """Delete an object if it exists."""
        with _as_os_errors(self.url), suppress(FileNotFoundError):
            self._fs.rm_file(self._at(name))

    def written(self, name: str) -> float:
        """Return an object's modification time in seconds since 1970; infinity if it is missing or the time unknown."""
        with _as_os_errors(self.url):
            try:
                return float(self._fs.modified(self._at(name)).timestamp())
            except (FileNotFoundError, NotImplementedError):
                return float("inf")

    def matrix(self, name: str, shape: tuple[int, int], dtype: np.dtype[Any], offset: int) -> RangedMatrix:
        """Return the matrix that begins at an offset in an object."""
        return RangedMatrix(self.url, self._fs, self._at(name), shape, dtype, offset)

    def make(self) -> None:
        """Do nothing: an object's name makes its folder."""

    def discard(self) -> None:
        """Do nothing: an empty folder does not exist."""

    def touch(self, name: str) -> None:
        """Do nothing: no use is recorded."""

    def hold(self) -> object:
        """Return None: nobody can be kept from removing it."""
        return None

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Yield True: nobody else can hold a lock."""
        return nullcontext(True)

    def unused(self) -> AbstractContextManager[bool]:
        """Yield True: nobody else can hold the folder."""
        return nullcontext(True)

    def claim(self, wanted: Sequence[str], stored: Callable[[], Container[str]]) -> AbstractContextManager[tuple[str, ...]]:
        """Grant the contents that are not in `stored()`, each once."""
        there = stored()
        return nullcontext(tuple(content for content in dict.fromkeys(wanted) if content not in there))

    def claimed(self) -> set[str]:
        """Return the contents that are claimed now: none."""
        return set()


@dataclass(frozen=True, eq=False)
class RangedMatrix:
    """Read a matrix in an object by requests for byte ranges, several at a time."""

    url: str
    fs: Any
    path: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int

    def fill(self, block: NDArray[np.float32], positions: NDArray[np.int64], rows: NDArray[np.int64], columns: slice) -> None:
        """Copy columns of rows (in non-decreasing order) to rows of a block."""
        begin, end, _ = columns.indices(self.shape[1])
        if end <= begin:
            return
        for first, last, piece in self._pieces(rows, begin, end):
            block[positions[first:last]] = piece

    def pieces(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first, last, block) for pieces of the ascending `rows`, in their stored type."""
        return self._pieces(rows, 0, self.shape[1])

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read whole rows in their stored type."""
        taken = np.empty((len(rows), self.shape[1]), self.dtype)
        for first, last, piece in self.pieces(rows):
            taken[first:last] = piece
        return taken

    def _pieces(self, rows: NDArray[np.int64], begin: int, end: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first, last, block) for pieces of the rows; a block is (last - first, end - begin)."""
        stride, item = self.shape[1] * self.dtype.itemsize, self.dtype.itemsize
        starts = self.offset + rows * stride + begin * item
        width = (end - begin) * item
        spans = _spans(starts, width)
        for start in range(0, len(spans), AT_ONCE):
            group = spans[start : start + AT_ONCE]
            lows = [int(starts[first]) for first, _ in group]
            highs = [int(starts[last - 1]) + width for _, last in group]
            with _as_os_errors(self.url):
                answers = self.fs.cat_ranges([self.path] * len(group), lows, highs, on_error="raise")
            for (first, last), low, high, answer in zip(group, lows, highs, answers, strict=True):
                if len(answer) != high - low:
                    raise OSError(f"{self.path} ends before byte {high:,}")
                offsets = starts[first:last] - low
                data = np.frombuffer(answer, np.uint8)
                cut = np.lib.stride_tricks.sliding_window_view(data, width)[offsets]
                yield first, last, np.ascontiguousarray(cut).view(self.dtype)


@contextmanager
def _scratch() -> Iterator[tuple[BinaryIO, str]]:
    """Yield a file for writing and its path; where possible it has no name, so that a kill leaves nothing."""
    if _OPEN.is_dir():
        with tempfile.TemporaryFile() as unnamed:
            yield cast(BinaryIO, unnamed), str(_OPEN / str(unnamed.fileno()))
        return
    # Windows would not open a temporary file of Python's by its name again while it is open.
    with tempfile.TemporaryDirectory(prefix="howfar-") as folder, (Path(folder) / "object").open("w+b") as named:
        yield cast(BinaryIO, named), named.name


def _spans(starts: NDArray[np.int64], width: int) -> list[tuple[int, int]]:
    """Group pieces of `width` bytes into requests, limited by the gaps between pieces and by the total size."""
    spans = []
    first = 0
    for k in range(1, len(starts) + 1):
        if k == len(starts) or starts[k] - starts[k - 1] - width > GAP or starts[k] + width - starts[first] > REQUEST:
            spans.append((first, k))
            first = k
    return spans if len(starts) else []


@contextmanager
def _as_os_errors(url: str) -> Iterator[None]:
    """Raise any error of a file system as an OSError, as a disk does."""
    try:
        yield
    except OSError:
        raise
    # Each service has errors of its own.
    except Exception as error:
        raise OSError(errno.EIO, one_line(error, 200), url) from error
