"""Import labels from labelling tools as a dataset with masks, boxes or classes (`howfar labels import`)."""

import json
import math
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import or_
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from howfar import registry
from howfar.data import Dataset, DatasetArgument, Item
from howfar.data.annotation_packing import Images, file_name, kept_below, put
from howfar.data.annotations import CATEGORY, LabelExport, LabelNames, Mark, MarkedImage, Named, label_names
from howfar.data.binary_masks import read_mask
from howfar.data.dataset_argument import parse_images
from howfar.data.image_and_mask_folders import natural_key, stem, walk
from howfar.data.image_bytes import check_files
from howfar.data.image_decoding import size
from howfar.data.label_files import KINDS, matched, read_export
from howfar.data.name_matching import examples
from howfar.data.untrusted_documents_and_tables import readable
from howfar.errors import ImageError, InputError, option
from howfar.formatting_and_escaping import cell, printable
from howfar.io.atomic_writes import cut_off, staging
from howfar.io.file_location import absolute, is_url, ready_folder
from howfar.option_checks_and_signatures import checked, with_options
from howfar.options_by_function import LabelImportOptions
from howfar.results import Selection
from howfar.results.selection_and_label_import import ImportedLabel, LabelImport

TASKS = ("segmentation", "detection", "classification")
_HANDED_OVER = "coco.json"


@dataclass(frozen=True, eq=False)
class LabelSite:
    """Hold the images that labels may belong to, the task, the label names, and the handed-over first labels by image."""

    dataset: Dataset
    task: str
    names: LabelNames
    begun: Mapping[str, MarkedImage]


def site_of(images: DatasetArgument, task: str | None, names: Named) -> LabelSite:
    """Read the images to label; task and label names default to those of the selection."""
    folder = absolute(images) if isinstance(images, (str, Path)) else None
    # The list of paths stands for the folder that holds it.
    folder = folder.parent if folder is not None and folder.name == "chosen.txt" and folder.is_file() else folder
    selection = Selection.load(folder) if folder is not None and (folder / Selection.DOCUMENT).is_file() else None
    task = task or (TASKS[0] if selection is None else selection.task)
    if task not in TASKS:
        raise InputError.of("task", f"must be one of {', '.join(TASKS)}", task)
    named = label_names(names, task)
    if folder is not None and selection is not None:
        picks = selection.picks
        if not all(pick.path for pick in picks):
            raise InputError.of("images", "must be files (this selection is of ready-made embeddings)", str(images))
        items = tuple(Item(pick.image, Path(pick.path) if Path(pick.path).is_absolute() else pick.path) for pick in picks)
        named = named if named.given else LabelNames(selection.label_names)
        first = folder / _HANDED_OVER
        with readable(first, f"pass {KINDS}"):  # the first labels that were handed to the labelling tool
            begun = {image.name: image for image in read_export(first).images} if first.is_file() else {}
        return LabelSite(Dataset(selection.dataset, items), task, named, begun)
    # The folder that howfar certify wrote has its images in the same list, beside pictures that are none of the site's.
    listed = None if folder is None else folder / "chosen.csv"
    dataset = parse_images(listed if listed is not None and listed.is_file() else images, what="images")
    check_files(dataset.items, "images", "labels are written beside them")
    # A list has the names in the original dataset in its column ``name``.
    own = [dict(item.further).get("name", "") for item in dataset.items]
    if all(own) and len(set(own)) == len(own):
        items = tuple(replace(item, name=name) for item, name in zip(dataset.items, own, strict=True))
        dataset = replace(dataset, items=items)
    return LabelSite(dataset, task, named, {})


