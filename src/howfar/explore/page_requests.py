"""Answer what the interactive page asks for by name: its data, columns, names of rows, a search by text, and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from howfar.errors import HowfarError
from howfar.explore.image_rows_and_positions import RunImages
from howfar.explore.page_data import Encoded, levels_of, page_data
from howfar.explore.run_photographs_and_masks import SHOWN, encoded, mask, photograph, probabilities

BYTES: Final = "application/octet-stream"
MOST_ASKED: Final = 500
"""Rows of which a page may ask for names at once."""
SIDE: Final = 224
CACHED: Final = 4_000
"""Small pictures that are kept in memory, about 10 kB each."""
_LONGEST: Final = 10


class ImageFile(NamedTuple):
    """Hold a picture, or other data, as the bytes of a file, with its media type."""

    type: str
    data: bytes


@dataclass(eq=False)
class PageParts:
    """Answer what a page asks for by name: its block, columns of a long run, names of rows, a search by text, and pictures.

    Pictures are of the images in the run's own list, and of no others; `masks` are files by dataset and image. `similarity`
    gives the cosine of each row with a text, or raises where it cannot; without it, `search` says why.
    """

    points: RunImages
    masks: Mapping[tuple[str, str], str]
    similarity: Callable[[str], NDArray[np.float32]] | None = None
    search: str = ""

    def __post_init__(self) -> None:
        self._thumbnail: Callable[[int], ImageFile] = lru_cache(CACHED)(self._make_thumbnail)

    @cached_property
    def _levels(self) -> dict[str, Encoded]:
        return levels_of(self.points)

    @cached_property
    def _predictions(self) -> list[Any]:
        """Return each model's prediction files by row ("" if missing), or the run's own files for a run of one model."""
        return [model.predictions for model in self.points.models] or [self.points.rows["prediction"].array]

    def block(self, token: str, picks: Sequence[int]) -> bytes:
        """Pack what the page opens with."""
        asked: dict[str, Any] = {"token": token, "picks": list(picks)}
        asked["search"] = self.search if self.similarity is None else True
        if not self._levels:
            # The rows with a mask, and the rows with a prediction by each model.
            keys = zip(self.points.rows["dataset"], self.points.rows["image"], strict=True) if self.masks else ()
            asked["masks"] = [row for row, key in enumerate(keys) if self.masks.get(key)]
            asked["predictions"] = [[row for row, file in enumerate(files) if file] for files in self._predictions]
        return page_data(self.points, asked=asked, levels=self._levels)

    def read(self, name: str) -> ImageFile | None:
        """Read what the page calls by a name; None for anything else.

        These are ``column/NAME``, ``rows/ROW,ROW``, ``search/TEXT``, ``thumbnail/ROW``, ``image/ROW``, ``mask/ROW`` and
        ``prediction/ROW[/MODEL]``. Raises `HowfarError` for a search that is not possible.
        """
        kind, _, rest = name.partition("/")
        if kind == "column":
            return ImageFile(BYTES, self._levels[rest].values.tobytes()) if rest in self._levels else None
        if kind == "search":
            return None if self.similarity is None else ImageFile(BYTES, self.similarity(unquote(rest)).astype("<f4").tobytes())
        texts = rest.split("," if kind == "rows" else "/")
        most = {"rows": MOST_ASKED, "prediction": 2}.get(kind, 1)
        if len(texts) > most or not all(text.isascii() and text.isdigit() and len(text) < _LONGEST for text in texts):
            return None
        numbers = [int(text) for text in texts]
        rows = numbers if kind == "rows" else numbers[:1]
        if max(rows) >= len(self.points):
            return None
        return self._facts(rows) if kind == "rows" else self._picture(kind, *numbers)

    def _facts(self, rows: list[int]) -> ImageFile:
        """Return each row's name, nearest images, and whether it has a mask, and a prediction by each model."""
        facts = []
        for row, name in zip(rows, self.points.rows["image"].iloc[rows], strict=True):
            nearest = self.points.nearest[row].tolist() if row < self.points.secondary_count else []
            has = {"mask": bool(self._mask(row)), "predictions": [bool(files[row]) for files in self._predictions]}
            facts.append({"name": str(name), "nearest": nearest, **has})
        return ImageFile("application/json", json.dumps(facts, ensure_ascii=False).encode())

    def _mask(self, row: int) -> str:
        return self.masks.get((str(self.points.rows["dataset"].iat[row]), str(self.points.rows["image"].iat[row])), "")

    def _picture(self, kind: str, row: int, model: int = 0) -> ImageFile | None:
        """Read a picture of an image; None for one that is missing or unreadable, or another kind."""
        try:
            if kind == "thumbnail":
                return self._thumbnail(row)
            # Encoded again, so that no unchecked file bytes reach the browser.
            if kind == "image":
                return ImageFile(SHOWN["JPEG"], encoded(photograph(str(self.points.rows["path"].iat[row])), "JPEG"))
            if kind == "mask" and self._mask(row):
                return ImageFile(SHOWN["PNG"], encoded(mask(self._mask(row)), "PNG"))
            if kind == "prediction" and model < len(self._predictions) and self._predictions[model][row]:
                return ImageFile(SHOWN["PNG"], encoded(probabilities(self._predictions[model][row]), "PNG"))
        except (HowfarError, OSError):
            pass
        return None

    def _make_thumbnail(self, row: int) -> ImageFile:
        return ImageFile(SHOWN["WEBP"], encoded(photograph(str(self.points.rows["path"].iat[row]), SIDE), "WEBP", 75))
