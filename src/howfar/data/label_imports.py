"""Read labels of images back from labelling tools: masks in a folder, or an export of COCO, CVAT or Label Studio."""

from __future__ import annotations

import cmath
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from howfar.data.dataset import Dataset
from howfar.data.folder_walk import EXTENSIONS, natural_key, printable, stem, walk
from howfar.data.labelling import CATEGORY
from howfar.data.prediction_matching import match_names
from howfar.data.run_lengths import MOST, compressed, from_brush, from_columns, from_rows
from howfar.errors import InputError, MissingExtraError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.memory import check_file
from howfar.printable import xml_text

__all__ = ["Labels", "read_labels"]

Shapes = Iterator[tuple[str, NDArray[np.bool_]]]
_DAMAGED = (
    InputError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    ElementTree.ParseError,
)
_COPIES = 3
"""How many times a shape is held while it is drawn and joined."""
KINDS = "a folder of masks, or a file that COCO (.json), CVAT (.xml) or Label Studio (.json) exported"


@dataclass(frozen=True, eq=False)
class Labels:
    """Hold the masks of a dataset's images: files by image name, or foregrounds (h, w) that an export describes.

    A foreground of 0 × 0 pixels is that of an image in which somebody found nothing. `strangers` are masks or entries that
    belong to no image of the dataset. `unsure` is whether images may be among them that nobody looked at: COCO and CVAT list
    all images of a task, with the shapes that they were imported with.
    """

    masks: Mapping[str, Path | NDArray[np.bool_]]
    strangers: tuple[str, ...] = ()
    unsure: bool = False


def read_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the labels of a dataset's images.

    Parameters
    ----------
    dataset
        Its images are matched by their paths without the endings.
    source
        A folder of masks; or an export: COCO's JSON (polygons and run lengths; of several categories the one called
        "foreground"), CVAT for images 1.1 (polygons, boxes, masks), or Label Studio's JSON (polygons, rectangles, brushes).

    Raises
    ------
    MissingPathError
        There is no such folder or file.
    InputError
        It is of no such form, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.data import Item
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("L", (4, 4)).save(folder / "1.png")
    >>> list(read_labels(Dataset("roads", (Item("1.jpg", Path("1.jpg")),)), folder).masks)
    ['1.jpg']
    """
    path = absolute(source)
    if path.is_dir():
        files = sorted(walk(path, endings=EXTENSIONS).images, key=lambda file: natural_key(file.name))
        return Labels(*_matched(dataset, {stem(file.relative_to(path).as_posix()): file for file in reversed(files)}))
    if not path.is_file():
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    try:
        shapes, unsure = _shapes(path)
        by_key = _joined(shapes)
    except MissingExtraError:
        raise
    except _DAMAGED as error:
        raise InputError(f"{printable(path)} cannot be read ({one_line(error, 300)}): pass {KINDS}") from error
    return Labels(*_matched(dataset, by_key), unsure=unsure)


def _matched(dataset: Dataset, by_key: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Match labels to images by path without ending, or by the last part of it where that alone is unique and matches."""
    plain = {xml_text(stem(item.name)): stem(item.name) for item in dataset.items}
    by_key = {plain.get(key, key): label for key, label in by_key.items()}
    keys = match_names(dataset, by_key)
    masks: dict[str, Any] = {name: by_key[key] for name, key in keys.items() if key in by_key}
    if not masks:
        last = {PurePosixPath(key).name: key for key in by_key}
        short = {name: PurePosixPath(key).name for name, key in keys.items()}
        if len(last) == len(by_key) and len(set(short.values())) == len(short):
            keys = {name: last[part] for name, part in short.items() if part in last}
            masks = {name: by_key[key] for name, key in keys.items()}
    used = set(keys.values())
    return masks, tuple(key for key in by_key if key not in used)


def _joined(shapes: Shapes) -> dict[str, NDArray[np.bool_]]:
    """Join the shapes of each image into one foreground."""
    joined: dict[str, NDArray[np.bool_]] = {}
    held = 0
    for name, shape in shapes:
        key = stem(name)
        if key not in joined:
            held += shape.nbytes
            check_file(held, "the masks of the labels")
        joined[key] = joined[key] | shape if key in joined else shape
    return joined


