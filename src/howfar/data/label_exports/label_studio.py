"""Read tasks that Label Studio exported as JSON: brushes, polygons, rectangles and choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from howfar.data.label_exports.records import Corners, Export, LabelledImage, Mark
from howfar.data.label_exports.shapes import polygon, rectangle
from howfar.data.run_lengths import from_brush
from howfar.errors import InputError

_LABELS = ("brushlabels", "polygonlabels", "rectanglelabels", "labels")
"""Where the value of a result may hold the names of labels."""


def read_label_studio(tasks: Sequence[Mapping[str, Any]]) -> Export:
    """Read tasks with their annotations; predictions count for nothing, and of several annotations the last is taken.

    A task that somebody submitted without a shape was looked at; one without annotations was not.
    """
    if tasks and "data" not in tasks[0]:
        raise InputError("it is not the full JSON of Label Studio (JSON-MIN?): export it as JSON")
    images = tuple(map(_image, tasks))
    return Export("Label Studio", images, (), unsure=False)


def _image(task: Mapping[str, Any]) -> LabelledImage:
    kept = [annotation for annotation in task.get("annotations", []) if not annotation.get("was_cancelled")]
    name = str((task.get("meta") or {}).get("image") or _file_of(task["data"]["image"]))
    if not kept:
        return LabelledImage(name, None, looked_at=False, times=0)
    results = kept[-1]["result"]
    sized = next((result for result in results if "original_width" in result), None)
    size = None if sized is None else _size(sized)
    return LabelledImage(name, size, tuple(_marks(results)), looked_at=True, times=len(kept))


def _marks(results: Sequence[Mapping[str, Any]]) -> Iterator[Mark]:
    for result in results:
        value = result.get("value", {})
        if "choices" in value:
            yield from (Mark(str(choice).strip(), "choices") for choice in value["choices"])
        elif "original_width" in result:
            names = next((value[key] for key in _LABELS if value.get(key)), [""])
            kind = str(result.get("type", "shape")).removesuffix("labels")
            yield Mark(str(names[0]), kind, partial(_shape, result), _upright(result))


def _size(result: Mapping[str, Any]) -> tuple[int, int]:
    return int(result["original_width"]), int(result["original_height"])


def _shape(result: Mapping[str, Any]) -> NDArray[np.bool_]:
    (width, height), value = _size(result), result["value"]
    if "rle" in value:
        return from_brush(value["rle"], height, width)
    if "points" in value:
        return polygon([(x * width / 100, y * height / 100) for x, y in value["points"]], height, width)
    if "width" not in value:
        raise InputError(f"a result of type {result.get('type')} is no area: draw with brushes, polygons or rectangles")
    sides = _corners(result)
    return rectangle(sides, height, width, float(value.get("rotation", 0)), sides[:2])


def _corners(result: Mapping[str, Any]) -> Corners:
    (width, height), value = _size(result), result["value"]
    x, y, across, down = (_number(value[name]) for name in ("x", "y", "width", "height"))
    left, top = x * width / 100, y * height / 100
    return left, top, left + across * width / 100, top + down * height / 100


def _number(value: Any) -> float:
    # A text would be repeated as often as the image is wide.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError.of("side of a rectangle", "must be a number", value)
    return float(value)


def _upright(result: Mapping[str, Any]) -> Corners | None:
    value = result["value"]
    plain = "width" in value and "points" not in value and "rle" not in value
    return _corners(result) if plain and not float(value.get("rotation", 0)) else None


def _file_of(address: str) -> str:
    """Return the file that a Label Studio task points to; a path that is none of a server's stays as it is."""
    parts = urlsplit(address)
    if not (parts.scheme or parts.query or address.startswith("/")):
        return address
    within = parse_qs(parts.query).get("d")
    return PurePosixPath(within[0] if within else unquote(parts.path)).name
