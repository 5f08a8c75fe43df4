"""Read and write Label Studio tasks (labelstud.io, basic JSON format), and write a project's labelling configuration (XML)."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

import numpy as np

from howfar.data.annotations import MOST, LabelExport, Mark, MarkedImage, Shape, polygon, to_runs
from howfar.errors import InputError
from howfar.formatting_and_escaping import xml_text
from howfar.io.file_location import is_url
from howfar.memory import check_file

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
            yield Mark(label, kind, partial(_outlined, value["points"], height, width))
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


def _outlined(points: Sequence[Sequence[float]], height: int, width: int) -> Shape:
    return polygon([(x * width / 100, y * height / 100) for x, y in points], height, width)


def write_label_studio(images: Sequence[MarkedImage], title: str) -> str:
    """Return images as import tasks, each with its file or URL, and the marks as a prediction by the control ``label``.

    ``/data/local-files/?d=PATH`` is a path below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``, by default ``/``. ``meta`` keeps
    the image's name and rank. An image that the model looked at has a prediction even without marks.
    """
    tasks = []
    for rank, image in enumerate(images, start=1):
        meta = {"title": title, "image": image.name, "rank": rank}
        task: dict[str, Any] = {"data": {"image": address(image.path)}, "meta": meta}
        result = [each for mark in image.marks for each in _result(mark, image.size)]
        if result or image.looked_at:
            task["predictions"] = [{"model_version": "model", "result": result}]
        tasks.append(task)
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def _result(mark: Mark, size: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
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
