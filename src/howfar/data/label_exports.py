"""Read labels of images back from labelling tools: masks in a folder, or an export of COCO, CVAT or Label Studio."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from zipfile import ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from howfar.data.dataset import Dataset, match_names
from howfar.data.documents import COPIES, file_bytes, parsed, parsed_xml, readable
from howfar.data.image_folder import natural_key, stem, walk
from howfar.data.labelling_exports import CATEGORY
from howfar.data.masks import MOST, compressed, from_brush, from_columns, from_rows
from howfar.errors import InputError, MissingExtraError, MissingPathError
from howfar.io.location import absolute
from howfar.memory import check_file
from howfar.wording import xml_text

Shape: TypeAlias = NDArray[np.bool_]
Corners: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom of an upright box, in pixels."""


@dataclass(frozen=True, eq=False)
class Mark:
    """Hold one label of an image: its name and the area that it marks.

    `kind` is what the tool calls it ("polygon", "mask", "tag"). `draw` returns the marked area, (h, w); None for a class of the
    whole image. `box` is the area's corners where it is an upright box, or is stated beside the area; else None.
    """

    label: str
    kind: str
    draw: Callable[[], Shape] | None = None
    box: Corners | None = None

    @classmethod
    def of_box(cls, label: str, kind: str, box: Corners, size: tuple[Any, Any], angle: float, at_corner: bool = False) -> Mark:
        """Mark a box in an image of this size (width, height), turned by `angle` about its centre or its first corner."""
        left, top, right, bottom = box
        about = (left, top) if at_corner else ((left + right) / 2, (top + bottom) / 2)
        return cls(label, kind, partial(rectangle, box, size[1], size[0], angle, about), None if angle else box)


@dataclass(frozen=True, eq=False)
class ExportedImage:
    """Hold an image of an export, by the tool's name, with its size (width, height) and its marks.

    `looked_at` is True where the tool says that somebody has annotated the image, False where it says that nobody has, None
    where it says neither. `times` is how often it was annotated; the marks are of the last.
    """

    name: str
    size: tuple[int, int] | None
    marks: tuple[Mark, ...] = ()
    looked_at: bool | None = None
    times: int = 1


@dataclass(frozen=True, eq=False)
class LabelExport:
    """Hold a tool's export; `unsure`: images may be listed that nobody looked at, as in COCO and CVAT."""

    tool: str
    images: tuple[ExportedImage, ...]
    labels: tuple[str, ...]
    unsure: bool


_COPIES = 3
"""How many times a shape is held while it is drawn and joined."""
_POINT, _RUN = 400, 100
"""Bytes that a point of an outline, and a run of a mask, take at the most while they are read."""


def blank(height: Any, width: Any) -> Shape:
    """Return an empty (height, width) mask; raise `InputError` for an impossible image size."""
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in (height, width))
    if not whole or not (height >= 1 and width >= 1 and height * width <= MOST):
        raise InputError.of("size of an image", "must be whole numbers of pixels, at least 1 each", (width, height))
    check_file(_COPIES * height * width, "a shape of the labels")
    return np.zeros((height, width), np.bool_)


def polygon(points: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    """Fill a polygon given by corners (x, y), in pixels from the image's corner: pixels whose centre lies inside.

    What an even number of its parts surround is outside. One too narrow to hold any centre is drawn by its outline.
    """
    check_points(points, height, width)
    corners = np.array(points)
    # Each side turns all pixels to the right of it, from outside to inside or back.
    turned = blank(height, width + 1).view(np.uint8)
    for (x, y), (to_x, to_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        top, bottom = (int(np.clip(np.ceil(end - 0.5), 0, height)) for end in sorted((y, to_y)))
        rows = np.arange(top, bottom)
        if len(rows):
            crossed = x + (rows + 0.5 - y) * (to_x - x) / (to_y - y)
            turned[rows, np.clip(np.ceil(crossed - 0.5), 0, width).astype(np.intp)] ^= 1
    shape = np.bitwise_xor.accumulate(turned, axis=1)[:, :width].view(np.bool_)
    if shape.any():
        return shape
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in points], fill=1, outline=1)
    return _covering(np.asarray(canvas), "polygon", points)


