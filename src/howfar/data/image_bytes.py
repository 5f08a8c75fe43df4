"""Read and hash the bytes of an image from a file, a URL, a tar, Parquet or Arrow file, or memory.

The text of an image in memory is ``python://TOKEN/NUMBER``, that of its mask ``python://TOKEN/NUMBER/mask``. A token is drawn
anew for each object, so that a text in an old table never leads to another image.
"""

from __future__ import annotations

import io
import os
import secrets
import stat
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, Literal, TypeAlias

from howfar import registry
from howfar.data.compact_item_table import Item
from howfar.data.containers import find
from howfar.errors import ImageError, InputError, one_line
from howfar.image_reading_options import file_and_colour, file_and_reading
from howfar.io.file_location import IN_MEMORY, Location, Url, as_location, is_in_memory, is_url
from howfar.io.url_guard import recorded
from howfar.memory import check_file

GONE: Final = "was in the memory of a Python process that has let it go"
Part: TypeAlias = Literal["image", "mask"]


class MemoryImages:
    """Serve the images of an object in memory as file bytes, only on request.

    One thread at a time calls `read`, since few objects are safe in several. `label` returns a class that only the image tells.
    """

    def __init__(
        self, read: Callable[[Part, int], bytes], count: int, label: Callable[[int], str | None] | None = None
    ) -> None:
        self._read, self._count, self._lock = read, count, Lock()
        self.label = label
        self.token = secrets.token_hex(8)
        _IMAGES[self.token] = self

    def path(self, number: int, part: Part = "image") -> MemoryPath:
        """Return the text under which an image or its mask can be read."""
        return MemoryPath(f"{IN_MEMORY}{self.token}/{number}{'' if part == 'image' else f'/{part}'}", self, number)

    def read(self, part: Part, number: int) -> bytes:
        """Return an image or mask in memory as the bytes of an image file. Raises `ImageError`."""
        if not 0 <= number < self._count:
            raise ImageError(GONE)
        with self._lock:
            return self._read(part, number)


_IMAGES: weakref.WeakValueDictionary[str, MemoryImages] = weakref.WeakValueDictionary()


class MemoryPath(str):
    """Name an image in memory by a text that keeps the image alive; a copy in another process is plain text."""

    images: MemoryImages
    number: int

    def __new__(cls, text: str, images: MemoryImages, number: int) -> MemoryPath:
        """Create the text, with the images that it refers to and the number of its image."""
        path = super().__new__(cls, text)
        path.images, path.number = images, number
        return path

    def __truediv__(self, below: str) -> MemoryPath:
        """Return the path with an added part that says how to read the image."""
        return MemoryPath(f"{self}/{below}", self.images, self.number)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def check_files(images: Iterable[Item], argument: str, why: str) -> None:
    """Raise `InputError` if a dataset's images are in memory but their files are needed."""
    if any(is_in_memory(item.path) for item in images):
        raise InputError(f"{argument} must lie in files, since {why}, got images in memory: save them, and pass their folder")


def place_of(item: Item) -> str:
    """Return where an image lies: its path or URL, or its name if it is in memory."""
    return item.name if is_in_memory(item.path) else str(item.path)


def held(path: str) -> bool:
    """Return whether `opened_file` would find the image in the memory of this process."""
    return _parts(path)[0] in _IMAGES


def keep_with(result: object, paths: Iterable[object]) -> None:
    """Keep the in-memory images at these paths alive as long as a result, so that its figures can show them."""
    images = {id(path.images): path.images for path in paths if isinstance(path, MemoryPath)}
    if images:
        weakref.finalize(result, _let_go, tuple(images.values())).atexit = False


def _let_go(images: tuple[MemoryImages, ...]) -> None:
    """Do nothing; the finalizer that holds this call keeps the images alive until it runs."""


def _parts(path: str) -> tuple[str, int, Part]:
    token, _, rest = path.removeprefix(IN_MEMORY).partition("/")
    number, _, part = rest.partition("/")
    known = number.isascii() and number.isdigit() and len(number) < 20
    return token, int(number) if known else -1, "mask" if part == "mask" else "image"


