"""Read Pascal VOC annotations: an XML file an image, an ``object`` with ``name`` and ``bndbox`` a box.

Corners are numbers of pixels, the first of them 1, and both inside of the box (VOC development kit, VOC2012), so that the box
reaches from ``xmin − 1`` to ``xmax``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from howfar.data.box_files.box_file import BoxesOf, BoxFile, add_box
from howfar.data.folder_walk import printable
from howfar.data.xml_text import parsed_xml
from howfar.errors import InputError, one_line
from howfar.memory import check_file

_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def read_voc(folder: Path, files: Sequence[Path]) -> BoxFile:
    """Read every file; an image is named as its file but for the ending, and one without a file is not labelled.

    Objects marked ``difficult`` are left out, and noted. Raises `InputError` for a file that is no such annotation.
    """
    boxes: BoxesOf = {}
    difficult = 0
    for file in files:
        name = file.relative_to(folder).as_posix()
        boxes[name] = {"boxes": [], "labels": []}
        for element in _root(file).iter("object"):
            if (element.findtext("difficult") or "0").strip() == "1":
                difficult += 1
                continue
            label, corners = _object(file, element)
            add_box(boxes, name, corners, label)
    what = "1 object marked difficult is" if difficult == 1 else f"{difficult} objects marked difficult are"
    notes = (f"{what} left out: boxes that are predicted there count as false",)
    return BoxFile(boxes, notes=notes if difficult else ())


def _root(file: Path) -> ElementTree.Element:
    try:
        size = file.stat().st_size
        check_file(2 * size, file, size)
        root = parsed_xml(file.read_bytes(), file, size)
    except InputError:
        raise
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        reason = one_line(error, 120)
        raise InputError(f"{printable(file)} is no readable XML ({reason}): pass Pascal VOC annotations") from error
    if root.tag != "annotation":
        raise InputError(f"{printable(file)} is no Pascal VOC annotation, but {one_line(root.tag, 40)}")
    return root


def _object(file: Path, element: ElementTree.Element) -> tuple[str, tuple[float, float, float, float]]:
    label, box = (element.findtext("name") or "").strip(), element.find("bndbox")
    try:
        left, top, right, bottom = (float((box.findtext(side) if box is not None else None) or "") for side in _SIDES)
    except ValueError as error:
        raise InputError(f"{printable(file)}: an object needs bndbox with the numbers {', '.join(_SIDES)}") from error
    if not label:
        raise InputError(f"{printable(file)}: an object has no name")
    return label, (left - 1.0, top - 1.0, right, bottom)
