"""Answer what the served page asks for: its block of data, pictures by the number of their row, and picks to keep."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from howfar.errors import HowfarError
from howfar.explore.image_files import ImageFiles
from howfar.explore.page_data import page_data
from howfar.explore.picks import FILE, Picked, read_picks, write_picks
from howfar.explore.points import Points

TEXT = "text/plain; charset=utf-8"
KEPT = f"Saved in the run folder as {FILE}."


@dataclass(frozen=True)
class Answer:
    """Hold what one request is answered with."""

    status: int
    type: str
    body: bytes


NOT_FOUND = Answer(404, TEXT, b"not found")


@dataclass(eq=False)
class Site:
    """Hold one run for the page, and answer by path; nothing but the images of the run's own list can be asked for.

    Attributes
    ----------
    folder
        The run folder, in which picks are kept.
    pictures
        The images of the run, and their pictures.
    files
        The page and what it loads, by path.
    kept
        What the page says when it has handed over picks.
    token
        What a request has to show: it is part of the address that the command prints, so that nobody else on this machine who
        can open connections sees the images. One that writes shows it in a header too.
    """

    folder: Path
    pictures: ImageFiles
    files: Mapping[str, Answer]
    kept: str = KEPT
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def points(self) -> Points:
        """Return the images of the run."""
        return self.pictures.points

    def get(self, path: str) -> Answer:
        """Answer a GET of a path below the token, as it stands in the request's first line; 404 for whatever is not known."""
        if path in self.files:
            return self.files[path]
        if path == "/data":
            return Answer(200, "application/octet-stream", self._data())
        picture = self.pictures.read(path[1:]) if path.startswith("/") else None
        return NOT_FOUND if picture is None else Answer(200, *picture)

    def keep(self, body: bytes) -> Answer:
        """Write the rows that the page sends as the run's picks; 400 where they are no rows of secondary datasets."""
        try:
            rows, end = json.loads(body)["rows"], self.points.secondary_count
            if not isinstance(rows, list) or not all(type(row) is int and 0 <= row < end for row in rows):
                raise ValueError
        except (ValueError, TypeError, LookupError, RecursionError):
            return Answer(400, TEXT, b"rows must be numbers of images of secondary datasets")
        names = self.points.rows[["dataset", "image"]]
        try:
            write_picks(self.folder, [Picked(*map(str, names.iloc[row])) for row in dict.fromkeys(rows)])
        except OSError as error:
            return Answer(500, TEXT, f"{FILE} cannot be written: {error.strerror or error}".encode())
        return Answer(200, TEXT, self.kept.encode())

    def _data(self) -> bytes:
        return page_data(self.points, asked={"token": self.token, "picks": self._picked(), **self.pictures.known()})

    def _picked(self) -> list[int]:
        """Find the rows of the picks that the folder holds; what is no image of this run any more is left out."""
        try:
            picks = read_picks(self.folder)
        except HowfarError:
            return []
        rows = self.points.rows.iloc[: self.points.secondary_count]
        row_of = {key: row for row, key in enumerate(zip(rows["dataset"], rows["image"], strict=True))}
        found = [row_of.get((pick.dataset, pick.image)) for pick in picks]
        return [row for row in found if row is not None]
