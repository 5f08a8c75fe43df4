"""Parse the options that say how pixels and masks are read, and record them in the locations of images and masks.

The location of an image that is read by bands, value range, window or frames is that of its file, ``/`` and
``@bands=4,3,2;range=0:3000``, as the path of an image in a tar file begins with that file's. That of a mask whose foreground is
a colour (option `foreground`) ends in ``/foreground=rrggbb``. So tables, keys of resumed runs and other processes know how
image and mask were read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

from howfar.errors import InputError

Place = TypeVar("Place", bound=Path | str)

AUTO: Final = "auto"
DTYPE: Final = "dtype"
READING: Final = "reading"
"""What the identity of features calls `PixelReading.identity`, where that holds anything."""
_TEXT: Final = re.compile(r"@(?:[a-z]+=[^;/=]+)(?:;[a-z]+=[^;/=]+)*")
KEY: Final = "key"
"""Reads the key frames of clips, which are coded without others."""
CLIPS: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv")
"""Endings of video clips, in lower case."""
_UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0}
_RATE: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?/(s|min|h)")
_KEYS: Final = frozenset({"at", "window", "bands", "range"})


@dataclass(frozen=True)
class PixelReading:
    """Hold the options that say how pixels are read: bands, the range of values that becomes 0 to 255, window and frames.

    `bands` are numbered from 1, in the order in which they are wanted; () for those of an ordinary picture. `range` is
    ``low:high``, ``dtype`` for all values that the file's type holds, ``auto`` until it is learnt, or "" for the rules of
    `howfar.data.decode`. `at` says which image of a file with many is meant. A raster is cut into windows of `window` pixels a
    side, 0 for none, which share `overlap` pixels. `frames` are those of a clip: ``key``, or as many as ``1/s`` or ``6/min``.
    """

    bands: tuple[int, ...] = ()
    range: str = ""
    at: str = ""
    window: int = 0
    overlap: int = 0
    frames: str = ""

    def __bool__(self) -> bool:
        return bool(self.bands or self.range or self.at or self.window or self.frames)

    def __str__(self) -> str:
        parts = {"at": self.at, "window": self.window, "bands": ",".join(map(str, self.bands)), "range": self.range}
        return "@" + ";".join(f"{key}={value}" for key, value in parts.items() if value)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the options as people write them; raise `InputError` for anything else."""
        window, overlap = (_pixels(name, given.get(name)) for name in ("window", "overlap"))
        if overlap and overlap >= window:
            raise InputError.of("overlap", f"must be less than the window, {window or 'which is not given'}", overlap)
        frames = str(given.get("frames") or "").replace(" ", "")
        if frames not in ("", KEY) and not (_RATE.fullmatch(frames) and float(frames.partition("/")[0]) > 0):
            raise InputError.of("frames", "must be a rate, or key for key frames", given["frames"], "write 1/s or 6/min")
        bands, limits = _bands(given.get("bands")), given.get("range")
        if limits is None or limits in ("", AUTO, DTYPE):
            return cls(bands, str(limits or ""), "", window, overlap, frames)
        parts = limits.split(":") if isinstance(limits, str) else list(limits) if isinstance(limits, Sequence) else []
        try:
            low, high = (float(part) for part in parts)
        except (TypeError, ValueError):
            low = high = 0.0
        if not (isfinite(low) and isfinite(high) and isfinite(high - low) and low < high):
            raise InputError.of("range", "must be a lowest and a higher value, auto or dtype", limits, "write 0:3000")
        # In as few digits as give the same numbers.
        ends = [text if float(text := f"{end:.9g}") == end else repr(end) for end in (low, high)]
        return cls(bands, ":".join(ends), "", window, overlap, frames)

    @property
    def channels(self) -> int:
        """Return how many channels a network is fed: one band is a grey picture, which has three."""
        return 3 if len(self.bands) < 2 else len(self.bands)

    @property
    def limits(self) -> tuple[float, float] | None:
        """Return the lowest and highest value of a range of numbers; None for another one."""
        low, colon, high = self.range.partition(":")
        return (float(low), float(high)) if colon else None

    @property
    def seconds(self) -> float:
        """Return the seconds between the frames of a clip that are read; 0 for its key frames."""
        count, _, unit = self.frames.partition("/")
        return _UNITS[unit] / float(count) if unit else 0.0

    def sentence(self) -> str:
        """Say how pixels are read, for the notes of a run; "" for pictures as they are."""
        bands = f"band{'s' if len(self.bands) > 1 else ''} {', '.join(map(str, self.bands))}" if self.bands else "all bands"
        low, _, high = self.range.partition(":")
        of_type = "; all values of a file's type become 0 to 255" if self.range == DTYPE else ""
        values = f"; values from {low} to {high}, the same of every dataset, become 0 to 255" if high else of_type
        windows = f", in windows of {self.window} pixels a side" if self.window else ""
        return f"{bands} of each image are read{windows}{values}" if self.identity() else ""

    def identity(self) -> dict[str, Any]:
        """Return what features depend on, as JSON values: nothing where pictures are read as they are."""
        shown = {"bands": list(self.bands), "range": self.range, "window": self.window}
        return {key: value for key, value in shown.items() if value}

    def options(self) -> dict[str, Any]:
        """Return the options that ask for this reading, as JSON values."""
        return self.identity() | {name: value for name in ("overlap", "frames") if (value := getattr(self, name))}


