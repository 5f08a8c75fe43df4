"""Read and write annotations in the formats of COCO (JSON), CVAT for images 1.1 (XML) and Label Studio (JSON tasks).

cocodataset.org; docs.cvat.ai, XML annotation format; labelstud.io, basic JSON format.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

import numpy as np

from howfar.data.annotations import (
    CATEGORY,
    MOST,
    Corners,
    LabelExport,
    Mark,
    MarkedImage,
    Shape,
    blank,
    bounds,
    check_points,
    covering,
    from_runs,
    polygon,
    to_runs,
)
from howfar.errors import InputError, needing
from howfar.formatting_and_escaping import xml_text
from howfar.io.file_location import is_url
from howfar.memory import check_file


def coco_shape(segmentation: Any, height: int, width: int) -> Shape:
    """Draw COCO's field ``segmentation``, given as polygons or as run lengths of the whole image."""
    if isinstance(segmentation, list):
        if not segmentation:
            return blank(height, width)
        # pycocotools takes four numbers for a box, drops the last of an odd count, and hangs or crashes on endless outlines.
        for outline in segmentation:
            check_points(list(zip(outline[::2], outline[1::2], strict=True)), height, width)
        with needing("polygons of COCO need pycocotools: pip install 'howfar[detection]'"):
            from pycocotools import mask
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


def coco_corners(box: Sequence[float]) -> Corners:
    """Return the corners of a COCO box, which is left, top, width and height."""
    left, top, width, height = map(float, box)
    return left, top, left + width, top + height


def read_coco(document: Mapping[str, Any]) -> LabelExport:
    """Read a COCO document, which does not say whether an image without annotations was looked at."""
    if "shapes" in document and "imagePath" in document:
        raise InputError("it is LabelMe's JSON of one image, which is not read: convert the folder to COCO (labelme2coco)")
    check_ids(document["images"], "images")
    check_ids(document.get("categories", []), "categories")
    images = {image["id"]: image for image in document["images"]}
    categories = {category["id"]: str(category["name"]) for category in document.get("categories", [])}
    marks: dict[Any, list[Mark]] = {number: [] for number in images}
    for annotation in document["annotations"]:
        category, image = annotation["category_id"], images[annotation["image_id"]]
        label = categories.get(category, f"category {category}")
        width, height = image.get("width"), image.get("height")
        sides, segmentation = annotation.get("bbox"), annotation.get("segmentation")
        box = coco_corners(sides) if isinstance(sides, list) and len(sides) == 4 else None
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


def check_ids(entries: Sequence[Mapping[str, Any]], what: str) -> None:
    """Raise `InputError` if two entries share an id, which makes references ambiguous."""
    seen = set()
    for entry in entries:
        number = entry.get("id")  # annotations that other tools wrote may have none
        if number is not None and number in seen:
            raise InputError(f"two of its {what} have the id {number}: number them anew")
        seen.add(number)


