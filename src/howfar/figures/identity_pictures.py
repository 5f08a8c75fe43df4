"""Draw fig. 30 of the paper: some images of each person, one row a person."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures.datasets import require_one
from howfar.figures.frame import picture_sheet
from howfar.figures.pictures import Thumbnail, square, thumbnail
from howfar.figures.style import INK, MUTED, drawing, head, name_text
from howfar.results.identity import Identity, called

STEP = 1.12
TITLE = 0.26
LINE = 0.13
PARTS = 2
"""Values that stand side by side under a picture."""


def identity_pictures(result: Identity, *, limit: int = 6) -> Figure:
    """Draw images of each person, one row a person, with their values under each (fig. 30).

    Images are read again from their files, and kept at 144 pixels; one that is no longer there is a labelled box. At most
    `limit` persons are drawn, the first.
    """
    require_one("limit", limit)
    persons = result.persons[:limit]
    left_out = f"The first {limit} of {len(result.persons)} persons are shown." if len(result.persons) > limit else ""
    rows = [result.pictures[result.pictures["person"] == person] for person in persons]
    across = max(map(len, rows))
    lines = max((_lines(text) for row in rows for text in row["text"]), key=len)
    step = TITLE + 1.06 + LINE * len(lines)
    with drawing():
        figure, axes = picture_sheet(across * STEP, step * len(rows))
        for place, (person, row) in enumerate(zip(persons, rows, strict=True)):
            style: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "bottom", "parse_math": False}
            axes.text(0, place * step + TITLE - 0.05, name_text(called(person), 40), **style)
            for column, record in enumerate(row.to_dict("records")):
                _cell(axes, str(record["path"]), str(record["image"]), str(record["text"]), column * STEP, place * step + TITLE)
        head(figure, f"Images of the persons of {name_text(result.dataset)}", left_out)
    return figure


def _cell(axes: Axes, path: str, name: str, text: str, left: float, top: float) -> None:
    picture = thumbnail(path)
    if picture.pixels is None:
        picture = Thumbnail(None, f"{name_text(name.rsplit('/', 1)[-1], 13)}\n{picture.reason}")
    square(axes, picture, name, left, top)
    style: dict[str, Any] = {"fontsize": 6.5, "ha": "center", "va": "top", "color": MUTED, "parse_math": False}
    axes.text(left + 0.5, top + 1.03, "\n".join(name_text(line, 22) for line in _lines(text)), linespacing=1.25, **style)


def _lines(text: str) -> list[str]:
    """Break an image's values into lines, two values each."""
    parts = text.split(" · ")
    return [" · ".join(parts[start : start + PARTS]) for start in range(0, len(parts), PARTS)]
