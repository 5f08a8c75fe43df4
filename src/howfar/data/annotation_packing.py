"""Pack annotation files (COCO, CVAT) with copies of their images as a zip, or with links to the images as a folder."""

import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from howfar.data.image_and_mask_folders import stem
from howfar.data.image_bytes import read_bytes
from howfar.data.image_decoding import shown
from howfar.data.image_encoding import png_bytes
from howfar.data.name_matching import leads_out, unshared
from howfar.errors import ImageError, InputError
from howfar.formatting_and_escaping import xml_text
from howfar.image_reading_options import file_and_reading
from howfar.io.atomic_writes import STAGING, replace, replace_text
from howfar.io.file_location import is_in_memory, is_url

Images = Literal["none", "copy", "link"]
LAYOUTS = {"coco": ("annotations/instances_default.json", "images/default"), "cvat": ("annotations.xml", "images")}
"""Where annotations and images lie within an archive of each kind (docs.cvat.ai, dataset formats)."""
COMMENT, MARK = b"written by howfar", ".written-by-howfar"
"""What an archive, or a folder in the place of one, has that howfar wrote: only such are ever removed or replaced."""


def write_archive(kind: str, text: str, images: Mapping[str, str], folder: Path, how: Images) -> Path:
    """Write annotations and images as KIND.zip (copies) or a folder KIND/ (links), and return its path."""
    place, below = LAYOUTS[kind]
    # What XML cannot hold of a name is written out there, and so in the archive.
    places = {name: PurePosixPath(below, xml_text(within(name)) if kind == "cvat" else within(name)) for name in images}
    if how == "link":
        root = folder / kind
        remove_archive(kind, folder)
        root.mkdir(parents=True)
        (root / MARK).touch()
        for name, path in places.items():
            put(images[name], root / path, "link")
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        replace_text(root / place, text)
        return root

    def pack(path: Path) -> None:
        with ZipFile(path, "w", ZIP_STORED) as archive:
            archive.writestr(place, text, ZIP_DEFLATED)
            for name, inside in places.items():
                archive.writestr(str(inside), _bytes(images[name]))
            archive.comment = COMMENT

    check_archive(kind, folder)
    replace(folder / f"{kind}.zip", pack)
    return folder / f"{kind}.zip"


def remove_archive(kind: str, folder: Path) -> None:
    """Remove an archive that `write_archive` wrote; raise `InputError` if howfar did not write it."""
    check_archive(kind, folder)
    (folder / f"{kind}.zip").unlink(missing_ok=True)
    if (folder / kind).exists():
        # Renamed first: a kill on the way leaves nothing that looks like a folder of another kind.
        gone = (folder / kind).rename(folder / f"{STAGING}{secrets.token_hex(8)}")
        shutil.rmtree(gone)


def check_archive(kind: str, folder: Path) -> None:
    """Raise `InputError` if the folder holds an archive, or a folder in its place, that howfar did not write."""
    packed, root, is_own = folder / f"{kind}.zip", folder / kind, False
    with suppress(OSError, BadZipFile), ZipFile(packed) as archive:
        is_own = archive.comment == COMMENT
    if packed.exists() and not is_own:
        rule = f"must hold no {packed.name} that howfar did not write"
        raise InputError.of("out", rule, str(packed), "choose another folder")
    if (root.exists() or root.is_symlink()) and (root.is_symlink() or not (root / MARK).is_file()):
        raise InputError.of("out", f"must hold no folder {kind} of another kind", str(root), "choose another folder")


def put(source: Path | str, target: Path, how: Images) -> None:
    """Copy an image file to a path, or link to it (with a hard link if both are on the same disk)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == "copy":
        data = _bytes(source)
        replace(target, lambda path: path.write_bytes(data))
        return
    _see_file(source)
    if is_url(source) or not Path(source).is_file():
        raise InputError.of("with_images", "links to files on this machine only", str(source), "pass copy")
    target.unlink(missing_ok=True)
    try:
        # datumaro refuses symbolic links that lead out of a COCO folder; hard ones lead nowhere.
        target.hardlink_to(Path(source).resolve())
    except OSError:  # another disk
        try:
            target.symlink_to(Path(source).absolute())
        except OSError as error:  # Windows asks for a privilege
            rule = f"cannot be links here ({error.strerror or error})"
            raise InputError.of("with_images", rule, str(source), "pass copy") from error


def within(name: str) -> str:
    """Return an image's name as a path below a folder; raise `InputError` if the name leads outside."""
    path = PurePosixPath(name)
    if leads_out(name) or not path.name:
        remedy = "choose from a dataset with such names"
        raise InputError.of("with_images", "needs names that stay below a folder", name, remedy)
    return path.as_posix()


def kept_below(names: Mapping[str, str]) -> dict[str, str]:
    """Return each name's path below a folder; drop shared leading folders if any name leads outside."""
    paths = unshared(list(names)) if any(map(leads_out, names)) else dict(zip(names, names, strict=True))
    return {name: within(path) for name, path in paths.items()}


def file_name(name: str, location: Path | str) -> str:
    """Return an image's name as that of a file; a window, slice or frame, or chosen bands, are written as PNG."""
    return f"{stem(name)}.png" if file_and_reading(location)[1] else name


def _see_file(location: Path | str) -> None:
    if is_in_memory(location):
        raise InputError.of("with_images", "needs images in files", "one in memory", "save them, and choose from their folder")


def _bytes(location: Path | str) -> bytes:
    _see_file(location)
    try:
        data = bytes(read_bytes(location))
        return png_bytes(shown(data)) if file_and_reading(location)[1] else data
    except ImageError as error:
        rule = f"needs every image ({error})"
        raise InputError.of("with_images", rule, str(location), "leave it out, or mend the file") from error