def write_coco(images: Sequence[MarkedImage], title: str, names: Sequence[str] = (CATEGORY,)) -> str:
    """Return images as JSON: info, licenses, images, annotations, and the `names` as categories.

    Ids count from 1, as some readers take 0 for the background. An image without a size is left out, as COCO states it. A
    foreground is one annotation of uncompressed run lengths. COCO has no class of an image.
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


_CORNERS: Final = ("xtl", "ytl", "xbr", "ybr")
_PLACE: Final = ("left", "top", "width", "height")
_UNREAD: Final = ("polyline", "points", "ellipse", "cuboid", "skeleton")
_POINT, _RUN = 400, 100
"""Bytes that a point of an outline, and a run of a mask, take at the most while they are read."""


def read_cvat(root: ElementTree.Element) -> LabelExport:
    """Read the root of a CVAT file; only images with a shape or a tag are known to have been looked at."""
    images = []
    for image in root.iter("image"):
        name = image.attrib["name"]
        size = (int(image.attrib["width"]), int(image.attrib["height"])) if "width" in image.attrib else None
        width, height = size or (0, 0)
        marks = []
        for element in image:
            values, kind = element.attrib, element.tag
            label = values.get("label", "").strip()
            if kind == "tag":
                marks.append(Mark(label, "tag"))
            elif kind in _UNREAD:
                marks.append(Mark.without_area(label, kind, f"{kind} of {name} is no area: draw polygons, boxes or masks"))
            elif kind == "box":
                left, top, right, bottom = (float(values[side]) for side in _CORNERS)
                angle = float(values.get("rotation", 0))
                marks.append(Mark.of_box(label, kind, (left, top, right, bottom), (width, height), angle))
            elif draw := {"polygon": _cvat_polygon, "mask": _cvat_mask}.get(kind):
                marks.append(Mark(label, kind, partial(draw, values, width, height)))
        images.append(MarkedImage(name, size, tuple(marks), True if marks else None))
    return LabelExport("CVAT", tuple(images), unsure=True)


def _cvat_polygon(values: Mapping[str, str], width: int, height: int) -> Shape:
    check_file(_POINT * values["points"].count(";"), "a shape of the labels")
    return polygon([list(map(float, pair.split(","))) for pair in values["points"].split(";")], height, width)


def _cvat_mask(values: Mapping[str, str], width: int, height: int) -> Shape:
    left, top, across, down = (int(float(values[name])) for name in _PLACE)
    if min(left, top, across, down) < 0 or left + across > width or top + down > height:
        raise InputError.of("mask", f"must lie inside its image of {width} × {height}", f"{across} × {down} at {left}, {top}")
    check_file(_RUN * values["rle"].count(","), "a mask of the labels")
    shape = blank(height, width)
    shape[top : top + down, left : left + across] = from_runs([int(run) for run in values["rle"].split(",")], down, across)
    return shape


def write_cvat(images: Sequence[MarkedImage], title: str, names: Sequence[str] = (CATEGORY,), kind: str = "any") -> str:
    r"""Return images as XML; `names` are the labels that CVAT offers, and `kind` is what they may mark.

    CVAT looks for the frame whose path ends with the image's name. An image without a size is left out, since the format states
    it. A class is not set: a class that somebody confirmed could not be told from one that nobody looked at. What XML cannot
    hold of a name is written out, as ``\x1b``; `howfar.data.label_files` finds the image again.
    """
    sized = [image for image in images if image.size is not None]
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    task = _add(_add(root, "meta"), "task")
    about = {"name": title, "size": str(len(sized)), "mode": "annotation", "overlap": "0"}
    limits = {"start_frame": "0", "stop_frame": str(max(0, len(sized) - 1))}
    for tag, text in (about | limits).items():
        _add(task, tag, text)
    labels = _add(task, "labels")
    for name in names:
        label = _add(labels, "label")
        for tag, value in (("name", name), ("type", kind), ("attributes", None)):
            _add(label, tag, value)
    for number, image in enumerate(sized):
        width, height = map(str, image.size or ())
        element = _add(root, "image", None, {"id": str(number), "name": image.name, "width": width, "height": height})
        for mark in image.marks:
            fixed = {"label": mark.label, "source": "auto", "occluded": "0"}
            if mark.box is not None:
                sides = (f"{side:g}" if side == round(side, 3) else f"{side:.3f}" for side in mark.box)
                _add(element, "box", None, {**fixed, **dict(zip(_CORNERS, sides, strict=True)), "z_order": "0"})
            elif mark.draw is not None and (shape := mark.draw()).any():
                left, top, across, down = place = bounds(shape)
                runs = ", ".join(map(str, to_runs(shape[top : top + down, left : left + across])))
                placed = dict(zip(_PLACE, map(str, place), strict=True))
                _add(element, "mask", None, {**fixed, "rle": runs, **placed, "z_order": "0"})
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, attributes: Mapping[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, {name: xml_text(value) for name, value in (attributes or {}).items()})
    child.text = None if text is None else xml_text(text)
    return child


_LABELS: Final = ("brushlabels", "polygonlabels", "rectanglelabels", "labels")
"""Where the value of a result may hold the names of labels."""
_SIDES: Final = ("x", "y", "width", "height")
"""A rectangle's left, top, width and height, in percent of the image's sides."""
LOCAL_FILES: Final = "/data/local-files/?d="
CONTROLS: Final = {
    "segmentation": (("BrushLabels", "label"), ("PolygonLabels", "outline")),
    "detection": (("RectangleLabels", "label"),),
    "classification": (("Choices", "label"),),
}
"""By task, the controls and their names; predictions are by the first, which is called ``label``."""


def read_label_studio(tasks: Sequence[Mapping[str, Any]]) -> LabelExport:
    """Read the last annotation of each Label Studio task; a task that was submitted without a shape was looked at."""
    if tasks and not (isinstance(tasks[0], dict) and "data" in tasks[0]):
        raise InputError("it is not the full JSON of Label Studio (JSON-MIN?): export it as JSON")
    images = []
    for task in tasks:
        kept = [annotation for annotation in task.get("annotations", []) if not annotation.get("was_cancelled")]
        name = (task.get("meta") or {}).get("image")
        if not name:
            # The file's name behind the task's address; a plain relative path stays unchanged.
            name = task["data"]["image"]
            parts = urlsplit(name)
            if parts.scheme or parts.query or name.startswith("/"):
                within = parse_qs(parts.query).get("d")
                name = PurePosixPath(within[0] if within else unquote(parts.path)).name
        if not kept:
            images.append(MarkedImage(str(name), None, looked_at=False, times=0))
            continue
        results = kept[-1]["result"]
        size = next((_size(result) for result in results if "original_width" in result), None)
        images.append(MarkedImage(str(name), size, tuple(_marks(results)), looked_at=True, times=len(kept)))
    return LabelExport("Label Studio", tuple(images), unsure=False)


def _size(result: Mapping[str, Any]) -> tuple[int, int]:
    return int(result["original_width"]), int(result["original_height"])


def _marks(results: Sequence[Mapping[str, Any]]) -> Iterator[Mark]:
    for result in results:
        value = result.get("value", {})
        if "choices" in value:
            yield from (Mark(str(choice).strip(), "choices") for choice in value["choices"])
            continue
        if "original_width" not in result:
            continue
        label = str(next((value[key] for key in _LABELS if value.get(key)), [""])[0])
        kind = str(result.get("type", "shape")).removesuffix("labels")
        width, height = _size(result)
        if "rle" in value:
            yield Mark(label, kind, partial(from_brush, value["rle"], height, width))
        elif "points" in value:
            yield Mark(label, kind, partial(_studio_polygon, value["points"], height, width))
        elif "width" not in value:
            line = f"a result of type {result.get('type')} is no area: draw with brushes, polygons or rectangles"
            yield Mark.without_area(label, kind, line)
        else:
            sides = []
            for name in _SIDES:
                # A text would be repeated as often as the image is wide.
                if isinstance(value[name], bool) or not isinstance(value[name], (int, float)):
                    raise InputError.of("side of a rectangle", "must be a number", value[name])
                sides.append(float(value[name]))
            x, y, across, down = sides
            left, top = x * width / 100, y * height / 100
            box = (left, top, left + across * width / 100, top + down * height / 100)
            yield Mark.of_box(label, kind, box, (width, height), float(value.get("rotation", 0)), at_corner=True)


def _studio_polygon(points: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    return polygon([(x * width / 100, y * height / 100) for x, y in points], height, width)


def write_label_studio(images: Sequence[MarkedImage], title: str) -> str:
    """Return images as import tasks, each with its file or URL, and the marks as a prediction by the control ``label``.

    ``meta`` keeps the image's name and rank. An image that the model looked at has a prediction even without marks.
    """
    tasks = []
    for rank, image in enumerate(images, start=1):
        meta = {"title": title, "image": image.name, "rank": rank}
        task: dict[str, Any] = {"data": {"image": address(image.path)}, "meta": meta}
        result = [each for mark in image.marks for each in _predicted(mark, image.size)]
        if result or image.looked_at:
            task["predictions"] = [{"model_version": "model", "result": result}]
        tasks.append(task)
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def _predicted(mark: Mark, size: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
    """Yield a mark as the result of a prediction; nothing for an empty area, or an area in an image of unknown size."""
    control = {"from_name": "label", "to_name": "image"}
    if mark.draw is None:
        yield {**control, "type": "choices", "value": {"choices": [mark.label]}}
        return
    if size is None:
        return
    width, height = size
    sizes = {"original_width": width, "original_height": height, "image_rotation": 0}
    if mark.box is not None:
        left, top, right, bottom = mark.box
        shares = (left / width, top / height, (right - left) / width, (bottom - top) / height)
        sides = {name: 100.0 * share for name, share in zip(_SIDES, shares, strict=True)}
        value: dict[str, Any] = {**sides, "rotation": 0, "rectanglelabels": [mark.label]}
        yield {**control, "type": "rectanglelabels", **sizes, "value": value}
    elif (shape := mark.draw()).any():
        value = {"format": "rle", "rle": to_brush(shape), "brushlabels": [mark.label]}
        yield {**control, "type": "brushlabels", **sizes, "value": value}


def address(path: str) -> str:
    """Return the address under which Label Studio finds an image: a local-files path, or the image's own URL."""
    return path if is_url(path) else LOCAL_FILES + quote(path.replace(os.sep, "/").lstrip("/"))