def _shapes(path: Path) -> tuple[Shapes, bool]:
    """Return the shapes of an export, and whether it lists images that nobody may have looked at."""
    if path.suffix.lower() == ".xml":
        return _cvat(ElementTree.parse(path).getroot()), True
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    return (_label_studio(document), False) if isinstance(document, list) else (_coco(document), True)


def _coco(document: Mapping[str, Any]) -> Shapes:
    """Yield an empty shape for each image of a COCO file, then those of its annotations."""
    images = {image["id"]: image for image in document["images"]}
    if len(images) < len(document["images"]):
        raise InputError("two of its images have one id")
    named = {category["id"] for category in document.get("categories", []) if category["name"] == CATEGORY}
    known = {annotation["category_id"] for annotation in document["annotations"]}
    if len(known) > 1 and not named:
        raise InputError(f"it has {len(known)} categories, none called {CATEGORY}")
    for image in images.values():
        yield image["file_name"], _blank(image["height"], image["width"])
    for annotation in document["annotations"]:
        if not named or annotation["category_id"] in named:
            image = images[annotation["image_id"]]
            yield image["file_name"], _coco_shape(annotation["segmentation"], image["height"], image["width"])


def _coco_shape(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    if isinstance(segmentation, list):
        return _outlined(segmentation, height, width)
    runs = segmentation["counts"]
    size = segmentation.get("size", [height, width])
    if list(size) != [height, width]:
        raise InputError.of("size of a segmentation", f"must be that of its image, {[height, width]}", size)
    return from_columns(runs if isinstance(runs, list) else compressed(runs), height, width)


def _outlined(polygons: Sequence[Sequence[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Fill polygons as COCO does; none of them is an empty shape."""
    if not polygons:
        return _blank(height, width)
    # pycocotools takes four numbers for a box, drops the last of an odd count, and hangs or crashes on endless outlines.
    for polygon in polygons:
        _checked_points(list(zip(polygon[::2], polygon[1::2], strict=True)), height, width)
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingExtraError("polygons of COCO need pycocotools: pip install 'howfar[detection]'") from error
    runs: bytes = mask.merge(mask.frPyObjects(polygons, height, width))["counts"]
    return from_columns(compressed(runs), height, width)


def _cvat(root: ElementTree.Element) -> Shapes:
    """Yield an empty shape for each image of a CVAT file, then those of its polygons, boxes and masks."""
    for image in root.iter("image"):
        name, width, height = image.attrib["name"], int(image.attrib["width"]), int(image.attrib["height"])
        yield name, _blank(height, width)
        for element in image:
            if element.tag in _UNREAD:
                raise InputError(f"{element.tag} of {name} is no area: draw polygons, boxes or masks")
            if element.tag in _CVAT:
                yield name, _CVAT[element.tag](element.attrib, height, width)


def _cvat_polygon(values: Mapping[str, str], height: int, width: int) -> NDArray[np.bool_]:
    points = [tuple(map(float, pair.split(","))) for pair in values["points"].split(";")]
    return _polygon([(x, y) for x, y in points], height, width)


def _cvat_box(values: Mapping[str, str], height: int, width: int) -> NDArray[np.bool_]:
    left, top, right, bottom = (float(values[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    angle = float(values.get("rotation", 0))
    return _rectangle((left, top, right, bottom), height, width, angle, ((left + right) / 2, (top + bottom) / 2))


def _cvat_mask(values: Mapping[str, str], height: int, width: int) -> NDArray[np.bool_]:
    left, top, across, down = (int(float(values[name])) for name in ("left", "top", "width", "height"))
    if min(left, top, across, down) < 0 or left + across > width or top + down > height:
        raise InputError.of("mask", f"must lie inside its image of {width} × {height}", f"{across} × {down} at {left}, {top}")
    shape = _blank(height, width)
    shape[top : top + down, left : left + across] = from_rows([int(run) for run in values["rle"].split(",")], down, across)
    return shape


_CVAT: Mapping[str, Callable[[Mapping[str, str], int, int], NDArray[np.bool_]]] = {
    "polygon": _cvat_polygon,
    "box": _cvat_box,
    "mask": _cvat_mask,
}

# Left out in silence, such a label would say that there is nothing in the image.
_UNREAD = ("polyline", "points", "ellipse", "cuboid", "skeleton")


def _label_studio(tasks: Sequence[Mapping[str, Any]]) -> Shapes:
    """Yield the shapes of every task that somebody has annotated; predictions count for nothing."""
    for task in tasks:
        kept = [annotation for annotation in task.get("annotations", []) if not annotation.get("was_cancelled")]
        if not kept:
            continue
        name = task.get("meta", {}).get("image") or _file_of(task["data"]["image"])
        results = [result for result in kept[-1]["result"] if "original_width" in result]
        for result in results:
            yield name, _label_studio_shape(result)
        if not results:
            yield name, np.zeros((0, 0), np.bool_)


def _label_studio_shape(result: Mapping[str, Any]) -> NDArray[np.bool_]:
    width, height, value = int(result["original_width"]), int(result["original_height"]), result["value"]
    if "rle" in value:
        return from_brush(value["rle"], height, width)
    if "points" in value:
        return _polygon([(x * width / 100, y * height / 100) for x, y in value["points"]], height, width)
    left, top = value["x"] * width / 100, value["y"] * height / 100
    right, bottom = left + value["width"] * width / 100, top + value["height"] * height / 100
    return _rectangle((left, top, right, bottom), height, width, float(value.get("rotation", 0)), (left, top))


def _file_of(address: str) -> str:
    """Return the file that a Label Studio task points to."""
    parts = urlsplit(address)
    within = parse_qs(parts.query).get("d")
    return PurePosixPath(within[0] if within else unquote(parts.path)).name


def _polygon(points: Sequence[tuple[float, float]], height: int, width: int) -> NDArray[np.bool_]:
    canvas = Image.new("1", _blank(height, width).shape[::-1])
    ImageDraw.Draw(canvas).polygon(_checked_points(points, height, width), fill=1, outline=1)
    return np.asarray(canvas)


def _rectangle(
    sides: tuple[float, float, float, float], height: int, width: int, angle: float, about: tuple[float, float]
) -> NDArray[np.bool_]:
    """Fill left, top, right, bottom, turned clockwise about a point by an angle in degrees."""
    _checked_numbers((*sides, *about), height, width)
    left, top, right, bottom = sides
    if angle:
        turn = cmath.rect(1.0, math.radians(angle))
        corners = [
            complex(*about) + turn * (complex(x, y) - complex(*about))
            for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
        ]
        return _polygon([(corner.real, corner.imag) for corner in corners], height, width)
    shape = _blank(height, width)
    shape[max(round(top), 0) : max(round(bottom), 0), max(round(left), 0) : max(round(right), 0)] = True
    return shape


def _blank(height: int, width: int) -> NDArray[np.bool_]:
    """Return an empty shape; `InputError` for a size that no image has."""
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in (height, width))
    if not whole or not (height >= 1 and width >= 1 and height * width <= MOST):
        raise InputError.of("size of an image", "must be whole numbers of pixels, at least 1 each", (width, height))
    check_file(_COPIES * height * width, "a shape of the labels")
    return np.zeros((height, width), np.bool_)


def _checked_points(points: Sequence[tuple[float, float]], height: int, width: int) -> list[tuple[float, float]]:
    """Return the corners of a polygon, at least three; they may lie outside of the image, but not further than it is large."""
    if len(points) < 3:
        raise InputError.of("polygon", "must have at least three corners", len(points))
    _checked_numbers([number for point in points for number in point], height, width)
    return list(points)


def _checked_numbers(numbers: Sequence[float], height: int, width: int) -> None:
    most = 10 * max(height, width)
    wrong = next((number for number in numbers if not -most <= number <= most), None)
    if wrong is not None:
        raise InputError.of("corner of a shape", f"must lie in or near its image of {width} × {height}", wrong)
