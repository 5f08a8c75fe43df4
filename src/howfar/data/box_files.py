"""Read true and predicted boxes: COCO, YOLO, Pascal VOC, Ultralytics, tables, exports of labelling tools, own JSON.

COCO's results name an image by ``image_id``; Ultralytics' ``save_json`` writes the stem of the image's file there. Pascal VOC
counts pixels from 1, and both corners lie inside of the box (VOC development kit, VOC2012): it reaches from ``xmin − 1`` to
``xmax``. A line of YOLO is ``class x y width height``, with the middle of the box, and where predicted the confidence
(docs.ultralytics.com/datasets/detect; Ultralytics' ``save_txt`` with ``save_conf``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from howfar.data.boxes import BoxesOf, BoxFile, add_box, boxes_in, no_boxes, read_document, renamed
from howfar.data.classes import CategoryNames, read_names
from howfar.data.dataset import Dataset, match_names, no_match
from howfar.data.documents import (
    CORNERS,
    ROLES,
    SIDES,
    TABLES,
    cell_numbers,
    cell_texts,
    check_columns,
    file_bytes,
    parsed_xml,
    read_json,
    read_tabular,
    readable,
)
from howfar.data.image_folder import counted, path_text, stem, walk
from howfar.data.images import size
from howfar.data.item import Item
from howfar.data.label_exports import ExportedImage, LabelExport, check_ids, read_coco, read_export
from howfar.errors import ImageError, InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.wording import printable

_FORM: Final = "image, x0, y0, x1, y1 (or width and height in place of the last two), label, and score where predicted"


def read_box_table(file: Path, roles: Mapping[str, str], predicted: bool) -> BoxFile:
    """Read a table of one box a row, its columns by role; a row with empty corners says that its image has no box."""
    table = read_tabular(file)
    present = list(map(str, table.columns))
    # Of true boxes there are no scores, and a table of them may lack what is named for the predictions.
    given = roles if predicted else {role: column for role, column in roles.items() if column in present}
    check_columns(given, present, file)
    columns = {role: given.get(role, role) for role in ROLES}
    by_size = bool(set(SIDES) & set(given)) or (columns["x1"] not in present and columns["width"] in present)
    needed = [*CORNERS[:2], *(SIDES if by_size else CORNERS[2:]), *(["score"] if predicted else [])]
    missing = [columns[role] for role in ("image", *needed) if columns[role] not in present]
    if missing:
        listed = f"{path_text(file)} has no column {missing[0]}; its columns: {', '.join(map(path_text, present))}"
        raise InputError(f"{listed}: it needs {_FORM}; name others by --columns")
    images = cell_texts(table[columns["image"]])
    if "" in images:
        raise InputError(f"{path_text(file)}: row {images.index('') + 1} has no image: fill in its path or drop the row")
    labels = cell_texts(table[columns["label"]]) if columns["label"] in present else ["0"] * len(table)
    numbers = np.stack([cell_numbers(table[columns[role]], path_text(file)) for role in needed], axis=1)
    empty = np.isnan(numbers[:, :4]).all(axis=1)
    if by_size:
        numbers[:, 2:4] += numbers[:, :2]
    boxes: BoxesOf = {image: no_boxes(predicted) for image in images}
    for row in np.flatnonzero(~empty).tolist():
        corners, score = numbers[row, :4].tolist(), numbers[row, 4:].tolist()
        add_box(boxes, images[row], corners, labels[row], score[0] if score else None)
    return BoxFile(boxes, whole=predicted)


RESULTS_FORM: Final = '[{"image_id": 17, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, …]'


def read_results(dataset: Dataset, rows: Sequence[Any], truth: BoxFile | None) -> BoxFile:
    """Read COCO results; ids are those of a COCO `truth`, else stems of files; an image without a result has no box."""
    boxes: BoxesOf = {}
    files: dict[str, list[str]] = {}
    for item in dataset.items:
        files.setdefault(_number(PurePosixPath(item.name).stem), []).append(item.name)
    ids, names = (truth.ids, truth.names) if truth is not None and truth.ids else ({}, {})
    strange: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        image, category, corners, score = _row(number, row)
        name = row.get("file_name") or (ids.get(image) if ids else _one(files, image))
        if isinstance(name, str):
            add_box(boxes, name, corners, names.get(category, category), score)
        else:
            strange[image] = None
    first = printable(next(iter(strange), ""))
    if not boxes:
        remedy = "pass the COCO file that has these ids (--truth FILE, or --classes FILE where there are no labels)"
        raise InputError(f"no image_id is one of an image (the first: {first}): {remedy}, or name images by their files' stems")
    note = f"{counted(len(strange), 'image_id is', 'image_ids are')} of no image (the first: {first})"
    return BoxFile(boxes, whole=True, notes=(note,) if strange else ())


def _one(files: Mapping[str, Sequence[str]], image: str) -> str | None:
    """Return the image of an id; None if it is unknown. Raises `InputError` if several images match."""
    names = files.get(_number(image), ())
    if len(names) > 1:
        remedy = "pass the COCO file that has these ids (--truth FILE), or write file_name"
        raise InputError(f"image_id {image} may be {printable(names[0])} or {printable(names[1])}: {remedy}")
    return names[0] if names else None


def _number(text: str) -> str:
    return (text.lstrip("0") or "0") if text.isdecimal() else text


def _row(number: int, row: Any) -> tuple[str, str, tuple[float, float, float, float], float]:
    """Check a COCO result, and return its image, category, corners and score."""
    if not isinstance(row, Mapping) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        raise InputError(f"result {number} lacks image_id, category_id, bbox or score: write {RESULTS_FORM}")
    image, category, box, score = (row[name] for name in ("image_id", "category_id", "bbox", "score"))
    plain = isinstance(box, list) and len(box) == 4 and all(map(_is_number, [*box, score]))
    if not plain or not all(isinstance(value, (str, int)) for value in (image, category)):
        raise InputError(f"result {number} is of another form: write {RESULTS_FORM}")
    left, top, width, height = map(float, box)
    return str(image), str(category), (left, top, left + width, top + height), float(score)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18


def of_coco(document: Mapping[str, Any], shown: str) -> BoxFile:
    """Read the boxes of a COCO document; crowds, which are not single objects, are left out with a note."""
    annotations = document.get("annotations", [])
    if not isinstance(annotations, list):
        raise ValueError("annotations is no list")
    check_ids(annotations, "annotations")
    single = [annotation for annotation in annotations if not annotation.get("iscrowd")]
    boxes = _boxes_of_export(read_coco({**document, "annotations": single}))
    names = {str(category["id"]): str(category["name"]) for category in document.get("categories", [])}
    ids = {str(image["id"]): str(image["file_name"]) for image in document["images"]}
    crowds = len(annotations) - len(single)
    note = f"{counted(crowds, 'crowd is', 'crowds are')} left out of {shown}: boxes that are predicted there count as false"
    return BoxFile(boxes, unsure=True, names=names, ids=ids, notes=(note,) if crowds else ())


def _boxes_of_export(export: LabelExport) -> BoxesOf:
    boxes: BoxesOf = {}
    for image in export.images:
        if image.looked_at is not False:
            boxes[image.name] = no_boxes(predicted=False)
            for label, box in _drawn(image):
                add_box(boxes, image.name, box, label)
    return boxes


def _drawn(image: ExportedImage) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield label and box of each shape; raise `ValueError` for a shape without a label or an upright box."""
    for mark in image.marks:
        if mark.draw is None:
            continue
        if not mark.label:
            raise ValueError(f"a {mark.kind} of {image.name} has no label: give it one, or delete it")
        if mark.box is None:
            raise ValueError(f"a {mark.kind} of {image.name} is no upright box")
        yield mark.label, mark.box