def label_studio_interface(task: str, names: Sequence[str]) -> str:
    """Return the XML for a project's *Labeling Interface* that offers these label names."""
    if task not in CONTROLS:
        raise InputError.of("task", f"must be one of {', '.join(CONTROLS)}", task)
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true", "zoomControl": "true"})
    for tag, name in CONTROLS[task]:
        chosen = {"choice": "single", "required": "true"} if tag == "Choices" else {}
        control = ElementTree.SubElement(view, tag, {"name": name, "toName": "image", **chosen})
        for label in names:
            ElementTree.SubElement(control, "Choice" if tag == "Choices" else "Label", {"value": xml_text(label)})
    ElementTree.indent(view, "  ")
    return ElementTree.tostring(view, encoding="unicode") + "\n"


_CHANNELS: Final = 4
"""A brush's strokes are RGBA pictures, of which the last channel counts."""
_WORD: Final = 8
_LENGTHS: Final = (3, 4, 8, 16)
"""How many bits the length of a run may take in a brush's stream."""
_MOST_BYTES: Final = 8
"""A value of a brush takes no more bytes than this, itself and the head of a run of its own together."""


def to_brush(mask: Shape) -> list[int]:
    """Encode a mask as the bytes of a Label Studio brush (its value ``rle``).

    A stream of bits: 32 for the number of values (four a pixel), 5 for the bits of a value less one, four times 4 for the sizes
    that a length may have, less one; then for each run a 1, two bits that choose a size, the length less one, and the value.
    """
    parts = [(mask.size * _CHANNELS, 32), (_WORD - 1, 5), *((size - 1, 4) for size in _LENGTHS)]
    for number, run in enumerate(to_runs(mask)):
        left = run * _CHANNELS
        while left:
            length = min(left, 1 << _LENGTHS[-1])
            chosen = next(index for index, size in enumerate(_LENGTHS) if length <= 1 << size)
            parts += [(1, 1), (chosen, 2), (length - 1, _LENGTHS[chosen]), (255 * (number % 2), _WORD)]
            left -= length
    bits = "".join(f"{value:0{size}b}" for value, size in parts)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


