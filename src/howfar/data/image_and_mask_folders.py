"""List the images of a folder, local or behind a URL, and match the mask files of the folder to the images by name."""

import errno
import os
import re
import stat
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from howfar.data.compact_item_table import DatasetFields, Item, ItemTable, TextColumn, sorted_texts
from howfar.data.image_formats import image_endings
from howfar.errors import InputError, MissingPathError
from howfar.image_reading_options import CLIPS
from howfar.io.file_location import Location, Url, file_system
from howfar.results import Skipped

DICOM: Final = (".dcm", ".dicom")
STACKS: Final = (*DICOM, *CLIPS, ".nii", ".nii.gz")
"""Endings of files that `howfar.data.image_stacks` reads slices or frames of, in lower case."""
LOCAL_ONLY: Final = "windows, slices and frames are read from local files alone: copy it here"
_PREAMBLE: Final = 128
"""Bytes before the letters DICM of a DICOM file."""

UNREAD = frozenset({".heic", ".heif", ".jxl", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd", ".exr"})
"""Endings of image files that no format of howfar reads, in lower case: such a file is listed as skipped."""

FOLDER: Final = "folder"
_PACKED: Final = ".nii.gz"
_MASK: Final = re.compile(r"(.+)[-_]mask", re.IGNORECASE)
NOT_TEXT = "its name is not valid UTF-8: rename it"


def natural_key(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Return a sort key that compares digits in names as numbers; leading zeros only break ties."""
    # Odd positions of the split are digits, so text meets text and numbers meet numbers. These are compared by their lengths
    # and digits, since Python converts no number of thousands of digits.
    parts = re.split(r"([0-9]+)", name)
    digits = {part: part.lstrip("0") for part in parts[1::2]}
    keys = [(len(digits[part]), digits[part]) if position % 2 else part for position, part in enumerate(parts)]
    return keys, name


def stem(path: str) -> str:
    r"""Return a path with ``/`` (also for Windows' ``\``) and without its last extension, if it names a file."""
    pure = PurePosixPath((path[:-3] if path.lower().endswith(_PACKED) else path).replace("\\", "/"))
    return (pure.with_suffix("") if pure.name else pure).as_posix()


def path_text(path: Path | str) -> str:
    r"""Return a path as text that can be written anywhere; bytes that are not UTF-8 become ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def unread(ending: str) -> str:
    """Return why an image with this ending is skipped; "" for a format that howfar reads, and for a file of another kind."""
    skipped = ending in UNREAD and ending not in image_endings()
    return f"the format {ending} is not read: convert it to PNG or JPEG" if skipped else ""


def walk(root: Path, endings: Collection[str] | None = None) -> list[Path]:
    """Find every image file below `root`, in no order, as `walk_names` does."""
    return [root / name for name, reason in walk_names(root, endings or image_endings()) if not reason]


def walk_names(root: Path, endings: Collection[str], leave_out: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield every image file below `root` by its relative path and "", in no order, and unusable files with a reason.

    Real folders are entered once, linked ones followed, hidden ones and `leave_out` left out. `endings` are in lower case.
    """
    entered: set[tuple[int, int]] = set()
    real, linked = [""], deque[str]()
    while real or linked:
        # Links wait until all real folders are listed, so that a folder's own path wins over a link to it.
        below = real.pop() if real else linked.popleft()
        folders: list[tuple[str, bool]] = []
        try:
            status = (root / below).stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(root / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.name.startswith(".") or (leave_out and entry.name == leave_out.name and root / name == leave_out):
                        continue
                    kind = kind_of(entry)
                    if kind == FOLDER:
                        folders.append((name, entry.is_symlink()))
                    elif (reason := _fault(entry.name, kind, endings)) is not None:
                        yield name, reason
                    elif DICOM[0] in endings and kind == "file" and is_unnamed_dicom(root / name):
                        yield name, "" if is_text(name) else NOT_TEXT
        except OSError as error:
            yield below, _why(error)
        for name, is_link in sorted(folders):
            (linked if is_link else real).append(name)


def _fault(name: str, kind: str, endings: Collection[str]) -> str | None:
    """Return why a folder entry is unusable, "" for an image file, and None for a file of another kind."""
    ending = suffix_of(name)
    if ending not in endings:
        return unread(ending) or None
    if not is_text(name):
        return NOT_TEXT
    return "" if kind == "file" else kind


def is_unnamed_dicom(file: Path) -> bool:
    """Return whether a local file without an ending is a DICOM file, by the letters in it."""
    if suffix_of(file.name):
        return False
    try:
        with file.open("rb") as opened:
            opened.seek(_PREAMBLE)
            return opened.read(4) == b"DICM"
    except OSError:
        return False


def is_text(name: str) -> bool:
    """Return whether a name can be written to tables: Python keeps bytes that are not UTF-8 as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def kind_of(path: Path | os.DirEntry[str]) -> str:
    """Return "folder", "file", or the reason why the path is neither."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return _why(error)
    if stat.S_ISDIR(mode):
        return FOLDER
    return "file" if stat.S_ISREG(mode) else "not a regular file"


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no read permission"
    if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:
        return "broken link"
    return error.strerror or os.strerror(error.errno or errno.EIO)


def list_folder(folder: Path, name: str | None = None) -> DatasetFields:
    """List the images of a local folder and their masks (see `howfar.data.Dataset.from_folder`)."""
    if not folder.exists():
        raise MissingPathError(f"no folder at {folder}: check the path, or write NAME=PATH to name a dataset")
    if not folder.is_dir():
        raise InputError.of("dataset", "must be a folder", str(folder), "pass the folder that holds the images")
    images = folder if folder.name == "images" or not (folder / "images").is_dir() else folder / "images"
    masks = (folder.parent if folder.name == "images" else folder) / "masks"
    found, labelled = _found(images, masks), _found(masks) if masks.is_dir() else (TextColumn(), [])
    faults = [*found[1], *((path, f"mask: {reason}") for path, reason in labelled[1])]
    if images != folder:
        files = [path for path in folder.iterdir() if path.suffix.lower() in image_endings() and not path.name.startswith(".")]
        faults += [(path, "beside the folder images, which alone is read") for path in files if kind_of(path) == "file"]
    return dataset_fields(folder, name, images, found[0], labelled[0], [(path_text(path), reason) for path, reason in faults])


def _found(folder: Path, leave_out: Path | None = None) -> tuple[TextColumn, list[tuple[Path, str]]]:
    """List the relative paths of the image files below a folder, and the unusable files with reasons."""
    names, faults = TextColumn(), []
    for name, reason in walk_names(folder, frozenset((*image_endings(), *STACKS)), leave_out):
        if reason:
            faults.append((folder / name, reason))
        else:
            names.append(name)
    return names, faults


def home_of(folder: Location) -> Location:
    """Return the folder that names a dataset and holds its masks: the parent of ``images``, else the folder itself."""
    return folder.parent if folder.name == "images" else folder


def dataset_fields(
    folder: Location,
    name: str | None,
    images_at: Location,
    images: Sequence[str],
    masks: Iterable[str],
    faults: list[tuple[str, str]],
) -> DatasetFields:
    """Pair the images of a folder, paths below `images_at`, with their masks, paths below ``masks``, in natural order."""
    home = home_of(folder)
    name = name or home.name or "dataset"
    mask_of, below = MaskIndex(masks), home / "masks"
    # Masks may lie among the images, as X_mask.png of X.jpg: by the stems of their images.
    named = {match[1]: path for path in images if (match := _MASK.fullmatch(stem(path)))}
    beside = {image: named[image] for image in map(stem, images) if image in named} if named else {}
    drawn = frozenset(beside.values())

    def mask_at(path: str) -> Location | None:
        mask = mask_of.get(stem(path))
        return below / mask if mask is not None else images_at / beside[stem(path)] if stem(path) in beside else None

    ordered = (path for path in sorted_texts(images, key=natural_key) if path not in drawn)
    items = ItemTable.of(Item(path, images_at / path, mask_at(path)) for path in ordered)
    if mask_of.passed_over:
        rest = "" if len(mask_of.passed_over) == 1 else f" (as {counted(len(mask_of.passed_over) - 1, 'other')} here)"
        reason = f"mask: another of the same image is taken{rest}: a PNG, else the first by name"
        faults = [*faults, (path_text(f"{below / next(iter(mask_of.passed_over))}"), reason)]
    if drawn:
        reason = f"a mask among the images ({counted(len(drawn), 'is', 'are')} called so), taken for that of its image"
        faults = [*faults, (path_text(f"{images_at / min(drawn, key=natural_key)}"), reason)]
    if unmatched := mask_of.unread(items.names):
        rest = "" if len(unmatched) == 1 else f" (as {counted(len(unmatched) - 1, 'other')} here)"
        reason = f"mask: its image is missing{rest}: name masks as their images, but for the ending"
        faults = [*faults, (path_text(f"{below / min(unmatched, key=natural_key)}"), reason)]
    skipped = tuple(Skipped(name, path, reason) for path, reason in sorted(faults, key=lambda fault: natural_key(fault[0])))
    if not items:
        first = f" ({counted(len(skipped), 'file')} skipped: {skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"no image below {images_at}{first}: pass a folder with .jpg, .png, .tif or other image files")
    return name, items, skipped, folder


class MaskIndex:
    """Find an image's mask by its path without extension: of several the PNG, else the first by name (12 bytes a mask)."""

    def __init__(self, masks: Iterable[str]) -> None:
        self._masks = masks if isinstance(masks, TextColumn) else TextColumn(masks)
        hashes = np.fromiter((hash(stem(mask)) for mask in self._masks), np.int64, len(self._masks))
        order = np.argsort(hashes)
        self.passed_over: dict[str, None] = {}
        self._hashes, self._rows = array("q", hashes[order].tobytes()), array("I", order.astype(np.uint32).tobytes())

    def get(self, image: str) -> str | None:
        """Return an image's mask, by the image's path without extension; None if it has none."""
        wanted = hash(image)
        rows = self._rows[bisect_left(self._hashes, wanted) : bisect_right(self._hashes, wanted)]
        same = [mask for mask in map(self._masks.value, rows) if stem(mask) == image]
        same.sort(key=lambda mask: (not mask.lower().endswith(".png"), mask))
        self.passed_over |= dict.fromkeys(same[1:])
        return same[0] if same else None

    def unread(self, images: Sequence[str]) -> list[str]:
        """Return the masks that belong to no image, in no order; `images` are paths with extensions."""
        if not len(self._masks):
            return []
        known = np.fromiter((hash(stem(image)) for image in images), np.int64, len(images))
        return [self._masks[self._rows[row]] for row in np.flatnonzero(~np.isin(np.asarray(self._hashes), known))]


def counted(count: int, thing: str, things: str = "") -> str:
    """Write a count with its noun in the singular or the plural, which by default ends in s."""
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"


def list_remote(folder: Url, name: str | None = None) -> DatasetFields:
    """List the images behind a URL and their masks (see `howfar.data.Dataset.from_folder`)."""
    paths = _below(folder)
    if not paths:
        raise MissingPathError(f"nothing at {folder}: check the URL")
    home = home_of(folder)
    inside = home == folder and any(path.startswith("images/") for path in paths)
    images_at: Location = folder / "images" if inside else folder
    masks = _within("masks", paths) if home == folder else _below(home / "masks")
    masks_apart = [path for path in paths if home != folder or not path.startswith("masks/")]
    candidates = _within("images", paths) if inside else masks_apart
    faults = [(f"{images_at / path}", reason) for path in candidates if (reason := unread(suffix_of(path)))]
    if inside:
        beside = (path for path in filter(is_image_name, paths) if "/" not in path)
        faults += [(f"{folder / path}", "beside the folder images, which alone is read") for path in beside]
    images = list(filter(is_image_name, candidates))
    return dataset_fields(folder, name, images_at, images, filter(is_image_name, masks), faults)


def _below(folder: Location) -> list[str]:
    """List the relative paths of all files below a folder behind a URL, without hidden files."""
    system, root = file_system(str(folder))
    try:
        paths = [str(path) for path in system.find(root)]
    except FileNotFoundError:
        return []
    except NotImplementedError as error:
        raise InputError(f"{folder} cannot be listed: name a tar, Parquet or table file behind it") from error
    base = root.rstrip("/") + "/"
    short = [path.removeprefix(base) for path in paths if path.startswith(base)]
    return [path for path in short if not any(part.startswith(".") for part in path.split("/"))]


def _within(folder: str, paths: list[str]) -> list[str]:
    return [path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")]


def is_image_name(path: str) -> bool:
    """Return whether a file holds images, one or many, by its ending."""
    return (ending := suffix_of(path)) in image_endings() or ending in STACKS


def suffix_of(path: str) -> str:
    """Return the last extension of a path with ``/``, in lower case, ``.nii.gz`` whole; "" if it has none."""
    name = path.rpartition("/")[2]
    if name.lower().endswith(_PACKED):
        return _PACKED
    start = name.rfind(".")
    return name[start:].lower() if 0 < start < len(name) - 1 else ""
