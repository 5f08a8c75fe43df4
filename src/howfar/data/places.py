"""Where a file lies: on this machine, or behind a URL that fsspec reads (``s3://``, ``gs://``, ``az://``, ``memory://`` …).

A local file is a `Path`, a file behind a URL its text, since a `Path` would fold ``//``. What lies within a tar, Parquet or
Arrow file has that file's place, ``/`` and its own name: ``/data/shard-000.tar/0001.jpg``, ``s3://bucket/train.parquet/17``.
Such a text means the same in every process, so it can stand in tables and be read again from there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from howfar.data.files import absolute
from howfar.errors import InputError
from howfar.urls import file_system

Place: TypeAlias = Path | str
"""A local path, or the text of a URL."""

# Two letters at least: a single one is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def is_url(place: object) -> bool:
    """Whether this is the text of a URL.

    Examples
    --------
    >>> is_url("s3://bucket/roads"), is_url("roads"), is_url(Path("roads"))
    (True, False, False)
    """
    return isinstance(place, str) and _URL.match(place) is not None


def as_place(argument: str | Path) -> Place:
    """Return what the caller wrote as a place: URLs as they are, ``file://`` and all else as an absolute path.

    Examples
    --------
    >>> as_place("file://roads")
    Traceback (most recent call last):
    howfar.errors.InputError: dataset must have three slashes after file:, got 'file://roads': write file:///FOLDER
    >>> as_place("s3://bucket/roads/"), as_place("file:///data/my%20roads").as_posix()
    ('s3://bucket/roads', '/data/my roads')
    """
    if not is_url(argument):
        return absolute(argument)
    text = str(argument).rstrip("/")
    if text.endswith(":"):
        raise InputError.of("dataset", "must name something behind ://", str(argument))
    if text.lower().startswith("file://"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise InputError.of("dataset", "must have three slashes after file:", str(argument), "write file:///FOLDER")
        return Path(unquote(parts.path))
    scheme, _, rest = text.partition("://")
    return f"{scheme.lower()}://{rest}"


def join(place: Place, below: str) -> Place:
    """Return the place of what lies below another, by a path with ``/``.

    Examples
    --------
    >>> join("s3://bucket", "a/1.png"), join(Path("roads"), "a/1.png").as_posix()
    ('s3://bucket/a/1.png', 'roads/a/1.png')
    """
    return f"{place}/{below}" if isinstance(place, str) else place / below


def parent(place: Place) -> Place:
    """Return the folder of a place.

    Examples
    --------
    >>> parent("s3://bucket/a/list.csv")
    's3://bucket/a'
    """
    return place.rpartition("/")[0] if isinstance(place, str) else place.parent


def last(place: Place) -> str:
    """Return the last part of a place.

    Examples
    --------
    >>> last("s3://bucket/a/list.csv"), last("s3://bucket")
    ('list.csv', 'bucket')
    """
    return place.rpartition("/")[2] if isinstance(place, str) else place.name


def bare(place: Place) -> str:
    """Return the last part without its last ending: what a file calls its dataset.

    Examples
    --------
    >>> bare("s3://bucket/a/ROADS.CSV"), bare(Path("roads.v2.tar"))
    ('ROADS', 'roads.v2')
    """
    return Path(last(place)).stem


def ending(place: Place) -> str:
    """Return the last ending, in lower case.

    Examples
    --------
    >>> ending("s3://bucket/a/list.CSV"), ending(Path("roads"))
    ('.csv', '')
    """
    return Path(last(place)).suffix.lower()


def forget_listings(url: str) -> None:
    """Drop what a file system remembers of its folders, so that what others have written since is seen."""
    file_system(url)[0].invalidate_cache()


def is_file(place: Place) -> bool:
    """Whether a file lies there.

    Examples
    --------
    >>> is_file(Path("no/such.tar"))
    False
    """
    if isinstance(place, Path):
        return place.is_file()
    system, path = file_system(place)
    return bool(system.isfile(path))


def is_folder(place: Place) -> bool:
    """Whether a folder lies there.

    Examples
    --------
    >>> is_folder(Path("no/such"))
    False
    """
    if isinstance(place, Path):
        return place.is_dir()
    system, path = file_system(place)
    return bool(system.isdir(path))


def open_binary(place: Place, block: int | None = None) -> BinaryIO:
    """Open a file for reading by pieces, `block` bytes a request behind a URL.

    Raises
    ------
    OSError
        It cannot be opened.
    HowfarError
        As `file_system`.
    """
    if isinstance(place, Path):
        return place.open("rb")
    system, path = file_system(place)
    return cast(BinaryIO, system.open(path, "rb", **({} if block is None else {"block_size": block})))


def read_whole(url: str) -> bytes:
    """All bytes of a file behind a URL, in one request."""
    system, path = file_system(url)
    return cast(bytes, system.cat_file(path))


def read_range(place: Place, start: int, size: int) -> bytes:
    """`size` bytes from `start` on: by a seek, or by one request for that range."""
    if isinstance(place, Path):
        with place.open("rb") as file:
            file.seek(start)
            return file.read(size)
    system, path = file_system(place)
    return cast(bytes, system.cat_file(path, start=start, end=start + size))


def stamp(place: Place) -> tuple[object, ...]:
    """What tells one state of a file from another: its size, and when it was written or what its store calls its version."""
    if isinstance(place, Path):
        status = place.stat()
        return status.st_size, status.st_mtime_ns
    system, path = file_system(place)
    told = system.info(path)
    known = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
    return told.get("size"), *(str(told[key]) for key in known if key in told)