MAX_BYTES = 1 << 31
"""Largest file that is read into memory."""


def read_bytes(path: str | Path) -> bytes:
    """Return the bytes of a file, an object behind a URL or a container's member; raise `ImageError` with a short reason.

    A member has its container's path or URL, ``/`` and its own name: ``a.tar/1.jpg``, ``s3://bucket/train.parquet/17``.
    """
    with opened_file(path) as stream:
        return stream.read()


def content_hash(data: bytes | memoryview) -> str:
    """Return a file's content hash: BLAKE2b, 16 bytes, as 32 hexadecimal digits."""
    return blake2b(data, digest_size=16).hexdigest()


@contextmanager
def opened_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a non-empty file, container member or object behind a URL for reading."""
    path, reading = file_and_reading(file_and_colour(path)[0])
    if reading:
        yield io.BytesIO(registry.load("pixel_readers", "bands")(path, reading))
        return
    if is_in_memory(path):
        token, number, part = _parts(str(path))
        images = _IMAGES.get(token)
        if images is None:
            raise ImageError(GONE)
        yield io.BytesIO(images.read(part, number))
        return
    file = _location(path) if is_url(path) else Path(path)
    try:
        status = _status(file) if isinstance(file, Path) else None
        if status is None or not isinstance(file, Path):
            yield io.BytesIO(_read_elsewhere(_location(file)))
            return
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("a folder, not an image")
        if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait until somebody writes to it
            raise ImageError("not a regular file")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"{status.st_size:,} bytes: above the limit of {MAX_BYTES:,}")
        check_file(status.st_size, path)
        with file.open("rb") as stream:
            if not stream.read(1):
                raise ImageError("empty file (0 bytes)")
            stream.seek(0)
            yield stream
    except (OSError, InputError) as error:
        raise _image_error(error) from error


def exists(path: str | Path) -> bool:
    """Return whether `read_bytes` would find a file, a container's member or an object behind a URL."""
    path = file_and_reading(file_and_colour(path)[0])[0]
    if is_in_memory(path):
        return held(str(path))
    try:
        location = _location(path)
        member = find(location)
        return location.is_file() if member is None else member[0].has(member[1])
    except Exception:  # a file system's library may raise anything
        return False


def is_member(path: str | Path) -> bool:
    """Return whether a path names a member of a container rather than a file."""
    path, reading = file_and_reading(file_and_colour(path)[0])
    if reading.at:
        return True
    try:
        return not is_in_memory(path) and find(_location(path)) is not None
    except Exception:  # a file system's library may raise anything
        return False


def _location(path: str | Path) -> Location:
    """Return an image's location; a URL in plain text comes from an earlier run and is read with its restrictions."""
    return recorded(path) if is_url(path) and isinstance(path, str) and not isinstance(path, Url) else as_location(path)


def _status(file: Path) -> os.stat_result | None:
    """Return a file's stat record; None if there is no file."""
    try:
        return file.stat()
    except FileNotFoundError as error:
        if file.is_symlink():
            raise ImageError("broken link") from error
        return None
    except (NotADirectoryError, ValueError):  # no file's name holds a NUL
        return None


def _read_elsewhere(location: Location) -> bytes:
    """Read a container's member, or a file behind a URL."""
    try:
        member = find(location)
        if member is not None:
            data = member[0].read(member[1])
            # A row may hold the path of a file in place of its bytes.
            data = data if isinstance(data, bytes) else read_bytes(data)
        elif isinstance(location, Path):
            raise ImageError("no such file")
        else:
            data = location.read_bytes()
    except ImageError:
        raise
    except Exception as error:  # a file system's library may raise anything
        raise _image_error(error) from error
    if not data:
        raise ImageError("empty file (0 bytes)")
    return data


def _image_error(error: Exception) -> ImageError:
    if isinstance(error, InputError):
        return ImageError(str(error))
    if isinstance(error, FileNotFoundError):
        return ImageError("no such file")
    if isinstance(error, PermissionError):
        return ImageError("no read permission")
    return ImageError(one_line(getattr(error, "strerror", None) or error, 100))
