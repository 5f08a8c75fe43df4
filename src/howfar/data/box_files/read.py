"""Read a file or folder of boxes, whichever of the formats it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from howfar.data.box_files.box_file import BoxesOf, BoxFile, renamed
from howfar.data.box_files.box_table import read_box_table
from howfar.data.box_files.coco_results import read_results
from howfar.data.box_files.exported_boxes import of_coco, of_export
from howfar.data.box_files.ultralytics import read_ultralytics
from howfar.data.box_files.voc import read_voc
from howfar.data.box_files.yolo import read_yolo
from howfar.data.boxes import boxes_in, read_document
from howfar.data.class_names import CategoryNames
from howfar.data.dataset import Dataset
from howfar.data.folder_walk import printable, stem, walk
from howfar.data.prediction_matching import match_names
from howfar.data.tabular_file import TABLES
from howfar.errors import InputError, MissingPathError
from howfar.io.location import absolute

KINDS: Final = (
    "boxes in JSON as predictions are written, COCO (.json), a folder of YOLO's .txt or Pascal VOC's .xml, a table with one "
    "row a box, or a file that CVAT (.xml) or Label Studio (.json) exported"
)
KINDS_OF_PREDICTIONS: Final = (
    "boxes in JSON (one object an image, or COCO's results), a folder of YOLO's .txt or of Ultralytics' .json, or a table with "
    "one row a box"
)


def read_true_boxes(
    dataset: Dataset,
    path: str | Path,
    roles: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    what: str = "true boxes",
) -> BoxFile:
    """Read true boxes of a dataset's images: a file or folder of one of the `KINDS`.

    `roles` are the columns of a table, `names` those of the classes 0, 1, 2 …, where labels are numbers. Raises
    `MissingPathError` and `InputError` where there is nothing, or what is there is of another form.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.data import Item
    >>> folder = Path(tempfile.mkdtemp())
    >>> box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>2</ymax></bndbox>"
    >>> _ = (folder / "1.xml").write_text(f"<annotation><object><name>car</name>{box}</object></annotation>")
    >>> read_true_boxes(Dataset("roads", (Item("1.jpg", Path("1.jpg")),)), folder).boxes
    {'1.xml': {'boxes': [[0.0, 0.0, 4.0, 2.0]], 'labels': ['car']}}
    """
    place = _place(path, what, KINDS)
    if place.is_dir():
        files = _files(place, what, {".txt", ".xml"}, KINDS)
        if files[0].suffix.lower() == ".txt":  # whose numbers are no ids of COCO
            return read_yolo(dataset, place, files, False, () if isinstance(names, CategoryNames) else names)
        read = read_voc(place, files)
    elif place.suffix.lower() in TABLES:
        read = read_box_table(place, roles or {}, predicted=False)
    elif place.suffix.lower() in (".xml", ".zip"):
        read = of_export(place)
    else:
        document = read_document(place, what)
        if isinstance(document, Mapping) and "annotations" in document:
            read = of_coco(place, document)
        elif isinstance(document, list) and document and isinstance(document[0], Mapping) and "data" in document[0]:
            read = of_export(place)
        else:
            read = BoxFile(boxes_in(document, place, what))
    return _by_image(dataset, replace(read, boxes=renamed(read.boxes, names)))


def read_predicted_boxes(
    dataset: Dataset,
    path: str | Path,
    truth: BoxFile | None = None,
    roles: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    what: str = "predictions",
) -> BoxFile:
    """Read predicted boxes of a dataset's images: a file or folder of one of the `KINDS_OF_PREDICTIONS`.

    `truth` is the file of the true boxes, which says what the ids of COCO's results stand for. In a format that lists boxes and
    no images, one without boxes has none, and that is noted. Arguments and errors else as `read_true_boxes`.
    """
    place = _place(path, what, KINDS_OF_PREDICTIONS)
    by_id = isinstance(names, CategoryNames)
    if isinstance(names, CategoryNames):
        if truth is None or not truth.ids:
            truth = BoxFile({}, names={str(number): name for number, name in enumerate(names)}, ids=names.images)
        names = ()
    if place.is_dir():
        read = _predicted_in_folder(dataset, place, truth, names, by_id, what)
    elif place.suffix.lower() in TABLES:
        read = read_box_table(place, roles or {}, predicted=True)
    else:
        read = _predicted_in_json(dataset, place, truth, names, what)
    boxes = renamed(read.boxes, names)
    if truth is not None and truth.ids and not names:
        boxes = _by_category(boxes, truth)
    return _filled(dataset, _by_image(dataset, replace(read, boxes=boxes)), place)


def _predicted_in_folder(
    dataset: Dataset, folder: Path, truth: BoxFile | None, names: Sequence[str], by_id: bool, what: str
) -> BoxFile:
    files = _files(folder, what, {".txt", ".json"}, KINDS_OF_PREDICTIONS)
    if files[0].suffix.lower() == ".json":
        return read_ultralytics(folder, files)
    if by_id:
        raise InputError.of("classes", "must count from 0 for YOLO's numbers", "COCO's ids", "pass names, or data.yaml")
    # The order of the names in a truth is that of the classes where it is of the same format alone.
    known = tuple(truth.names.values()) if truth is not None and not truth.ids else ()
    return read_yolo(dataset, folder, files, True, names or known)


def _predicted_in_json(dataset: Dataset, file: Path, truth: BoxFile | None, names: Sequence[str], what: str) -> BoxFile:
    document = read_document(file, what)
    if not (isinstance(document, list) and document and isinstance(document[0], Mapping) and "image_id" in document[0]):
        return BoxFile(boxes_in(document, file, what))
    if names:
        given = ", ".join(names[:3])
        raise InputError.of("classes", "must be COCO's file, whose ids the results have", given, "pass that, or the truth")
    return read_results(dataset, document, truth)


def _place(path: str | Path, what: str, kinds: str) -> Path:
    place = absolute(path)
    if not place.exists():
        raise MissingPathError(f"no file of {what} at {place}: check the path, or pass {kinds}")
    return place


def _files(folder: Path, what: str, endings: Collection[str], kinds: str) -> list[Path]:
    """List the files of the one format that a folder holds; of several formats that with most files counts."""
    found = sorted(walk(folder, endings=endings).images)
    by_ending = {ending: [file for file in found if file.suffix.lower() == ending] for ending in sorted(endings)}
    most = max(by_ending.values(), key=len)
    if not most:
        raise InputError.of(what, f"must be {kinds}", f"the folder {printable(folder)}", f"it holds no {' or '.join(endings)}")
    return most


def _by_category(boxes: BoxesOf, truth: BoxFile) -> BoxesOf:
    """Call labels that are the ids of COCO's categories by their names; one that is the name of a category stays."""
    known = set(truth.names.values())
    return {
        image: {**entry, "labels": [label if label in known else truth.names.get(label, label) for label in entry["labels"]]}
        for image, entry in boxes.items()
    }


