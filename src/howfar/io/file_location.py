"""Represent a file's location, a local path or a URL (``s3://``, ``gs://``, ``az://`` …), and open files by fsspec.

What lies within a tar, Parquet or Arrow file has that file's location, ``/`` and its own name: ``/data/s.tar/0001.jpg``,
``s3://bucket/train.parquet/17``. Such a text means the same in every process, so it can stand in tables and be read again.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from howfar.errors import InputError, MissingExtraError, MissingPathError, one_line

# Two letters at least: a single one is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_ONCE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
PROBE: Final = 65_536
"""Bytes that are written into a folder to see that it takes any."""
EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "hf": "hub"}
"""Which extra of howfar brings the library behind a URL's scheme."""


IN_MEMORY: Final = "python://"
"""What the text of an image in the memory of this process begins with; `howfar.data.image_bytes` reads it."""


class Url(str):
    """Treat a URL's text as `pathlib.Path` treats a local path; a real `Path` would merge ``//``."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Return the last part of the URL."""
        return self.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Return the last part of the URL without its last extension."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Return the last extension."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Url:
        """Return the URL of the parent folder."""
        return self.beside(self.rpartition("/")[0])

    def __truediv__(self, below: str) -> Url:
        return self.beside(f"{self}/{below}")

    def beside(self, text: str) -> Url:
        """Return another URL that is read in the same way."""
        return Url(text)

    def file_system(self) -> tuple[Any, str]:
        """Return the URL's file system and the path within it, as the function `file_system` does."""
        return file_system(self)

    def is_file(self) -> bool:
        """Return whether the URL is a file."""
        system, path = self.file_system()
        return bool(system.isfile(path))

    def is_dir(self) -> bool:
        """Return whether the URL is a folder."""
        system, path = self.file_system()
        return bool(system.isdir(path))

    def read_bytes(self) -> bytes:
        """Read the whole file, in one request."""
        system, path = self.file_system()
        return cast(bytes, system.cat_file(path))


Location: TypeAlias = Path | Url


def file_system(url: str, argument: str = "dataset") -> tuple[Any, str]:
    """Return the file system behind a URL and the path within it; `argument` is what the caller calls it in error lines."""
    import fsspec

    scheme = url.partition("://")[0].lower()
    try:
        system, path = fsspec.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        remedy = f"pip install 'howfar[{extra}]'" if extra else f"install what fsspec needs for it ({error})"
        raise MissingExtraError(f"{scheme}:// needs a library that is not installed: {remedy}") from error
    except ValueError as error:
        raise InputError.of(argument, f"must be a path or a URL that fsspec reads ({one_line(error)})", url) from error
    return system, str(path)


def was_url(path: str | Path) -> bool:
    """Return whether a text is, or a path was, a URL (`Path` merges its two slashes)."""
    return bool(_ONCE_URL.match(str(path)))


def absolute(path: str | Path) -> Path:
    """Return the absolute path, with a known ``~`` expanded; links are not resolved."""
    if isinstance(path, str) and not path:
        raise InputError.of("a path", "must not be empty", path, "name a file or folder")
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:  # no such user: then it may be a file whose name begins with ~
        return Path(path).absolute()
    except TypeError:
        raise InputError.of("a path", "must be a text or a pathlib.Path", path) from None


def is_url(location: object) -> bool:
    """Return whether a value is the text of a URL."""
    return isinstance(location, str) and _URL.match(location) is not None


def is_in_memory(location: object) -> bool:
    """Return whether a value is the text of an image in a process's memory, held or let go."""
    return isinstance(location, str) and location.startswith(IN_MEMORY)


