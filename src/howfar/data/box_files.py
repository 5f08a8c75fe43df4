"""Read true and predicted boxes: COCO, YOLO, Pascal VOC, Ultralytics, tables, CVAT, Label Studio, howfar's own JSON.

Pascal VOC counts pixels from 1, and both corners lie inside of the box (VOC development kit, VOC2012): it reaches from
``xmin − 1`` to ``xmax``. A line of YOLO is ``class x y width height``, with the middle of the box, and where predicted the
confidence (docs.ultralytics.com/datasets/detect; Ultralytics' ``save_txt`` with ``save_conf``).
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import numpy as np

from howfar.data import untrusted_documents_and_tables as documents
from howfar.data.annotation_formats import check_ids, coco_corners, read_coco
from howfar.data.annotations import BoxesOf, BoxFile, add_box, boxes_of_export, no_boxes, relabelled
from howfar.data.class_names_and_predictions import CategoryNames, named, read_names
from howfar.data.compact_item_table import Item
from howfar.data.dataset import Dataset
from howfar.data.image_and_mask_folders import counted, path_text, stem, walk
from howfar.data.image_decoding import size
from howfar.data.label_files import Labels, matched, read_export
from howfar.data.name_matching import by_file_name, match_names, no_match
from howfar.errors import ImageError, InputError, MissingPathError, one_line
from howfar.formatting_and_escaping import printable
from howfar.io.file_location import absolute

FORM = '[{"image": "1.jpg", "boxes": [[x0, y0, x1, y1], …], "scores": [0.9, …], "labels": ["car", …]}, …]'


def read_document(file: Path, what: str) -> Any:
    """Parse a JSON file that holds `what`; raise `MissingPathError` if it is missing and `InputError` if it is no JSON."""
    with documents.readable(file, f"write {what} as {FORM}"):
        return documents.read_json(file)


def boxes_in(document: Any, file: Path, what: str) -> dict[str, dict[str, Any]]:
    """Read boxes from a list, or a mapping by image, of objects with image, boxes (corners in pixels), labels and scores."""
    if isinstance(document, Mapping) and all(isinstance(entry, Mapping) for entry in document.values()):
        document = [{**entry, "image": name} for name, entry in document.items()]
    if not isinstance(document, list) or not document:
        raise InputError(f"{file} must hold a list with one object an image: write {what} as {FORM}")
    boxes_of: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(document, start=1):
        position = f"{file}: entry {number}"
        if not (isinstance(entry, Mapping) and isinstance(entry.get("image"), str) and isinstance(entry.get("boxes"), list)):
            raise InputError(f"{position} lacks image or boxes: write {FORM}")
        name = entry["image"]
        rest = {str(key): value for key, value in entry.items() if key != "image"}
        labels = rest.get("labels", [0] * len(rest["boxes"]))
        if not isinstance(labels, list) or not all(isinstance(label, (str, int)) for label in labels):
            line = f"{position} ({printable(name)}) must have a list of names or numbers as labels: write {FORM}"
            raise InputError(line)
        if name in boxes_of:
            raise InputError(f"{file}: image {printable(name)} is there twice: join its boxes in one object")
        boxes_of[name] = {**rest, "labels": [str(label) for label in labels]}
    return boxes_of


Rows: TypeAlias = Iterator[tuple[Sequence[float], str, float | None]]
"""Corners, label and, where predicted, score of each box in a file."""
_FORM: Final = "image, x0, y0, x1, y1 (or width and height in place of the last two), label, and score where predicted"


def read_box_table(file: Path, roles: Mapping[str, str], predicted: bool) -> BoxFile:
    """Read a table of one box a row, its columns by role; a row with empty corners says that its image has no box."""
    table = documents.read_tabular(file)
    present = list(map(str, table.columns))
    # Of true boxes there are no scores, and a table of them may lack what is named for the predictions.
    given = roles if predicted else {role: column for role, column in roles.items() if column in present}
    documents.check_columns(given, present, file)
    columns = {role: given.get(role, role) for role in documents.ROLES}
    by_size = bool(set(documents.SIDES) & set(given)) or (columns["x1"] not in present and columns["width"] in present)
    ends = documents.SIDES if by_size else documents.CORNERS[2:]
    needed = [*documents.CORNERS[:2], *ends, *(["score"] if predicted else [])]
    missing = [columns[role] for role in ("image", *needed) if columns[role] not in present]
    if missing:
        listed = f"{path_text(file)} has no column {missing[0]}; its columns: {', '.join(map(path_text, present))}"
        raise InputError(f"{listed}: it needs {_FORM}; name others by --columns")
    images = documents.images_of(table[columns["image"]], path_text(file))
    labels = documents.cell_texts(table[columns["label"]]) if columns["label"] in present else ["0"] * len(table)
    numbers = np.stack([documents.cell_numbers(table[columns[role]], path_text(file)) for role in needed], axis=1)
    empty = np.isnan(numbers[:, :4]).all(axis=1)
    if by_size:
        numbers[:, 2:4] += numbers[:, :2]
    boxes: BoxesOf = {image: no_boxes(predicted) for image in images}
    for row in np.flatnonzero(~empty).tolist():
        corners, score = numbers[row, :4].tolist(), numbers[row, 4:].tolist()
        add_box(boxes, images[row], corners, labels[row], score[0] if score else None)
    return BoxFile(boxes, whole=predicted)


def _in_files(files: Iterable[tuple[str, Path, Rows]], predicted: bool, remedy: str) -> BoxesOf:
    """Read the files of a folder, each with its entry's name and its rows, which are the boxes of one image."""
    boxes: BoxesOf = {}
    for name, file, rows in files:
        boxes[name] = no_boxes(predicted)
        with documents.readable(file, remedy):
            for corners, label, score in rows:
                add_box(boxes, name, corners, label, score)
    return boxes


