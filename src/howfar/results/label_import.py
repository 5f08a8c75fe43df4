"""Hold what became of the labels that a tool exported: which images have them now, and which were left out and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from howfar.results.tables import Cells, Shown


@dataclass(frozen=True)
class ImportedLabel:
    """Hold the labels of one image: its name, its file, how many marks it has, and what was written, relative to the folder."""

    image: str
    path: str
    marks: int
    label: str


@dataclass(frozen=True, repr=False)
class LabelImport(Shown):
    """Say which labels were imported; `howfar.import_labels` makes it.

    Attributes
    ----------
    dataset, tool, source, task
        The images' dataset, what labelled them, the file that was read, and what was imported.
    folder
        Where the labels lie.
    names
        The labels of the tool that were taken, each as the dataset calls it.
    images
        One entry a labelled image. Without marks somebody has found nothing there.
    left_out
        Images of the file that count as not labelled.
    notes
        What a reader should know.
    """

    dataset: str
    tool: str
    source: str
    task: str
    folder: str
    names: dict[str, str]
    images: tuple[ImportedLabel, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document that the command prints with ``--json``."""
        return asdict(self)

    def table(self) -> Cells:
        """Return header and formatted cells, one row a labelled image."""
        return ("image", "marks", "label"), [(one.image, str(one.marks), one.label) for one in self.images]

    def caption(self) -> str:
        """Say in one line what the table is about."""
        empty = sum(one.marks == 0 for one in self.images)
        nothing = f", {empty} with nothing there" if empty else ""
        return f"{len(self)} images of {self.dataset} labelled with {self.tool}{nothing} ({self.task})"
