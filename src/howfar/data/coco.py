"""Read COCO JSON (annotations with masks and boxes, results of detectors), and write annotations (cocodataset.org).

Results name an image by ``image_id``; Ultralytics' ``save_json`` writes the stem of the image's file there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
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
from howfar.text_formatting import printable


def coco_shape(segmentation: Any, height: int, width: int) -> Shape:
    """Draw COCO's field ``segmentation``, given as polygons or as run lengths of the whole image."""
    if isinstance(segmentation, list):
        shape = _polygons(segmentation, height, width) if segmentation else blank(height, width)
        return covering(shape, "polygon", segmentation[0]) if segmentation else shape
    runs = segmentation["counts"]
    size = segmentation.get("size", [height, width])
    if list(size) != [height, width]:
        raise InputError.of("size of a segmentation", f"must be that of its image, {[height, width]}", size)
    return _from_columns(runs if isinstance(runs, list) else compressed(runs), height, width)


def _from_columns(counts: Sequence[int], height: int, width: int) -> Shape:
    return from_runs(counts, width, height).T


def _polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    # pycocotools takes four numbers for a box, drops the last of an odd count, and hangs or crashes on endless outlines.
    for outline in polygons:
        check_points(list(zip(outline[::2], outline[1::2], strict=True)), height, width)
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingExtraError("polygons of COCO need pycocotools: pip install 'howfar[detection]'") from error
    runs: bytes = mask.merge(mask.frPyObjects(polygons, height, width))["counts"]
    return _from_columns(compressed(runs), height, width)


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
        number = annotation["category_id"]
        label = categories.get(number, f"category {number}")
        marks[annotation["image_id"]].append(_mark(annotation, label, images[annotation["image_id"]]))
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


def _mark(annotation: Mapping[str, Any], label: str, image: Mapping[str, Any]) -> Mark:
    width: Any = image.get("width")
    height: Any = image.get("height")
    sides, segmentation = annotation.get("bbox"), annotation.get("segmentation")
    box = _corners(sides) if isinstance(sides, list) and len(sides) == 4 else None
    if not segmentation and box is not None:
        return Mark.of_box(label, "box", box, (width, height), float((annotation.get("attributes") or {}).get("rotation", 0)))
    return Mark(label, "shape", partial(coco_shape, segmentation, height, width), box)


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


def _row(number: int, row: Any) -> tuple[str, str, Corners, float]:
    """Check a COCO result, and return its image, category, corners and score."""
    if not isinstance(row, Mapping) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        raise InputError(f"result {number} lacks image_id, category_id, bbox or score: write {RESULTS_FORM}")
    image, category, box, score = (row[name] for name in ("image_id", "category_id", "bbox", "score"))
    plain = isinstance(box, list) and len(box) == 4 and all(map(_is_number, [*box, score]))
    if not plain or not all(isinstance(value, (str, int)) for value in (image, category)):
        raise InputError(f"result {number} is of another form: write {RESULTS_FORM}")
    return str(image), str(category), _corners(box), float(score)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18


def write_coco(images: Sequence[MarkedImage], title: str, names: Sequence[str] = (CATEGORY,)) -> str:
    """Return images as JSON: info, licenses, images, annotations, and the `names` as categories.

    Ids count from 1, as 0 is taken for the background by some readers. An image without a size is left out, since COCO has to
    state it. A foreground is one annotation of uncompressed run lengths. COCO has no class of an image.
    """
    sized = [image for image in images if image.size is not None]
    numbers = {name: number for number, name in enumerate(names, start=1)}
    annotations = (
        {"image_id": number, "category_id": numbers[mark.label], **annotation}
        for number, image in enumerate(sized, start=1)
        for mark in image.marks
        for annotation in _annotation(mark)
    )
    document = {
        "info": {"description": title},
        "licenses": [],
        "images": [
            {"id": number, "file_name": image.name, **dict(zip(("width", "height"), image.size or (), strict=True))}
            for number, image in enumerate(sized, start=1)
        ],
        "annotations": [{"id": count, **annotation} for count, annotation in enumerate(annotations, start=1)],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _annotation(mark: Mark) -> Iterator[dict[str, Any]]:
    """Yield a box, or the run lengths (``iscrowd`` 1) of an area that is not empty."""
    if mark.box is not None:
        left, top, right, bottom = mark.box
        width, height = right - left, bottom - top
        yield {"iscrowd": 0, "bbox": [left, top, width, height], "area": width * height, "segmentation": []}
    elif mark.draw is not None and (shape := mark.draw()).any():
        segmentation = {"counts": to_runs(shape.T), "size": list(shape.shape)}
        yield {"iscrowd": 1, "segmentation": segmentation, "area": int(shape.sum()), "bbox": list(bounds(shape))}