def rectangle(sides: Corners, height: int, width: int, angle: float, about: tuple[float, float]) -> Shape:
    """Fill a rectangle (left, top, right, bottom), rotated clockwise by `angle` degrees about the point `about`."""
    check_numbers((*sides, *about), height, width)
    left, top, right, bottom = sides
    if angle:
        turn, middle = cmath.rect(1.0, math.radians(angle)), complex(*about)
        ends = ((left, top), (right, top), (right, bottom), (left, bottom))
        corners = [middle + turn * (complex(*end) - middle) for end in ends]
        return polygon([(corner.real, corner.imag) for corner in corners], height, width)
    shape = blank(height, width)
    shape[max(round(top), 0) : max(round(bottom), 0), max(round(left), 0) : max(round(right), 0)] = True
    return _covering(shape, "box", sides)


def _covering(shape: Shape, what: str, corners: Sequence[Any]) -> Shape:
    """Raise `InputError` for a shape that covers no pixel, which would otherwise read as "nothing there"."""
    if not shape.any():
        height, width = shape.shape
        raise InputError.of(what, f"must cover a pixel of its image of {width} × {height}", list(corners), "draw it anew")
    return shape


def coco_shape(segmentation: Any, height: int, width: int) -> Shape:
    """Draw COCO's field ``segmentation``, given as polygons or as run lengths of the whole image."""
    if isinstance(segmentation, list):
        shape = _coco_polygons(segmentation, height, width) if segmentation else blank(height, width)
        return _covering(shape, "polygon", segmentation[0]) if segmentation else shape
    runs = segmentation["counts"]
    size = segmentation.get("size", [height, width])
    if list(size) != [height, width]:
        raise InputError.of("size of a segmentation", f"must be that of its image, {[height, width]}", size)
    return from_columns(runs if isinstance(runs, list) else compressed(runs), height, width)


def _coco_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    # pycocotools takes four numbers for a box, drops the last of an odd count, and hangs or crashes on endless outlines.
    for outline in polygons:
        check_points(list(zip(outline[::2], outline[1::2], strict=True)), height, width)
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingExtraError("polygons of COCO need pycocotools: pip install 'howfar[detection]'") from error
    runs: bytes = mask.merge(mask.frPyObjects(polygons, height, width))["counts"]
    return from_columns(compressed(runs), height, width)


def check_points(points: Sequence[Sequence[float]], height: int, width: int) -> None:
    """Raise `InputError` for a polygon of fewer than three corners, or as `check_numbers`."""
    if len(points) < 3:
        raise InputError.of("polygon", "must have at least three corners", len(points))
    check_numbers([number for point in points for number in point], height, width)


def check_numbers(numbers: Sequence[float], height: int, width: int) -> None:
    """Raise `InputError` for a coordinate beyond ±10 times the longer side of an image of this size, or no number."""
    most = 10 * max(height, width)
    wrong = next((number for number in numbers if not -most <= number <= most), None)
    if wrong is not None:
        raise InputError.of("corner of a shape", f"must lie in or near its image of {width} × {height}", wrong)


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
        number = annotation["category_id"]
        label = categories.get(number, f"category {number}")
        marks[annotation["image_id"]].append(_coco_mark(annotation, label, images[annotation["image_id"]]))
    listed = []
    for number, image in images.items():
        size = (image["width"], image["height"]) if "width" in image and "height" in image else None
        listed.append(ExportedImage(str(image["file_name"]), size, tuple(marks[number]), True if marks[number] else None))
    return LabelExport("COCO", tuple(listed), tuple(categories.values()), unsure=True)