ULTRALYTICS_FORM: Final = '[{"name": "car", "class": 2, "confidence": 0.9, "box": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}}, …]'


def read_ultralytics(folder: Path, files: Sequence[Path]) -> BoxFile:
    """Read Ultralytics JSON files, each named like its image."""
    boxes: BoxesOf = {}
    for file in files:
        name = file.relative_to(folder).as_posix()
        boxes[name] = no_boxes(predicted=True)
        with readable(file, f"write {ULTRALYTICS_FORM}"):
            rows = read_json(file)
            if not isinstance(rows, list):
                raise ValueError("it must hold a list with one object a box")
            for row in rows:
                corners = [float(row["box"][side]) for side in ("x1", "y1", "x2", "y2")]
                add_box(boxes, name, corners, str(row["name"]), float(row["confidence"]))
    return BoxFile(boxes)


_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def read_voc(folder: Path, files: Sequence[Path]) -> BoxFile:
    """Read Pascal VOC files, each named like its image, without ``difficult`` objects; without a file it is not labelled."""
    boxes: BoxesOf = {}
    difficult = 0
    for file in files:
        name = file.relative_to(folder).as_posix()
        boxes[name] = no_boxes(predicted=False)
        with readable(file, "pass Pascal VOC annotations"):
            root = parsed_xml(file_bytes(file), file, file.stat().st_size)
            if root.tag != "annotation":
                raise InputError(f"it is no Pascal VOC annotation, but {one_line(root.tag, 40)}")
            for element in root.iter("object"):
                if (element.findtext("difficult") or "0").strip() == "1":
                    difficult += 1
                    continue
                label = (element.findtext("name") or "").strip()
                texts = [element.findtext(f"bndbox/{side}") for side in _SIDES]
                if not label or not all(texts):
                    raise InputError(f"an object lacks its name, or bndbox with the numbers {', '.join(_SIDES)}")
                left, top, right, bottom = (float(text or "") for text in texts)
                add_box(boxes, name, (left - 1.0, top - 1.0, right, bottom), label)
    what = counted(difficult, "object marked difficult is", "objects marked difficult are")
    return BoxFile(boxes, notes=(f"{what} left out: boxes that are predicted there count as false",) if difficult else ())


