"""Answer what the served page asks for: its block of data, pictures by the number of their row, and picks to keep."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from howfar.errors import HowfarError
from howfar.explore.page_data import page_data
from howfar.explore.picks import FILE, Picked, read_picks, write_picks
from howfar.explore.pictures import SHOWN, encoded, mask, masks_of, photograph, probabilities
from howfar.explore.points import Points, points_of
from howfar.results import Comparison, Relation

SIDE = 224
CACHED = 4_000
"""Small pictures that are kept in memory, about 10 kB each."""


@dataclass(frozen=True)
class Answer:
    """Hold what one request is answered with."""

    status: int
    type: str
    body: bytes


NOT_FOUND = Answer(404, "text/plain; charset=utf-8", b"not found")


@dataclass(eq=False)
class Site:
    """Hold one run for the page, and answer by path; nothing but the images of the run's own list can be asked for.

    Attributes
    ----------
    folder
        The run folder, in which picks are kept.
    files
        The page and what it loads, by path.
    token
        What a request that writes has to show; the page knows it, pages of other addresses do not.
    """

    folder: Path
    comparison: Comparison
    relation: Relation | None
    files: Mapping[str, Answer]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        self.points: Points = points_of(self.comparison, self.relation)
        masks = masks_of(self.comparison.sources)
        rows = self.points.rows
        keys = zip(rows["dataset"], rows["image"], strict=True)
        self._paths = {
            "image": list(rows["path"]),
            "mask": [masks.get(key, "") for key in keys],
            "prediction": list(rows["prediction"]),
        }
        self._thumbnail: Callable[[int], Answer] = lru_cache(CACHED)(self._make_thumbnail)

    def get(self, path: str) -> Answer:
        """Answer a GET of a path as it stands in the request's first line; 404 for whatever is not known."""
        if path in self.files:
            return self.files[path]
        if path == "/data":
            return Answer(200, "application/octet-stream", self._data())
        kind, _, number = path.removeprefix("/").partition("/")
        if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) < len(self.points)):
            return NOT_FOUND
        try:
            if kind == "thumbnail":
                return self._thumbnail(int(number))
            if kind in self._paths:
                return self._full(kind, self._paths[kind][int(number)])
        except (HowfarError, OSError):
            pass
        return NOT_FOUND

    def keep(self, body: bytes) -> Answer:
        """Write the rows that the page sends as the run's picks; 400 where they are no rows of secondary datasets."""
        try:
            rows = json.loads(body)["rows"]
            if not isinstance(rows, list) or not all(type(row) is int and 0 <= row < self.points.count for row in rows):
                raise ValueError
        except (ValueError, TypeError, LookupError, RecursionError):
            return Answer(400, "text/plain; charset=utf-8", b"rows must be numbers of images of secondary datasets")
        names = self.points.rows[["dataset", "image"]]
        try:
            write_picks(self.folder, [Picked(*map(str, names.iloc[row])) for row in dict.fromkeys(rows)])
        except OSError as error:
            line = f"{FILE} cannot be written: {error.strerror or error}"
            return Answer(500, "text/plain; charset=utf-8", line.encode())
        return Answer(200, "application/json", b'{"kept": true}')

    def _data(self) -> bytes:
        served = {
            "token": self.token,
            "picks": self._picked(),
            "masks": [row for row, path in enumerate(self._paths["mask"]) if path],
            "predictions": [row for row, path in enumerate(self._paths["prediction"]) if path],
        }
        return page_data(self.comparison, self.relation, served=served)

    def _picked(self) -> list[int]:
        """Find the rows of the picks that the folder holds; what is no image of this run any more is left out."""
        try:
            picks = read_picks(self.folder)
        except HowfarError:
            return []
        rows = self.points.rows.iloc[: self.points.count]
        row_of = {key: row for row, key in enumerate(zip(rows["dataset"], rows["image"], strict=True))}
        found = [row_of.get((pick.dataset, pick.image)) for pick in picks]
        return [row for row in found if row is not None]

    def _make_thumbnail(self, row: int) -> Answer:
        return Answer(200, "image/webp", encoded(photograph(self._paths["image"][row], SIDE), "WEBP", 75))

    def _full(self, kind: str, path: str) -> Answer:
        """Return a picture at full size, decoded and written anew, so that no bytes of a file reach the browser unread."""
        if not path:
            return NOT_FOUND
        if kind == "image":
            return Answer(200, SHOWN["JPEG"], encoded(photograph(path), "JPEG"))
        picture = mask(path) if kind == "mask" else probabilities(path)
        return Answer(200, SHOWN["PNG"], encoded(picture, "PNG"))
