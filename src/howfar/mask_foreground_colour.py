"""Parse the colour that is foreground in masks (option `foreground`), and record the colour in the location of each mask.

The location of a mask that is read by a colour is that of its file, ``/`` and ``foreground=rrggbb``, as the path of what lies
in a tar file begins with that file's. So tables, keys of resumed runs and other processes know how the mask was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from howfar.errors import InputError

Place = TypeVar("Place", bound=Path | str)

_MARK: Final = "foreground="
_HEX: Final = re.compile(r"#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)
_asked: ContextVar[Colour | None] = ContextVar("howfar-foreground", default=None)


class Colour(NamedTuple):
    """Hold a colour of masks, 0 to 255 each; a grey level has three times itself."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return str(self.red) if len(set(self)) == 1 else f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


def colour_of(text: object) -> Colour:
    """Read a colour as people write it: a grey level, ``#rrggbb``, or red, green and blue with commas between them.

    Raises `InputError` for what is none of these.
    """
    written = str(text).strip(" ()[]")
    match = _HEX.fullmatch(written)
    parts = [part.strip() for part in written.split(",")]
    if match and (written.startswith("#") or not written.isdecimal()):
        return Colour(*(int(part, 16) for part in match.groups()))
    levels = [int(part) for part in parts if part.isdecimal() and len(part) < 4]
    if len(levels) != len(parts) or len(parts) not in (1, 3) or max(levels) > 255:
        raise InputError.of("foreground", "must be a colour of the masks", text, "write 255, '#ff0000' or 255,0,0")
    return Colour(*(levels * 3)[:3])


@contextmanager
def reading_by(foreground: object) -> Iterator[None]:
    """Read the masks of datasets listed inside the ``with`` block by this colour, or by brightness if it is None."""
    token = _asked.set(None if foreground is None else colour_of(foreground))
    try:
        yield
    finally:
        _asked.reset(token)


def is_asked() -> bool:
    """Return whether the user has named a foreground colour for masks."""
    return _asked.get() is not None


def by_colour(mask: Place) -> Place:
    """Return a mask's location with the user's foreground colour in it; unchanged without one, or if it names one already."""
    colour = _asked.get()
    if colour is None or file_and_colour(mask)[1] is not None:
        return mask
    name = f"{_MARK}{colour.red:02x}{colour.green:02x}{colour.blue:02x}"
    # A mask's URL, and one in memory, are texts that know more than their letters.
    return mask / name if hasattr(mask, "__truediv__") else f"{mask}/{name}"  # type: ignore[return-value]


def file_and_colour(mask: Place) -> tuple[Place, Colour | None]:
    """Split a mask's location into its file and its foreground colour; None if the mask is read by brightness."""
    file, _, name = str(mask).replace("\\", "/").rpartition("/")
    match = _HEX.fullmatch(name.removeprefix(_MARK)) if name.startswith(_MARK) else None
    if match is None:
        return mask, None
    above = mask.parent if hasattr(mask, "parent") else file
    return above, Colour(*(int(part, 16) for part in match.groups()))  # type: ignore[return-value]