NAMES: Final = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
"""Files that give the classes their names, beside the labels or in the two folders above."""
_COPIES: Final = 61
"""Bytes that a byte of YOLO takes at the most: half a number's text, value, and the places that point to them."""


def read_yolo(dataset: Dataset, folder: Path, files: Sequence[Path], predicted: bool, names: Sequence[str]) -> BoxFile:
    """Read YOLO files for a dataset's images; an image without a file has no box, as in YOLO."""
    by_key = {stem(file.relative_to(folder).as_posix()): file for file in files}
    keys = match_names(dataset, by_key)
    found = [(item, by_key[keys[item.name]]) for item in dataset.items if keys[item.name] in by_key]
    if not found:
        raise InputError(no_match(dataset, "file", path_text(folder), [file.relative_to(folder).as_posix() for file in files]))
    boxes: BoxesOf = {item.name: no_boxes(predicted) for item in dataset.items}
    for item, file in found:
        _add_yolo(item, file, predicted, boxes)
    empty = len(dataset) - len(found)
    what = counted(empty, "image has no file", "images have no file")
    notes = (f"{what} below {path_text(folder)}: taken for images without {'detections' if predicted else 'objects'}",)
    beside = (place / name for place in (folder, *list(folder.parents)[:2]) for name in NAMES)
    names = names or next((read_names(file) for file in beside if file.is_file()), ())
    numbered = {str(number): name for number, name in enumerate(names)}
    return BoxFile(renamed(boxes, names), whole=True, names=numbered, notes=notes if empty else ())


def _add_yolo(item: Item, file: Path, predicted: bool, boxes: BoxesOf) -> None:
    form = "class x y width height" + (" confidence" if predicted else "")
    with readable(file, f"write `{form}` a box"):
        lines = file_bytes(file, _COPIES).decode("utf-8-sig").splitlines()
    try:
        width, height = size(item.path)
    except ImageError as error:
        line = f"{path_text(file)} holds shares of a size that is unknown, as {path_text(item.path)} cannot be read ({error})"
        raise InputError(line) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            label, middle_x, middle_y, across, down, *score = _values(f"{path_text(file)}: line {number}", line, form)
            x, y, half_x, half_y = middle_x * width, middle_y * height, across * width / 2, down * height / 2
            corners = (x - half_x, y - half_y, x + half_x, y + half_y)
            add_box(boxes, item.name, corners, f"{label:.0f}", score[0] if score else None)


def _values(position: str, line: str, form: str) -> list[float]:
    """Check and return the numbers of a YOLO line: class, centre, size and, if predicted, confidence."""
    texts, wanted = line.split(), len(form.split())
    if wanted == 6 and len(texts) == 5:
        raise InputError(f"{position} has no confidence: write `{form}` (Ultralytics: save_txt=True, save_conf=True)")
    if wanted == 5 and len(texts) == 6:
        texts = texts[:5]
    if len(texts) != wanted:
        kind = "corners of a polygon or a turned box" if len(texts) > 6 else f"{len(texts)} numbers"
        raise InputError(f"{position} has {kind}: write an upright box as `{form}`")
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise InputError(f"{position} has a text that is no number: write `{form}`") from error
    if not all(map(math.isfinite, values)) or values[0] != int(values[0]) or not 0 <= values[0] < 10**6:
        raise InputError(f"{position} has no class number, or an endless one: write `{form}`")
    if max(map(abs, values[1:5])) > 2 or min(values[3:5]) < 0:
        raise InputError(f"{position} must hold shares of the image's width and height, 0 to 1, got {line.strip()[:80]!r}")
    return values


