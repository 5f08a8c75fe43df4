"""Write imported labels: masks, a file of boxes or a column of classes, and the table that makes a dataset of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from howfar.data.folder_walk import stem
from howfar.data.label_archives import Images, kept_below, put
from howfar.errors import InputError
from howfar.printable import cell
from howfar.results.label_import import ImportedLabel
from howfar.studies.label_import.settle import Settled, area

TABLE = "labels.csv"
BOXES = "boxes.json"
DOCUMENT = "import.json"


def write_labels(labelled: Sequence[Settled], task: str, folder: Path, with_images: Images) -> tuple[ImportedLabel, ...]:
    """Write the labels of images into an empty folder, and say of each image what was written.

    ``labels.csv`` has the columns image, name and mask or label, and is a dataset. Masks are PNGs of 0 and 255 in ``masks``,
    named as the images; boxes go to ``boxes.json``, as `howfar.evaluate` takes true ones.

    Raises
    ------
    InputError
        Images whose masks would have one name; a mask that does not fit its image; an image that is to be copied and cannot be.
    """
    places = kept_below({one.item.name: "" for one in labelled})
    taken: dict[str, str] = {}
    for name, place in places.items():
        if taken.setdefault(stem(place), name) != name:
            raise InputError.of("images", "must differ in more than their endings", name, f"rename it or {taken[stem(place)]}")
    written = tuple(_label(one, task, places[one.item.name], folder) for one in labelled)
    rows = [
        _row(one, task, places[one.item.name], label, folder, with_images) for one, label in zip(labelled, written, strict=True)
    ]
    pd.DataFrame(rows).map(cell).to_csv(folder / TABLE, index=False)
    if task == "detection":
        (folder / BOXES).write_text(json.dumps([_boxes(one) for one in labelled], ensure_ascii=False) + "\n", encoding="utf-8")
    return written


def _label(one: Settled, task: str, place: str, folder: Path) -> ImportedLabel:
    if task == "segmentation":
        file = PurePosixPath("masks", f"{stem(place)}.png")
        filled = _write_mask(one, folder / file)
        return ImportedLabel(one.item.name, str(one.item.path), len(one.marks) if filled else 0, str(file))
    if task == "detection":
        return ImportedLabel(one.item.name, str(one.item.path), len(one.marks), BOXES)
    return ImportedLabel(one.item.name, str(one.item.path), len(one.marks), one.marks[0].label)


def _write_mask(one: Settled, file: Path) -> bool:
    """Write the mask of an image, and return whether there is any foreground in it."""
    width, height = one.size
    mask = area(one.marks) if one.marks else np.zeros((height, width), np.bool_)
    if mask.shape != (height, width):
        drawn, real = f"{mask.shape[1]}×{mask.shape[0]}", f"{width}×{height}"
        raise InputError.of(f"the mask of {one.item.name}", f"must be of the size of its image, {real} pixels", drawn)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(file, format="png")
    return bool(mask.any())


def _row(one: Settled, task: str, place: str, label: ImportedLabel, folder: Path, with_images: Images) -> Mapping[str, str]:
    image = str(one.item.path)
    if with_images != "none":
        image = str(PurePosixPath("images", place))
        put(one.item.path, folder / image, with_images)
    said = {"segmentation": {"mask": label.label}, "classification": {"label": label.label}}.get(task, {})
    return {"image": image, **said, "name": one.item.name}


def _boxes(one: Settled) -> dict[str, Any]:
    boxes = [list(mark.box) for mark in one.marks if mark.box is not None]
    return {"image": one.item.name, "boxes": boxes, "labels": [mark.label for mark in one.marks]}
