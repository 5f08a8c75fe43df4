"""Hold the result of a selection study, which names the images of a dataset to label and says why each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, ClassVar

from howfar.io.location import is_in_memory
from howfar.results.records import Provenance
from howfar.results.result import Result
from howfar.results.tables import Cells

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