def check_ids(entries: Sequence[Mapping[str, Any]], what: str) -> None:
    """Raise `InputError` if two entries share an id, which makes references ambiguous."""
    seen = set()
    for entry in entries:
        number = entry.get("id")  # annotations that other tools wrote may have none
        if number is not None and number in seen:
            raise InputError(f"two of its {what} have the id {number}: number them anew")
        seen.add(number)


def _coco_mark(annotation: Mapping[str, Any], label: str, image: Mapping[str, Any]) -> Mark:
    width: Any = image.get("width")
    height: Any = image.get("height")
    sides = annotation.get("bbox")
    box: Corners | None = None
    if isinstance(sides, list) and len(sides) == 4:
        left, top, across, down = map(float, sides)
        box = (left, top, left + across, top + down)
    segmentation = annotation.get("segmentation")
    if not segmentation and box is not None:
        return Mark.of_box(label, "box", box, (width, height), float((annotation.get("attributes") or {}).get("rotation", 0)))
    return Mark(label, "shape", partial(coco_shape, segmentation, height, width), box)


# Left out in silence, such a label would say that there is nothing in the image.
_UNREAD = ("polyline", "points", "ellipse", "cuboid", "skeleton")


def read_cvat(root: ElementTree.Element) -> LabelExport:
    """Read the root of a CVAT file; only images with a shape or a tag are known to have been looked at."""
    images = []
    for image in root.iter("image"):
        name = image.attrib["name"]
        size = (int(image.attrib["width"]), int(image.attrib["height"])) if "width" in image.attrib else None
        marks = tuple(mark for element in image if (mark := _cvat_mark(element, name, size or (0, 0))) is not None)
        images.append(ExportedImage(name, size, marks, True if marks else None))
    declared = (label.findtext("name") or "" for label in root.iter("label"))
    return LabelExport("CVAT", tuple(images), tuple(name for name in declared if name), unsure=True)