KINDS: Final = (
    "boxes in JSON as predictions are written, COCO (.json), a folder of YOLO's .txt or Pascal VOC's .xml, a table with one "
    "row a box, or a file that CVAT (.xml) or Label Studio (.json) exported"
)
KINDS_OF_PREDICTIONS: Final = (
    "boxes in JSON (one object an image, or COCO's results), a folder of YOLO's .txt or of Ultralytics' .json, or a table with "
    "one row a box"
)


def read_true_boxes(
    dataset: Dataset, path: str | Path, roles: Mapping[str, str] | None = None, names: Sequence[str] = ()
) -> BoxFile:
    """Read true boxes of one of the `KINDS`; `roles` are a table's columns, `names` those of the classes 0, 1, 2 …."""
    what = "true boxes"
    place = _place(path, what, KINDS)
    if place.is_dir():
        files = _files(place, what, {".txt", ".xml"}, KINDS)
        if files[0].suffix.lower() == ".txt":  # whose numbers are no ids of COCO
            return read_yolo(dataset, place, files, False, () if isinstance(names, CategoryNames) else names)
        read = read_voc(place, files)
    elif place.suffix.lower() in TABLES:
        read = read_box_table(place, roles or {}, predicted=False)
    else:
        read = _true_in_document(place, what)
    return _by_image(dataset, replace(read, boxes=renamed(read.boxes, names)))


def _true_in_document(file: Path, what: str) -> BoxFile:
    packed = file.suffix.lower() in (".xml", ".zip")
    document = None if packed else read_document(file, what)
    with readable(file, "pass COCO annotations, or a file that CVAT (.xml) or Label Studio (.json) exported"):
        if isinstance(document, Mapping) and ("annotations" in document or "shapes" in document):
            return of_coco(document, path_text(file))
        if packed or (isinstance(document, list) and document and isinstance(document[0], Mapping) and "data" in document[0]):
            export = read_export(file)
            return BoxFile(_boxes_of_export(export), unsure=export.unsure)
    return BoxFile(boxes_in(document, file, what))


def read_predicted_boxes(
    dataset: Dataset,
    path: str | Path,
    truth: BoxFile | None = None,
    roles: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    what: str = "predictions",
) -> BoxFile:
    """Read predicted boxes of one of the `KINDS_OF_PREDICTIONS`; the `truth` says what ids in COCO's results stand for."""
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
    """List the folder's files of one format; among several formats, take the one with most files."""
    found = sorted(walk(folder, endings))
    by_ending = {ending: [file for file in found if file.suffix.lower() == ending] for ending in sorted(endings)}
    most = max(by_ending.values(), key=len)
    if not most:
        raise InputError.of(what, f"must be {kinds}", f"the folder {path_text(folder)}", f"it holds no {' or '.join(endings)}")
    return most


def _by_category(boxes: BoxesOf, truth: BoxFile) -> BoxesOf:
    """Replace COCO's category ids by category names; labels that are category names stay."""
    known = set(truth.names.values())
    return {
        image: {**entry, "labels": [label if label in known else truth.names.get(label, label) for label in entry["labels"]]}
        for image, entry in boxes.items()
    }


def _by_image(dataset: Dataset, read: BoxFile) -> BoxFile:
    """Match entries by file name alone if no path matches, as ``val2017/1.jpg`` for an image 1.jpg."""
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
    """Add empty boxes for images without any, in formats that list boxes but no images."""
    if not read.whole:
        return read
    stems = set(map(stem, read.boxes))
    keys = match_names(dataset, stems)
    if not any(key in stems for key in keys.values()):
        return read
    absent = [name for name, key in keys.items() if key not in stems]
    empty: BoxesOf = {name: no_boxes(predicted=True) for name in absent}
    without = sum(not entry["boxes"] for entry in read.boxes.values()) + len(absent)
    what = counted(without, "image has no box", "images have no box")
    # YOLO's reader has told of its own already.
    told = not without or (read.notes and not absent)
    notes = () if told else (f"{what} in {path_text(place)}: taken for images without detections",)
    return replace(read, boxes={**read.boxes, **empty}, notes=(*read.notes, *notes))
