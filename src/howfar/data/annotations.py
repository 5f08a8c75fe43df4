"""Hold the annotations of an image (shapes, boxes, classes), rasterise the shapes, and hold a model's pre-annotations."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from howfar.errors import InputError
from howfar.memory import check_file

Shape: TypeAlias = NDArray[np.bool_]
Corners: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom of an upright box, in pixels."""

CATEGORY: Final = "foreground"
"""What is to be labelled, where nobody calls it otherwise."""
MOST: Final = 1 << 30
"""Pixels of an image at most."""
_COPIES: Final = 3
"""How many times a shape is held while it is drawn and joined."""


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
    def of_box(
        cls, label: str, kind: str, box: Corners, size: tuple[Any, Any], angle: float = 0.0, at_corner: bool = False
    ) -> Mark:
        """Mark a box in an image of this size (width, height), turned by `angle` about its centre or its first corner."""
        left, top, right, bottom = box
        about = (left, top) if at_corner else ((left + right) / 2, (top + bottom) / 2)
        return cls(label, kind, partial(rectangle, box, size[1], size[0], angle, about), None if angle else box)

    @classmethod
    def without_area(cls, label: str, kind: str, why: str) -> Mark:
        """Mark a shape without an area, since an image without marks would count as one without foreground."""
        return cls(label, kind, partial(_refuse, why))


def _refuse(why: str) -> Shape:
    raise InputError(why)


@dataclass(frozen=True, eq=False)
class MarkedImage:
    """Hold an image that a tool labels, by the tool's name for it, with its size (width, height) if known, and its marks.

    `looked_at` is whether somebody has annotated the image, None where the tool does not say. `times` is how often; the marks
    are of the last. `path` is the file or URL of an image that is handed out.
    """

    name: str
    size: tuple[int, int] | None
    marks: tuple[Mark, ...] = ()
    looked_at: bool | None = None
    times: int = 1
    path: str = ""


@dataclass(frozen=True, eq=False)
class LabelExport:
    """Hold a tool's export; `unsure`: images may be listed that nobody looked at, as in COCO and CVAT."""

    tool: str
    images: tuple[MarkedImage, ...]
    unsure: bool


BoxesOf: TypeAlias = dict[str, dict[str, Any]]
"""From an entry's name to ``{"boxes": corners, "labels": texts, "scores": where predicted}``."""


@dataclass(frozen=True, eq=False)
class BoxFile:
    """Hold the boxes read from a file or folder, by each image's name as the file writes it.

    `whole`: an image that is no entry has no box. `unsure`: nobody may have looked at some entries. `names` and `ids` are the
    classes and images that the file states, by the ids by which other files refer to them.
    """

    boxes: BoxesOf
    whole: bool = False
    unsure: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def no_boxes(predicted: bool) -> dict[str, Any]:
    """Return the entry of an image without boxes, with scores if they are predicted."""
    return {"boxes": [], "labels": []} | ({"scores": []} if predicted else {})


def add_box(boxes: BoxesOf, image: str, corners: Sequence[float], label: str, score: float | None = None) -> None:
    """Add a box to an image's boxes."""
    entry = boxes.setdefault(image, no_boxes(score is not None))
    entry["boxes"].append(list(corners))
    entry["labels"].append(label)
    if score is not None:
        entry["scores"].append(score)


def relabelled(boxes: BoxesOf, name: Callable[[str], str]) -> BoxesOf:
    """Replace each label by its name."""
    return {image: {**entry, "labels": list(map(name, entry["labels"]))} for image, entry in boxes.items()}


def boxes_of_export(export: LabelExport) -> BoxesOf:
    """Return the boxes of a tool's export; raise `ValueError` for a shape without a label or an upright box."""
    boxes: BoxesOf = {}
    for image in export.images:
        if image.looked_at is not False:
            boxes[image.name] = no_boxes(predicted=False)
        for mark in image.marks:
            if mark.draw is None:
                continue
            if not mark.label:
                raise ValueError(f"a {mark.kind} of {image.name} has no label: give it one, or delete it")
            if mark.box is None:
                raise ValueError(f"a {mark.kind} of {image.name} is no upright box")
            add_box(boxes, image.name, mark.box, mark.label)
    return boxes