ULTRALYTICS_FORM: Final = '[{"name": "car", "class": 2, "confidence": 0.9, "box": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}}, …]'


def _ultralytics_rows(file: Path) -> Rows:
    rows = documents.read_json(file)
    if not isinstance(rows, list):
        raise ValueError("it must hold a list with one object a box")
    for row in rows:
        corners = [float(row["box"][side]) for side in ("x1", "y1", "x2", "y2")]
        yield corners, str(row["name"]), float(row["confidence"])


_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def read_voc(files: Mapping[str, Path]) -> BoxFile:
    """Read Pascal VOC files, each named like its image, without ``difficult`` objects; without a file it is not labelled."""
    difficult = 0

    def rows(file: Path) -> Rows:
        nonlocal difficult
        root = documents.parsed_xml(documents.file_bytes(file), file, file.stat().st_size)
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
            yield (left - 1.0, top - 1.0, right, bottom), label, None

    boxes = _in_files(((name, file, rows(file)) for name, file in files.items()), False, "pass Pascal VOC annotations")
    what = counted(difficult, "object marked difficult is", "objects marked difficult are")
    return BoxFile(boxes, notes=(f"{what} left out: boxes that are predicted there count as false",) if difficult else ())


NAMES: Final = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
"""Files that give the classes their names, beside the labels or in the two folders above."""
_COPIES: Final = 61
"""Bytes that a byte of YOLO takes at the most: half a number's text, value, and the places that point to them."""


def read_yolo(dataset: Dataset, folder: Path, files: Mapping[str, Path], predicted: bool, names: Sequence[str]) -> BoxFile:
    """Read YOLO files for a dataset's images; an image without a file has no box, as in YOLO."""
    by_key = {stem(name): file for name, file in files.items()}
    keys = match_names(dataset, by_key)
    own = [(item, by_key[keys[item.name]]) for item in dataset.items if keys[item.name] in by_key]
    if not own:
        raise InputError(no_match(dataset, "file", path_text(folder), list(files)))
    form = "class x y width height" + (" confidence" if predicted else "")
    parts = ((item.name, file, _yolo_rows(item, file, form)) for item, file in own)
    boxes: BoxesOf = {item.name: no_boxes(predicted) for item in dataset.items}
    boxes |= _in_files(parts, predicted, f"write `{form}` a box")
    empty = len(dataset) - len(own)
    what = counted(empty, "image has no file", "images have no file")
    notes = (f"{what} below {path_text(folder)}: taken for images without {'detections' if predicted else 'objects'}",)
    beside = (place / name for place in (folder, *list(folder.parents)[:2]) for name in NAMES)
    names = names or next((read_names(file) for file in beside if file.is_file()), ())
    numbered = {str(number): name for number, name in enumerate(names)}
    return BoxFile(_named(boxes, names), whole=True, names=numbered, notes=notes if empty else ())


