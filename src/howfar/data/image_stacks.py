"""Read files of many images one image at a time: rasters by windows, medical volumes by slices, videos by frames."""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from howfar import registry
from howfar.data.compact_item_table import Item, ItemTable
from howfar.data.image_and_mask_folders import LOCAL_ONLY, STACKS, is_unnamed_dicom, path_text, stem, suffix_of
from howfar.data.image_decoding import damage_named
from howfar.data.image_formats import image_endings
from howfar.errors import ImageError
from howfar.image_reading_options import CLIPS, PixelReading, by_reading, file_and_reading, reading_asked
from howfar.results import Skipped

WHOLE: Final = "whole"
"""Marks an image of which every pixel counts, as of a mask, whose background is often called no data."""


class Stack(Protocol):
    """Define the interface of an open file of many images: list its images, read their values, and tell the patient."""

    @property
    def owner(self) -> Hashable:
        """Return what tells the patient from all others, and is never written; None where the file itself is the group."""
        return None

    def items(self, item: Item, reading: PixelReading) -> Iterator[Item]:
        """Yield the images of the file, which `item` stands for; raise `ImageError` where no more can be read."""

    def values(self, reading: PixelReading) -> NDArray[Any]:
        """Return the values (h, w, bands) of the image at `reading.at`; raise `ImageError` with a reason."""

    def close(self) -> None:
        """Close the file, where it is open."""
        return


class _Last(threading.local):
    """Hold the file that a thread read last, since images come in the order of files."""

    key: tuple[Any, ...] = ()
    stack: Any = None


_last = _Last()


def is_stack(file: object) -> bool:
    """Return whether a file holds slices or frames: by its name, or if that has no ending by DICOM's letters in it."""
    return str(file).lower().endswith(STACKS) or (isinstance(file, Path) and is_unnamed_dicom(file))


def among(items: Sequence[Item]) -> bool:
    """Return whether some of a dataset's images are files of slices or frames; only names without an ending are looked into."""
    names = ItemTable.of(items).names
    return any(is_stack(name) or (not suffix_of(name) and is_stack(items[row].path)) for row, name in enumerate(names))


def opened(file: Path | str, window: bool = False) -> Any:
    """Return an open file of many images, which the thread keeps open until it reads another; raise `ImageError`."""
    try:
        status = Path(file).stat()
        key = (str(file), window, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise ImageError("no such file") from error
    if _last.key != key:
        if _last.stack is not None:
            _last.stack.close()
        _last.key, _last.stack = (), None
        name = str(file).lower()
        kind = "clip" if name.endswith(CLIPS) else "nifti" if name.endswith((".nii", ".nii.gz")) else "dicom"
        _last.stack = registry.load("stacks", kind if is_stack(file) and not window else "raster")(file)
        _last.key = key
    return _last.stack


def values(file: Path | str, reading: PixelReading) -> NDArray[Any]:
    """Return the values (h, w, bands) of one image of a file, masked where it has no data; raise `ImageError`."""
    with damage_named():
        found: NDArray[Any] = opened(file, bool(reading.window)).values(reading)
    return found


def cut(dataset: str, items: Sequence[Item], skipped: list[Skipped]) -> Iterator[Item]:
    """Yield the images of files of many images, grouped by patient or else by file; append unreadable ones to `skipped`."""
    reading = reading_asked()
    owners: dict[Hashable, str] = {}
    files = (name for name in ItemTable.of(items).names if reading.window or suffix_of(name) not in image_endings())
    alike = Counter(map(stem, files))
    for item in items:
        if not (reading.window or is_stack(item.path)) or file_and_reading(item.path)[1]:
            yield item
            continue
        try:
            if not isinstance(item.path, Path):
                raise ImageError(LOCAL_ONLY)
            if reading.window and is_stack(item.path):
                raise ImageError("slices and frames are not cut: leave out --window, and cut the rasters beforehand")
            with damage_named():
                stack = opened(item.path, not is_stack(item.path))
                if alike[stem(item.name)] > 1:  # a.mp4 and a.avi
                    ending = suffix_of(item.name)
                    item = replace(item, name=f"{stem(item.name)}{ending.replace('.', '-')}{ending}")
                owner = stack.owner
                # Patients are numbered: a digest of few digits could be guessed.
                named = None if owner is None else owners.setdefault(owner, f"{dataset} patient {len(owners) + 1}")
                for image in stack.items(item, reading):
                    yield replace(image, group=item.group or named or stem(item.name))
        except ImageError as error:
            skipped.append(Skipped(dataset, path_text(item.path), str(error)))


def part(item: Item, name: str, at: PixelReading, **columns: str) -> Item:
    """Make the item of one image in a file, with its name, place and columns, and the mask's image at the same place."""
    mask = item.mask
    if mask is not None and (at.window or is_stack(mask)):
        mask = by_reading(mask, replace(at, at=f"{at.at},{WHOLE}"))
    elif mask is not None and name:
        raise ImageError("its mask is one picture: masks of slices are a file of slices")
    further = (*item.further, *((column, text) for column, text in columns.items() if text))
    shown = f"{stem(item.name)}/{name}" if name else item.name
    return Item(shown, by_reading(item.path, at), mask, item.label, further)


def place(reading: PixelReading, count: int) -> tuple[int, ...] | None:
    """Parse the numbers of `reading.at`; None unless there are `count` natural numbers."""
    parts = reading.at.removesuffix(f",{WHOLE}").split(",")
    return tuple(map(int, parts)) if len(parts) == count and all(each.isdecimal() for each in parts) else None
