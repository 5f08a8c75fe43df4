"""Define the prompt of a network (points, a box or a text), and make points and boxes from a mask."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Prompt:
    """Hold one image's prompt, in pixels of the image, the middle of the first pixel being (0.5, 0.5).

    `points` are (x, y), with `labels` of 1 for foreground or 0 for background; `box` is x and y of the upper left and of the
    lower right corner.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: Box | None = None
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Convert the prompt to JSON values."""
        return asdict(self)


def points_of(mask: NDArray[np.bool_], foreground: int, background: int, rng: np.random.Generator) -> Prompt:
    """Draw points without replacement from the foreground and background of a mask (h, w), as an annotator would click.

    Where there are fewer pixels than points, there are fewer points. Raises `InputError` where the mask has no foreground, or a
    number is below 0.
    """
    for name, value in (("foreground", foreground), ("background", background)):
        if value < 0:
            raise InputError.of(name, "must be at least 0", value)
    if not mask.any():
        raise InputError.of("mask", "must have foreground to point at", "none")
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    for label, count in ((1, foreground), (0, background)):
        rows, columns = np.nonzero(mask == bool(label))
        for pixel in rng.choice(len(rows), min(count, len(rows)), replace=False):
            points.append((float(columns[pixel]) + 0.5, float(rows[pixel]) + 0.5))
            labels.append(label)
    return Prompt(points=tuple(points), labels=tuple(labels))


def box_of(mask: NDArray[np.bool_]) -> Prompt:
    """Find the smallest box that contains a mask's foreground; a mask without any raises `InputError`."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise InputError.of("mask", "must have foreground for a box", "none")
    return Prompt(box=(float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1))
