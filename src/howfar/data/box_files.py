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
from xml.etree import ElementTree

import numpy as np

from howfar.arrays import Float64Array
from howfar.data.boxes import BoxesOf, BoxFile, add_box, boxes_in, no_boxes, read_document, renamed
from howfar.data.classes import CategoryNames, read_names
from howfar.data.dataset import Dataset, match_names, no_match
from howfar.data.documents import (
    CORNERS,
    SIDES,
    TABLES,
    cell_numbers,
    cell_texts,
    check_columns,
    parsed_xml,
    read_json,
    read_tabular,
)
from howfar.data.image_folder import path_text, stem, walk
from howfar.data.images import size
from howfar.data.item import Item
from howfar.data.label_exports import DAMAGED, ExportedImage, LabelExport, check_ids, read_coco, read_export
from howfar.errors import ImageError, InputError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.memory import check_file
from howfar.wording import printable

_FORM: Final = "image, x0, y0, x1, y1 (or width and height in place of the last two), label, and score where predicted"


def read_box_table(file: Path, roles: Mapping[str, str], predicted: bool) -> BoxFile:
    """Read a table of one box a row, its columns by role; a row with empty corners says that its image has no box."""
    table = read_tabular(file)
    present = list(map(str, table.columns))
    # Of true boxes there are no scores, and a table of them may lack what is named for the predictions.
    given = roles if predicted else {role: column for role, column in roles.items() if column in present}
    check_columns(given, present, file)
    columns = {role: given.get(role, role) for role in ("image", "label", "score", *CORNERS, *SIDES)}
    by_size = bool(set(SIDES) & set(given)) or (columns["x1"] not in present and columns["width"] in present)
    ends = SIDES if by_size else CORNERS[2:]
    needed = ["image", *CORNERS[:2], *ends, *(["score"] if predicted else [])]
    missing = [columns[role] for role in needed if columns[role] not in present]
    if missing:
        listed = ", ".join(map(path_text, present))
        raise InputError(
            f"{path_text(file)} has no column {missing[0]}; its columns: {listed}: it needs {_FORM}; name others by --columns"
        )
    images = cell_texts(table[columns["image"]])
    labels = cell_texts(table[columns["label"]]) if columns["label"] in present else ["0"] * len(table)
    numbers = {role: cell_numbers(table[columns[role]], path_text(file)) for role in needed[1:]}
    return BoxFile(_boxes_of_rows(file, images, labels, numbers, ends, predicted), whole=predicted)


def _boxes_of_rows(
    file: Path,
    images: list[str],
    labels: list[str],
    numbers: Mapping[str, Float64Array],
    ends: tuple[str, ...],
    predicted: bool,
) -> BoxesOf:
    boxes: BoxesOf = {}
    for row, image in enumerate(images):
        if not image:
            raise InputError(f"{path_text(file)}: row {row + 1} has no image: fill in its path or drop the row")
        boxes.setdefault(image, no_boxes(predicted))
        left, top, right, bottom = (float(numbers[role][row]) for role in (*CORNERS[:2], *ends))
        if all(np.isnan((left, top, right, bottom))):
            continue
        if ends == SIDES:
            right, bottom = left + right, top + bottom
        add_box(boxes, image, (left, top, right, bottom), labels[row], float(numbers["score"][row]) if predicted else None)
    return boxes


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
        if not isinstance(name, str):
            strange[image] = None
            continue
        add_box(boxes, name, corners, names.get(category, category), score)
    if not boxes:
        first = printable(next(iter(strange)))
        remedy = "pass the COCO file that has these ids (--truth FILE, or --classes FILE where there are no labels)"
        raise InputError(f"no image_id is one of an image (the first: {first}): {remedy}, or name images by their files' stems")
    count, first = len(strange), printable(next(iter(strange), ""))
    what = "1 image_id is" if count == 1 else f"{count} image_ids are"
    notes = (f"{what} of no image (the first: {first})",) if strange else ()
    return BoxFile(boxes, whole=True, notes=notes)


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


