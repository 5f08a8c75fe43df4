"""Where a file lies: on this machine, or behind a URL that fsspec reads (``s3://``, ``gs://``, ``az://``, ``memory://`` …).

A local file is a `Path`, a file behind a URL its text, since a `Path` would fold ``//``. What lies within a tar, Parquet or
Arrow file has that file's location, ``/`` and its own name: ``/data/shard-000.tar/0001.jpg``, ``s3://bucket/train.parquet/17``.
Such a text means the same in every process, so it can stand in tables and be read again from there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from howfar.errors import InputError, MissingExtraError

Location: TypeAlias = Path | str
"""A local path, or the text of a URL."""

# Two letters at least: a single one is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "hf": "hub"}
"""Which extra of howfar brings the library behind a URL's scheme."""


def file_system(url: str, argument: str = "dataset") -> tuple[Any, str]:
    """The file system behind a URL and the path within it.

    Parameters
    ----------
    url
        The URL.
    argument
        What the caller calls it.

    Raises
    ------
    MissingExtraError
        The library behind the scheme is not there.
    InputError
        Nothing reads such URLs.

    Examples
    --------
    >>> file_system("memory://shelf/a")[1]
    '/shelf/a'
    """
    import fsspec

    scheme = url.partition("://")[0].lower()
    try:
        system, path = fsspec.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        remedy = f"pip install 'howfar[{extra}]'" if extra else f"install what fsspec needs for it ({error})"
        raise MissingExtraError(f"{scheme}:// needs a library that is not installed: {remedy}") from error
    except ValueError as error:
        line = " ".join(str(error).split())
        raise InputError.of(argument, f"must be a path or a URL that fsspec reads ({line})", url) from error
    return system, str(path)


def absolute(path: str | Path) -> Path:
    """Return the path from the root, with ``~`` filled in where it stands for a known home; links stay links.

    Examples
    --------
    >>> absolute("roads").is_absolute()
    True
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:  # no such user: then it may be a file whose name begins with ~
        return Path(path).absolute()


def is_url(location: object) -> bool:
    """Whether this is the text of a URL.

    Examples
    --------
    >>> is_url("s3://bucket/roads"), is_url("roads"), is_url(Path("roads"))
    (True, False, False)
    """
    return isinstance(location, str) and _URL.match(location) is not None


def as_location(argument: str | Path) -> Location:
    """Return what the caller wrote as a location: URLs as they are, ``file://`` and all else as an absolute path.

    Examples
    --------
    >>> as_location("file://roads")
    Traceback (most recent call last):
    howfar.errors.InputError: dataset must have three slashes after file:, got 'file://roads': write file:///FOLDER
    >>> as_location("s3://bucket/roads/"), as_location("file:///data/my%20roads").as_posix()
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


def join(location: Location, below: str) -> Location:
    """Return the location of what lies below another, by a path with ``/``.

    Examples
    --------
    >>> join("s3://bucket", "a/1.png"), join(Path("roads"), "a/1.png").as_posix()
    ('s3://bucket/a/1.png', 'roads/a/1.png')
    """
    return f"{location}/{below}" if isinstance(location, str) else location / below


def parent(location: Location) -> Location:
    """Return the folder of a location.

    Examples
    --------
    >>> parent("s3://bucket/a/list.csv")
    's3://bucket/a'
    """
    return location.rpartition("/")[0] if isinstance(location, str) else location.parent


def last(location: Location) -> str:
    """Return the last part of a location.

    Examples
    --------
    >>> last("s3://bucket/a/list.csv"), last("s3://bucket")
    ('list.csv', 'bucket')
    """
    return location.rpartition("/")[2] if isinstance(location, str) else location.name


def bare(location: Location) -> str:
    """Return the last part without its last ending: what a file calls its dataset.

    Examples
    --------
    >>> bare("s3://bucket/a/ROADS.CSV"), bare(Path("roads.v2.tar"))
    ('ROADS', 'roads.v2')
    """
    return Path(last(location)).stem


def ending(location: Location) -> str:
    """Return the last ending, in lower case.

    Examples
    --------
    >>> ending("s3://bucket/a/list.CSV"), ending(Path("roads"))
    ('.csv', '')
    """
    return Path(last(location)).suffix.lower()


def forget_listings(url: str) -> None:
    """Drop what a file system remembers of its folders, so that what others have written since is seen."""
    file_system(url)[0].invalidate_cache()


def is_file(location: Location) -> bool:
    """Whether a file lies there.

    Examples
    --------
    >>> is_file(Path("no/such.tar"))
    False
    """
    if isinstance(location, Path):
        return location.is_file()
    system, path = file_system(location)
    return bool(system.isfile(path))


def is_folder(location: Location) -> bool:
    """Whether a folder lies there.

    Examples
    --------
    >>> is_folder(Path("no/such"))
    False
    """
    if isinstance(location, Path):
        return location.is_dir()
    system, path = file_system(location)
    return bool(system.isdir(path))


def open_binary(location: Location, block: int | None = None) -> BinaryIO:
    """Open a file for reading by pieces, `block` bytes a request behind a URL.

    Raises
    ------
    OSError
        It cannot be opened.
    HowfarError
        As `file_system`.
    """
    if isinstance(location, Path):
        return location.open("rb")
    system, path = file_system(location)
    return cast(BinaryIO, system.open(path, "rb", **({} if block is None else {"block_size": block})))


def read_whole(url: str) -> bytes:
    """All bytes of a file behind a URL, in one request."""
    system, path = file_system(url)
    return cast(bytes, system.cat_file(path))


def read_range(location: Location, start: int, size: int) -> bytes:
    """`size` bytes from `start` on: by a seek, or by one request for that range."""
    if isinstance(location, Path):
        with location.open("rb") as file:
            file.seek(start)
            return file.read(size)
    system, path = file_system(location)
    return cast(bytes, system.cat_file(path, start=start, end=start + size))


def stamp(location: Location) -> tuple[object, ...]:
    """What tells one state of a file from another: its size, and when it was written or what its store calls its version."""
    if isinstance(location, Path):
        status = location.stat()
        return status.st_size, status.st_mtime_ns
    system, path = file_system(location)
    told = system.info(path)
    known = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
    return told.get("size"), *(str(told[key]) for key in known if key in told)
