"""Keep what lies in the folder of a certificate and is not howfar's own from being replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from howfar.errors import InputError
from howfar.results.certificate import Certificate

TABLE: Final = "chosen.csv"
FILES: Final = (
    TABLE, "chosen.txt", "contact_sheet.png", "coco.json", "cvat.xml", "label_studio.json", "label_studio.xml", "labels.csv",
    "classes.csv", "first-maps.csv",
)  # fmt: skip
"""What is handed out to be labelled, and replaced where a sample is drawn or grows."""
_OURS: Final = "image,rank,predicted,stratum,"
"""How the table of a sample begins; that of a selection begins otherwise."""


def check_replaced(folder: Path | None, earlier: Certificate | None, k: int | None, labels: Any) -> None:
    """Refuse a folder in which drawing a sample, or a larger one, would replace files of others or the given labels.

    A folder that holds a sample's table and no certificate is that of a run that was stopped: it goes on.
    """
    if folder is None or (earlier is not None and (k is None or k <= len(earlier))):
        return
    there = [name for name in FILES if (folder / name).exists()]
    if there and earlier is None and not _begins_as_ours(folder / TABLE):
        rule = f"must be a folder without {there[0]}, or that of an earlier sample"
        raise InputError.of("out", rule, str(folder), "choose another folder")
    given: Sequence[Any] = [labels] if isinstance(labels, (str, Path)) else []
    for path in given:
        name = next((name for name in there if Path(path).exists() and (folder / name).samefile(path)), None)
        if name is not None and name != "labels.csv":  # in which what somebody filled in stays
            rule = "must not be a file that drawing replaces"
            raise InputError.of("labels", rule, str(path), "save the export under another name")


def _begins_as_ours(table: Path) -> bool:
    try:
        with table.open(encoding="utf-8", errors="replace") as file:
            return file.read(len(_OURS)) == _OURS
    except OSError:
        return False