MASKS = "masks"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that somebody uploads."""
_SAME = 0.5
"""Pixels by which a tool may round a box that nobody has touched."""


class SettledImage(NamedTuple):
    """Hold a labelled image, its size, and the marks that count."""

    item: Item
    size: tuple[int, int]
    marks: tuple[Mark, ...]


def masks_in(folder: Path) -> LabelExport:
    """Read a folder of masks as an export in which every mask counts as drawn by a person."""
    files = sorted(walk(folder), key=lambda file: natural_key(file.name))
    marks = {file.relative_to(folder).as_posix(): Mark(CATEGORY, "mask", partial(_drawn, file)) for file in files}
    images = tuple(MarkedImage(name, None, (mark,), looked_at=True) for name, mark in marks.items())
    return LabelExport(MASKS, images, unsure=False)


def settle(export: LabelExport, site: LabelSite, complete: bool) -> tuple[list[SettledImage], list[str], list[str]]:
    """Return the labelled images, the names of images left out, and notes; raise `InputError` for contradictory labels."""
    if not export.images:
        raise InputError.of("labels", "must hold an image", 0, "label some images and export them again")
    items = _items(export, site.dataset)
    names = site.names
    if export.tool == MASKS or (not names.given and site.task == "segmentation"):
        names = LabelNames({})
        # Masks may have one label of any name.
        used = sorted({mark.label for image in export.images for mark in image.marks if mark.draw is not None})
        if len(used) > 1:
            rule = f"must be said, since there are {len(used)} labels ({examples(used)})"
            remedy = f"pass those that are foreground (--label-names {examples(used[:1])})"
            raise InputError.of("label_names", rule, None, remedy)
    labelled, out = list[SettledImage](), dict[str, list[str]]()
    for image in export.images:
        item = items[image.name]
        try:
            sides = size(item.path)
        except ImageError as error:
            raise InputError(f"the image {printable(item.path)} of a label cannot be read ({error}): replace it") from error
        if image.size is not None and tuple(image.size) != sides:
            drawn, real = ("{}×{}".format(*pair) for pair in (image.size, sides))
            rule = f"must be drawn on its image of {real} pixels"
            raise InputError.of(f"the labels of {image.name}", rule, drawn, "pass the images that were labelled (--images)")
        marks = tuple(_counting(image, names, site.task))
        why = _why_not(image, item, marks, export, site, complete)
        if why:
            out.setdefault(why, []).append(item.name)
        else:
            labelled.append(SettledImage(item, sides, marks))
    notes = [f"{len(some)} of {len(export.images)} images {why} ({examples(some)}): left out" for why, some in out.items()]
    if not labelled:
        raise InputError.of("labels", "must be of an image that somebody labelled", 0, "; ".join(notes))
    return labelled, [name for some in out.values() for name in some], notes


def _items(export: LabelExport, dataset: Dataset) -> dict[str, Item]:
    """Match every entry to exactly one image, or raise `InputError`."""
    names: dict[str, str] = {}
    for image in export.images:
        key = stem(image.name)
        if key in names or image.times > 1:
            why = f"{image.times} people annotated it" if image.times > 1 else "it is listed twice"
            raise InputError.of("labels", f"must label an image once ({why})", image.name, "keep one of them")
        names[key] = image.name
    found, strangers = matched(dataset, {key: key for key in names})
    # The rest by the last part of their paths, where one image and one entry are called so.
    last, wanted = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for item in dataset.items:
        last[PurePosixPath(stem(item.name)).name].append(item.name)
    for key in strangers:
        part = PurePosixPath(key).name
        called = last[part] or last[_UPLOADED.sub("", part)]
        if len(called) == 1 and called[0] not in found:
            wanted[called[0]].append(key)
    found |= {name: ones[0] for name, ones in wanted.items() if len(ones) == 1}
    items = {names[key]: item for item in dataset.items if (key := found.get(item.name, "")) in names}
    if lost := [name for name in names.values() if name not in items]:
        rule = f"must be of images of {dataset.name}, such as {dataset.items[0].name}"
        raise InputError.of("labels", rule, lost[0], "pass the images that were labelled (--images)")
    return items


def _counting(image: MarkedImage, names: LabelNames, task: str) -> Iterable[Mark]:
    """Yield the marks that count, under the dataset's names; marks of excluded labels are dropped."""
    for mark in image.marks:
        if (mark.draw is None) is not (task == "classification"):
            continue
        # Of masks without names every shape is foreground, whatever its label, also one that has none.
        own = names.in_dataset(mark.label) if names.given or task != "segmentation" else CATEGORY
        if not mark.label and own == "":
            raise InputError.of(f"a {mark.kind} of {image.name}", "must have a label", "", "give it one, or delete it")
        if own is None:
            rule = f"must be named in {option('label_names')} ({', '.join(names.given)})"
            remedy = f"pass it too (--label-names {mark.label}), or leave it out (--label-names ={mark.label})"
            raise InputError.of(f"the label of a {mark.kind} of {image.name}", rule, mark.label, remedy)
        if task == "detection" and own:
            if mark.box is None:
                raise InputError.of("labels", "must be upright boxes", f"a {mark.kind} of {image.name}", "draw rectangles")
            left, top, right, bottom = mark.box
            if not (all(map(math.isfinite, mark.box)) and left < right and top < bottom):
                rule = "must have its corners in order, in pixels"
                raise InputError.of(f"a box of {image.name}", rule, mark.box, "draw it again")
        if own:
            yield Mark(own, mark.kind, mark.draw, mark.box)


