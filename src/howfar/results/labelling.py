"""Hold which images of a dataset a selection names to label, and what became of labels that a tool exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from howfar.io.location import is_in_memory
from howfar.results.records import Cells, Provenance, Shown
from howfar.results.result import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Pick:
    """Hold a chosen image: its rank in the order of choice, name, file and scaled distance (0-1), and why it was chosen."""

    rank: int
    image: str
    path: str
    distance: float
    reason: str


@dataclass(frozen=True, repr=False)
class Selection(Result):
    """Hold the images of one dataset that a strategy chose; `howfar.select` makes it.

    Attributes
    ----------
    primary, dataset
        Names of P and of the dataset chosen from.
    strategy, nested
        What chose, and whether fewer would be the first of these.
    seed
        Of what is drawn.
    n, labelled
        Images of the dataset in the run; how many of them had labels already.
    picks
        The chosen images, in the order of choice.
    why
        Why that strategy, where it was left to `auto`; else "".
    task, label_names
        What the first labels in the files for labelling tools are of ("segmentation", "classification", "detection"), and what
        the tools call each label, with what the model calls it.
    notes, provenance
        What a reader should know, what made it.
    """

    DOCUMENT: ClassVar = "selection.json"
    COMMAND: ClassVar = "select"
    MISSING: ClassVar = "pass a folder that howfar select wrote"
    FIGURES: ClassVar = "selection_figures"
    REPORT: ClassVar = "selection"
    PAGE: ClassVar = False

    primary: str
    dataset: str
    strategy: str
    nested: bool
    seed: int
    n: int
    labelled: int
    picks: tuple[Pick, ...]
    provenance: Provenance
    notes: tuple[str, ...] = ()
    why: str = ""
    task: str = "segmentation"
    label_names: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.picks)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the files of the chosen images; their names where there are none (in memory, or ready-made embeddings)."""
        return tuple(pick.image if is_in_memory(pick.path) else pick.path or pick.image for pick in self.picks)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a chosen image: rank, image, path, distance, reason."""
        import pandas as pd

        return pd.DataFrame([asdict(pick) for pick in self.picks])

    def table(self) -> Cells:
        """Return header and formatted cells, one row a chosen image."""
        rows: list[tuple[str, ...]] = [(pick.image, str(pick.rank), f"{pick.distance:.3f}", pick.reason) for pick in self.picks]
        return ("image", "rank", "distance", "reason"), rows

    def footer(self) -> list[str]:
        """Return why the strategy was taken, and the notes."""
        return [*filter(None, [self.why]), *self.notes]

    def remarks(self) -> list[str]:
        """Return why the strategy was taken, and the notes, as the terminal shows them under the table."""
        return [*filter(None, [self.why]), *super().remarks()]

    def caption(self) -> str:
        """Say in one line what the table is about."""
        already = f", {self.labelled} of them labelled already" if self.labelled else ""
        return f"{len(self)} of {self.n} images of {self.dataset}{already}, chosen by {self.strategy}, seed {self.seed}"


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
