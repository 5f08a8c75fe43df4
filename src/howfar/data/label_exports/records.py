"""Define what every export of a labelling tool comes down to: images, each with named shapes, boxes or classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Corners = tuple[float, float, float, float]
"""Left, top, right and bottom of an upright box, in pixels."""


@dataclass(frozen=True, eq=False)
class Mark:
    """Hold one label that somebody gave an image: its name, and what it marks.

    `kind` is what the tool calls it ("polygon", "mask", "tag"). `draw` returns the marked area, (h, w); None for a class of the
    whole image. `box` is the area's corners where it is an upright box, or is stated beside the area; else None.
    """

    label: str
    kind: str
    draw: Callable[[], NDArray[np.bool_]] | None = None
    box: Corners | None = None


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """Hold an image of an export, with its marks.

    `name` is as the tool writes it, `size` width and height in pixels where it states them. `looked_at` is True where the tool
    says that somebody has annotated the image, False where it says that nobody has, None where it says neither. `times` is how
    often it was annotated: by two people, twice; the marks are of the last.
    """

    name: str
    size: tuple[int, int] | None
    marks: tuple[Mark, ...] = ()
    looked_at: bool | None = None
    times: int = 1


@dataclass(frozen=True, eq=False)
class Export:
    """Hold what a tool exported: its name, its images, and the names of labels that it declares.

    `unsure` is whether images may be among them that nobody looked at: COCO and CVAT list all images of a task, with the shapes
    that they were imported with.
    """

    tool: str
    images: tuple[LabelledImage, ...]
    labels: tuple[str, ...]
    unsure: bool
