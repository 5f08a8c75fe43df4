"""Write a selection as list, table, contact sheet and files for labelling tools; images are pointed to, never copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from howfar.data.images import size
from howfar.data.labelling import Picture, coco, cvat, label_studio
from howfar.data.read import is_member
from howfar.errors import ImageError
from howfar.figures.contact_sheet import contact_sheet
from howfar.io.atomic import replace, replace_text
from howfar.printable import cell, printable
from howfar.report.svg import save
from howfar.report.text import plural
from howfar.results import Selection

TOOLS = {"coco.json": coco, "cvat.xml": cvat, "label_studio.json": label_studio}
FILES = ("chosen.txt", "chosen.csv", "contact_sheet.png", *TOOLS, Selection.DOCUMENT)


def write_selection(selection: Selection, folder: Path) -> tuple[str, ...]:
    """Write a selection into a folder, and return what could not be written of it, as sentences.

    Ready-made embeddings have no files of images: then the list names the images, and there is nothing for labelling tools.
    The folder is made where it is not there; a selection already in it is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    replace_text(folder / "chosen.txt", "".join(f"{printable(path)}\n" for path in selection.paths))
    replace(folder / "chosen.csv", partial(guarded(table(selection)).to_csv, index=False))
    remarks = tuple(_write_pictures(selection, folder))
    selection.save(folder)
    return remarks


def table(selection: Selection) -> pd.DataFrame:
    """Make a table of the chosen images; `image` is the file, so that it is a dataset too (``howfar compare P chosen.csv``)."""
    frame = selection.to_frame().assign(dataset=selection.dataset)
    frame["name"], frame["image"] = frame["image"], list(selection.paths)
    return frame[["image", "distance", "rank", "reason", "dataset", "name"]]


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """Guard the cells of a table for people: none of its texts is taken for a formula by a spreadsheet."""
    return frame.map(cell)


def _write_pictures(selection: Selection, folder: Path) -> Iterator[str]:
    if not all(pick.path for pick in selection.picks):
        yield "the images have no files (ready-made embeddings): there is a list, and nothing for labelling tools"
        return
    read = [as_picture(pick.image, pick.path) for pick in selection.picks]
    replace(folder / "contact_sheet.png", partial(save, contact_sheet(selection), kind="png"))
    yield from write_for_tools(read, f"{selection.dataset}, chosen by {selection.strategy}", folder)


def write_for_tools(read: Sequence[tuple[Picture, str]], title: str, folder: Path) -> Iterator[str]:
    """Write the files for labelling tools, and yield what could not be written of the images, given with their faults."""
    for name, text in TOOLS.items():
        replace_text(folder / name, text([picture for picture, _ in read], title))
    yield from unwritten(read)


def unwritten(read: Sequence[tuple[Picture, str]]) -> Iterator[str]:
    """Yield what labelling tools cannot be told of the images, given with their faults."""
    within = [picture.path for picture, fault in read if not fault and is_member(picture.path)]
    if within:
        noun = plural(len(within), "image lies", "images lie")
        yield f"{len(within)} {noun} within a tar, Parquet or Arrow file ({within[0]}): take them out for a labelling tool"
    faults = [(picture.path, fault) for picture, fault in read if fault]
    if faults:
        path, fault = faults[0]
        noun = plural(len(faults), "image has", "images have")
        yield f"{len(faults)} {noun} no size that can be read ({path}: {fault}): not in coco.json and cvat.xml"


def as_picture(name: str, path: str) -> tuple[Picture, str]:
    """Read an image's size for labelling tools; where it cannot be read the reason is returned with it, else ""."""
    try:
        return Picture(name, path, size(path)), ""
    except ImageError as error:
        return Picture(name, path), str(error)
