"""Decide which images of an export count as labelled, and refuse what cannot be meant."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from howfar.data import Dataset, Item
from howfar.data.folder_walk import EXTENSIONS, natural_key, stem, walk
from howfar.data.images import size
from howfar.data.label_exports import Export, LabelledImage, Mark
from howfar.data.label_imports import matched
from howfar.data.label_names import LabelNames
from howfar.data.labelling import CATEGORY
from howfar.data.masks import read_mask
from howfar.data.prediction_matching import examples
from howfar.errors import ImageError, InputError
from howfar.printable import printable
from howfar.studies.label_import.site import Site

MASKS = "masks"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that somebody uploads."""
_SAME = 0.5
"""Pixels by which a tool may round a box that nobody has touched."""


@dataclass(frozen=True, eq=False)
class Settled:
    """Hold a labelled image, with the marks that count under the dataset's names for them."""

    item: Item
    size: tuple[int, int]
    marks: tuple[Mark, ...]


def masks_in(folder: Path) -> Export:
    """Read a folder of masks as an export, in which every mask was drawn by somebody."""
    files = sorted(walk(folder, endings=EXTENSIONS).images, key=lambda file: natural_key(file.name))
    images = tuple(
        LabelledImage(
            file.relative_to(folder).as_posix(), None, (Mark(CATEGORY, "mask", partial(_drawn, file)),), looked_at=True
        )
        for file in files
    )
    return Export(MASKS, images, (CATEGORY,), unsure=False)


def settle(export: Export, site: Site, complete: bool) -> tuple[list[Settled], list[str], list[str]]:
    """Return the labelled images, the names of those that are left out, and notes on why.

    Raises
    ------
    InputError
        An export without images or labels, an image that is none of the site's or is there twice, a label without a name, an
        image of another size, a mark that the task has no use for.
    """
    if not export.images:
        raise InputError.of("labels", "must hold an image", 0, "label some images and export them again")
    items = _items(export, site.dataset)
    names = _names(export, site)
    labelled: list[Settled] = []
    out: dict[str, list[str]] = {}
    for image in export.images:
        item = items[image.name]
        sides = _fitting(image, item)
        marks = tuple(_counting(image, names, site.task))
        why = _why_not(image, item, marks, export, site, complete)
        if why:
            out.setdefault(why, []).append(item.name)
        else:
            labelled.append(Settled(item, sides, marks))
    left = [name for some in out.values() for name in some]
    notes = [f"{len(some)} of {len(export.images)} images {why} ({examples(some)}): left out" for why, some in out.items()]
    if not labelled:
        raise InputError.of("labels", "must be of an image that somebody labelled", 0, "; ".join(notes))
    return labelled, left, notes


def _items(export: Export, dataset: Dataset) -> dict[str, Item]:
    """Find the image of every entry; each must have one, and one alone."""
    keys: dict[str, str] = {}
    seen: set[str] = set()
    for image in export.images:
        key = stem(image.name)
        if key in seen or image.times > 1:
            why = f"{image.times} people annotated it" if image.times > 1 else "it is listed twice"
            raise InputError.of("labels", f"must label an image once ({why})", image.name, "keep one of them")
        seen.add(key)
        keys[image.name] = key
    found, strangers = matched(dataset, {key: key for key in keys.values()})
    found |= _by_last_part(dataset.items, found, strangers)
    item_of = {found[item.name]: item for item in dataset.items if item.name in found}
    for name, key in keys.items():
        if key not in item_of:
            rule = f"must be of images of {dataset.name}, such as {dataset.items[0].name}"
            raise InputError.of("labels", rule, name, "pass the images that were labelled (--images)")
    return {name: item_of[key] for name, key in keys.items()}


def _by_last_part(items: Sequence[Item], known: Mapping[str, str], strangers: Sequence[str]) -> dict[str, str]:
    """Match entries by the last part of their paths with images that have none.

    One image of all, and one entry, must be called so: of a/1.jpg and b/1.jpg none is meant by c/1.jpg.
    """
    last: dict[str, list[str]] = {}
    for item in items:
        last.setdefault(PurePosixPath(stem(item.name)).name, []).append(item.name)
    wanted: dict[str, list[str]] = {}
    for key in strangers:
        part = PurePosixPath(key).name
        names = last.get(part) or last.get(_UPLOADED.sub("", part), [])
        if len(names) == 1 and names[0] not in known:
            wanted.setdefault(names[0], []).append(key)
    return {name: keys[0] for name, keys in wanted.items() if len(keys) == 1}


