"""Hold the images that `howfar select` chose (`Selection`), and labels imported from a labelling tool (`LabelImport`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from howfar.io.file_location import is_in_memory
from howfar.results.display_and_shared_records import Cells, Shown
from howfar.results.result import RecordedResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Pick:
    """Hold a chosen image: rank of choice, name, file, scaled distance (0-1), and the reason for the choice."""

    rank: int
    image: str
    path: str
    distance: float
    reason: str


@dataclass(frozen=True, repr=False)
class Selection(RecordedResult):
    """Hold the images of a dataset chosen by a strategy, made by `howfar.select`.

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
    why: str = ""
    task: str = "segmentation"
    label_names: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.picks)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the files of the chosen images; their names for in-memory images and ready-made embeddings."""
        return tuple(pick.image if is_in_memory(pick.path) else pick.path or pick.image for pick in self.picks)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per chosen image: rank, image, path, distance, reason."""
        import pandas as pd

        return pd.DataFrame([asdict(pick) for pick in self.picks])

    def table(self) -> Cells:
        """Return header and formatted cells, one row per chosen image."""
        rows = [(pick.image, str(pick.rank), f"{pick.distance:.3f}", pick.reason) for pick in self.picks]
        return ("image", "rank", "distance", "reason"), [*rows]

    def findings(self) -> list[str]:
        """Return the reason for the strategy, if it was left to `auto`."""
        return [self.why] if self.why else []

    def caption(self) -> str:
        already = f", {self.labelled} of them labelled already" if self.labelled else ""
        return f"{len(self)} of {self.n} images of {self.dataset}{already}, chosen by {self.strategy}, seed {self.seed}"


@dataclass(frozen=True)
class ImportedLabel:
    """Hold an image's imported label: name, file, number of marks, and the written label relative to the folder."""

    image: str
    path: str
    marks: int
    label: str


@dataclass(frozen=True, repr=False)
class LabelImport(Shown):
    """Hold the imported labels, made by `howfar.import_labels`.

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
        """Return header and formatted cells, one row per labelled image."""
        return ("image", "marks", "label"), [(one.image, str(one.marks), one.label) for one in self.images]

    def caption(self) -> str:
        empty = sum(one.marks == 0 for one in self.images)
        nothing = f", {empty} with nothing there" if empty else ""
        return f"{len(self)} images of {self.dataset} labelled with {self.tool}{nothing} ({self.task})"
