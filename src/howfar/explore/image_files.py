"""Give pictures of a run's images by the number of their row: small, at full size, mask or prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from howfar.errors import HowfarError
from howfar.explore.pictures import SHOWN, encoded, mask, photograph, probabilities
from howfar.explore.points import Points

SIDE = 224
CACHED = 4_000
"""Small pictures that are kept in memory, about 10 kB each."""
_LONGEST = 10


class Picture(NamedTuple):
    """Hold a picture as the bytes of a file, with its media type."""

    type: str
    data: bytes


@dataclass(eq=False)
class ImageFiles:
    """Read pictures of the images of the run's own list, and of nothing else.

    Attributes
    ----------
    points
        The rows.
    masks
        The mask of an image by dataset and name.
    """

    points: Points
    masks: Mapping[tuple[str, str], str]

    def __post_init__(self) -> None:
        rows = self.points.rows
        self._paths = {
            "image": list(rows["path"]),
            "mask": [self.masks.get(key, "") for key in zip(rows["dataset"], rows["image"], strict=True)],
        }
        models = [list(model.predictions) for model in self.points.models]
        self._predictions = models or [list(rows["prediction"])]
        self._thumbnail: Callable[[int], Picture] = lru_cache(CACHED)(self._make_thumbnail)

    def known(self) -> dict[str, Any]:
        """Say which rows have a mask, and which a prediction by each model."""

        def rows(paths: list[str]) -> list[int]:
            return [row for row, path in enumerate(paths) if path]

        return {"masks": rows(self._paths["mask"]), "predictions": [rows(paths) for paths in self._predictions]}

    def read(self, name: str) -> Picture | None:
        """Read ``thumbnail/ROW``, ``image/ROW``, ``mask/ROW``, ``prediction/ROW`` or ``prediction/ROW/MODEL``.

        None for whatever is not of that form, is not known or cannot be read.
        """
        kind, *numbers = name.split("/")
        if not 1 <= len(numbers) <= (2 if kind == "prediction" else 1):
            return None
        if not all(text.isascii() and text.isdigit() and len(text) < _LONGEST for text in numbers):
            return None
        row, model = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0
        try:
            if row < len(self.points):
                return self._read(kind, row, model)
        except (HowfarError, OSError):
            pass
        return None

    def _read(self, kind: str, row: int, model: int) -> Picture | None:
        if kind == "thumbnail":
            return self._thumbnail(row)
        if kind == "prediction":
            path = self._predictions[model][row] if model < len(self._predictions) else ""
        else:
            path = self._paths[kind][row] if kind in self._paths else ""
        return _full(kind, path) if path else None

    def _make_thumbnail(self, row: int) -> Picture:
        return Picture(SHOWN["WEBP"], encoded(photograph(self._paths["image"][row], SIDE), "WEBP", 75))


def _full(kind: str, path: str) -> Picture:
    """Read a picture at full size, decoded and written anew, so that no bytes of a file reach the browser unread."""
    if kind == "image":
        return Picture(SHOWN["JPEG"], encoded(photograph(path), "JPEG"))
    return Picture(SHOWN["PNG"], encoded(mask(path) if kind == "mask" else probabilities(path), "PNG"))
