"""Make the small pictures that a report holds: as large as a budget of bytes allows, of a sample where images are many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howfar.errors import HowfarError
from howfar.explore.pictures import encoded, mask, probabilities
from howfar.explore.points import Points
from howfar.explore.small_photographs import EFFORT, QUALITY, small_photographs

BUDGET = 2_200_000
"""Bytes of all small pictures of a report, which the page's base64 makes a third more of."""
MOST_ROWS = 2_000
SIDES = ((192, 9_000), (144, 5_500), (112, 3_400), (88, 2_200), (64, 1_000))
"""Pixels of the longer side, and the bytes that an image with its mask and prediction takes at the most at that size."""


@dataclass(frozen=True)
class Small:
    """Hold the small pictures of one image as files: photograph, mask and predictions, b"" where there is none.

    There is a prediction for each model of the run, or one where it knows one alone.
    `width` and `height` are those of the image at full size, upright.
    """

    row: int
    width: int
    height: int
    photograph: bytes
    mask: bytes = field(default=b"", repr=False)
    predictions: tuple[bytes, ...] = field(default=(b"",), repr=False)


def thumbnails(
    points: Points, masks: Mapping[tuple[str, str], str], budget: int = BUDGET, folder: Path | None = None
) -> list[Small]:
    """Make small pictures of the images, within `budget` bytes; of more than 2,000 images of a sample.

    The sample holds the farthest images, those that are listed as probable failures, and ones drawn evenly from each
    dataset. Where the pictures become larger than expected the last of the sample have none. `folder` is the run folder, where
    the small photographs are kept for the next report of the same files.
    """
    # A study has several predictions of each image, all of which are read.
    chosen = sample(points, MOST_ROWS // max(1, len(points.models)))
    # Each further prediction takes about a third of what an image with its mask and one prediction does.
    share = 1 + max(0, len(points.models) - 1) / 3
    side = next((side for side, cost in SIDES if cost * share * len(chosen) <= budget), SIDES[-1][0])
    paths, keys = points.rows["path"].tolist(), list(zip(points.rows["dataset"], points.rows["image"], strict=True))
    photographs = small_photographs([str(paths[row]) for row in chosen], side, folder)
    predictions: list[Sequence[str]] = [model.predictions for model in points.models]
    predictions = predictions or [points.rows["prediction"].tolist()]
    made, spent = [], 0
    for row, shown in zip(chosen, photographs, strict=True):
        if shown is None:
            continue
        truth = _beside(masks.get(keys[row], ""), shown.size, "mask")
        of_models = tuple(_beside(str(files[row]), shown.size, "prediction") for files in predictions)
        spent += len(shown.file) + len(truth) + sum(map(len, of_models))
        if spent > budget:
            break
        made.append(Small(row, shown.width, shown.height, shown.file, truth, of_models))
    return made


def sample(points: Points, most: int) -> list[int]:
    """Choose at most so many rows that have files, the most telling first: listed, farthest, then drawn evenly."""
    rows = np.flatnonzero([bool(path) for path in points.rows["path"]])
    if len(rows) <= most:
        return [int(row) for row in rows]
    values = {column.name: column.values for column in points.columns}
    distance = np.nan_to_num(np.asarray(values["distance"], dtype=np.float64), nan=-np.inf)
    secondary = rows[rows < points.secondary_count]
    listed = secondary[values["listed"][secondary] == 1] if "listed" in values else secondary[:0]
    groups = [listed[np.argsort(-distance[listed], kind="stable")], secondary[np.argsort(-distance[secondary], kind="stable")]]
    rng = np.random.default_rng(0)
    chosen = dict.fromkeys(int(row) for group in groups for row in group[: most // 6])
    for row in _in_turn(points, rows, rng):
        if len(chosen) >= most:
            break
        chosen.setdefault(row)
    return list(chosen)


def _in_turn(points: Points, rows: NDArray[np.intp], rng: np.random.Generator) -> Iterator[int]:
    """Draw rows without end of each dataset in turn, the primary among them, until none is left."""
    names = points.rows["dataset"].to_numpy()[rows]
    drawn = [list(rng.permutation(rows[names == name])) for name in points.datasets]
    while any(drawn):
        for pile in drawn:
            if pile:
                yield int(pile.pop())


def _beside(path: str, size: tuple[int, int], kind: str) -> bytes:
    """Make the small mask or prediction of an image, of its small photograph's size; b"" where there is none to be read."""
    if not path:
        return b""
    try:
        if kind == "mask":
            return encoded(mask(path, size).convert("1"), "PNG")
        return encoded(probabilities(path, size), "WEBP", QUALITY, EFFORT)
    except (HowfarError, OSError):
        return b""
