"""Write a selection as list, table, contact sheet and files for labelling tools; images are pointed to, never copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path

import pandas as pd

from howfar.data.box_labelling import coco_boxes, cvat_boxes, label_studio_boxes
from howfar.data.class_labelling import class_choices, class_tags
from howfar.data.first_labels import FirstLabels
from howfar.data.image_list import list_line
from howfar.data.images import size
from howfar.data.label_archives import Images, check_archive, kept_below, remove_archive, write_archive
from howfar.data.label_studio_interface import label_studio_interface
from howfar.data.labelling import CATEGORY, Picture, coco, cvat, label_studio
from howfar.data.read import is_member
from howfar.errors import HowfarError, ImageError, InputError
from howfar.figures.contact_sheet import contact_sheet
from howfar.io.atomic import replace, replace_text
from howfar.io.location import is_in_memory
from howfar.printable import cell
from howfar.report.svg import save
from howfar.report.text import plural
from howfar.results import Selection

TOOLS = {"coco.json": coco, "cvat.xml": cvat, "label_studio.json": label_studio}
INTERFACE = "label_studio.xml"
ARCHIVES = ("coco", "cvat")
FILES = ("chosen.txt", "chosen.csv", "contact_sheet.png", *TOOLS, INTERFACE, Selection.DOCUMENT)


def write_selection(
    selection: Selection, folder: Path, first: FirstLabels | None = None, with_images: Images = "none"
) -> tuple[str, ...]:
    """Write a selection into a folder, and return what could not be written of it, as sentences.

    Ready-made embeddings have no files of images: then the list names the images, and there is nothing for labelling tools.
    The folder is made where it is not there; a selection already in it is replaced.

    Parameters
    ----------
    selection, folder
        What was chosen, and where it goes.
    first
        What the model says of the images, which the files for labelling tools begin with.
    with_images
        "none" points to the images; "copy" and "link" make archives of the images with their annotations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_replaced(folder)
    for kind in ARCHIVES:
        check_archive(kind, folder)
    for kind in ARCHIVES:
        remove_archive(kind, folder)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    remarks = tuple(write_list_file(selection.paths, folder))
    replace(folder / "chosen.csv", partial(guarded(table(selection)).to_csv, index=False))
    remarks += tuple(_write_pictures(selection, folder, first or FirstLabels(), with_images))
    selection.save(folder)
    return remarks


def _check_replaced(folder: Path) -> None:
    """Raise `InputError` where files would be replaced that are no earlier selection's."""
    there = [name for name in FILES if (folder / name).exists()]
    if not there:
        return
    try:
        Selection.load(folder)
    except HowfarError:
        rule = f"must be a folder without {there[0]}, or that of an earlier selection"
        raise InputError.of("out", rule, str(folder), "choose another folder") from None


def write_list_file(paths: Sequence[str], folder: Path) -> Iterator[str]:
    """Write ``chosen.txt``, a path a line, and yield which paths no line can hold as they are."""
    lines = [list_line(path) for path in paths]
    replace_text(folder / "chosen.txt", "".join(f"{line}\n" for line in lines))
    odd = [line for line, path in zip(lines, paths, strict=True) if line != path]
    if odd:
        noun = plural(len(odd), "path holds", "paths hold")
        yield f"{len(odd)} {noun} what no line of text can ({odd[0]}): written out in chosen.txt, whole in chosen.csv"


def table(selection: Selection) -> pd.DataFrame:
    """Make a table of the chosen images; `image` is the file, so that it is a dataset too (``howfar compare P chosen.csv``)."""
    frame = selection.to_frame().assign(dataset=selection.dataset)
    frame["name"], frame["image"] = frame["image"], list(selection.paths)
    return frame[["image", "distance", "rank", "reason", "dataset", "name"]]


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """Guard the cells of a table for people: none of its texts is taken for a formula by a spreadsheet."""
    return frame.map(cell)


def _write_pictures(selection: Selection, folder: Path, first: FirstLabels, with_images: Images) -> Iterator[str]:
    if not all(pick.path for pick in selection.picks):
        yield "the images have no files (ready-made embeddings): there is a list, and nothing for labelling tools"
        return
    read = [as_picture(pick.image, pick.path) for pick in selection.picks]
    replace(folder / "contact_sheet.png", partial(save, contact_sheet(selection), kind="png"))
    begun = [(with_changes(picture, foreground=first.foregrounds.get(picture.name)), why) for picture, why in read]
    yield from write_for_tools(begun, f"{selection.dataset}, chosen by {selection.strategy}", folder, first, with_images)


def write_for_tools(
    read: Sequence[tuple[Picture, str]],
    title: str,
    folder: Path,
    first: FirstLabels | None = None,
    with_images: Images = "none",
) -> Iterator[str]:
    """Write the files for labelling tools, and yield what could not be written of the images, given with their faults."""
    first, pictures = first or FirstLabels(), [picture for picture, _ in read]
    for name, text in texts_for_tools(pictures, title, first).items():
        replace_text(folder / name, text)
    if with_images != "none":
        sized = [picture for picture in pictures if picture.size is not None]
        places = kept_below({picture.name: picture.path for picture in sized})
        below = [with_changes(picture, name=places[picture.name]) for picture in sized]
        texts = texts_for_tools(below, title, first_by(first, places))
        for kind in ARCHIVES:
            file = "coco.json" if kind == "coco" else "cvat.xml"
            if file in texts:
                write_archive(kind, texts[file], {picture.name: picture.path for picture in below}, folder, with_images)
    yield from unwritten(read)


def texts_for_tools(pictures: Sequence[Picture], title: str, first: FirstLabels) -> dict[str, str]:
    """Return the files for labelling tools by name; none of COCO where classes are labelled, which it has not of an image."""
    names = first.offered() or (CATEGORY,)
    interface = {INTERFACE: label_studio_interface(first.task, names)}
    if first.task == "classification":
        classes = [first.named_class(picture.name) for picture in pictures]
        studio, tags = class_choices(pictures, classes, title), class_tags(pictures, names, title)
        return {"cvat.xml": tags, "label_studio.json": studio, **interface}
    if first.task == "detection":
        boxes = [first.named_boxes(picture.name) for picture in pictures]
        texts = {"coco.json": coco_boxes(pictures, boxes, names, title), "cvat.xml": cvat_boxes(pictures, boxes, names, title)}
        return {**texts, "label_studio.json": label_studio_boxes(pictures, boxes, title), **interface}
    return {**{name: text(pictures, title, names) for name, text in TOOLS.items()}, **interface}


def first_by(first: FirstLabels, places: Mapping[str, str]) -> FirstLabels:
    """Return first labels by other names of the images."""
    boxes = {places[name]: boxes for name, boxes in first.boxes.items() if name in places}
    classes = {places[name]: label for name, label in first.classes.items() if name in places}
    return with_changes(first, boxes=boxes, classes=classes)


def unwritten(read: Sequence[tuple[Picture, str]]) -> Iterator[str]:
    """Yield what labelling tools cannot be told of the images, given with their faults."""
    within = [picture.path for picture, fault in read if not fault and is_member(picture.path)]
    if within:
        noun = plural(len(within), "image lies", "images lie")
        yield f"{len(within)} {noun} within a tar, Parquet or Arrow file ({within[0]}): take them out for a labelling tool"
    held = [picture.name for picture, fault in read if not fault and is_in_memory(picture.path)]
    if held:
        noun = plural(len(held), "image is", "images are")
        yield f"{len(held)} {noun} in memory alone ({held[0]}): save them under these names for a labelling tool"
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
