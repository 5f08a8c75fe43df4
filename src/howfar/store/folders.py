"""Read and write a feature store's folder on a local disk (`LocalFolder`), or behind a URL by fsspec (`RemoteFolder`).

On a disk, who uses a folder shares its lock; who removes it must have that lock alone. A claim is a file below ``claims/`` that
names contents and is locked by the process that computes them. A lock ends with its process, however that ends: a claim that
another can lock is nobody's, and is deleted by whoever meets it. Where files cannot be locked, nothing is kept back.

Behind a URL an object appears whole when its upload ends, so it needs no temporary name. Nobody can lock an object, so nothing
is claimed: two processes that embed the same images into one such store may both compute them, and nothing is lost.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import secrets
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, ClassVar, Final, TypeAlias
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError, StoreError, one_line
from howfar.io.atomic_writes import appearing
from howfar.io.file_location import EXTRAS, as_location, file_system, is_url
from howfar.io.file_locks import LOCKS, Share, alone, held, locked

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
                use.lock(shared=False)
                stack.callback(use.lock, shared=True)
            yield stack.enter_context(alone(self.path, make=False))

    @contextmanager
    def claim(self, wanted: Sequence[str], stored: Callable[[], Container[str]]) -> Iterator[tuple[str, ...]]:
        """Claim contents to compute until the block ends; yield, each once, those neither claimed by others nor in `stored()`.

        Where files cannot be locked (another system than POSIX, some network folders) everything is granted: features may be
        computed twice there, and none is lost.
        """
        if not LOCKS:  # nobody would heed a file, and Windows does not delete one that another thread reads
            yield _not_in(stored(), wanted)
            return
        folder = self.path / CLAIMS
        folder.mkdir(exist_ok=True)
        path = folder / secrets.token_hex(8)
        with ExitStack() as claim:
            with locked(folder / _LOCK):
                # In this order: what is let go of between the two looks has been stored before, and the second look sees it.
                taken = self.claimed(sweep=True)
                granted = _not_in(stored(), [content for content in wanted if content not in taken])
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


def _not_in(stored: Container[str], wanted: Sequence[str]) -> tuple[str, ...]:
    return tuple(content for content in dict.fromkeys(wanted) if content not in stored)


@dataclass(frozen=True, eq=False)
class MappedMatrix:
    """Read a memory-mapped matrix; the map closes with its last array, as a thread may still be reading it."""

    array: NDArray[Any]
    mapped: mmap.mmap

    def pieces(self, rows: NDArray[np.int64], columns: slice = slice(None)) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first, last, block) for pieces of `rows` (in non-decreasing order); rows that follow on are not copied."""
        part = self.array[:, columns]
        # Cut so that each piece maps and copies about `PIECE_BYTES`.
        width = part.shape[1] * part.itemsize
        begin = rows * part.strides[0] // HUGE_PAGE * HUGE_PAGE
        end = -(-(rows * part.strides[0] + width) // HUGE_PAGE) * HUGE_PAGE
        fresh = end - np.maximum(begin, np.concatenate([begin[:1], end[:-1]]))
        piece = np.cumsum(fresh + width) // PIECE_BYTES
        # Counts up wherever a row does not follow on: the same number at both ends is a run without a gap.
        gaps = np.cumsum(np.diff(rows, prepend=rows[:1] - 1) != 1)
        for first, last in pairwise([0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(rows)]):
            if first < last:
                run = gaps[first] == gaps[last - 1]
                yield first, last, part[rows[first] : rows[last - 1] + 1] if run else part[rows[first:last]]
                if hasattr(mmap, "MADV_DONTNEED"):
                    # Releases the pages that this process has read; they stay in the system's cache for later reads.
                    self.mapped.madvise(mmap.MADV_DONTNEED)


GAP: Final = 1 << 16
"""Bytes between two pieces that are read with them, rather than asked for apart."""
REQUEST: Final = 8 << 20
"""Most bytes of one request."""
AT_ONCE: Final = 8
"""Requests whose answers are held at a time."""


@dataclass(frozen=True)
class RemoteFolder:
    """Read, write and list the files of a folder behind a URL, as `LocalFolder` does by a path; pickled without keys.

    Nobody can lock it, and it is no more than a prefix of names: it need not be made, and all that is not stored is granted.
    """

    path: str
    near: ClassVar = False

    def __post_init__(self) -> None:
        _ = self._fs

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFolder, (self.path,)

    @cached_property
    def _fs(self) -> Any:
        return file_system(self.path, "store")[0]

    def _at(self, name: str) -> str:
        return f"{self._fs._strip_protocol(self.path).rstrip('/')}/{name}"

    def child(self, name: str) -> RemoteFolder:
        """Return a subfolder."""
        return RemoteFolder(f"{self.path.rstrip('/')}/{name}")

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
        with _as_os_errors(self.path):
            where = self._fs._strip_protocol(self.path)
            self._fs.invalidate_cache(where)
            try:
                entries = self._fs.ls(where, detail=True)
            except FileNotFoundError:
                return []
            named = [(entry["name"].rstrip("/").rpartition("/")[2], entry) for entry in entries if entry["type"] == kind]
            return [(name, entry) for name, entry in named if name]

    def read(self, name: str) -> bytes:
        """Read an object's bytes."""
        with _as_os_errors(self.path):
            return bytes(self._fs.cat_file(self._at(name)))

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """Read the first bytes of an object, and the object's size."""
        with _as_os_errors(self.path):
            self._fs.invalidate_cache(self._at(name))
            size = int(self._fs.info(self._at(name))["size"])
            return bytes(self._fs.cat_file(self._at(name), start=0, end=min(count, size))), size

    @contextmanager
    def appearing(self, name: str) -> Iterator[BinaryIO]:
        """Open a file for writing that is uploaded if the block ends without an exception."""
        file = io.BytesIO()
        yield file
        with _as_os_errors(self.path):
            self._fs.pipe_file(self._at(name), file.getvalue())

    def remove(self, name: str) -> None:
        """Delete an object if it exists."""
        with _as_os_errors(self.path), suppress(FileNotFoundError):
            self._fs.rm_file(self._at(name))

    def written(self, name: str) -> float:
        """Return an object's modification time in seconds since 1970; infinity if it is missing or the time unknown."""
        with _as_os_errors(self.path):
            try:
                return float(self._fs.modified(self._at(name)).timestamp())
            except (FileNotFoundError, NotImplementedError):
                return float("inf")

    def matrix(self, name: str, shape: tuple[int, int], dtype: np.dtype[Any], offset: int) -> RangedMatrix:
        """Return the matrix that begins at an offset in an object."""
        return RangedMatrix(self.path, self._fs, self._at(name), shape, dtype, offset)

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
        return nullcontext(_not_in(stored(), wanted))

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

    def pieces(self, rows: NDArray[np.int64], columns: slice = slice(None)) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first, last, block) for pieces of the ascending `rows`, in their stored type; a block has the `columns`."""
        begin, end, _ = columns.indices(self.shape[1])
        item = self.dtype.itemsize
        starts = self.offset + (rows * self.shape[1] + begin) * item
        width = (end - begin) * item
        if width <= 0:
            return
        # A request ends at a wide gap between two rows, or where it would become too large.
        spans = []
        first = 0
        for k in range(1, len(starts) + 1):
            if k == len(starts) or starts[k] - starts[k - 1] - width > GAP or starts[k] + width - starts[first] > REQUEST:
                spans.append((first, k))
                first = k
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
def _as_os_errors(url: str) -> Iterator[None]:
    """Raise any error of a file system as an OSError, as a disk does."""
    try:
        yield
    except OSError:
        raise
    # Each service has errors of its own.
    except Exception as error:
        raise OSError(errno.EIO, one_line(error, 200), url) from error


class ShardGoneError(Exception):
    """Report a shard that is no longer there: another process packed it away."""


class ShardDamagedError(Exception):
    """Report a shard whose files contradict each other or their checksums, or are cut short."""


Folder: TypeAlias = LocalFolder | RemoteFolder
"""A folder whose files appear whole or not at all; failures raise `OSError`, missing files `FileNotFoundError`."""
FileMatrix: TypeAlias = MappedMatrix | RangedMatrix
"""A (count, q) matrix in a file, read in pieces."""


def folder_at(folder: str | Path) -> Folder:
    """Return the folder at a path or at a URL that fsspec knows (``s3://bucket/folder``, ``gs://``, ``az://``).

    Raises `MissingExtraError` where the URL's file system is not installed, and `InputError` where fsspec knows none such.
    """
    text = str(folder)
    if not text.strip() or (not text.partition("://")[2].strip("/") and is_url(text)):
        raise InputError.of("store", "must be a folder or a URL with one in it", folder, "write DIR or s3://BUCKET/FOLDER")
    if isinstance(folder, str) and not is_url(text) and ":/" in text and text.partition(":/")[0].lower() in EXTRAS:
        raise InputError.of("store", "must have two slashes after the colon of a URL", folder, "write s3://BUCKET/FOLDER")
    location = as_location(folder, "store")
    return LocalFolder(location) if isinstance(location, Path) else RemoteFolder(location)


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


@contextmanager
def as_store_errors(folder: Folder, doing: str) -> Iterator[None]:
    """Raise what a disk or service refuses in the block ("read", "write to", "remove") as `StoreError` with the remedy."""
    try:
        yield
    except OSError as error:
        reason, remedy = reason_and_remedy(folder, error)
        raise StoreError(f"the store cannot {doing} {folder.path}: {reason}; {remedy}") from error