def _bands(given: object) -> tuple[int, ...]:
    if given is None or given in ("", ()):
        return ()
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, Sequence) else [given]
    numbers = tuple(int(part) for part in (str(part).strip() for part in parts) if part.isdecimal())
    if len(numbers) != len(parts) or not numbers or min(numbers) < 1 or len(set(numbers)) != len(numbers):
        raise InputError.of("bands", "must be different numbers of bands, counted from 1", given, "write 4,3,2")
    return numbers


def _pixels(name: str, given: object) -> int:
    if not given:
        return 0
    if isinstance(given, bool) or not isinstance(given, int) or given < (4 if name == "window" else 0):
        raise InputError.of(name, "must be a number of pixels", given, "write 512" if name == "window" else "write 64")
    return given


# A list of one, in which the range that the first dataset of a call gives is filled in.
_asked: ContextVar[list[PixelReading]] = ContextVar("howfar-pixel-reading")


@contextmanager
def reading_pixels(given: Mapping[str, Any]) -> Iterator[None]:
    """Apply these options to the datasets listed inside the ``with`` block; without options, those of the outer block hold."""
    reading = PixelReading.of(given)
    if not reading or reading_asked() == reading:
        yield
        return
    token = _asked.set([reading])
    try:
        yield
    finally:
        _asked.reset(token)


def reading_asked() -> PixelReading:
    """Return the pixel options that hold in the current block."""
    return _asked.get([PixelReading()])[0]


def range_learnt(limits: str) -> PixelReading:
    """Set the range that replaces ``auto`` for all further datasets of the call, and return the pixel options."""
    asked = _asked.get()
    asked[0] = replace(asked[0], range=limits)
    return asked[0]


def by_reading(image: Place, reading: PixelReading) -> Place:
    """Return an image's location with pixel options in it; unchanged if it has pixel options already."""
    if not reading or file_and_reading(image)[1]:
        return image
    # An image's URL, and one in memory, are texts that know more than their letters.
    return image / str(reading) if hasattr(image, "__truediv__") else f"{image}/{reading}"  # type: ignore[return-value]


def file_and_reading(image: Place) -> tuple[Place, PixelReading]:
    """Split an image's location into its file and its pixel options."""
    file, _, name = str(image).rpartition("/")
    if not name.startswith("@") or not _TEXT.fullmatch(name):
        return image, PixelReading()
    parts = dict(part.split("=") for part in name[1:].split(";"))
    if not parts.keys() <= _KEYS:
        return image, PixelReading()
    window = int(parts["window"]) if parts.get("window", "").isdecimal() else 0
    reading = PixelReading(_bands(parts.get("bands")), parts.get("range", ""), parts.get("at", ""), window)
    return (image.parent if hasattr(image, "parent") else file), reading  # type: ignore[return-value]


def counted_as(images: Sequence[str]) -> str:
    """Return what the images of a dataset are, by their locations: "window", "frame" or "slice", or "image" for others."""
    units = set()
    for image in (*images[:1], *images[-1:]):
        file, reading = file_and_reading(image)
        within = "frame" if file.lower().endswith(CLIPS) else "slice"
        units.add("window" if reading.window else within if reading.at else "image")
    return units.pop() if len(units) == 1 else "image"


_MARK: Final = "foreground="
_HEX: Final = re.compile(r"#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)


class Colour(NamedTuple):
    """Hold a colour of masks, 0 to 255 each; a grey level has three times itself."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return str(self.red) if len(set(self)) == 1 else f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


_asked_colour: ContextVar[Colour | None] = ContextVar("howfar-foreground", default=None)


def colour_of(text: object) -> Colour:
    """Read a colour as people write it: a grey level, ``#rrggbb``, or red,green,blue; raise `InputError` for any other text."""
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
    token = _asked_colour.set(None if foreground is None else colour_of(foreground))
    try:
        yield
    finally:
        _asked_colour.reset(token)


def is_colour_asked() -> bool:
    """Return whether the user has named a foreground colour for masks."""
    return _asked_colour.get() is not None


def by_colour(mask: Place) -> Place:
    """Return a mask's location with the user's foreground colour in it; unchanged without one, or if it names one already."""
    colour = _asked_colour.get()
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