def as_location(argument: str | Path, name: str = "dataset") -> Location:
    """Convert a caller's text or path to a location: URLs as they are, ``file://`` and all else as absolute paths."""
    if not is_url(argument):
        return absolute(argument)
    if isinstance(argument, Url):
        return argument
    text = str(argument).rstrip("/")
    if text.endswith(":"):
        raise InputError.of(name, "must name something behind ://", str(argument))
    if text.lower().startswith("file://"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise InputError.of(name, "must have three slashes after file:", str(argument), "write file:///FOLDER")
        return Path(unquote(parts.path))
    scheme, _, rest = text.partition("://")
    return Url(f"{scheme.lower()}://{rest}")


def open_binary(location: Location, block: int | None = None) -> BinaryIO:
    """Open a file for reading in pieces; behind a URL, each request fetches `block` bytes."""
    if isinstance(location, Path):
        return location.open("rb")
    system, path = location.file_system()
    return cast(BinaryIO, system.open(path, "rb", **({} if block is None else {"block_size": block})))


def read_range(location: Location, start: int, size: int) -> bytes:
    """Read `size` bytes from `start`, by a seek or by one range request."""
    if isinstance(location, Path):
        with location.open("rb") as file:
            file.seek(start)
            return file.read(size)
    system, path = location.file_system()
    return cast(bytes, system.cat_file(path, start=start, end=start + size))


def stamp(location: Location) -> tuple[object, ...]:
    """Return a fingerprint of a file's state: its size, and its modification time or version."""
    if isinstance(location, Path):
        status = location.stat()
        return status.st_size, status.st_mtime_ns
    system, path = location.file_system()
    record = system.info(path)
    versions = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
    return record.get("size"), *(str(record[key]) for key in versions if key in record)


def settings_text(what: str, file: str | Path, start: str, most: int = 1 << 24) -> str:
    """Read a settings file, called `what` in errors, as UTF-8 text of at most `most` bytes; `start` says how to write one."""
    try:
        with absolute(file).open("rb") as opened:
            data = opened.read(most + 1)
        if len(data) > most:
            raise InputError.of(what, f"must be a file of at most {most:,} bytes", str(file))
        return data.decode("utf-8")
    except FileNotFoundError:
        raise MissingPathError(f"{what} {str(file)!r} is not there: {start}") from None
    except (OSError, UnicodeDecodeError) as error:
        rule = f"must be readable text ({one_line(error)})"
        raise InputError.of(what, rule, str(file), "name a file saved as UTF-8 text") from error


_MADE: ContextVar[list[Path]] = ContextVar("made folders")


@contextmanager
def leaving_no_empty_folder() -> Iterator[None]:
    """Remove the folders that `ready_folder` made in the block, if an error leaves them empty."""
    made: list[Path] = []
    token = _MADE.set(made)
    try:
        yield
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise
    finally:
        _MADE.reset(token)


def ready_folder(argument: str, folder: str | Path | None) -> Path | None:
    """Make the folder for results before anything is computed, and return its absolute path."""
    if folder is None:
        return None
    if was_url(folder):
        raise InputError.of(argument, "must be a folder on this machine", str(folder), "copy it there afterwards")
    path = absolute(folder)
    made = [each for each in (path, *path.parents) if not each.exists()]
    rule, remedy = "must be a folder that can be made", "name another"
    try:
        path.mkdir(parents=True, exist_ok=True)
        _MADE.get([]).extend(reversed(made))
        if not os.access(path, os.W_OK):
            raise InputError.of(argument, "must be a folder that can be written to", str(folder), remedy)
        rule, remedy = "must be a folder in which files can be written", "make room, or name another"
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(bytes(PROBE))
            os.fsync(probe.fileno())
    except OSError as error:
        raise InputError.of(argument, f"{rule} ({error.strerror or error})", str(folder), remedy) from error
    return path


def ready_file(argument: str, file: str | Path | None) -> Path | None:
    """Make the folder of a result's file before anything is computed, and return the file's absolute path."""
    if file is None:
        return None
    if was_url(file):
        raise InputError.of(argument, "must be a file on this machine", str(file), "copy it there afterwards")
    path = absolute(file)
    if path.is_dir():
        raise InputError.of(argument, "must be a file, not a folder", str(file), "name a file in it")
    ready_folder(argument, path.parent)
    return path
