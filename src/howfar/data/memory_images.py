"""Hold images that have no file: each has a text that stands where a path stands, and is read by it in this process alone.

The text of an image in memory is ``python://TOKEN/NUMBER``, that of its mask ``python://TOKEN/NUMBER/mask``. A token is drawn
anew for each object, so that a text in an old table never leads to another image.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final, Literal, TypeAlias

from howfar.errors import ImageError, InputError
from howfar.io.location import IN_MEMORY, is_in_memory
from howfar.protocols import Dataset, Item

GONE: Final = "was in the memory of a Python process that has let it go"
Part: TypeAlias = Literal["image", "mask"]


class MemoryImages:
    """Give the images of an object in memory as the bytes of files, one at a time and only when they are asked for.

    `read`, of a part ("image" or "mask") and an image's number, returns the bytes of an image file; it raises `ImageError`
    where there is none. It is called by one thread at a time, since few objects of others are safe in several. `label`, of a
    number, returns the image's class where the object tells it only with the image.
    """

    def __init__(
        self, read: Callable[[Part, int], bytes], count: int, label: Callable[[int], str | None] | None = None
    ) -> None:
        self._read, self._count, self._lock = read, count, Lock()
        self.label = label
        self.token = secrets.token_hex(8)
        _IMAGES[self.token] = self

    def path(self, number: int, part: Part = "image") -> MemoryPath:
        """Return the text by which an image, or its mask, is read."""
        return MemoryPath(f"{IN_MEMORY}{self.token}/{number}{'' if part == 'image' else f'/{part}'}", self, number)

    def read(self, part: Part, number: int) -> bytes:
        """Return the bytes of an image file, made of what lies in memory. Raises `ImageError`."""
        if not 0 <= number < self._count:
            raise ImageError(GONE)
        with self._lock:
            return self._read(part, number)


_IMAGES: weakref.WeakValueDictionary[str, MemoryImages] = weakref.WeakValueDictionary()


class MemoryPath(str):
    """Name an image in memory by its text; the images are held while this lives. A copy in another process is mere text.

    Examples
    --------
    >>> images = MemoryImages(lambda part, number: b"...", 1)
    >>> read_memory(str(images.path(0, "mask")))
    b'...'
    """

    images: MemoryImages
    number: int

    def __new__(cls, text: str, images: MemoryImages, number: int) -> MemoryPath:
        """Make the text, with the images that it names and the number of one of them."""
        path = super().__new__(cls, text)
        path.images, path.number = images, number
        return path

    def __truediv__(self, below: str) -> MemoryPath:
        """Return a text behind which stands how the image is read."""
        return MemoryPath(f"{self}/{below}", self.images, self.number)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Leave the images behind: in another process there is the text alone."""
        return str, (str(self),)


def check_files(dataset: Dataset, argument: str, why: str) -> None:
    """Raise `InputError` where a dataset's images are in memory alone, and what is done with them needs their files."""
    if any(is_in_memory(item.path) for item in dataset.items):
        raise InputError(f"{argument} must lie in files, since {why}, got images in memory: save them, and pass their folder")


def place_of(item: Item) -> str:
    """Say where an image lies: its path or URL; of one in memory its name, since nobody could look for its text."""
    return item.name if is_in_memory(item.path) else str(item.path)


def read_memory(path: str) -> bytes:
    """Return the bytes of an image in memory by its text.

    Raises `ImageError` where no image of this process has it.

    Examples
    --------
    >>> read_memory("python://0a/1")
    Traceback (most recent call last):
    howfar.errors.ImageError: was in the memory of a Python process that has let it go
    """
    token, number, part = _parts(path)
    images = _IMAGES.get(token)
    if images is None:
        raise ImageError(GONE)
    return images.read(part, number)


def held(path: str) -> bool:
    """Return whether `read_memory` would find an image of this process.

    Examples
    --------
    >>> held("python://0a/1")
    False
    """
    return _parts(path)[0] in _IMAGES


def keep_with(result: object, paths: Iterable[object]) -> None:
    """Hold the images in memory that some paths name as long as a result lives, so that its figures can show them."""
    images = {id(path.images): path.images for path in paths if isinstance(path, MemoryPath)}
    if images:
        weakref.finalize(result, _let_go, tuple(images.values())).atexit = False


def _let_go(images: tuple[MemoryImages, ...]) -> None:
    """Do nothing: that this was to be called with them is what held the images until now."""


def _parts(path: str) -> tuple[str, int, Part]:
    token, _, rest = path.removeprefix(IN_MEMORY).partition("/")
    number, _, part = rest.partition("/")
    known = number.isascii() and number.isdigit() and len(number) < 20
    return token, int(number) if known else -1, "mask" if part == "mask" else "image"