def _yolo_rows(item: Item, file: Path, form: str) -> Rows:
    lines = documents.file_bytes(file, _COPIES).decode("utf-8-sig").splitlines()
    try:
        width, height = size(item.path)
    except ImageError as error:
        line = f"{path_text(file)} holds shares of a size that is unknown, as {path_text(item.path)} cannot be read ({error})"
        raise InputError(line) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            label, middle_x, middle_y, across, down, *score = _values(f"{path_text(file)}: line {number}", line, form)
            x, y, half_x, half_y = middle_x * width, middle_y * height, across * width / 2, down * height / 2
            yield (x - half_x, y - half_y, x + half_x, y + half_y), f"{label:.0f}", score[0] if score else None


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


def read_coco_boxes(document: Mapping[str, Any], shown: str) -> BoxFile:
    """Read the boxes of a COCO document; crowds, which are not single objects, are left out with a note."""
    annotations = document.get("annotations", [])
    if not isinstance(annotations, list):
        raise ValueError("annotations is no list")
    check_ids(annotations, "annotations")
    single = [annotation for annotation in annotations if not annotation.get("iscrowd")]
    boxes = boxes_of_export(read_coco({**document, "annotations": single}))
    names = {str(category["id"]): str(category["name"]) for category in document.get("categories", [])}
    ids = {str(image["id"]): str(image["file_name"]) for image in document["images"]}
    crowds = len(annotations) - len(single)
    note = f"{counted(crowds, 'crowd is', 'crowds are')} left out of {shown}: boxes that are predicted there count as false"
    return BoxFile(boxes, unsure=True, names=names, ids=ids, notes=(note,) if crowds else ())


RESULTS_FORM: Final = '[{"image_id": 17, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, …]'


_ID_REMEDY: Final = (
    "pass COCO's file with these ids as the dataset's truth or by --classes FILE (it needs no annotations), or write file_name"
)
_COCO_DIGITS: Final = 12
"""COCO's own images are named by their ids in so many digits."""


def read_results(dataset: Dataset, rows: Sequence[Any], truth: BoxFile) -> BoxFile:
    """Read COCO results; ids are those of a COCO `truth`, else stems of files; an image without a result has no box."""
    boxes: BoxesOf = {}
    files: dict[str, list[str]] = {}
    for item in dataset.items:
        files.setdefault(_number(PurePosixPath(item.name).stem), []).append(item.name)
    ids, names = (truth.ids, truth.names) if truth.ids else ({}, {})
    strange: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
            raise InputError(f"result {number} lacks image_id, category_id, bbox or score: write {RESULTS_FORM}")
        image, category, box, score = (row[name] for name in ("image_id", "category_id", "bbox", "score"))
        values = [*box, score] if isinstance(box, list) and len(box) == 4 else [None]
        plain = all(isinstance(each, (int, float)) and not isinstance(each, bool) and abs(each) < 1e18 for each in values)
        if not plain or not isinstance(image, (str, int)) or not isinstance(category, (str, int)):
            raise InputError(f"result {number} is of another form: write {RESULTS_FORM}")
        image, category = str(image), str(category)
        name = row.get("file_name") or ids.get(image)
        if not name and not ids:
            found = files.get(_number(image), [])
            if len(found) > 1:
                raise InputError(f"image_id {image} may be {printable(found[0])} or {printable(found[1])}: {_ID_REMEDY}")
            name = found[0] if found else None
        if isinstance(name, str):
            add_box(boxes, name, coco_corners(box), names.get(category, category), float(score))
        else:
            strange[image] = None
    first = printable(next(iter(strange), ""))
    if not boxes:
        raise InputError(f"no image_id is one of an image (the first: {first}): {_ID_REMEDY}")
    if strange and not ids and not all(len(PurePosixPath(item.name).stem) == _COCO_DIGITS for item in dataset.items):
        # Ids that count from 0, of files that count from 1, would give each image its neighbour's boxes.
        line = f"image_id {first} is of no image, so the ids may be other numbers than those in the images' names"
        raise InputError(f"{line}: {_ID_REMEDY}")
    note = f"{counted(len(strange), 'image_id is', 'image_ids are')} of no image (the first: {first})"
    return BoxFile(boxes, whole=True, notes=(note,) if strange else ())


