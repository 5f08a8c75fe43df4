"""Read COCO JSON (annotations with masks and boxes, results of detectors), and write annotations (cocodataset.org).

Results name an image by ``image_id``; Ultralytics' ``save_json`` writes the stem of the image's file there.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

from howfar.data.annotations import (
    CATEGORY,
    BoxesOf,
    BoxFile,
    Corners,
    LabelExport,
    Mark,
    MarkedImage,
    Shape,
    add_box,
    blank,
    bounds,
    boxes_of_export,
    check_points,
    covering,
    from_runs,
    to_runs,
)
from howfar.data.dataset import Dataset
from howfar.data.image_folder import counted
from howfar.errors import InputError, MissingExtraError
from howfar.formatting_and_escaping import printable


def coco_shape(segmentation: Any, height: int, width: int) -> Shape:
    """Draw COCO's field ``segmentation``, given as polygons or as run lengths of the whole image."""
    if isinstance(segmentation, list):
        if not segmentation:
            return blank(height, width)
        # pycocotools takes four numbers for a box, drops the last of an odd count, and hangs or crashes on endless outlines.
        for outline in segmentation:
            check_points(list(zip(outline[::2], outline[1::2], strict=True)), height, width)
        try:
            from pycocotools import mask
        except ImportError as error:
            raise MissingExtraError("polygons of COCO need pycocotools: pip install 'howfar[detection]'") from error
        merged: bytes = mask.merge(mask.frPyObjects(segmentation, height, width))["counts"]
        return covering(from_runs(compressed(merged), width, height).T, "polygon", segmentation[0])
    runs = segmentation["counts"]
    size = segmentation.get("size", [height, width])
    if list(size) != [height, width]:
        raise InputError.of("size of a segmentation", f"must be that of its image, {[height, width]}", size)
    # Runs are by column.
    return from_runs(runs if isinstance(runs, list) else compressed(runs), width, height).T


def compressed(text: str | bytes) -> list[int]:
    """Decode COCO's compressed text to run lengths.

    A number is written in digits of 5 bits from the lowest, each as the character 48 + digit, + 32 where another follows; the
    fifth bit of its last is its sign. From the third on a number is the difference from the last but one (maskApi.c of
    github.com/cocodataset/cocoapi).
    """
    runs: list[int] = []
    number = place = 0
    for byte in text.encode() if isinstance(text, str) else text:
        digit = byte - 48
        if not 0 <= digit < 64 or place > 60:
            raise InputError("the compressed run lengths are no such text: export them again")
        number |= (digit & 31) << place
        place += 5
        if not digit & 32:
            number -= (1 << place) if digit & 16 else 0
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number = place = 0
    return runs


def _corners(box: Sequence[float]) -> Corners:
    left, top, width, height = map(float, box)
    return left, top, left + width, top + height


def read_coco(document: Mapping[str, Any]) -> LabelExport:
    """Read a COCO document, which does not say whether an image without annotations was looked at."""
    if "shapes" in document and "imagePath" in document:
        raise InputError("it is LabelMe's JSON of one image, which is not read: convert the folder to COCO (labelme2coco)")
    _check_ids(document["images"], "images")
    _check_ids(document.get("categories", []), "categories")
    images = {image["id"]: image for image in document["images"]}
    categories = {category["id"]: str(category["name"]) for category in document.get("categories", [])}
    marks: dict[Any, list[Mark]] = {number: [] for number in images}
    for annotation in document["annotations"]:
        category, image = annotation["category_id"], images[annotation["image_id"]]
        label = categories.get(category, f"category {category}")
        width, height = image.get("width"), image.get("height")
        sides, segmentation = annotation.get("bbox"), annotation.get("segmentation")
        box = _corners(sides) if isinstance(sides, list) and len(sides) == 4 else None
        if not segmentation and box is not None:
            angle = float((annotation.get("attributes") or {}).get("rotation", 0))
            mark = Mark.of_box(label, "box", box, (width, height), angle)
        else:
            mark = Mark(label, "shape", partial(coco_shape, segmentation, height, width), box)
        marks[annotation["image_id"]].append(mark)
    listed = []
    for number, image in images.items():
        size = (image["width"], image["height"]) if "width" in image and "height" in image else None
        listed.append(MarkedImage(str(image["file_name"]), size, tuple(marks[number]), True if marks[number] else None))
    return LabelExport("COCO", tuple(listed), unsure=True)