def from_brush(stream: Sequence[int], height: int, width: int) -> Shape:
    """Decode a Label Studio brush to a (height, width) mask: foreground where the last channel is above 127."""
    place = 32

    def take(count: int) -> int:
        nonlocal place
        part = bits[place : place + count]
        place += count
        return int(part, 2)

    try:
        if not 0 < height * width <= MOST:
            raise ValueError(f"an image of {width} × {height} pixels")
        check_file((_CHANNELS + 1) * height * width, "a brush of the labels")
        values = np.zeros(height * width * _CHANNELS, dtype=np.uint8)
        data = np.asarray(stream, dtype=np.uint8).tobytes()
        total = int.from_bytes(data[:4], "big")
        if total != len(values):
            raise ValueError(f"{total // _CHANNELS} pixels, and the image has {len(values) // _CHANNELS}")
        if len(data) > _MOST_BYTES * (total + 16):
            raise ValueError(f"{len(data)} bytes are more than any brush of {total // _CHANNELS} pixels takes")
        bits = "".join(f"{byte:08b}" for byte in data)
        word = take(5) + 1
        sizes = [take(4) + 1 for _ in range(4)]
        start = 0
        while start < total:
            same = take(1)
            stop = start + 1 + take(sizes[take(2)])
            if stop > total:
                raise ValueError("a run passes the end")
            values[start:stop] = take(word) if same else [take(word) for _ in range(start, stop)]
            start = stop
    except InputError:
        raise
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"the run lengths of a brush cannot be read ({error}): export it again") from error
    return np.asarray(values.reshape(height, width, _CHANNELS)[..., -1] > 127)
