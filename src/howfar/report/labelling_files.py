"""Write the files for labelling chosen images: a list, a table, a contact sheet, and import files for labelling tools.

Images are pointed to, never copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path

import pandas as pd

from howfar.data.annotation_formats import label_studio_interface, write_coco, write_cvat, write_label_studio
from howfar.data.annotation_packing import Images, check_archive, file_name, kept_below, remove_archive, write_archive
from howfar.data.annotations import CATEGORY, FirstLabels, MarkedImage
from howfar.data.image_bytes import is_member
from howfar.data.image_decoding import size
from howfar.data.image_tables_and_lists import list_line
from howfar.data.label_files import IMAGE, LABEL
from howfar.errors import HowfarError, ImageError, InputError
from howfar.figures.contact_sheets import ContactImage, contact_sheet, sheet
from howfar.figures.style import name_text
from howfar.formatting_and_escaping import cell, unguarded
from howfar.io.atomic_writes import replace, replace_text
from howfar.io.file_location import is_in_memory
from howfar.report.report_figures import save
from howfar.report.section import plural
from howfar.results import Selection
from howfar.results.certificate_result import Certificate

KINDS = {"segmentation": "any", "detection": "rectangle", "classification": "tag"}
"""What CVAT calls the labels of a task."""
INTERFACE = "label_studio.xml"
ARCHIVES = ("coco", "cvat")
FOR_TOOLS = ("coco.json", "cvat.xml", "label_studio.json", INTERFACE)
UNFINISHED = ".unfinished"
"""Marks a folder whose selection is being written; what a kill leaves there is replaced."""
FILES = ("chosen.txt", "chosen.csv", "contact_sheet.png", *FOR_TOOLS, Selection.DOCUMENT)


def write_selection(
    selection: Selection, folder: Path, first: FirstLabels | None = None, with_images: Images = "none"
) -> tuple[str, ...]:
    """Write a selection into a folder, and return sentences on parts that could not be written.

    Files for labelling tools begin with `first`, the model's answers, and are not written for ready-made embeddings. The images
    are pointed to ("none"), or stand in archives with their annotations ("copy", "link"). An earlier selection is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = [name for name in FILES if (folder / name).exists()]
    if there and not (folder / UNFINISHED).exists():
        try:
            Selection.load(folder)
        except HowfarError:
            rule = f"must be a folder without {there[0]}, or that of an earlier selection"
            raise InputError.of("out", rule, str(folder), "choose another folder") from None
    for kind in ARCHIVES:
        check_archive(kind, folder)
    (folder / UNFINISHED).touch()
    for kind in ARCHIVES:
        remove_archive(kind, folder)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    remarks = tuple(write_list_file(selection.paths, folder))
    write_table(table(selection), folder / "chosen.csv")
    if all(pick.path for pick in selection.picks):
        read = [as_picture(pick.image, pick.path) for pick in selection.picks]
        replace(folder / "contact_sheet.png", partial(save, contact_sheet(selection), kind="png"))
        title = f"{selection.dataset}, chosen by {selection.strategy}"
        remarks += tuple(write_for_tools(read, title, folder, first, with_images))
    else:
        remarks += ("the images have no files (ready-made embeddings): there is a list, and nothing for labelling tools",)
    selection.save(folder)
    (folder / UNFINISHED).unlink()
    return remarks


def write_list_file(paths: Sequence[str], folder: Path) -> Iterator[str]:
    """Write ``chosen.txt``, one path per line, and yield notes on paths that do not fit on a line as they are."""
    lines = [list_line(path) for path in paths]
    replace_text(folder / "chosen.txt", "".join(f"{line}\n" for line in lines))
    odd = [line for line, path in zip(lines, paths, strict=True) if line != path]
    if odd:
        noun = plural(len(odd), "path holds", "paths hold")
        yield f"{len(odd)} {noun} what no line of text can ({odd[0]}): written out in chosen.txt, whole in chosen.csv"


def table(selection: Selection) -> pd.DataFrame:
    """Return a table of the chosen images, which is a dataset too, as `image` is the file (``howfar compare P chosen.csv``)."""
    frame = selection.to_frame().assign(dataset=selection.dataset)
    frame["name"], frame["image"] = frame["image"], list(selection.paths)
    return frame[["image", "distance", "rank", "reason", "dataset", "name"]]


def write_table(frame: pd.DataFrame | Mapping[str, Sequence[object]], path: Path) -> None:
    """Write a table as CSV whose cells no spreadsheet reads as a formula."""
    replace(path, partial(pd.DataFrame(frame).map(cell).to_csv, index=False))