def of_coco(path: Path, document: Mapping[str, Any]) -> BoxFile:
    """Read the boxes of a COCO document; crowds, which are not single objects, are left out with a note."""
    try:
        annotations = document["annotations"]
        if not isinstance(annotations, list):
            raise ValueError("annotations is no list")
        check_ids(annotations, "annotations")
        single = [annotation for annotation in annotations if not annotation.get("iscrowd")]
        boxes = _boxes_of_export(read_coco({**document, "annotations": single}))
        names = {str(category["id"]): str(category["name"]) for category in document.get("categories", [])}
        ids = {str(image["id"]): str(image["file_name"]) for image in document["images"]}
    except DAMAGED as error:
        raise _refusal(path, error) from error
    crowds = len(annotations) - len(single)
    what = "1 crowd is" if crowds == 1 else f"{crowds} crowds are"
    notes = (f"{what} left out of {path_text(path)}: boxes that are predicted there count as false",)
    return BoxFile(boxes, unsure=True, names=names, ids=ids, notes=notes if crowds else ())


def of_export(path: Path) -> BoxFile:
    """Read boxes from a CVAT or Label Studio export, zipped or not."""
    try:
        export = read_export(path)
        return BoxFile(_boxes_of_export(export), unsure=export.unsure)
    except DAMAGED as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    kinds = "COCO annotations, or a file that CVAT (.xml) or Label Studio (.json) exported"
    return InputError(f"{path_text(path)} cannot be read ({one_line(error)}): pass {kinds}")


def _boxes_of_export(export: LabelExport) -> BoxesOf:
    boxes: BoxesOf = {}
    for image in export.images:
        if image.looked_at is not False:
            drawn = list(_drawn(image))
            boxes[image.name] = {"boxes": [box for _, box in drawn], "labels": [label for label, _ in drawn]}
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
        yield mark.label, list(mark.box)


ULTRALYTICS_FORM: Final = '[{"name": "car", "class": 2, "confidence": 0.9, "box": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}}, …]'
_CORNERS: Final = ("x1", "y1", "x2", "y2")


def read_ultralytics(folder: Path, files: Sequence[Path]) -> BoxFile:
    """Read Ultralytics JSON files, each named like its image."""
    boxes: BoxesOf = {}
    for file in files:
        name = file.relative_to(folder).as_posix()
        boxes[name] = no_boxes(predicted=True)
        for row in _rows(file):
            try:
                corners = [float(row["box"][side]) for side in _CORNERS]
                label, score = str(row["name"]), float(row["confidence"])
            except (TypeError, LookupError, ValueError) as error:
                line = f"{path_text(file)} is of another form ({one_line(error, 60)}): write {ULTRALYTICS_FORM}"
                raise InputError(line) from error
            add_box(boxes, name, corners, label, score)
    return BoxFile(boxes)


def _rows(file: Path) -> list[Any]:
    try:
        rows = read_json(file)
    except (OSError, ValueError, RecursionError) as error:
        line = f"{path_text(file)} is not readable JSON ({one_line(error, 120)}): write {ULTRALYTICS_FORM}"
        raise InputError(line) from error
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"{path_text(file)} must hold a list with one object a box: write {ULTRALYTICS_FORM}")
    return rows


_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def read_voc(folder: Path, files: Sequence[Path]) -> BoxFile:
    """Read Pascal VOC files, each named like its image, without ``difficult`` objects; without a file it is not labelled."""
    boxes: BoxesOf = {}
    difficult = 0
    for file in files:
        name = file.relative_to(folder).as_posix()
        boxes[name] = no_boxes(predicted=False)
        for element in _root(file).iter("object"):
            if (element.findtext("difficult") or "0").strip() == "1":
                difficult += 1
                continue
            label, corners = _object(file, element)
            add_box(boxes, name, corners, label)
    what = "1 object marked difficult is" if difficult == 1 else f"{difficult} objects marked difficult are"
    notes = (f"{what} left out: boxes that are predicted there count as false",)
    return BoxFile(boxes, notes=notes if difficult else ())


def _root(file: Path) -> ElementTree.Element:
    try:
        size = file.stat().st_size
        check_file(2 * size, file, size)
        root = parsed_xml(file.read_bytes(), file, size)
    except InputError:
        raise
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        reason = one_line(error, 120)
        raise InputError(f"{path_text(file)} is no readable XML ({reason}): pass Pascal VOC annotations") from error
    if root.tag != "annotation":
        raise InputError(f"{path_text(file)} is no Pascal VOC annotation, but {one_line(root.tag, 40)}")
    return root