def _check_ids(entries: Sequence[Mapping[str, Any]], what: str) -> None:
    """Raise `InputError` if two entries share an id, which makes references ambiguous."""
    seen = set()
    for entry in entries:
        number = entry.get("id")  # annotations that other tools wrote may have none
        if number is not None and number in seen:
            raise InputError(f"two of its {what} have the id {number}: number them anew")
        seen.add(number)


def read_coco_boxes(document: Mapping[str, Any], shown: str) -> BoxFile:
    """Read the boxes of a COCO document; crowds, which are not single objects, are left out with a note."""
    annotations = document.get("annotations", [])
    if not isinstance(annotations, list):
        raise ValueError("annotations is no list")
    _check_ids(annotations, "annotations")
    single = [annotation for annotation in annotations if not annotation.get("iscrowd")]
    boxes = boxes_of_export(read_coco({**document, "annotations": single}))
    names = {str(category["id"]): str(category["name"]) for category in document.get("categories", [])}
    ids = {str(image["id"]): str(image["file_name"]) for image in document["images"]}
    crowds = len(annotations) - len(single)
    note = f"{counted(crowds, 'crowd is', 'crowds are')} left out of {shown}: boxes that are predicted there count as false"
    return BoxFile(boxes, unsure=True, names=names, ids=ids, notes=(note,) if crowds else ())


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
                remedy = "pass the COCO file that has these ids (--truth FILE), or write file_name"
                raise InputError(f"image_id {image} may be {printable(found[0])} or {printable(found[1])}: {remedy}")
            name = found[0] if found else None
        if isinstance(name, str):
            add_box(boxes, name, _corners(box), names.get(category, category), float(score))
        else:
            strange[image] = None
    first = printable(next(iter(strange), ""))
    if not boxes:
        remedy = "pass the COCO file that has these ids (--truth FILE, or --classes FILE where there are no labels)"
        raise InputError(f"no image_id is one of an image (the first: {first}): {remedy}, or name images by their files' stems")
    note = f"{counted(len(strange), 'image_id is', 'image_ids are')} of no image (the first: {first})"
    return BoxFile(boxes, whole=True, notes=(note,) if strange else ())


def _number(text: str) -> str:
    return (text.lstrip("0") or "0") if text.isdecimal() else text


def write_coco(images: Sequence[MarkedImage], title: str, names: Sequence[str] = (CATEGORY,)) -> str:
    """Return images as JSON: info, licenses, images, annotations, and the `names` as categories.

    Ids count from 1, as 0 is taken for the background by some readers. An image without a size is left out, since COCO has to
    state it. A foreground is one annotation of uncompressed run lengths. COCO has no class of an image.
    """
    numbers = {name: number for number, name in enumerate(names, start=1)}
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in images:
        if image.size is None:
            continue
        number = len(listed) + 1
        listed.append({"id": number, "file_name": image.name, "width": image.size[0], "height": image.size[1]})
        for mark in image.marks:
            if mark.box is not None:
                left, top, right, bottom = mark.box
                width, height = right - left, bottom - top
                area = {"iscrowd": 0, "bbox": [left, top, width, height], "area": width * height, "segmentation": []}
            elif mark.draw is not None and (shape := mark.draw()).any():
                segmentation = {"counts": to_runs(shape.T), "size": list(shape.shape)}
                area = {"iscrowd": 1, "segmentation": segmentation, "area": int(shape.sum()), "bbox": list(bounds(shape))}
            else:
                continue
            shared = {"id": len(annotations) + 1, "image_id": number, "category_id": numbers[mark.label]}
            annotations.append({**shared, **area})
    document = {
        "info": {"description": title},
        "licenses": [],
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