def _number(text: str) -> str:
    return (text.lstrip("0") or "0") if text.isdecimal() else text


KINDS: Final = (
    "boxes in JSON as predictions are written, COCO (.json), a folder of YOLO's .txt or Pascal VOC's .xml, a table with one "
    "row a box, or a file that CVAT (.xml) or Label Studio (.json) exported"
)
KINDS_OF_PREDICTIONS: Final = (
    "boxes in JSON (one object an image, or COCO's results), a folder of YOLO's .txt or of Ultralytics' .json, or a table with "
    "one row a box"
)


def read_box_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the true boxes of a dataset's images from what `read_true_boxes` reads."""
    path = absolute(source)
    read = read_true_boxes(dataset, path)
    with documents.readable(path, "give each image as many labels as boxes"):
        by_key = {stem(name): list(zip(entry["labels"], entry["boxes"], strict=True)) for name, entry in read.boxes.items()}
    return Labels(*matched(dataset, by_key, whole=True), read.unsure)


def read_true_boxes(
    dataset: Dataset, path: str | Path, roles: Mapping[str, str] | None = None, names: Sequence[str] = ()
) -> BoxFile:
    """Read true boxes of one of the `KINDS`; `roles` are a table's columns, `names` those of the classes 0, 1, 2 …."""
    what = "true boxes"
    place, ending, files = _place_and_files(path, what, {".txt", ".xml"}, KINDS)
    if ending == ".txt":  # whose numbers are no ids of COCO
        return read_yolo(dataset, place, files, False, () if isinstance(names, CategoryNames) else names)
    if ending:
        read = read_voc(files)
    elif place.suffix.lower() in documents.TABLES:
        read = read_box_table(place, roles or {}, predicted=False)
    else:
        read = _true_in_document(place, what)
    return _by_image(dataset, replace(read, boxes=_named(read.boxes, names)))


def _true_in_document(file: Path, what: str) -> BoxFile:
    packed = file.suffix.lower() in (".xml", ".zip")
    document = None if packed else read_document(file, what)
    with documents.readable(file, "pass COCO annotations, or a file that CVAT (.xml) or Label Studio (.json) exported"):
        if isinstance(document, Mapping) and ("annotations" in document or "shapes" in document):
            return read_coco_boxes(document, path_text(file))
        if packed or _lists_objects_with(document, "data"):
            export = read_export(file)
            return BoxFile(boxes_of_export(export), unsure=export.unsure)
    return BoxFile(boxes_in(document, file, what))


def _lists_objects_with(document: Any, key: str) -> bool:
    return isinstance(document, list) and bool(document) and isinstance(document[0], Mapping) and key in document[0]


def read_predicted_boxes(
    dataset: Dataset,
    path: str | Path,
    truth: BoxFile | None = None,
    roles: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    what: str = "predictions",
) -> BoxFile:
    """Read predicted boxes of one of the `KINDS_OF_PREDICTIONS`; the `truth` says what ids in COCO's results stand for."""
    place, ending, files = _place_and_files(path, what, {".txt", ".json"}, KINDS_OF_PREDICTIONS)
    truth, by_id = truth or BoxFile({}), isinstance(names, CategoryNames)
    if isinstance(names, CategoryNames):
        if not truth.ids:
            truth = BoxFile({}, names={str(number): name for number, name in enumerate(names)}, ids=names.images)
        names = ()
    if ending == ".json":
        parts = ((name, file, _ultralytics_rows(file)) for name, file in files.items())
        read = BoxFile(_in_files(parts, True, f"write {ULTRALYTICS_FORM}"))
    elif ending and by_id:
        raise InputError.of("classes", "must count from 0 for YOLO's numbers", "COCO's ids", "pass names, or data.yaml")
    elif ending:
        # The order of the names in a truth is that of the classes where it is of the same format alone.
        read = read_yolo(dataset, place, files, True, names or (() if truth.ids else tuple(truth.names.values())))
    elif place.suffix.lower() in documents.TABLES:
        read = read_box_table(place, roles or {}, predicted=True)
    else:
        document = read_document(place, what)
        results = _lists_objects_with(document, "image_id")
        if results and names:
            given = ", ".join(names[:3])
            raise InputError.of("classes", "must be COCO's file, whose ids the results have", given, "pass that, or the truth")
        read = read_results(dataset, document, truth) if results else BoxFile(boxes_in(document, place, what))
    boxes = _named(read.boxes, names)
    if truth.ids and not names:  # labels that are category names stay
        by_number = {**truth.names, **{name: name for name in truth.names.values()}}
        boxes = relabelled(boxes, lambda label: by_number.get(label, label))
    return _filled(dataset, _by_image(dataset, replace(read, boxes=boxes)), place)