def _by_image(dataset: Dataset, read: BoxFile) -> BoxFile:
    """Call entries by the last part of their names where none matches otherwise, as in ``val2017/1.jpg`` of an image 1.jpg."""
    keys = set(map(stem, read.boxes))
    if keys & set(match_names(dataset, keys).values()):
        return read
    names = [PurePosixPath(item.name).name for item in dataset.items]
    last = {PurePosixPath(stem(entry)).name: entry for entry in read.boxes}
    of_image = {item.name: last.get(stem(name)) for item, name in zip(dataset.items, names, strict=True)}
    hits = {image: entry for image, entry in of_image.items() if entry is not None}
    if not hits or len(last) < len(read.boxes) or len(set(map(stem, names))) < len(names):
        return read
    used = set(hits.values())
    rest: dict[str, Any] = {entry: boxes for entry, boxes in read.boxes.items() if entry not in used}
    return replace(read, boxes={**{image: read.boxes[entry] for image, entry in hits.items()}, **rest})


def _filled(dataset: Dataset, read: BoxFile, place: Path) -> BoxFile:
    """Say of images without a box, in a format that lists no images, that they have none."""
    if not read.whole:
        return read
    keys = match_names(dataset, set(map(stem, read.boxes)))
    stems = set(map(stem, read.boxes))
    if not any(key in stems for key in keys.values()):
        return read
    absent = [name for name, key in keys.items() if key not in stems]
    empty: BoxesOf = {name: {"boxes": [], "labels": [], "scores": []} for name in absent}
    without = sum(not entry["boxes"] for entry in read.boxes.values()) + len(absent)
    what = "1 image has no box" if without == 1 else f"{without} images have no box"
    # YOLO's reader has told of its own already.
    told = not without or (read.notes and not absent)
    notes = () if told else (f"{what} in {printable(place)}: taken for images without detections",)
    return replace(read, boxes={**read.boxes, **empty}, notes=(*read.notes, *notes))