def _why_not(
    image: MarkedImage, item: Item, marks: Sequence[Mark], export: LabelExport, site: LabelSite, complete: bool
) -> str:
    """Return the reason why an image counts as unlabelled; "" if it counts as labelled."""
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
    if begun is None or not begun.marks or not marks:
        return ""
    # Marks that equal the ones handed over, up to rounding.
    if site.task == "detection":
        own, theirs = (sorted(mark.box for mark in some if mark.box is not None) for some in (begun.marks, marks))
        unchanged = len(own) == len(theirs) and bool(np.allclose(own, theirs, rtol=0.0, atol=_SAME))
    else:
        unchanged = bool(np.array_equal(area(begun.marks), area(marks)))
    return "have the model's own labels, unchanged (--complete takes them for checked)" if unchanged else ""


def area(marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """Return the union of the marks' areas; there must be at least one area."""
    shapes = (mark.draw() for mark in marks if mark.draw is not None)
    first = next(shapes, None)
    if first is None:
        raise InputError.of("labels", "must be areas", "a class", "draw masks")
    return reduce(or_, shapes, first)


def _drawn(file: Path) -> NDArray[np.bool_]:
    try:
        return read_mask(file)
    except ImageError as error:
        raise InputError(f"the mask {printable(file)} cannot be read ({error}): save it as PNG of 0 and 255") from error


TABLE = "labels.csv"
BOXES = "boxes.json"
DOCUMENT = "import.json"


def write_labels(labelled: Sequence[SettledImage], task: str, folder: Path, with_images: Images) -> tuple[ImportedLabel, ...]:
    """Write the labels of images into an empty folder as a dataset, labels.csv, and return a record of each image."""
    places = kept_below({one.item.name: "" for one in labelled})
    taken: dict[str, str] = {}
    for name, place in places.items():
        if taken.setdefault(stem(place), name) != name:
            raise InputError.of("images", "must differ in more than their endings", name, f"rename it or {taken[stem(place)]}")
    written, rows = [], []
    for one in labelled:
        place, count = places[one.item.name], len(one.marks)
        if task == "segmentation":
            label = str(PurePosixPath("masks", f"{stem(place)}.png"))
            width, height = one.size
            mask = area(one.marks) if one.marks else np.zeros((height, width), np.bool_)
            if mask.shape != (height, width):
                rule, received = f"must be of the size of its image, {width}×{height} pixels", "{}×{}".format(*mask.shape[::-1])
                raise InputError.of(f"the mask of {one.item.name}", rule, received, "save it at that size")
            (folder / label).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(folder / label, format="png")
            count = count if mask.any() else 0
        else:
            label = BOXES if task == "detection" else one.marks[0].label
        written.append(ImportedLabel(one.item.name, str(one.item.path), count, label))
        image = str(one.item.path)
        if with_images != "none":
            image = str(PurePosixPath("images", file_name(place, one.item.path)))
            put(one.item.path, folder / image, with_images)
        said = {"segmentation": "mask", "classification": "label"}.get(task)
        rows.append({"image": image, **({said: label} if said else {}), "name": one.item.name})
    pd.DataFrame(rows).map(cell).to_csv(folder / TABLE, index=False)
    if task == "detection":
        boxes = []
        for one in labelled:
            corners = [list(mark.box) for mark in one.marks if mark.box is not None]
            boxes.append({"image": one.item.name, "boxes": corners, "labels": [mark.label for mark in one.marks]})
        (folder / BOXES).write_text(json.dumps(boxes, ensure_ascii=False) + "\n", encoding="utf-8")
    return tuple(written)


@with_options(LabelImportOptions)
def import_labels(source: str | Path, images: Any, out: str | Path, **options: Unpack[LabelImportOptions]) -> LabelImport:
    """Import image labels as a dataset for `howfar.evaluate`, `train`, `adapt` and `certify`.

    Parameters
    ----------
    source
        What a tool exported: COCO's JSON (polygons, run lengths, boxes), CVAT for images 1.1 (XML, or its .zip), Label Studio's
        JSON (brushes, polygons, rectangles, choices), or a folder of masks named as the images; or a project of a running tool,
        ``labelstudio://HOST/PROJECT`` or ``cvat://HOST/PROJECT``, whose key is LABEL_STUDIO_API_KEY or CVAT_ACCESS_TOKEN.
    images
        The images that were labelled: the folder that `howfar.select` wrote, its chosen.csv, or a dataset.
    out
        An empty or new folder. It gets ``labels.csv``, a table that is a dataset, with ``masks/``, ``boxes.json`` or a column
        label, and ``import.json``. The table points to the images.

    Returns
    -------
    LabelImport
        Shows as its table; ``.images``, ``.left_out``, ``.notes``. An image without a mark is labelled, with nothing there,
        only where the tool says that somebody annotated it: Label Studio by a submitted task, CVAT by a tag, a mask by being
        there.

    Raises
    ------
    HowfarError
        A file of no such form or without a label; an image that is not among `images` or is labelled twice; a label that is
        not named; a shape or mask of another size than its image; a folder that is not empty.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads = write_dataset(folder / "roads", 2, seed=0, size=64)
    >>> import_labels(roads / "masks", roads, folder / "labelled")
    2 images of roads labelled with masks (segmentation)
    image     marks           label
    0001.jpg      1  masks/0001.png
    0002.jpg      1  masks/0002.png
    """
    given = checked(LabelImportOptions, options)
    file, folder = absolute(source), ready_folder("out", out)
    # What a killed import has moved there already is replaced.
    if folder is None or (any(folder.iterdir()) and not cut_off(folder)):
        raise InputError.of("out", "must be a new or empty folder", str(out), "name another")
    site = site_of(images, given["task"], given["label_names"])
    if is_url(source):
        export = registry.load("labels_at", "address")(str(source))
    elif file.is_dir():
        if site.task != "segmentation":
            raise InputError.of("labels", f"must be a file for a {site.task}, not a folder of masks", str(source))
        export = masks_in(file)
    else:
        naming_file = readable(file, f"pass {KINDS}")
        with readable(file, f"pass {KINDS}"):
            export = read_export(file)
        # Damaged shapes later raise a line that names the file.
        images_of = (
            replace(image, marks=tuple(replace(mark, draw=mark.draw and naming_file(mark.draw)) for mark in image.marks))
            for image in export.images
        )
        export = replace(export, images=tuple(images_of))
    with staging(folder) as beside:
        labelled, left, notes = settle(export, site, given["complete"])
        written = write_labels(labelled, site.task, beside, given["with_images"])
        result = LabelImport(
            dataset=site.dataset.name,
            tool=export.tool,
            source=printable(str(source) if is_url(source) else file),
            task=site.task,
            folder=printable(folder),
            names=dict(site.names.given),
            images=written,
            left_out=tuple(left),
            notes=tuple(notes),
        )
        document = json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"
        (beside / DOCUMENT).write_text(document, encoding="utf-8")
        # The table comes last: without it there is no dataset.
        for path in sorted(beside.iterdir(), key=lambda path: path.name == TABLE):
            shutil.rmtree(folder / path.name, ignore_errors=True)
            path.replace(folder / path.name)
    return result
