"""Define one image of a dataset, and the fields of a dataset that readers return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from howfar.results import Skipped


@dataclass(frozen=True)
class Item:
    """Name one image of a dataset, not yet read.

    Attributes
    ----------
    name
        Unique in the dataset: the path below the images folder, with ``/``, or what the table says.
    path
        The file, or the text of its URL; of a member of a tar, Parquet or Arrow file the container, ``/`` and its own name.
    mask
        The file of its ground truth, as `path`, where there is one.
    label
        Its class, where there is one.
    further
        What the further columns of the dataset's table say of it, (column, text): camera, site, date …; without empty cells.
    """

    name: str
    path: Path | str
    mask: Path | str | None = None
    label: str | None = None
    further: tuple[tuple[str, str], ...] = ()


DatasetFields: TypeAlias = tuple[str, Sequence[Item], tuple[Skipped, ...], Path | str]
"""Fields of a `howfar.data.Dataset` in their order, as a reader returns them: name, items, skipped, root."""