def _cvat_mark(element: ElementTree.Element, name: str, size: tuple[int, int]) -> Mark | None:
    values, kind = element.attrib, element.tag
    label, (width, height) = values.get("label", "").strip(), size
    if kind == "tag":
        return Mark(label, "tag")
    if kind in _UNREAD:
        return Mark(label, kind, partial(_no_area, f"{kind} of {name} is no area: draw polygons, boxes or masks"))
    if kind == "box":
        left, top, right, bottom = (float(values[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
        return Mark.of_box(label, kind, (left, top, right, bottom), size, float(values.get("rotation", 0)))
    if kind == "polygon":
        return Mark(label, kind, partial(_cvat_polygon, values, height, width))
    return Mark(label, kind, partial(_cvat_mask, values, height, width)) if kind == "mask" else None


def _no_area(line: str) -> Shape:
    raise InputError(line)


def _cvat_polygon(values: Mapping[str, str], height: int, width: int) -> Shape:
    check_file(_POINT * values["points"].count(";"), "a shape of the labels")
    return polygon([list(map(float, pair.split(","))) for pair in values["points"].split(";")], height, width)


def _cvat_mask(values: Mapping[str, str], height: int, width: int) -> Shape:
    left, top, across, down = (int(float(values[name])) for name in ("left", "top", "width", "height"))
    if min(left, top, across, down) < 0 or left + across > width or top + down > height:
        raise InputError.of("mask", f"must lie inside its image of {width} × {height}", f"{across} × {down} at {left}, {top}")
    check_file(_RUN * values["rle"].count(","), "a mask of the labels")
    shape = blank(height, width)
    shape[top : top + down, left : left + across] = from_rows([int(run) for run in values["rle"].split(",")], down, across)
    return shape


_LABELS = ("brushlabels", "polygonlabels", "rectanglelabels", "labels")
"""Where the value of a result may hold the names of labels."""


def read_label_studio(tasks: Sequence[Mapping[str, Any]]) -> LabelExport:
    """Read the last annotation of each Label Studio task; a task that was submitted without a shape was looked at."""
    if tasks and "data" not in tasks[0]:
        raise InputError("it is not the full JSON of Label Studio (JSON-MIN?): export it as JSON")
    return LabelExport("Label Studio", tuple(map(_studio_image, tasks)), (), unsure=False)


def _studio_image(task: Mapping[str, Any]) -> ExportedImage:
    kept = [annotation for annotation in task.get("annotations", []) if not annotation.get("was_cancelled")]
    name = str((task.get("meta") or {}).get("image") or _file_of(task["data"]["image"]))
    if not kept:
        return ExportedImage(name, None, looked_at=False, times=0)
    results = kept[-1]["result"]
    size = next((_studio_size(result) for result in results if "original_width" in result), None)
    return ExportedImage(name, size, tuple(_studio_marks(results)), looked_at=True, times=len(kept))


def _studio_size(result: Mapping[str, Any]) -> tuple[int, int]:
    return int(result["original_width"]), int(result["original_height"])


def _studio_marks(results: Sequence[Mapping[str, Any]]) -> Iterator[Mark]:
    for result in results:
        value = result.get("value", {})
        if "choices" in value:
            yield from (Mark(str(choice).strip(), "choices") for choice in value["choices"])
        elif "original_width" in result:
            label = str(next((value[key] for key in _LABELS if value.get(key)), [""])[0])
            yield _studio_mark(result, label, str(result.get("type", "shape")).removesuffix("labels"))


def _studio_mark(result: Mapping[str, Any], label: str, kind: str) -> Mark:
    (width, height), value = _studio_size(result), result["value"]
    if "rle" in value:
        return Mark(label, kind, partial(from_brush, value["rle"], height, width))
    if "points" in value:
        return Mark(label, kind, partial(_studio_polygon, value["points"], height, width))
    if "width" not in value:
        line = f"a result of type {result.get('type')} is no area: draw with brushes, polygons or rectangles"
        return Mark(label, kind, partial(_no_area, line))
    x, y, across, down = (_number(value[name]) for name in ("x", "y", "width", "height"))
    left, top = x * width / 100, y * height / 100
    box = (left, top, left + across * width / 100, top + down * height / 100)
    return Mark.of_box(label, kind, box, (width, height), float(value.get("rotation", 0)), at_corner=True)


def _studio_polygon(points: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    return polygon([(x * width / 100, y * height / 100) for x, y in points], height, width)


def _number(value: Any) -> float:
    # A text would be repeated as often as the image is wide.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError.of("side of a rectangle", "must be a number", value)
    return float(value)


def _file_of(address: str) -> str:
    """Return the file name behind a Label Studio task's address; a plain relative path stays unchanged."""
    parts = urlsplit(address)
    if not (parts.scheme or parts.query or address.startswith("/")):
        return address
    within = parse_qs(parts.query).get("d")
    return PurePosixPath(within[0] if within else unquote(parts.path)).name


KINDS = "a folder of masks, or a file that COCO (.json), CVAT (.xml) or Label Studio (.json) exported"


def read_export(path: Path) -> LabelExport:
    """Read a labelling tool's export, zipped or not, without drawing its shapes; a damaged one may raise anything."""
    suffix, data = _packed(path) if is_zipfile(path) else (path.suffix.lower(), file_bytes(path))
    if suffix == ".xml":
        return read_cvat(parsed_xml(data, path, path.stat().st_size))
    document: Any = parsed(data.decode("utf-8-sig"), path)
    return read_label_studio(document) if isinstance(document, list) else read_coco(document)


def _packed(path: Path) -> tuple[str, bytes]:
    """Return the extension and the bytes of the only label file in a .zip."""
    with ZipFile(path) as archive:
        members = [
            member
            for member in archive.infolist()
            if Path(member.filename).suffix.lower() in (".xml", ".json") and not member.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            what = "no .xml or .json" if not members else f"{len(members)} files .xml or .json"
            raise InputError(f"it holds {what}, and one is wanted: unpack it and pass the file of labels")
        check_file(COPIES * members[0].file_size, path, path.stat().st_size)
        with archive.open(members[0]) as file:
            data = file.read(members[0].file_size + 1)
        return Path(members[0].filename).suffix.lower(), data


@dataclass(frozen=True, eq=False)
class Labels:
    """Hold the labels of a dataset's images: masks, classes or boxes by image name.

    A mask is a file, or a foreground (h, w); 0 × 0 pixels, or no box, stand for an image in which somebody found nothing.
    `strangers` are labels that belong to no image of the dataset; `unsure` is as in `LabelExport`.
    """

    by_image: Mapping[str, Any]
    strangers: tuple[str, ...] = ()
    unsure: bool = False


def read_labels(dataset: Dataset, source: str | Path) -> Labels:
    """Read the masks of a dataset's images from one of the `KINDS`; of several categories the one called foreground counts."""
    path = absolute(source)
    if path.is_dir():
        return masks_below(dataset, path)
    if not path.is_file():
        raise MissingPathError(f"no labels at {path}: pass {KINDS}")
    with readable(path, f"pass {KINDS}"):
        export = read_export(path)
        by_key = _joined(_shapes(export))
    return Labels(*matched(dataset, by_key), unsure=export.unsure)


def masks_below(dataset: Dataset, folder: Path) -> Labels:
    """Match the masks below a folder with the images of a dataset; of two of one name the first in natural order counts."""
    files = sorted(walk(folder), key=lambda file: natural_key(file.name))
    return Labels(*matched(dataset, {stem(file.relative_to(folder).as_posix()): file for file in reversed(files)}))


def matched(dataset: Dataset, by_key: Mapping[str, Any], whole: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Match labels to images by path without extension, or, unless `whole`, by unique file names; return them and the rest."""
    plain = {xml_text(stem(item.name)): stem(item.name) for item in dataset.items}
    by_key = {plain.get(key, key): label for key, label in by_key.items()}
    keys = match_names(dataset, by_key)
    masks: dict[str, Any] = {name: by_key[key] for name, key in keys.items() if key in by_key}
    if not masks and not whole:
        last = {PurePosixPath(key).name: key for key in by_key}
        short = {name: PurePosixPath(key).name for name, key in keys.items()}
        if len(last) == len(by_key) and len(set(short.values())) == len(short):
            keys = {name: last[part] for name, part in short.items() if part in last}
            masks = {name: by_key[key] for name, key in keys.items()}
    used = set(keys.values())
    return masks, tuple(key for key in by_key if key not in used)


def _joined(shapes: Iterator[tuple[str, Shape]]) -> dict[str, Shape]:
    """Merge the shapes of each image into one foreground."""
    joined: dict[str, Shape] = {}
    held = 0
    for name, shape in shapes:
        key = stem(name)
        if key not in joined:
            held += shape.nbytes
            check_file(held, "the masks of the labels")
        joined[key] = joined[key] | shape if key in joined else shape
    return joined


def _shapes(export: LabelExport) -> Iterator[tuple[str, Shape]]:
    """Yield an empty shape for each image that somebody may have looked at, then its areas of foreground or of one label."""
    used = {mark.label for image in export.images for mark in image.marks if mark.draw is not None}
    chosen = {CATEGORY} & used if len(used) > 1 else set()
    if len(used) > 1 and not chosen:
        what = "categories" if export.tool == "COCO" else "labels"
        raise InputError(f"it has {len(used)} {what}, none called {CATEGORY}")
    for image in export.images:
        if image.looked_at is False:
            continue
        areas = [mark.draw for mark in image.marks if mark.draw is not None and (not chosen or mark.label in chosen)]
        if export.unsure:
            width, height = (None, None) if image.size is None else image.size
            yield image.name, blank(height, width)
        elif not areas:
            yield image.name, np.zeros((0, 0), np.bool_)
        for draw in areas:
            yield image.name, draw()
