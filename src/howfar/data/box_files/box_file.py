"""Define what every file of boxes comes down to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from howfar.data.class_names import named

BoxesOf: TypeAlias = dict[str, dict[str, Any]]
"""From an entry's name to ``{"boxes": corners, "labels": texts, "scores": where predicted}``."""


@dataclass(frozen=True, eq=False)
class BoxFile:
    """Hold the boxes in a file or folder.

    Attributes
    ----------
    boxes
        Of each entry, by the name of its image as the file writes it.
    whole
        Whether an image that is no entry has no box, since the format has nothing to say of such.
    unsure
        Whether images may be among the entries that nobody looked at.
    names, ids
        The names of classes and images that the file states, by the ids by which other files refer to them.
    notes
        What a reader should know.
    """

    boxes: BoxesOf
    whole: bool = False
    unsure: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def add_box(boxes: BoxesOf, image: str, corners: Sequence[float], label: str, score: float | None = None) -> None:
    """Add a box to those of an image."""
    entry = boxes.setdefault(image, {"boxes": [], "labels": []} | ({} if score is None else {"scores": []}))
    entry["boxes"].append(list(corners))
    entry["labels"].append(label)
    if score is not None:
        entry["scores"].append(score)


def renamed(boxes: BoxesOf, names: Sequence[str]) -> BoxesOf:
    """Call classes that are numbers by their names.

    Examples
    --------
    >>> renamed({"1.jpg": {"boxes": [[0, 0, 1, 1]], "labels": ["1"]}}, ["road", "car"])["1.jpg"]["labels"]
    ['car']
    """
    if not names:
        return boxes
    return {image: {**entry, "labels": [named(label, names) for label in entry["labels"]]} for image, entry in boxes.items()}