def write_for_tools(
    read: Sequence[tuple[MarkedImage, str]],
    title: str,
    folder: Path,
    first: FirstLabels | None = None,
    with_images: Images = "none",
) -> Iterator[str]:
    """Write the files for labelling tools, and yield notes on images (given with their faults) that are not in them."""
    first = first or FirstLabels()
    pictures = [first.on(picture) for picture, _ in read]
    for name, text in texts_for_tools(pictures, title, first).items():
        replace_text(folder / name, text)
    if with_images != "none":
        sized = [picture for picture in pictures if picture.size is not None]
        places = kept_below({picture.name: picture.path for picture in sized})
        below = [with_changes(picture, name=file_name(places[picture.name], picture.path)) for picture in sized]
        texts = texts_for_tools(below, title, first)
        for kind in ARCHIVES:
            file = "coco.json" if kind == "coco" else "cvat.xml"
            if file in texts:
                write_archive(kind, texts[file], {picture.name: picture.path for picture in below}, folder, with_images)
    # What labelling tools cannot open.
    named = [picture for picture, fault in read if not fault]
    within = [picture.path for picture in named if with_images == "none" and is_member(picture.path)]
    held = [picture.name for picture in named if is_in_memory(picture.path)]
    faults = [f"{picture.path}: {fault}" for picture, fault in read if fault]
    inside = "within a tar, Parquet or Arrow file, a raster, volume or clip ({}): take them out to label them"
    for found, one, many, rest in (
        (within, "image lies", "images lie", inside),
        (held, "image is", "images are", "in memory alone ({}): save them under these names for a labelling tool"),
        (faults, "image has", "images have", "no size that can be read ({}): not in coco.json and cvat.xml"),
    ):
        if found:
            yield f"{len(found)} {plural(len(found), one, many)} {rest.format(found[0])}"


def texts_for_tools(pictures: Sequence[MarkedImage], title: str, first: FirstLabels) -> dict[str, str]:
    """Return the files for labelling tools by name, without COCO for classification, which COCO cannot express."""
    names = first.offered() or (CATEGORY,)
    files = {
        "coco.json": write_coco(pictures, title, names),
        "cvat.xml": write_cvat(pictures, title, names, KINDS[first.task]),
        "label_studio.json": write_label_studio(pictures, title),
        INTERFACE: label_studio_interface(first.task, names),
    }
    return {name: text for name, text in files.items() if name != "coco.json" or first.task != "classification"}


def as_picture(name: str, path: str) -> tuple[MarkedImage, str]:
    """Read an image's size for labelling tools; return the picture, and the reason if it is unreadable, else ""."""
    try:
        return MarkedImage(name, size(path), path=path), ""
    except ImageError as error:
        return MarkedImage(name, None, path=path), str(error)


MASKS = "masks"
PREDICTED = "predicted"
_HINT = "Put one mask here for each image of ../chosen.txt, in that order: a {}. Then run the same howfar certify again.\n"
HINTS = {
    "segmentation": _HINT.format(
        "PNG with the image's name and size, 255 for foreground and 0 for the rest, all 0 where there is none"
    ),
    "multiclass": _HINT.format(
        "grey or palette PNG with the image's name and size, whose values are the numbers of the classes"
    ),
}


def write_sample(certificate: Certificate, first: FirstLabels, folder: Path) -> tuple[str, ...]:
    """Write the labelling files of a sample into a folder, and return sentences on parts that could not be written.

    In ``labels.csv`` a label that somebody has filled in stays; ``first-maps.csv`` names the model's maps.
    """
    task = certificate.task
    folder.mkdir(parents=True, exist_ok=True)
    if task in HINTS:
        (folder / MASKS).mkdir(exist_ok=True)
        replace_text(folder / MASKS / "README.txt", HINTS[task])
    # The sample is a dataset too, as `image` is the file.
    frame = certificate.to_frame().rename(columns={"image": "name", "path": "image", "proxy": "predicted"})
    write_table(frame[["image", "rank", "predicted", "stratum", "probability", "name"]], folder / "chosen.csv")
    cells = [
        ContactImage(one.image, one.path, f"{one.rank} · {'–' if one.proxy is None else format(one.proxy, '.2f')}")
        for one in certificate.sample
    ]
    title = f"{len(cells)} of {certificate.n:,} images of {name_text(certificate.dataset)}, drawn at random"
    drawn = sheet(cells, title, "place in the order of labelling · predicted performance (0–1)")
    replace(folder / "contact_sheet.png", partial(save, drawn, kind="png"))
    remarks = tuple(write_list_file([one.path for one in certificate.sample], folder))
    if task != "segmentation" and (first.own or task != "multiclass"):
        write_table({"class": list(first.own)}, folder / "classes.csv")
    if task == "multiclass":
        write_table({IMAGE: list(first.maps), "map": list(map(str, first.maps.values()))}, folder / "first-maps.csv")
        return remarks
    if task == "classification":
        labels, known = folder / "labels.csv", dict[str, str]()
        if labels.is_file():
            before = pd.read_csv(labels, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            if {IMAGE, LABEL} <= set(before):
                known = dict(zip(before[IMAGE].map(unguarded), before[LABEL].map(unguarded), strict=True))
        names = [one.image for one in certificate.sample]
        answers = {LABEL: [known.get(name, "") for name in names], PREDICTED: [first.classes[name] for name in names]}
        write_table({IMAGE: names, **answers}, labels)
    read = [as_picture(one.image, one.path) for one in certificate.sample]
    return (*remarks, *write_for_tools(read, f"{certificate.dataset}, drawn to certify", folder, first))
