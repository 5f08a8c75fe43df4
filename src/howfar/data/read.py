"""Images that are no file of their own on this machine: members of containers, and what lies behind a URL."""

from __future__ import annotations

from howfar.data.containers import find
from howfar.errors import ImageError
from howfar.io.location import Location, as_location, is_file, read_whole


def read_elsewhere(path: Location) -> bytes:
    """Return the bytes of a member of a container, or of a file behind a URL.

    Raises
    ------
    ImageError
        The reason, in one short line.

    Examples
    --------
    >>> read_elsewhere("memory://no/such.png")
    Traceback (most recent call last):
    howfar.errors.ImageError: no such file
    """
    try:
        place = as_location(path)
        found = find(place)
        if found is not None:
            data = found[0].read(found[1])
        elif isinstance(place, str):
            data = read_whole(place)
        else:
            raise ImageError("no such file")
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except PermissionError as error:
        raise ImageError("no read permission") from error
    except Exception as error:  # a file system's library may raise anything
        line = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(line if len(line) <= 100 else f"{line[:99]}…") from error
    if not data:
        raise ImageError("empty file (0 bytes)")
    return data


def exists(path: Location) -> bool:
    """Whether `howfar.data.read_bytes` would find something: a file, a member of a container, or an object behind a URL.

    Examples
    --------
    >>> exists("no/such.png"), exists("memory://no/such.png")
    (False, False)
    """
    try:
        place = as_location(path)
        found = find(place)
        return is_file(place) if found is None else found[0].has(found[1])
    except Exception:  # as in `read_elsewhere`
        return False


def is_member(path: Location) -> bool:
    """Whether a path names what lies within a container, rather than a file.

    Examples
    --------
    >>> is_member("/data/roads/1.png")
    False
    """
    try:
        return find(as_location(path)) is not None
    except Exception:  # as in `read_elsewhere`
        return False
