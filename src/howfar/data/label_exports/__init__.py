"""Read what labelling tools export: COCO's JSON, CVAT for images 1.1, and Label Studio's JSON, alone or in a .zip."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile, is_zipfile

from howfar.data.json_text import parsed
from howfar.data.label_exports.coco import read_coco
from howfar.data.label_exports.cvat import read_cvat
from howfar.data.label_exports.label_studio import read_label_studio
from howfar.data.label_exports.records import Corners, Export, LabelledImage, Mark
from howfar.data.xml_text import parsed_xml
from howfar.errors import InputError, MissingExtraError, one_line
from howfar.memory import check_file
from howfar.printable import printable

__all__ = ["DAMAGED", "KINDS", "Corners", "Export", "LabelledImage", "Mark", "damage_as_input_error", "read_export"]

KINDS = "a folder of masks, or a file that COCO (.json), CVAT (.xml) or Label Studio (.json) exported"
DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    EOFError,
    BadZipFile,
    lzma.LZMAError,
    zlib.error,
    ElementTree.ParseError,
)
"""What reading a damaged export may raise."""


def read_export(path: Path) -> Export:
    """Read an export; its shapes are drawn when they are asked for.

    A .zip must hold one file .xml or .json, whatever else is in it. What is not of these forms raises as reading does: call it
    within `damage_as_input_error`.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "cvat.xml"
    >>> _ = file.write_text('<annotations><image name="1.png" width="4" height="3"><tag label="wet"/></image></annotations>')
    >>> read_export(file).images[0].marks[0].label
    'wet'
    """
    suffix, data = path.suffix.lower(), None
    if is_zipfile(path):
        suffix, data = _packed(path)
    size = path.stat().st_size
    if data is None:
        check_file(2 * size, path, size)
        data = path.read_bytes()
    if suffix == ".xml":
        return read_cvat(parsed_xml(data, path, size))
    document: Any = parsed(data.decode("utf-8-sig"), path)
    return read_label_studio(document) if isinstance(document, list) else read_coco(document)


@contextmanager
def damage_as_input_error(path: Path) -> Iterator[None]:
    """Turn whatever a damaged export raises in the block into one line that names the file and what it may be."""
    try:
        yield
    except MissingExtraError:
        raise
    except DAMAGED as error:  # also an `InputError`, which says what is wrong but not in which file
        raise InputError(f"{printable(path)} cannot be read ({one_line(error, 300)}): pass {KINDS}") from error


def _packed(path: Path) -> tuple[str, bytes]:
    """Return the ending and the bytes of the one file of labels in a .zip."""
    with ZipFile(path) as archive:
        members = [
            member
            for member in archive.infolist()
            if Path(member.filename).suffix.lower() in (".xml", ".json") and not member.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            what = "no .xml or .json" if not members else f"{len(members)} files .xml or .json"
            raise InputError(f"it holds {what}, and one is wanted: unpack it and pass the file of labels")
        check_file(members[0].file_size, path, path.stat().st_size)
        with archive.open(members[0]) as file:
            data = file.read(members[0].file_size + 1)
        return Path(members[0].filename).suffix.lower(), data
