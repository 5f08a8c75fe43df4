"""An image to be labelled, as labelling tools want to know it."""

from __future__ import annotations

from dataclasses import dataclass

CATEGORY = "foreground"
"""The one thing to be labelled."""


@dataclass(frozen=True)
class Picture:
    """An image's name in its dataset, its file, and its width and height in pixels; None where the file cannot be read."""

    name: str
    path: str
    size: tuple[int, int] | None = None