def _object(file: Path, element: ElementTree.Element) -> tuple[str, tuple[float, float, float, float]]:
    label, box = (element.findtext("name") or "").strip(), element.find("bndbox")
    try:
        left, top, right, bottom = (float((box.findtext(side) if box is not None else None) or "") for side in _SIDES)
    except ValueError as error:
        raise InputError(f"{path_text(file)}: an object needs bndbox with the numbers {', '.join(_SIDES)}") from error
    if not label:
        raise InputError(f"{path_text(file)}: an object has no name")
    return label, (left - 1.0, top - 1.0, right, bottom)


NAMES: Final = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
"""Files that give the classes their names, beside the labels or in the two folders above."""
_TOKEN: Final = 120
"""Bytes that a number of a line takes at the most: its text, its value, and the places that point to them."""


def read_yolo(dataset: Dataset, folder: Path, files: Sequence[Path], predicted: bool, names: Sequence[str]) -> BoxFile:
    """Read YOLO files for a dataset's images; an image without a file has no box, as in YOLO."""
    by_key = {stem(file.relative_to(folder).as_posix()): file for file in files}
    keys = match_names(dataset, by_key)
    found = [(item, by_key[keys[item.name]]) for item in dataset.items if keys[item.name] in by_key]
    if not found:
        raise InputError(no_match(dataset, "file", path_text(folder), [file.relative_to(folder).as_posix() for file in files]))
    boxes: BoxesOf = {item.name: no_boxes(predicted) for item in dataset.items}
    for item, file in found:
        _read(item, file, predicted, boxes)
    empty = len(dataset) - len(found)
    what = "1 image has no file" if empty == 1 else f"{empty} images have no file"
    notes = (f"{what} below {path_text(folder)}: taken for images without {'detections' if predicted else 'objects'}",)
    beside = (place / name for place in (folder, *list(folder.parents)[:2]) for name in NAMES)
    names = names or next((read_names(file) for file in beside if file.is_file()), ())
    numbered = {str(number): name for number, name in enumerate(names)}
    return BoxFile(renamed(boxes, names), whole=True, names=numbered, notes=notes if empty else ())


def _read(item: Item, file: Path, predicted: bool, boxes: BoxesOf) -> None:
    try:
        length = file.stat().st_size
        check_file(length + _TOKEN * length // 2, file, length)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        width, height = size(item.path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path_text(file)} is not readable text ({error}): write `class x y width height` a box") from error
    except ImageError as error:
        line = f"{path_text(file)} holds shares of a size that is unknown, as {path_text(item.path)} cannot be read ({error})"
        raise InputError(line) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            label, middle_x, middle_y, across, down, *score = _values(f"{path_text(file)}: line {number}", line, predicted)
            x, y, half_x, half_y = middle_x * width, middle_y * height, across * width / 2, down * height / 2
            corners = (x - half_x, y - half_y, x + half_x, y + half_y)
            add_box(boxes, item.name, corners, f"{label:.0f}", score[0] if score else None)


def _values(position: str, line: str, predicted: bool) -> list[float]:
    """Check and return the numbers of a YOLO line: class, centre, size and, if predicted, confidence."""
    form = "class x y width height" + (" confidence" if predicted else "")
    texts = line.split()
    if predicted and len(texts) == 5:
        raise InputError(f"{position} has no confidence: write `{form}` (Ultralytics: save_txt=True, save_conf=True)")
    if not predicted and len(texts) == 6:
        texts = texts[:5]
    if len(texts) != 5 + predicted:
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
    found = sorted(walk(folder, endings=endings).images)
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
    keys = match_names(dataset, set(map(stem, read.boxes)))
    stems = set(map(stem, read.boxes))
    if not any(key in stems for key in keys.values()):
        return read
    absent = [name for name, key in keys.items() if key not in stems]
    empty: BoxesOf = {name: no_boxes(predicted=True) for name in absent}
    without = sum(not entry["boxes"] for entry in read.boxes.values()) + len(absent)
    what = "1 image has no box" if without == 1 else f"{without} images have no box"
    # YOLO's reader has told of its own already.
    told = not without or (read.notes and not absent)
    notes = () if told else (f"{what} in {path_text(place)}: taken for images without detections",)
    return replace(read, boxes={**read.boxes, **empty}, notes=(*read.notes, *notes))