def _named(boxes: BoxesOf, names: Sequence[str]) -> BoxesOf:
    """Replace class numbers by class names, if there are names."""
    return relabelled(boxes, partial(named, names=names)) if names else boxes


def _place_and_files(path: str | Path, what: str, endings: Collection[str], kinds: str) -> tuple[Path, str, dict[str, Path]]:
    """Return where boxes lie; of a folder also the ending that most of its files have, of these, and the files by name."""
    place = absolute(path)
    if not place.exists():
        raise MissingPathError(f"no file of {what} at {place}: check the path, or pass {kinds}")
    if not place.is_dir():
        return place, "", {}
    found = sorted(walk(place, endings))
    by_ending = {ending: [file for file in found if file.suffix.lower() == ending] for ending in sorted(endings)}
    most = max(by_ending, key=lambda ending: len(by_ending[ending]))
    if not by_ending[most]:
        raise InputError.of(what, f"must be {kinds}", f"the folder {path_text(place)}", f"it holds no {' or '.join(endings)}")
    return place, most, {file.relative_to(place).as_posix(): file for file in by_ending[most]}


def _by_image(dataset: Dataset, read: BoxFile) -> BoxFile:
    """Match entries by file name alone if no path matches, as ``val2017/1.jpg`` for an image 1.jpg."""
    keys = set(map(stem, read.boxes))
    if keys & set(match_names(dataset, keys).values()):
        return read
    hits = by_file_name(dataset, keys) if len(keys) == len(read.boxes) else {}
    entries = {stem(entry): entry for entry in read.boxes}
    found = {image: read.boxes[entries[key]] for image, key in hits.items()}
    used = set(hits.values())
    return replace(read, boxes=found | {entry: boxes for entry, boxes in read.boxes.items() if stem(entry) not in used})


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


_SMALL: Final = 16
"""Pixels from which on a picture is too large for all boxes to lie in its first pixel."""


def outside(dataset: Dataset, boxes: Mapping[str, Sequence[Sequence[float]]]) -> list[str]:
    """Return a warning that counts true boxes outside of their pictures; `InputError` if most are, or if all are 0 to 1."""
    sized: list[tuple[str, Sequence[float], tuple[int, int]]] = []
    for item in dataset.items:
        whole = list(filter(_is_box, boxes.get(item.name, ())))
        with suppress(ImageError):  # one that cannot be read is left to others
            shape = size(item.path) if whole else (0, 0)
            sized += [(item.name, box, shape) for box in whole]
    out = [(name, box, shape) for name, box, shape in sized if min(box[2:]) <= 0 or box[0] >= shape[0] or box[1] >= shape[1]]
    if sized and all(min(shape) >= _SMALL and min(box) >= 0 and max(box) <= 1 for _, box, shape in sized):
        name, box, (width, height) = sized[0]
        rule = "must be corners in pixels, and all lie between 0 and 1"
        remedy = f"multiply x by the picture's width and y by its height ({width} and {height} of {name})"
        raise InputError.of("true boxes", rule, list(box), remedy)
    if not out:
        return []
    name, box, (width, height) = out[0]
    one = len(out) == 1
    where = f"wholly outside of {'its picture' if one else 'their pictures'}"
    line = f"{len(out)} of {len(sized)} true boxes {'lies' if one else 'lie'} {where}"
    line += f" ({name}: {list(box)} in {width} × {height} pixels)"
    if 2 * len(out) > len(sized):
        raise InputError(f"{line}: write corners x0, y0, x1, y1 in pixels of the pictures as they are")
    return [f"{line}, where nothing can match {'it: check its' if one else 'them: check their'} corners"]


def _is_box(box: object) -> bool:
    """Return whether a value is four finite numbers; of a whole number beyond all floats only its comparison is asked."""
    corners = box if isinstance(box, Sequence) else ()
    return len(corners) == 4 and all(isinstance(corner, (int, float)) and abs(corner) < math.inf for corner in corners)
