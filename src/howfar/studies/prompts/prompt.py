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

    Attributes
    ----------
    points, labels
        (x, y) of each point, and 1 for foreground or 0 for background.
    box
        x and y of its upper left and of its lower right corner.
    text
        The text of a text prompt.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: Box | None = None
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Convert the prompt to JSON values."""
        return asdict(self)


def points_of(mask: NDArray[np.bool_], foreground: int, background: int, rng: np.random.Generator) -> Prompt:
    """Draw points without replacement from a mask's foreground and background, as an annotator would click.

    Parameters
    ----------
    mask
        (h, w).
    foreground, background
        Number of points on each; fewer where there are no more pixels.
    rng
        Generator of the draw.

    Raises
    ------
    InputError
        The mask has no foreground, or a number is below 0.

    Examples
    --------
    >>> points_of(np.eye(3, dtype=bool), 1, 1, np.random.default_rng(0)).labels
    (1, 0)
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
    """Find the smallest box that contains a mask's foreground; a mask without any raises `InputError`.

    Examples
    --------
    >>> box_of(np.eye(4, dtype=bool)[:, :3]).box
    (0.0, 0.0, 3.0, 3.0)
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise InputError.of("mask", "must have foreground for a box", "none")
    return Prompt(box=(float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1))