def _names(export: Export, site: Site) -> LabelNames:
    """Return the names that count; without any, masks may have one label, whatever it is called."""
    if export.tool == MASKS:
        return LabelNames({})
    if site.names.given or site.task != "segmentation":
        return site.names
    used = sorted({mark.label for image in export.images for mark in image.marks if mark.draw is not None})
    if len(used) > 1:
        rule = f"must be said, since there are {len(used)} labels ({examples(used)})"
        raise InputError.of("label_names", rule, None, f"pass those that are foreground (--label-names {used[0]})")
    return LabelNames({})


def _counting(image: LabelledImage, names: LabelNames, task: str) -> Iterable[Mark]:
    """Yield the marks that count, under the dataset's names; those of a label that is left out do not."""
    for mark in image.marks:
        if (mark.draw is None) is not (task == "classification"):
            continue
        # Of masks without names every shape is foreground, whatever its label, also one that has none.
        own = names.in_dataset(mark.label) if names.given or task != "segmentation" else CATEGORY
        if not mark.label and own == "":
            raise InputError.of(f"a {mark.kind} of {image.name}", "must have a label", "", "give it one, or delete it")
        if own is None:
            rule = f"must be named in label_names ({', '.join(names.given)})"
            remedy = f"pass it too (--label-names {mark.label}), or leave it out (--label-names ={mark.label})"
            raise InputError.of(f"the label of a {mark.kind} of {image.name}", rule, mark.label, remedy)
        if task == "detection" and own:
            _check_box(mark, image.name)
        if own:
            yield Mark(own, mark.kind, mark.draw, mark.box)


def _check_box(mark: Mark, name: str) -> None:
    if mark.box is None:
        raise InputError.of("labels", "must be upright boxes", f"a {mark.kind} of {name}", "draw rectangles")
    left, top, right, bottom = mark.box
    if not (all(map(math.isfinite, mark.box)) and left < right and top < bottom):
        raise InputError.of(f"a box of {name}", "must have its corners in order, in pixels", mark.box, "draw it again")


def _fitting(image: LabelledImage, item: Item) -> tuple[int, int]:
    """Return the size of an image, which must be the one that its labels were drawn on."""
    try:
        sides = size(item.path)
    except ImageError as error:
        raise InputError(f"the image {printable(item.path)} of a label cannot be read: {error}") from error
    if image.size is not None and tuple(image.size) != sides:
        drawn, real = ("{}×{}".format(*pair) for pair in (image.size, sides))
        raise InputError.of(f"the labels of {image.name}", f"must be drawn on its image of {real} pixels", drawn)
    return sides


def _why_not(image: LabelledImage, item: Item, marks: Sequence[Mark], export: Export, site: Site, complete: bool) -> str:
    """Say why an image counts as not labelled; "" where it is."""
    if site.task == "classification":
        classes = sorted({mark.label for mark in marks})
        if len(classes) > 1:
            raise InputError.of("labels", "must give an image one class", f"{', '.join(classes)} of {image.name}")
        return "" if classes else "have no class"
    if image.looked_at is False:
        return "are not annotated"
    if complete or not export.unsure:
        return ""
    if image.looked_at is None:
        return f"have no label, and {export.tool} does not say that somebody looked at them (--complete says so)"
    begun = site.begun.get(item.name)
    if begun is not None and begun.marks and marks and _unchanged(begun.marks, marks, site):
        return "have the model's own labels, unchanged (--complete takes them for checked)"
    return ""


def _unchanged(begun: Sequence[Mark], marks: Sequence[Mark], site: Site) -> bool:
    """Return whether marks are what was handed over, but for rounding."""
    if site.task == "detection":
        own, theirs = (sorted(mark.box for mark in some if mark.box is not None) for some in (begun, marks))
        return len(own) == len(theirs) and bool(np.allclose(own, theirs, rtol=0.0, atol=_SAME))
    return bool(np.array_equal(area(begun), area(marks)))


def area(marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """Join the areas of marks, of which there is at least one."""
    joined: NDArray[np.bool_] | None = None
    for mark in marks:
        if mark.draw is not None:
            shape = mark.draw()
            joined = shape if joined is None else joined | shape
    if joined is None:
        raise InputError.of("labels", "must be areas", "a class", "draw masks")
    return joined


def _drawn(file: Path) -> NDArray[np.bool_]:
    try:
        return read_mask(file)
    except ImageError as error:
        raise InputError(f"the mask {printable(file)} cannot be read: {error}") from error
