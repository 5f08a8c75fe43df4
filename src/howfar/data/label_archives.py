"""Put images and their annotations together as CVAT and COCO lay out archives: packed as .zip, or as a folder of links."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from howfar.data.prediction_matching import unshared
from howfar.data.read import read_bytes
from howfar.errors import ImageError, InputError
from howfar.io.atomic import replace, replace_text
from howfar.io.location import is_in_memory, is_url
from howfar.printable import xml_text

Images = Literal["none", "copy", "link"]
LAYOUTS = {
    "coco": ("annotations/instances_default.json", "images/default"),
    "cvat": ("annotations.xml", "images"),
}
"""Where annotations and images lie within an archive of each kind (docs.cvat.ai, dataset formats)."""
COMMENT, MARK = b"written by howfar", ".written-by-howfar"
"""What an archive, or a folder in the place of one, has that howfar wrote: only such are ever removed or replaced."""


def write_archive(kind: str, text: str, images: Mapping[str, str], folder: Path, how: Images) -> Path:
    """Write annotations and the images that they name, and return the archive: KIND.zip with copies, or KIND/ with links.

    Parameters
    ----------
    kind
        "coco" or "cvat".
    text
        The annotations.
    images
        The location of each image, by its name in the annotations.
    folder, how
        Where the archive goes, and whether images are copied or linked.

    Raises
    ------
    InputError
        An image that cannot be read or cannot be linked, a name that leads out of the archive, a folder that is in the way.
    """
    place, below = LAYOUTS[kind]
    # What XML cannot hold of a name is written out there, and so in the archive.
    written = {name: xml_text(within(name)) if kind == "cvat" else within(name) for name in images}
    places = {name: PurePosixPath(below, path) for name, path in written.items()}
    if how == "link":
        root = folder / kind
        remove_archive(kind, folder)
        for name, path in places.items():
            put(images[name], root / path, "link")
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        replace_text(root / place, text)
        (root / MARK).touch()
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
    """Remove what an earlier `write_archive` wrote; what it did not write stays, and raises `InputError`."""
    check_archive(kind, folder)
    (folder / f"{kind}.zip").unlink(missing_ok=True)
    if (folder / kind).exists():
        shutil.rmtree(folder / kind)


def check_archive(kind: str, folder: Path) -> None:
    """Raise `InputError` where an archive, or a folder of its name, lies there that howfar did not write."""
    packed, root = folder / f"{kind}.zip", folder / kind
    if packed.exists() and not _is_own(packed):
        raise InputError.of(
            "out", f"must hold no {packed.name} that howfar did not write", str(packed), "choose another folder"
        )
    if (root.exists() or root.is_symlink()) and (root.is_symlink() or not (root / MARK).is_file()):
        raise InputError.of("out", f"must hold no folder {kind} of another kind", str(root), "choose another folder")


def _is_own(packed: Path) -> bool:
    try:
        with ZipFile(packed) as archive:
            return archive.comment == COMMENT
    except (OSError, BadZipFile):
        return False


def put(source: Path | str, target: Path, how: Images) -> None:
    """Copy or link one image to a place, by a hard link where it lies on the same disk.

    Raises `InputError` where it cannot be read, or is no file that a link could point to.
    """
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
    """Return an image's name as a path that stays below a folder; `InputError` where it leads out of it.

    Examples
    --------
    >>> within("a/1.jpg")
    'a/1.jpg'
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise InputError.of(
            "with_images", "needs names that stay below a folder", name, "choose from a dataset with such names"
        )
    return path.as_posix()


def kept_below(names: Mapping[str, str]) -> dict[str, str]:
    """Return each name's path below a folder, without the folders that all share where a name leads out.

    Examples
    --------
    >>> kept_below({"/data/a/1.jpg": "", "/data/b/1.jpg": ""})
    {'/data/a/1.jpg': 'a/1.jpg', '/data/b/1.jpg': 'b/1.jpg'}
    """
    leads_out = any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in names)
    return {name: within(path) for name, path in (unshared(list(names)) if leads_out else {n: n for n in names}).items()}


def _see_file(location: Path | str) -> None:
    if is_in_memory(location):
        raise InputError.of("with_images", "needs images in files", "one in memory", "save them, and choose from their folder")


def _bytes(location: Path | str) -> bytes:
    _see_file(location)
    try:
        return bytes(read_bytes(location))
    except ImageError as error:
        raise InputError.of(
            "with_images", f"needs every image ({error})", str(location), "leave it out, or mend the file"
        ) from error
