"""Read a folder of JSON files, one an image, that Ultralytics' ``results[0].to_json()`` gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from howfar.data.box_files.box_file import BoxesOf, BoxFile, add_box
from howfar.data.folder_walk import printable
from howfar.data.json_text import parsed
from howfar.errors import InputError, one_line
from howfar.memory import check_file

FORM: Final = '[{"name": "car", "class": 2, "confidence": 0.9, "box": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}}, …]'
_CORNERS: Final = ("x1", "y1", "x2", "y2")


def read_ultralytics(folder: Path, files: Sequence[Path]) -> BoxFile:
    """Read every file; an image is named as its file but for the ending. Raises `InputError` for a file of another form."""
    boxes: BoxesOf = {}
    for file in files:
        name = file.relative_to(folder).as_posix()
        boxes[name] = {"boxes": [], "labels": [], "scores": []}
        for row in _rows(file):
            try:
                corners = [float(row["box"][side]) for side in _CORNERS]
                label, score = str(row["name"]), float(row["confidence"])
            except (TypeError, LookupError, ValueError) as error:
                raise InputError(f"{printable(file)} is of another form ({one_line(error, 60)}): write {FORM}") from error
            add_box(boxes, name, corners, label, score)
    return BoxFile(boxes)


def _rows(file: Path) -> list[Any]:
    try:
        size = file.stat().st_size
        check_file(2 * size, file, size)
        rows = parsed(file.read_text(encoding="utf-8-sig"), file)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{printable(file)} is not readable JSON ({one_line(error, 120)}): write {FORM}") from error
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"{printable(file)} must hold a list with one object a box: write {FORM}")
    return rows
