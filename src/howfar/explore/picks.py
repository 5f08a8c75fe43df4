"""Keep in a run folder which images somebody picked on the page of `howfar explore`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from howfar.errors import InputError, MissingPathError, StoreError
from howfar.io.atomic import replace_text
from howfar.results import Comparison

FILE = "picks.json"
FORMAT = 1


@dataclass(frozen=True)
class Picked:
    """Name an image that was picked: its dataset and its name there."""

    dataset: str
    image: str


def write_picks(folder: str | Path, picks: Sequence[Picked]) -> Path:
    """Write ``picks.json`` into a run folder whole or not at all, over the one that is there, and return its path.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = write_picks(folder, [Picked("site", "0001.jpg")])
    >>> read_picks(folder)
    (Picked(dataset='site', image='0001.jpg'),)
    """
    document = {"format": FORMAT, "picks": [{"dataset": pick.dataset, "image": pick.image} for pick in picks]}
    path = Path(folder) / FILE
    replace_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def read_picks(folder: str | Path) -> tuple[Picked, ...]:
    """Read the picks of a run folder, in the order in which they were made.

    Raises
    ------
    MissingPathError
        The folder holds none.
    StoreError
        The file is damaged, or of another format.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise MissingPathError(f"no {FILE} in {folder}: pick images with howfar explore {folder} first")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise StoreError(f"{path} is of format {document['format']!r}, and this howfar reads {FORMAT}: update howfar")
        picks = tuple(Picked(pick["dataset"], pick["image"]) for pick in document["picks"])
        if all(isinstance(part, str) for pick in picks for part in (pick.dataset, pick.image)):
            return picks
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    raise StoreError(f"{path} is damaged: pick the images again with howfar explore {folder}")


def picked_by_dataset(comparison: Comparison, picks: Sequence[Picked]) -> dict[str, list[str]]:
    """Group picks by dataset, each image once, in the order of picking.

    Raises `InputError` where one is no image of a secondary dataset of the run.
    """
    known = {name: set(images["image"]) for name, images in comparison.images.groupby("dataset")}
    grouped: dict[str, list[str]] = {}
    for pick in dict.fromkeys(picks):
        if pick.image not in known.get(pick.dataset, ()):
            rule = "must name images of the run's secondary datasets"
            raise InputError.of(FILE, rule, f"{pick.dataset}: {pick.image}", "pick the images again with howfar explore")
        grouped.setdefault(pick.dataset, []).append(pick.image)
    return grouped