def blank(height: Any, width: Any) -> Shape:
    """Return an empty (height, width) mask; raise `InputError` for an impossible image size."""
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in (height, width))
    if not whole or not (height >= 1 and width >= 1 and height * width <= MOST):
        raise InputError.of("size of an image", "must be whole numbers of pixels, at least 1 each", (width, height))
    check_file(_COPIES * height * width, "a shape of the labels")
    return np.zeros((height, width), np.bool_)


def polygon(points: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    """Fill a polygon of corners (x, y) in pixels by the even-odd rule; draw the outline of one that holds no pixel's centre."""
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
    return covering(np.asarray(canvas), "polygon", points)


def rectangle(sides: Corners, height: int, width: int, angle: float, about: tuple[float, float]) -> Shape:
    """Fill a rectangle (left, top, right, bottom), rotated clockwise by `angle` degrees about the point `about`."""
    _check_numbers((*sides, *about), height, width)
    left, top, right, bottom = sides
    if angle:
        turn, middle = cmath.rect(1.0, math.radians(angle)), complex(*about)
        ends = ((left, top), (right, top), (right, bottom), (left, bottom))
        corners = [middle + turn * (complex(*end) - middle) for end in ends]
        return polygon([(corner.real, corner.imag) for corner in corners], height, width)
    shape = blank(height, width)
    shape[max(round(top), 0) : max(round(bottom), 0), max(round(left), 0) : max(round(right), 0)] = True
    return covering(shape, "box", sides)


def covering(shape: Shape, what: str, corners: Sequence[Any]) -> Shape:
    """Raise `InputError` for a shape that covers no pixel, which would otherwise read as "nothing there"."""
    if not shape.any():
        height, width = shape.shape
        raise InputError.of(what, f"must cover a pixel of its image of {width} × {height}", list(corners), "draw it anew")
    return shape


def check_points(points: Sequence[Sequence[float]], height: int, width: int) -> None:
    """Raise `InputError` for a polygon of fewer than three corners, or with one far outside of its image."""
    if len(points) < 3:
        raise InputError.of("polygon", "must have at least three corners", len(points))
    _check_numbers([number for point in points for number in point], height, width)


def _check_numbers(numbers: Sequence[float], height: int, width: int) -> None:
    """Raise `InputError` for a coordinate beyond ±10 times the longer side of an image of this size, or no number."""
    most = 10 * max(height, width)
    wrong = next((number for number in numbers if not -most <= number <= most), None)
    if wrong is not None:
        raise InputError.of("corner of a shape", f"must lie in or near its image of {width} × {height}", wrong)


def bounds(foreground: Shape) -> tuple[int, int, int, int]:
    """Return (left, top, width, height) of the bounding box of a non-empty foreground."""
    rows, columns = np.flatnonzero(foreground.any(axis=1)), np.flatnonzero(foreground.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def to_runs(mask: Shape) -> list[int]:
    """Return alternating background and foreground run lengths by row, background first; those of ``mask.T`` are by column."""
    values = mask.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    lengths: list[int] = np.diff(edges).tolist()
    return [0, *lengths] if len(values) and values[0] else lengths


def from_runs(counts: Sequence[int], height: int, width: int) -> Shape:
    """Make a (height, width) mask from run lengths by row; raise `InputError` if they do not add up to its size."""
    lengths, pixels = np.asarray(counts), height * width
    if lengths.ndim != 1 or (len(lengths) and not np.issubdtype(lengths.dtype, np.integer)):
        raise InputError.of("run lengths", "must be whole numbers", lengths.dtype.name, "export them again")
    # Each is checked alone too: the sum of huge ones would wrap around.
    beyond = bool((lengths < 0).any() or (lengths > pixels).any())
    if beyond or lengths.sum() != pixels:
        what = "others" if beyond else int(lengths.sum())
        raise InputError.of("run lengths", f"must add up to the image's {pixels} pixels", what, "export them again")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths.astype(np.int64)).reshape(height, width)


Boxes: TypeAlias = Sequence[tuple[str, Sequence[float]]]
"""The class and the corners x0, y0, x1, y1, in pixels, of the boxes of one image."""


Named: TypeAlias = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class LabelNames:
    """Map a tool's label names, in order, to the dataset's ("" is left out); without any, both call every label the same."""

    given: Mapping[str, str]

    def in_tool(self, label: str) -> str:
        """Return the tool's name for a label of the model, by default the label itself."""
        return next((name for name, own in self.given.items() if own == label), label)

    def in_dataset(self, name: str) -> str | None:
        """Return the dataset's name for a label of the tool: "" if it is left out, None if it is unknown."""
        return self.given.get(name) if self.given else name

    def offered(self, own: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the label names that a tool offers: the given names, then the model's labels without another name."""
        return tuple(dict.fromkeys((*self.given, *map(self.in_tool, own))))


def label_names(names: Named, task: str) -> LabelNames:
    """Parse ``NAME``, ``MODEL=NAME`` (a renamed label of the model) or ``=NAME`` (a label that import leaves out)."""
    if isinstance(names, Mapping):
        pairs = [(str(own), str(name)) for own, name in names.items()]
    elif isinstance(names, (str, Sequence)):
        pairs = []
        for text in [names] if isinstance(names, str) else names:
            if not isinstance(text, str):
                raise InputError.of("label_names", "must be texts", text, "write NAME or MODEL=NAME")
            own, equals, name = text.partition("=")
            # Where masks are labelled every name given alone is one of the foreground.
            alone = CATEGORY if task == "segmentation" else text
            pairs.append((own, name) if equals else (alone, text))
    else:
        raise InputError.of("label_names", "must be texts, or pairs of the model's label and its name", names)
    given: dict[str, str] = {}
    for own, name in pairs:
        if not name.strip():
            raise InputError.of("label_names", "must name each label", name, "write NAME or MODEL=NAME")
        if name in given:
            raise InputError.of("label_names", "must give each name once", name)
        given[name.strip()] = own.strip()
    return LabelNames(given)


@dataclass(frozen=True, eq=False)
class FirstLabels:
    """Hold the pre-annotations (first labels) of one task by image name; an image in none of the mappings has none.

    `names` are the tool's for the labels, `own` the labels that the model may give. `foregrounds` are functions that return the
    model's foreground, (h, w); `maps` are files of its maps of classes. `faults` say why an answered image has no first label.
    """

    task: str = "segmentation"
    names: LabelNames = field(default_factory=lambda: LabelNames({}))
    own: tuple[str, ...] = ()
    foregrounds: Mapping[str, Callable[[], Shape]] = field(default_factory=dict)
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Path] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def offered(self) -> tuple[str, ...]:
        """Return the label names that the tool offers; for masks, the foreground's name comes first."""
        return self.names.offered(() if self.task == "segmentation" and self.names.given else self.own)

    def on(self, image: MarkedImage) -> MarkedImage:
        """Return an image with its first labels as marks, named as in the labelling tool."""
        marks: list[Mark] = []
        if label := self.classes.get(image.name):
            marks.append(Mark(self.names.in_tool(label), "class"))
        if image.name in self.foregrounds:
            marks.append(Mark((self.offered() or (CATEGORY,))[0], "mask", self.foregrounds[image.name]))
        for own, (left, top, right, bottom) in self.boxes.get(image.name, ()):
            marks.append(Mark.of_box(self.names.in_tool(own), "box", (left, top, right, bottom), image.size or (0, 0)))
        return with_changes(image, marks=tuple(marks), looked_at=self.task == "detection" or None)
